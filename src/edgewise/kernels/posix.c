/* `ew_platform` on Linux. The library links no C library: the caller gives addresses of functions
 * of the one that is loaded. */
#include "kernel.h"

#if defined(__linux__)
#if defined(__x86_64__)
enum { SYS_FUTEX = 202 };
#elif defined(__arm__) || defined(__i386__)
enum { SYS_FUTEX = 240 };
#else
enum { SYS_FUTEX = 98 };
#endif

enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129, MONOTONIC = 1 };

static void *start(void *system, void *(*entry)(void *), void *argument) {
    const ew_libc *libc = system;
    void *thread = NULL; /* pthread_t: an unsigned long or a pointer */
    return libc->pthread_create(&thread, NULL, entry, argument) ? NULL : thread;
}

static void join(void *system, void *thread) {
    ((const ew_libc *)system)->pthread_join(thread, NULL);
}

static void wait(void *system, const uint32_t *word, uint32_t value) {
    ((const ew_libc *)system)->syscall(SYS_FUTEX, word, (long)FUTEX_WAIT_PRIVATE, (long)value, 0L);
}

static void wake(void *system, const uint32_t *word, uint32_t count) {
    ((const ew_libc *)system)->syscall(SYS_FUTEX, word, (long)FUTEX_WAKE_PRIVATE, (long)count);
}

static uint64_t clock(void *system) {
    long time[2]; /* struct timespec */
    ((const ew_libc *)system)->clock_gettime(MONOTONIC, time);
    return (uint64_t)time[0] * 1000000000u + (uint64_t)time[1];
}

/* Fills in the platform; `libc` stays where it is as long as the platform is used. Returns 1. */
EW_EXPORT uint32_t ew_platform_of(const ew_libc *libc, ew_platform *platform) {
    *platform = (ew_platform){(void *)(uintptr_t)libc, start, join, wait, wake, clock};
    return 1;
}
#else
/* No threads and no clock here. Returns 0. */
EW_EXPORT uint32_t ew_platform_of(const ew_libc *libc, ew_platform *platform) {
    EW_UNUSED(libc);
    EW_UNUSED(platform);
    return 0;
}
#endif
