/* Threads that share the tiles of a step. One pool serves one run at a time.
 *
 * The caller publishes a job by setting `left`, the number of tiles that nobody has taken, and
 * takes part itself. A thread takes a chunk from the end by compare-and-swap on `left`: success
 * means that the job is live, since the caller leaves only when all tiles are `done`. A thread
 * that wakes too late finds nothing left and is never waited for. Chunks are half of an equal
 * share of what is left, so threads of different speed end together.
 *
 * Who has nothing to do spins for SPIN_NS and then sleeps in the platform's `wait`; only sleepers
 * cost the caller a system call. Which thread computes a tile is chance, but a tile is computed by
 * one thread from the same bytes in the same order: results do not depend on the threads. */
#include "kernel.h"

enum {
    SPIN_NS = 30000,  /* longer than the gaps between the parallel steps of a network */
    LOOKS = 64,       /* spins between two looks at the clock, about a microsecond */
    LINE = 64,        /* bytes: fields of different writers lie in different cache lines */
};

typedef struct {
    ew_pool *pool;
    uint32_t index; /* 1, 2, ...: 0 is the caller */
    void *handle;
} worker;

struct ew_pool {
    ew_platform platform;
    uint32_t n_workers;
    ew_task *task;
    void *job;
    uint32_t n;
    _Alignas(LINE) uint32_t left;
    _Alignas(LINE) uint32_t done;
    uint32_t caller_sleeps;
    _Alignas(LINE) uint32_t round; /* counts jobs; sleepers wait for it to change */
    uint32_t sleepers;
    uint32_t is_over;
    _Alignas(LINE) worker workers[];
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

/* Takes chunks of the present job until nothing is left. */
static void take_part(ew_pool *pool, uint32_t thread) {
    uint32_t left = get(&pool->left);
    while (left) {
        uint32_t chunk = left / (2 * (pool->n_workers + 1));
        chunk += chunk == 0;
        if (!__atomic_compare_exchange_n(&pool->left, &left, left - chunk, 0, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            continue;
        uint32_t n = pool->n, begin = n - left;
        pool->task(pool->job, begin, begin + chunk, thread);
        uint32_t done = __atomic_add_fetch(&pool->done, chunk, __ATOMIC_SEQ_CST);
        if (thread && done == n && get(&pool->caller_sleeps))
            pool->platform.wake(pool->platform.system, &pool->done, 1);
        left = get(&pool->left);
    }
}

static void *work(void *argument) {
    worker *self = argument;
    ew_pool *pool = self->pool;
    uint32_t seen = 0;
    while (!get(&pool->is_over)) {
        take_part(pool, self->index);
        if (!spin(pool, &pool->round, seen)) {
            __atomic_add_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
            /* a caller that saw no sleeper has changed `round` before: this returns at once */
            pool->platform.wait(pool->platform.system, &pool->round, seen);
            __atomic_sub_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
        }
        seen = get(&pool->round);
    }
    return NULL;
}

static void wake_sleepers(ew_pool *pool, uint32_t most) {
    __atomic_add_fetch(&pool->round, 1, __ATOMIC_SEQ_CST);
    if (get(&pool->sleepers)) pool->platform.wake(pool->platform.system, &pool->round, most);
}

/* Bytes of a pool of `n_threads`, the caller included. */
EW_EXPORT uint64_t ew_pool_bytes(uint32_t n_threads) {
    return sizeof(ew_pool) + n_threads * sizeof(worker);
}

/* Makes a pool in zeroed memory of ew_pool_bytes, at a multiple of 64, and starts its threads. The
 * memory stays where it is until ew_pool_stop. Returns the threads there are, the caller included:
 * fewer where the system refuses to start more. */
EW_EXPORT uint32_t ew_pool_start(ew_pool *pool, uint32_t n_threads, const ew_platform *platform) {
    pool->platform = *platform;
    while (pool->n_workers + 1 < n_threads) {
        worker *next = &pool->workers[pool->n_workers];
        *next = (worker){pool, pool->n_workers + 1, NULL};
        next->handle = platform->start(platform->system, work, next);
        if (!next->handle) break;
        pool->n_workers++;
    }
    return pool->n_workers + 1;
}

/* Ends all threads. Nothing runs in the pool. */
EW_EXPORT void ew_pool_stop(ew_pool *pool) {
    __atomic_store_n(&pool->is_over, 1, __ATOMIC_SEQ_CST);
    wake_sleepers(pool, pool->n_workers);
    for (uint32_t i = 0; i < pool->n_workers; i++)
        pool->platform.join(pool->platform.system, pool->workers[i].handle);
    pool->n_workers = 0;
}

/* An `ew_spread` on an ew_pool. */
EW_EXPORT void ew_pool_run(void *memory, ew_task *task, void *job, uint32_t n) {
    ew_pool *pool = memory;
    pool->task = task;
    pool->job = job;
    pool->n = n;
    pool->done = 0;
    __atomic_store_n(&pool->left, n, __ATOMIC_SEQ_CST);
    wake_sleepers(pool, n - 1);
    take_part(pool, 0);
    for (uint32_t done; (done = get(&pool->done)) != n;) {
        if (spin(pool, &pool->done, done)) continue;
        __atomic_store_n(&pool->caller_sleeps, 1, __ATOMIC_SEQ_CST);
        if (get(&pool->done) != n)
            pool->platform.wait(pool->platform.system, &pool->done, done);
        __atomic_store_n(&pool->caller_sleeps, 0, __ATOMIC_SEQ_CST);
    }
}
