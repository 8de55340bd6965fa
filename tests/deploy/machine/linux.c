/* Linux without a C library: entry, output and end by system calls. No clock. */
#include "platform.h"

static long call(long number, long a, long b, long c) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}

#if defined(__x86_64__)
enum { WRITE = 1, EXIT = 60 };
__asm__(".globl _start\n_start:\n  andq $-16, %rsp\n  call run_harness\n");
#else
enum { WRITE = 64, EXIT = 93 };
__asm__(".globl _start\n_start:\n  bl run_harness\n");
#endif

void say(const char *text) {
    long length = 0;
    while (text[length]) length++;
    call(WRITE, 1, (long)text, length);
}

void quit(int code) { call(EXIT, code, 0, 0); }

uint32_t clock_ticks(void) { return 0; }
