/* The executor's interface: what its caller fills in. Unlike params.h this holds pointers and is
 * never stored. Python reads this file, too (EW_PARSED, see params.h). */
#ifndef EW_RUN_H
#define EW_RUN_H
#include "params.h"

/* Computes tiles [tile_begin, tile_end). Buffers need only the alignment of one element, do not
 * overlap unless the parameters' comment says so, and stay as large as the plan says. `scratch` is
 * the thread's own, and begins at a multiple of 16 bytes. */
typedef void ew_kernel(const void *params, void *const *operand, uint32_t tile_begin,
                       uint32_t tile_end, void *scratch);

/* Part [begin, end) of a step of a job; `thread` counts from 0, the thread that runs the plan. */
typedef void ew_task(void *job, const void *step, uint32_t begin, uint32_t end, uint32_t thread);

/* Runs `task` on [0, n) by several threads and returns when all is done. */
typedef void ew_spread(void *pool, ew_task *task, void *job, const void *step, uint32_t n);

/* What a system offers: threads, sleeping on a word, a clock. */
typedef struct {
    void *system; /* the first argument of all */
    void *(*start)(void *system, void *(*entry)(void *), void *argument); /* NULL: none to be had */
    void (*join)(void *system, void *thread);
    void (*wait)(void *system, const uint32_t *word, uint32_t value); /* while *word is value */
    void (*wake)(void *system, const uint32_t *word, uint32_t count); /* who waits for it */
    uint64_t (*clock)(void *system); /* ns, never going back */
} ew_platform;

typedef struct ew_pool ew_pool;

/* Functions of the C library that is loaded. */
typedef struct {
    int (*pthread_create)(void **thread, const void *attributes, void *(*entry)(void *), void *);
    int (*pthread_join)(void *thread, void **result);
    int (*clock_gettime)(int clock, void *time);
    long (*syscall)(long number, ...);
} ew_libc;

/* Functions of CPython; `void *` are objects but in the two of threads. */
typedef struct {
    void *(*as_pointer)(void *number);    /* PyLong_AsVoidPtr */
    void *(*from_long)(long number);      /* PyLong_FromLong */
    void *(*save_thread)(void);           /* PyEval_SaveThread */
    void (*restore_thread)(void *thread); /* PyEval_RestoreThread */
} ew_python;

/* Functions for CPython (python.c). */
enum { EW_PYTHON_again, EW_PYTHON_take, EW_PYTHON_give };

enum {
    EW_MAX_OPERANDS = 16, /* of a kernel */
    EW_MAX_LOCKED = 7,    /* steps that follow another tile by tile */
    EW_MAX_DEPTH = 32,    /* IF and WHILE steps inside each other */
    EW_SMALL_WORK = 1000, /* ns: a step of less work is left to the calling thread */
    EW_TRIALS = 16,       /* runs of each kind in a trial (run.c); */
    EW_TRIAL_RUNS = 2000, /* runs from one to the next; */
    EW_FIRST_RUNS = 250,  /* shared ones before the first: new threads take ms to find a core */
};

/* How `ew_run` returned. */
enum {
    EW_RUN_done,
    EW_RUN_paused,   /* `one_step` is set, and one is done */
    EW_RUN_host,     /* step `stopped` is the caller's */
    EW_RUN_delegate, /* as host */
    EW_RUN_cancelled,
    EW_RUN_deadline,
    EW_RUN_iterations, /* max_iterations is reached by the WHILE step `stopped` */
    EW_RUN_outside,    /* an index lies outside of what the kernel step `stopped` picks from */
    EW_RUN_busy,       /* another thread has the turn (python.c) */
};

/* A WHILE or IF that is being run. */
typedef struct {
    uint32_t step;    /* its place */
    uint32_t end;     /* of the range that is being run */
    uint32_t is_body; /* WHILE: the body, not the condition */
    uint32_t reserved;
} ew_frame;

/* What the runs of a session share, of which one goes on at a time. */
typedef struct {
    uint32_t is_taken;
    uint32_t serial; /* of the last run */
} ew_turn;

/* Whether a plan's runs are shared among the threads or the calling one's alone: what was faster
 * when both were tried. */
typedef struct {
    uint32_t is_on; /* the caller's, for plans of kernels alone; 0: all runs are shared */
    uint32_t place; /* of the next run among EW_TRIAL_RUNS: a trial comes first */
    uint32_t is_alone;
    uint32_t shared_ns;     /* the lower quartile of the shared runs */
    uint32_t ns[EW_TRIALS]; /* of one kind, ascending */
} ew_trial;

/* A plan with its memory, and how far it has run. */
typedef struct {
    const ew_step *steps;
    const ew_operand *operands;
    const uint8_t *params;
    ew_kernel *const *kernels; /* `ew_table` of an instruction set, and `more_kernels` behind it */
    void *const *regions;      /* base addresses; that of EW_REGION_scratch is unused */
    uint8_t *scratch;
    uint64_t scratch_stride; /* bytes from one thread's scratch to the next one's */
    uint32_t n_steps;
    uint32_t one_step; /* return after each step */
    uint32_t more_kernels;
    uint32_t outside; /* 0; set by the thread whose tile has met such an index */

    ew_spread *spread; /* NULL: one thread */
    void *pool;

    const uint32_t *cancelled; /* the run stops when this holds `serial`, its own number */
    uint32_t serial;
    ew_turn *turn;     /* of python.c, as the next: */
    uint32_t is_brief; /* Python's lock is kept meanwhile */
    uint64_t (*clock)(void *system); /* ns; needed for a deadline and for trials */
    void *system;
    uint64_t deadline;       /* in the clock's time; 0: none */
    uint64_t max_iterations; /* of all loops together */
    uint64_t entropy;        /* the key of random numbers without a seed; another after each step */

    /* Where the run is: all 0 before it begins. Written in every step, and so away from what all
     * threads read. */
    uint64_t iterations;
    uint32_t next, depth;
    uint32_t stopped;  /* step at which `ew_run` returned */
    uint32_t is_alone; /* no step is shared in this call of `ew_run` */
    ew_trial trial;
    ew_frame frames[EW_MAX_DEPTH];
} ew_run_state;

#ifdef EW_PARSED
uint32_t ew_abi(void);
uint32_t ew_isa_supported(void);
ew_kernel *const *ew_table(uint32_t isa);
uint32_t ew_check(const ew_run_state *run, uint32_t n_operands, uint64_t n_params,
                  uint32_t n_regions);
int32_t ew_run(ew_run_state *run);
void ew_pack_b8(int8_t *y, int32_t *sums, const uint8_t *w, uint32_t flip, uint32_t outputs,
                uint32_t per_group, uint32_t runs, uint32_t length, uint32_t panel, uint32_t step,
                uint32_t steps);
void ew_pack_h4(uint32_t *y, int32_t *sums, const uint8_t *w, uint32_t outputs, uint32_t k,
                uint32_t block, uint32_t columns, uint32_t per_lane);
void ew_pack_w(uint8_t *y, const uint8_t *w, uint32_t outputs, uint32_t k, uint32_t columns,
               uint32_t bits);
void ew_pack_bf16(uint16_t *y, const float *w, uint32_t outputs, uint32_t per_group, uint32_t runs,
                  uint32_t length, uint32_t steps);
uint64_t ew_checksum(const uint8_t *bytes, uint64_t count);
uint64_t ew_pool_bytes(uint32_t n_threads);
uint32_t ew_pool_start(ew_pool *pool, uint32_t n_threads, const ew_platform *platform);
void ew_pool_stop(ew_pool *pool);
void ew_pool_run(void *pool, ew_task *task, void *job, const void *step, uint32_t n);
uint32_t ew_platform_of(const ew_libc *libc, ew_platform *platform);
const void *ew_python_method(const ew_python *functions, uint32_t which);
void ew_pack_f32(const float *w, uint32_t groups, uint32_t o, uint32_t k, uint32_t lanes,
                 float *to);

int pthread_create(void **thread, const void *attributes, void *(*entry)(void *), void *argument);
int pthread_join(void *thread, void **result);
int clock_gettime(int clock, void *time);
long syscall(long number, ...);
#include "edgewise_op.h"
#endif
#endif
