/* Runs an exported model on every vector of vectors.h and prints what it finds, one fact a line:
 *
 *     output V HEX     the bytes of all outputs of vector V
 *     guard WORDS      words beside arena and scratch that were overwritten (0)
 *     ticks N          of the board's clock, spent in the last run
 */
#include "platform.h"
#include "vectors.h"

enum { GUARD = 16 };
static const uint32_t MARK = 0x5AFEC0DE;

/* No byte between an array and its guards: what a plan does not count on is noticed. */
static struct {
    _Alignas(16) uint32_t before[GUARD];
    uint8_t bytes[ARENA_BYTES];
    uint8_t after[GUARD * 4];
} arena;
static struct {
    _Alignas(16) uint32_t before[GUARD];
    uint8_t bytes[SCRATCH_BYTES];
    uint8_t after[GUARD * 4];
} scratch;

static uint8_t byte_of_mark(uint32_t i) { return (uint8_t)(MARK >> 8 * (i % 4)); }

static void set_guards(void) {
    for (uint32_t i = 0; i < GUARD; i++) arena.before[i] = scratch.before[i] = MARK;
    for (uint32_t i = 0; i < 4 * GUARD; i++) arena.after[i] = scratch.after[i] = byte_of_mark(i);
}

static uint32_t broken_guards(void) {
    uint32_t broken = 0;
    for (uint32_t i = 0; i < GUARD; i++)
        broken += (arena.before[i] != MARK) + (scratch.before[i] != MARK);
    for (uint32_t i = 0; i < 4 * GUARD; i++)
        broken += (arena.after[i] != byte_of_mark(i)) + (scratch.after[i] != byte_of_mark(i));
    return broken;
}

static void say_number(uint32_t number) {
    char text[11];
    uint32_t at = sizeof text - 1;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    say(text + at);
}

static void say_bytes(const void *data, uint32_t count) {
    const uint8_t *bytes = data;
    char text[65];
    for (uint32_t i = 0; i < count;) {
        uint32_t at = 0;
        for (; i < count && at < sizeof text - 1; i++) {
            text[at++] = "0123456789abcdef"[bytes[i] >> 4];
            text[at++] = "0123456789abcdef"[bytes[i] & 15];
        }
        text[at] = 0;
        say(text);
    }
}

void run_harness(void) {
    uint32_t spent = 0;
    set_guards();
#if defined(RESET)
    RESET;
#endif
    for (uint32_t v = 0; v < VECTORS; v++) {
        uint32_t start = clock_ticks();
        RUN(v, arena.bytes, scratch.bytes);
        spent = clock_ticks() - start;
        say("output ");
        say_number(v);
        say(" ");
#define OUTPUT(array) say_bytes(array, sizeof array);
        OUTPUTS
        say("\n");
    }
    say("guard ");
    say_number(broken_guards());
    say("\nticks ");
    say_number(spent);
    say("\n");
    quit(0);
}
