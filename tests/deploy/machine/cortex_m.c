/* Cortex-M in qemu-system: vectors, start-up, output and end by semihosting, the SysTick clock.
 * Compiled without FPU or vector instructions: they are off until start-up has enabled them. */
#include "platform.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CPACR REGISTER(0xE000ED88)
#define SYSTICK_CONTROL REGISTER(0xE000E010)
#define SYSTICK_RELOAD REGISTER(0xE000E014)
#define SYSTICK_NOW REGISTER(0xE000E018)

extern uint32_t bss_begin[], bss_end[], stack_begin[], stack_end[];
static uint32_t wraps; /* of SysTick's 24 bits */

static int semihost(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void say(const char *text) { semihost(0x04, text); } /* SYS_WRITE0 */

void quit(int code) {
    const uint32_t reason[2] = {0x20026, (uint32_t)code}; /* ADP_Stopped_ApplicationExit */
    semihost(0x20, reason);                               /* SYS_EXIT_EXTENDED */
    for (;;) {}
}

/* Counts up, over wraps. */
uint32_t clock_ticks(void) {
    uint32_t before, now;
    do {
        before = *(volatile uint32_t *)&wraps;
        now = SYSTICK_NOW;
    } while (before != *(volatile uint32_t *)&wraps);
    return (before << 24) + (0xFFFFFF - now);
}

static void tick(void) { wraps++; }

static void fault(void) {
    say("fault\n");
    quit(1);
}



static void start(void) {
    CPACR |= 0xFu << 20; /* FPU and, on M55, vectors */
    __asm__ volatile("dsb\n isb");
    for (volatile uint32_t *p = bss_begin; p < bss_end; p++) *p = 0;
    SYSTICK_RELOAD = 0xFFFFFF;
    SYSTICK_NOW = 0;
    SYSTICK_CONTROL = 7; /* processor clock, interrupt, on */
    run_harness();
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_end, start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, tick,
};
