/* Elementwise operators on float16: computed in float32 and rounded once, as by the kernels on
 * float32 between casts, without the memory that those go through. */
#include "half.h"
#include "math.h"

#if defined(EW_SCALAR)
enum { BLOCK = 32 }; /* elements, on the stack of a microcontroller */
#else
enum { BLOCK = 256 };
#endif

/* Several vectors in a round: conversions take so few cycles that the loop's own would show (ADD
 * 0.082 -> 0.064 ms for [512, 1024], Zen 3). */
#if defined(EW_HALVES)
enum { ROUND = 4 * EW_LANES };
#define WHOLE(n, ...)                                                                              \
    for (; at + ROUND <= n; at += ROUND)                                                           \
        EW_UNROLL for (size_t i = at; i < at + ROUND; i += EW_LANES) __VA_ARGS__                   \
    for (; at + EW_LANES <= n; at += EW_LANES) {                                                   \
        const size_t i = at;                                                                       \
        __VA_ARGS__                                                                                \
    }
#else
#define WHOLE(n, ...)
#endif

/* Whole vectors where the processor has float16; the rest by blocks of float32, filled with 0. */
#define HALVES(name, formula)                                                                      \
    static void name##_row(const void *params, const void *const *x, void *result, size_t n) {     \
        const ew_binary *p = params;                                                               \
        const v_f32 low = v_splat_f32(p->low_f32), high = v_splat_f32(p->high_f32);                \
        const uint16_t *u = x[0], *w = x[1];                                                       \
        uint16_t *y = result;                                                                      \
        size_t at = 0;                                                                             \
        EW_UNUSED(low), EW_UNUSED(high);                                                           \
        WHOLE(n, {                                                                                 \
            const v_f32 a = v_load_f16(u + i), b = v_load_f16(w + i);                              \
            v_store_f16(y + i, formula);                                                           \
        })                                                                                         \
        for (size_t step; at < n; at += step) {                                                    \
            float left[BLOCK], right[BLOCK];                                                       \
            step = n - at < BLOCK ? n - at : BLOCK;                                                \
            ew_of_halves(left, u + at, step);                                                      \
            ew_of_halves(right, w + at, step);                                                     \
            for (size_t i = step; i % EW_LANES; i++) left[i] = right[i] = 0.0f;                    \
            for (size_t i = 0; i < step; i += EW_LANES) {                                          \
                const v_f32 a = v_load_f32(left + i), b = v_load_f32(right + i);                   \
                v_store_f32(left + i, formula);                                                    \
            }                                                                                      \
            ew_halves_of(y + at, left, step);                                                      \
        }                                                                                          \
    }                                                                                              \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        ew_rows(&p->shape, p, operand, (ew_element_bytes){{2, 2, 0}, 2}, 2, name##_row,            \
                tile_begin, tile_end, scratch);                                                    \
    }
#define CLAMPED(x) v_min(high, v_max(low, x)) /* a NaN stays */
HALVES(add_f16, CLAMPED(a + b))
HALVES(sub_f16, CLAMPED(a - b))
HALVES(mul_f16, CLAMPED(a * b))
HALVES(div_f16, CLAMPED(a / b))
HALVES(maximum_f16, v_max(a, b))
HALVES(minimum_f16, v_min(a, b))
HALVES(squared_difference_f16, (a - b) * (a - b))
HALVES(prelu_f16, v_where(v_less(a, v_splat_f32(0.0f)), a * b, a))

/* RELU and its kind: nothing is rounded. A NaN stays, and so does -0; of RELU alone, numbers from
 * -2**-24 to minus infinity are the integers from 0x8001 to 0xFC00. */
EW_DEFINE(clip_f16) {
    const ew_unary *p = params;
    const v_f32 low = v_splat_f32(p->low_f32), high = v_splat_f32(p->high_f32);
    const uint16_t *x = operand[0];
    uint16_t *y = operand[1];
    size_t at = (size_t)tile_begin * p->per_tile, end = (size_t)tile_end * p->per_tile;
    if (end > p->count) end = p->count;
    EW_UNUSED(scratch);
    if (p->low_f32 == 0.0f && p->high_f32 == __builtin_inff()) {
        EW_INDEPENDENT for (; at < end; at++)
            y[at] = (uint16_t)(x[at] - 0x8001) < 0x7C00 ? 0 : x[at];
        return;
    }
    WHOLE(end, { v_store_f16(y + i, CLAMPED(v_load_f16(x + i))); })
    for (size_t step; at < end; at += step) {
        float block[BLOCK];
        step = end - at < BLOCK ? end - at : BLOCK;
        ew_of_halves(block, x + at, step);
        for (size_t i = step; i % EW_LANES; i++) block[i] = 0.0f;
        for (size_t i = 0; i < step; i += EW_LANES)
            v_store_f32(block + i, CLAMPED(v_load_f32(block + i)));
        ew_halves_of(y + at, block, step);
    }
}
