/* Runs the plans of cases.bin (written by serialized.py) through the executor and compares every
 * output byte. Prints `failed CASE` for each that differs or writes outside its buffers, and at the
 * end `ran N`. For machines of 64 bits; linux.c of tests/deploy/machine has the system's part. */
#include "platform.h"
#include "run.h"

ew_kernel *const *ew_table(uint32_t isa);
int32_t ew_run(ew_run_state *run);

__asm__(".section .rodata\n.balign 16\n.globl cases\ncases:\n.incbin \"cases.bin\"\n.text\n");
extern const uint8_t cases[];

enum { MARGIN = 64, MOST_BUFFERS = 256, POISON = 0xFF, MARK = 0xA7 };
static _Alignas(64) uint8_t memory[64 << 20];

typedef struct {
    uint32_t isa, n_steps, n_operands, n_params;
    uint32_t n_buffers, scratch_bytes, n_outputs, reserved;
} case_head;
typedef struct {
    uint32_t nbytes, has_data, align, reserved;
} buffer_head;
typedef struct {
    uint32_t buffer, offset, nbytes, reserved;
} output_head;

/* Compilers call it to clear a structure. */
void *memset(void *to, int byte, size_t count) {
    volatile uint8_t *bytes = to;
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)byte;
    return to;
}

static size_t padded(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

static void say_number(uint32_t number) {
    char text[11];
    uint32_t at = 10;
    text[at] = 0;
    do text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    say(text + at);
}

/* A buffer between margins; what follows it. */
static uint8_t *place(uint8_t *free, uint32_t nbytes, const uint8_t *data, void **base) {
    for (uint32_t i = 0; i < MARGIN; i++) free[i] = free[MARGIN + nbytes + i] = MARK;
    for (uint32_t i = 0; i < nbytes; i++) free[MARGIN + i] = data ? data[i] : POISON;
    *base = free + MARGIN;
    return free + padded(2 * MARGIN + nbytes);
}

static int is_intact(const uint8_t *base, uint32_t nbytes) {
    for (uint32_t i = 0; i < MARGIN; i++)
        if (base[-1 - (int)i] != MARK || base[nbytes + i] != MARK) return 0;
    return 1;
}

/* The case at `at`; moves `at` behind it. 1 where all is as expected. */
static int run_case(const uint8_t **at) {
    static const uint32_t never;
    static ew_run_state run;
    void *regions[EW_REGION_io + MOST_BUFFERS] = {0};
    const case_head *head = (const void *)*at;
    const uint8_t *next = *at + sizeof *head;
    run = (ew_run_state){.n_steps = head->n_steps, .cancelled = &never, .serial = 1};
    run.max_iterations = 1 << 30;
    run.kernels = ew_table(head->isa);
    run.steps = (const void *)next;
    next += padded(head->n_steps * sizeof(ew_step));
    run.operands = (const void *)next;
    next += padded(head->n_operands * sizeof(ew_operand));
    run.params = next;
    next += padded(head->n_params);
    const buffer_head *buffers = (const void *)next;
    next += head->n_buffers * sizeof *buffers;
    uint8_t *free = memory;
    void *scratch;
    free = place(free, head->scratch_bytes, 0, &scratch);
    for (uint32_t i = 0; i < head->n_buffers; i++) {
        const uint8_t *data = buffers[i].has_data ? next : 0;
        free = place(free, buffers[i].nbytes, data, &regions[EW_REGION_io + i]);
        if (data) next += padded(buffers[i].nbytes);
    }
    run.regions = regions;
    run.scratch = scratch;
    int good = ew_run(&run) == EW_RUN_done && is_intact(scratch, head->scratch_bytes);
    for (uint32_t i = 0; i < head->n_buffers; i++)
        good &= is_intact(regions[EW_REGION_io + i], buffers[i].nbytes);
    const output_head *outputs = (const void *)next;
    next += head->n_outputs * sizeof *outputs;
    for (uint32_t i = 0; i < head->n_outputs; i++) {
        const uint8_t *got = (uint8_t *)regions[EW_REGION_io + outputs[i].buffer];
        for (uint32_t k = 0; k < outputs[i].nbytes; k++)
            good &= got[outputs[i].offset + k] == next[k];
        next += padded(outputs[i].nbytes);
    }
    *at = next;
    return good;
}

void run_harness(void) {
    const uint8_t *at = cases + 16;
    uint32_t count = *(const uint32_t *)(const void *)cases;
    for (uint32_t i = 0; i < count; i++)
        if (!run_case(&at)) {
            say("failed ");
            say_number(i);
            say("\n");
        }
    say("ran ");
    say_number(count);
    say("\n");
    quit(0);
}
