/* Threads that share the tiles of a step. One pool serves one run at a time.
 *
 * Each thread owns an equal part of every job's tiles, in order: part after part of the same size,
 * so that it finds in its cache what it wrote in the step before, where both steps divide their
 * rows alike. (Another processor's cache gives 10 to 20 bytes a ns, where one's own gives 50 to
 * 100; Xeon.) It takes half of what is left of its part at a time, from the front, and when its own
 * is done, half of what is left of the others' from the end: threads of different speed end
 * together.
 *
 * The caller takes part itself. A thread takes tiles by compare-and-swap on `left` of the part:
 * success means that the job is live, since the caller leaves only when all tiles are done. A
 * thread that comes too late finds nothing left and is never waited for; so none has to come, and
 * neither a wake-up nor its order with the job's publication matters but for speed.
 *
 * What one thread writes and another waits for costs 200 ns or more. All that a worker needs to
 * know of a job stands in the cache line that it spins on, the caller takes its first tiles before
 * it publishes, and a worker tells what it has done once.
 *
 * Who has nothing to do spins for SPIN_NS and then sleeps in the platform's `wait`; only sleepers
 * cost the caller a system call. Which thread computes a tile is chance, but a tile is computed by
 * one thread from the same bytes in the same order: results do not depend on the threads. */
#include "kernel.h"

enum {
    SPIN_NS = 30000, /* longer than the gaps between the parallel steps of a network */
    LOOKS = 64,      /* spins between two looks at the clock, about a microsecond */
    LINE = 64,       /* bytes: fields of different writers lie in different cache lines */
};

/* A thread's part of a job. Its owner takes from the front, the others from the end. */
typedef struct {
    _Alignas(LINE) uint32_t left; /* tiles that nobody has taken; the rest is only for who took */
    uint32_t begin;               /* the owner's, and the caller's while nothing is left */
    uint32_t end;
    uint32_t index; /* of the owner; 0 is the caller */
    ew_task *task;
    void *job;
    const void *step;
    ew_pool *pool;
    void *handle; /* of the owner */
} part;

struct ew_pool {
    ew_platform platform;
    uint32_t n_workers;
    uint32_t is_over;
    _Alignas(LINE) uint32_t done; /* tiles that workers have done, of all jobs */
    uint32_t caller_sleeps;
    _Alignas(LINE) uint32_t told; /* `done` when the last job was */
    uint32_t sleepers;
    uint32_t bell; /* sleepers wait for it to change */
    part parts[];  /* the caller's, and the workers' */
};

static inline uint32_t get(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Waits a while for *word to differ from `value`; whether it does. */
static int spin(const ew_pool *pool, const uint32_t *word, uint32_t value) {
    uint64_t now = 0, end = 0;
    do {
        for (uint32_t i = 0; i < LOOKS; i++) {
            if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) return 1;
            relax();
        }
        now = pool->platform.clock(pool->platform.system);
        if (!end) end = now + SPIN_NS;
    } while (now < end);
    return 0;
}

/* Takes half of the tiles of a part that are left; how many. */
static uint32_t take(part *from) {
    uint32_t left = get(&from->left), count;
    do {
        count = left - left / 2;
    } while (left && !__atomic_compare_exchange_n(&from->left, &left, left - count, 0,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return count;
}

/* Does tiles of thread `owner`'s part until nobody has any to take; how many. */
static uint32_t do_part(ew_pool *pool, uint32_t owner, uint32_t thread) {
    part *from = &pool->parts[owner];
    uint32_t done = 0;
    for (uint32_t count; (count = take(from)); done += count) {
        uint32_t begin;
        if (owner == thread)
            begin = from->begin, from->begin += count;
        else
            begin = __atomic_sub_fetch(&from->end, count, __ATOMIC_RELAXED);
        from->task(from->job, from->step, begin, begin + count, thread);
    }
    return done;
}

/* A worker has done so many tiles. */
static void tell(ew_pool *pool, uint32_t count) {
    if (!count) return;
    __atomic_add_fetch(&pool->done, count, __ATOMIC_SEQ_CST);
    if (get(&pool->caller_sleeps)) pool->platform.wake(pool->platform.system, &pool->done, 1);
}

static void *work(void *argument) {
    part *own = argument;
    ew_pool *pool = own->pool;
    while (!get(&pool->is_over)) {
        const uint32_t threads = get(&pool->n_workers) + 1; /* more are being started */
        for (uint32_t i = 0; i < threads; i++)
            tell(pool, do_part(pool, (own->index + i) % threads, own->index));
        if (spin(pool, &own->left, 0)) continue;
        uint32_t bell = get(&pool->bell);
        __atomic_add_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
        if (!get(&own->left) && !get(&pool->is_over))
            pool->platform.wait(pool->platform.system, &pool->bell, bell);
        __atomic_sub_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void wake_sleepers(ew_pool *pool, uint32_t most) {
    __atomic_add_fetch(&pool->bell, 1, __ATOMIC_SEQ_CST);
    pool->platform.wake(pool->platform.system, &pool->bell, most);
}

/* Bytes of a pool of `n_threads`, the caller included. */
EW_EXPORT uint64_t ew_pool_bytes(uint32_t n_threads) {
    return sizeof(ew_pool) + n_threads * sizeof(part);
}

/* Makes a pool in zeroed memory of ew_pool_bytes, at a multiple of 64, and starts its threads. The
 * memory stays where it is until ew_pool_stop. Returns the threads there are, the caller included:
 * fewer where the system refuses to start more. */
EW_EXPORT uint32_t ew_pool_start(ew_pool *pool, uint32_t n_threads, const ew_platform *platform) {
    pool->platform = *platform;
    for (uint32_t i = 1; i < n_threads; i++) {
        part *next = &pool->parts[i];
        next->index = i;
        next->pool = pool;
        next->handle = platform->start(platform->system, work, next);
        if (!next->handle) break;
        __atomic_store_n(&pool->n_workers, i, __ATOMIC_SEQ_CST);
    }
    return pool->n_workers + 1;
}

/* Ends all threads. Nothing runs in the pool. */
EW_EXPORT void ew_pool_stop(ew_pool *pool) {
    __atomic_store_n(&pool->is_over, 1, __ATOMIC_SEQ_CST);
    wake_sleepers(pool, pool->n_workers);
    for (uint32_t i = 1; i <= pool->n_workers; i++)
        pool->platform.join(pool->platform.system, pool->parts[i].handle);
    pool->n_workers = 0;
}

/* An `ew_spread` on an ew_pool. */
EW_EXPORT void ew_pool_run(void *memory, ew_task *task, void *job, const void *step, uint32_t n) {
    ew_pool *pool = memory;
    const uint32_t threads = pool->n_workers + 1;
    uint32_t mine = 0;
    for (uint32_t i = 0, begin = 0, count; i < threads; i++, begin += count) {
        part *of = &pool->parts[i];
        count = n / threads + (i < n % threads);
        if (!i) mine = count - count / 2;
        of->begin = begin + (i ? 0 : mine);
        of->end = begin + count;
        of->task = task;
        of->job = job;
        of->step = step;
        __atomic_store_n(&of->left, of->end - of->begin, __ATOMIC_RELEASE);
    }
    if (__atomic_load_n(&pool->sleepers, __ATOMIC_RELAXED)) wake_sleepers(pool, n - 1);
    task(job, step, 0, mine, 0);
    for (uint32_t i = 0; i < threads; i++) mine += do_part(pool, i, 0);
    const uint32_t all = pool->told + n - mine;
    for (uint32_t done; (done = get(&pool->done)) != all;) {
        if (spin(pool, &pool->done, done)) continue;
        __atomic_store_n(&pool->caller_sleeps, 1, __ATOMIC_SEQ_CST);
        if (get(&pool->done) == done)
            pool->platform.wait(pool->platform.system, &pool->done, done);
        __atomic_store_n(&pool->caller_sleeps, 0, __ATOMIC_SEQ_CST);
    }
    pool->told = all;
}
