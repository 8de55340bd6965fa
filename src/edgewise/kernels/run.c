/* The executor: walks the steps of a plan, control flow included, until it is done or the caller
 * is needed; the next call goes on from there. Plain C without a system: threads come through
 * `spread`, and a microcontroller compiles the same file. */
#include "run.h"
#include "kernel.h"

/* -- the processor's float mode ------------------------------------------------------------- */

/* Rounding to nearest and no flush to zero, whatever the caller has set; returns what was. */
static uint64_t enter_float_mode(void) {
#if defined(__SSE__)
    enum { DEFAULT = 0x1F80 }; /* MXCSR after reset: all exceptions masked, nearest, no FTZ, DAZ */
    uint32_t before, mode = DEFAULT;
    __asm__ volatile("stmxcsr %0" : "=m"(before));
    if ((before & ~0x3Fu) != DEFAULT) __asm__ volatile("ldmxcsr %0" : : "m"(mode));
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return before;
#else
    return 0;
#endif
}

static void leave_float_mode(uint64_t before) {
#if defined(__SSE__)
    enum { DEFAULT = 0x1F80 };
    uint32_t mode = (uint32_t)before;
    if ((mode & ~0x3Fu) != DEFAULT) __asm__ volatile("ldmxcsr %0" : : "m"(mode));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    EW_UNUSED(before);
#endif
}

/* -- steps ---------------------------------------------------------------------------------- */

static uint8_t *address(const ew_run_state *run, const ew_operand *operand, uint8_t *scratch) {
    uint8_t *base = operand->region == EW_REGION_scratch
                        ? scratch
                        : (uint8_t *)run->regions[operand->region];
    return base + operand->offset;
}

/* Indices may lie outside, or other numbers be what the operator refuses. */
static int may_refuse(uint32_t kernel) {
    return kernel == EW_KERNEL_gather || kernel == EW_KERNEL_check_numbers || kernel == EW_KERNEL_reverse_sequence ||
           kernel == EW_KERNEL_embedding_lookup_sparse_f32 ||
           kernel == EW_KERNEL_detection_postprocess ||
           (kernel >= EW_KERNEL_scatter_f32 && kernel <= EW_KERNEL_scatter_u64);
}

/* Kernels that may want a key. */
static int draws(uint32_t kernel) {
    return kernel == EW_KERNEL_random_uniform_f32 || kernel == EW_KERNEL_random_normal_f32 ||
           kernel == EW_KERNEL_multinomial_f32;
}

/* Tiles [begin, end) of one step. Kernels know no run: scratch says that an index is outside, and
 * brings the key of random numbers. */
static void run_kernel(ew_run_state *run, const ew_step *step, void *const *buffers, uint32_t begin,
                       uint32_t end, uint8_t *scratch) {
    uint32_t *is_outside = may_refuse(step->index) ? (uint32_t *)(void *)scratch : 0;
    if (is_outside) *is_outside = 0;
    if (draws(step->index)) __builtin_memcpy(scratch, &run->entropy, sizeof run->entropy);
    run->kernels[step->index](run->params + step->params, buffers, begin, end, scratch);
    if (is_outside && *is_outside) __atomic_store_n(&run->outside, 1, __ATOMIC_RELAXED);
}

/* Tiles [begin, end) of a kernel step and of those locked to it: tile by tile where there are
 * any, so that a tile is still in the cache when the next step takes it. */
static void run_tiles(void *job, const void *first, uint32_t begin, uint32_t end,
                      uint32_t thread) {
    ew_run_state *run = job;
    const ew_step *step = first;
    uint8_t *scratch = run->scratch + thread * run->scratch_stride;
    if (thread) enter_float_mode(); /* of the thread's own for good: it runs nothing but this */
    void *buffers[1 + EW_MAX_LOCKED][EW_MAX_OPERANDS];
    for (uint32_t s = 0; s <= step->locked; s++) {
        const ew_operand *operands = run->operands + step[s].first_operand;
        for (uint32_t k = 0; k < step[s].n_operands; k++)
            buffers[s][k] = address(run, &operands[k], scratch);
    }
    if (!step->locked) {
        run_kernel(run, step, buffers[0], begin, end, scratch);
        return;
    }
    for (uint32_t tile = begin; tile < end; tile++)
        for (uint32_t s = 0; s <= step->locked; s++)
            run_kernel(run, &step[s], buffers[s], tile, tile + 1, scratch);
}

static void run_group(ew_run_state *run, const ew_step *step) {
    uint64_t work = 0;
    int is_known = 1;
    for (uint32_t s = 0; s <= step->locked; s++) {
        work += step[s].work;
        is_known &= step[s].work != 0;
    }
    if (run->spread && !run->is_alone && step->n_tiles > 1 && !(is_known && work < EW_SMALL_WORK))
        run->spread(run->pool, run_tiles, run, step, step->n_tiles);
    else
        run_tiles(run, step, 0, step->n_tiles, 0);
}

/* -- control flow --------------------------------------------------------------------------- */

static int is_true(const ew_run_state *run, const ew_step *step) {
    return *address(run, run->operands + step->first_operand, run->scratch) != 0;
}

/* Begins the first range of an IF (the one that its condition chooses) or WHILE. */
static void enter_range(ew_run_state *run, uint32_t place) {
    const ew_step *step = &run->steps[place];
    ew_frame *frame = &run->frames[run->depth++];
    uint32_t begin = place + 1, count = step->first;
    if (step->kind == EW_STEP_if && !is_true(run, step)) {
        begin += step->first;
        count = step->second;
    }
    *frame = (ew_frame){.step = place, .end = begin + count};
    run->next = begin;
}

/* What follows when the innermost range is done. */
static int32_t leave_range(ew_run_state *run) {
    ew_frame *frame = &run->frames[run->depth - 1];
    const ew_step *step = &run->steps[frame->step];
    uint32_t begin = frame->step + 1, body = begin + step->first;
    if (step->kind == EW_STEP_while && frame->is_body) {
        *frame = (ew_frame){.step = frame->step, .end = body};
        run->next = begin;
    } else if (step->kind == EW_STEP_while && is_true(run, step)) {
        run->stopped = frame->step;
        if (run->iterations == run->max_iterations) return EW_RUN_iterations;
        run->iterations++;
        *frame = (ew_frame){.step = frame->step, .end = body + step->second, .is_body = 1};
        run->next = body;
    } else {
        run->next = body + step->second;
        run->depth--;
    }
    return EW_RUN_done;
}

static int32_t walk(ew_run_state *run) {
    for (;;) {
        uint32_t end = run->depth ? run->frames[run->depth - 1].end : run->n_steps;
        if (__atomic_load_n(run->cancelled, __ATOMIC_RELAXED) == run->serial)
            return EW_RUN_cancelled;
        if (run->deadline && run->clock(run->system) >= run->deadline) return EW_RUN_deadline;
        if (run->next == end) {
            if (!run->depth) return EW_RUN_done;
            int32_t status = leave_range(run);
            if (status) return status;
            continue;
        }
        const ew_step *step = &run->steps[run->next];
        run->stopped = run->next;
        switch (step->kind) {
        case EW_STEP_kernel:
            run_group(run, step);
            if (run->outside) {
                run->outside = 0;
                return EW_RUN_outside;
            }
            if (draws(step->index)) run->entropy += UINT64_C(0x9E3779B97F4A7C15);
            run->next += 1 + step->locked;
            if (run->one_step) return EW_RUN_paused;
            break;
        case EW_STEP_if:
        case EW_STEP_while: enter_range(run, run->next); break;
        default: run->next++; return step->kind == EW_STEP_host ? EW_RUN_host : EW_RUN_delegate;
        }
    }
}

/* -- trials --------------------------------------------------------------------------------- */

/* Whether two threads end a run of some 50 us sooner than one depends on what no plan knows: where
 * the system puts them, and what else it runs there. With 0.35 us for a word there and back, and 4
 * to 8 bytes a ns from the other's cache, tiny_vww takes two threads 80 us in int8 and 170 in
 * float32, of which one sleeps 60 and 168, and one thread 52 and 158; at other times 55 and 96 on
 * the same virtual machine (Zen 4). So small plans try both, again and again: EW_TRIALS runs are
 * shared, as many are not, and the others are what had the lesser lower quartile. Results are the
 * same. So many because the first ones find the other threads asleep. */

/* Notes the time of the trial's next run. */
static void note(ew_trial *trial, uint64_t ns) {
    const uint32_t count = trial->place % EW_TRIALS;
    const uint32_t time = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
    uint32_t i = count;
    for (; i && trial->ns[i - 1] > time; i--) trial->ns[i] = trial->ns[i - 1];
    trial->ns[i] = time;
    if (count + 1 < EW_TRIALS) return;
    const uint32_t quartile = trial->ns[EW_TRIALS / 4];
    if (trial->place < EW_TRIALS)
        trial->shared_ns = quartile;
    else
        trial->is_alone = quartile < trial->shared_ns;
}

/* A whole run of a plan that is all kernels. */
static int32_t walk_tried(ew_run_state *run) {
    ew_trial *trial = &run->trial;
    const int is_timed = trial->place < 2 * EW_TRIALS;
    const uint64_t begin = is_timed ? run->clock(run->system) : 0;
    run->is_alone = is_timed ? trial->place >= EW_TRIALS : trial->is_alone;
    int32_t status = walk(run);
    run->is_alone = 0;
    if (status != EW_RUN_done) return status; /* stopped: it does not count */
    if (is_timed) note(trial, run->clock(run->system) - begin);
    if (++trial->place == EW_TRIAL_RUNS) trial->place = 0;
    return status;
}

/* Goes on from where the run is; one of EW_RUN_... When all is done, the state is ready for the
 * next run. The state has passed `ew_check`. */
EW_EXPORT int32_t ew_run(ew_run_state *run) {
    uint64_t mode = enter_float_mode();
    int32_t status = run->trial.is_on && !run->one_step ? walk_tried(run) : walk(run);
    leave_float_mode(mode);
    if (status == EW_RUN_done) run->next = run->depth = 0, run->iterations = 0;
    return status;
}

/* -- trust ---------------------------------------------------------------------------------- */

typedef struct {
    const ew_run_state *run;
    uint32_t n_operands, n_regions;
    uint64_t n_params;
} bounds;

static int is_sound_kernel(const bounds *b, uint32_t place, uint32_t end) {
    const ew_step *step = &b->run->steps[place];
    if (step->index >= (uint64_t)EW_KERNELS + b->run->more_kernels) return 0;
    if (step->n_operands > EW_MAX_OPERANDS) return 0;
    if (step->params > b->n_params || step->locked > EW_MAX_LOCKED) return 0;
    if (step->locked > end - place - 1) return 0;
    for (uint32_t s = 1; s <= step->locked; s++)
        if (step[s].kind != EW_STEP_kernel || step[s].n_tiles != step->n_tiles || step[s].locked)
            return 0;
    return 1;
}

/* The steps [begin, end) keep every rule of params.h; else *bad is one that does not. */
static int is_sound(const bounds *b, uint32_t begin, uint32_t end, uint32_t depth, uint32_t *bad) {
    for (uint32_t place = begin; place < end; place++) {
        const ew_step *step = &b->run->steps[place];
        *bad = place;
        if (step->first_operand > b->n_operands) return 0;
        if (step->n_operands > b->n_operands - step->first_operand) return 0;
        uint32_t is_native = step->kind <= EW_STEP_while;
        for (uint32_t k = 0; k < step->n_operands; k++) {
            uint32_t region = b->run->operands[step->first_operand + k].region;
            if (region >= b->n_regions && (is_native || region != EW_REGION_none)) return 0;
        }
        if (step->kind > EW_STEP_delegate) return 0;
        if (step->kind == EW_STEP_kernel && !is_sound_kernel(b, place, end)) return 0;
        if (step->kind != EW_STEP_if && step->kind != EW_STEP_while) continue;
        uint32_t first = place + 1, left = end - first;
        if (depth == EW_MAX_DEPTH || step->n_operands != 1) return 0;
        if (step->first > left || step->second > left - step->first) return 0;
        if (!is_sound(b, first, first + step->first, depth + 1, bad)) return 0;
        first += step->first;
        if (!is_sound(b, first, first + step->second, depth + 1, bad)) return 0;
        place = first + step->second - 1;
    }
    return 1;
}

/* 0 where the steps refer to nothing outside their arrays; else 1 + the index of one that does. */
EW_EXPORT uint32_t ew_check(const ew_run_state *run, uint32_t n_operands, uint64_t n_params,
                            uint32_t n_regions) {
    bounds b = {run, n_operands, n_regions, n_params};
    uint32_t bad = 0;
    return is_sound(&b, 0, run->n_steps, 0, &bad) ? 0 : bad + 1;
}
