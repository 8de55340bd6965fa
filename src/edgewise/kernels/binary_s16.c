/* Elementwise operators of two quantized int16 operands with zero points 0: ADD, SUB, MUL. */
#include "broadcast.h"
#include "fixed.h"

EW_INLINE int16_t clamped(const ew_binary *p, int32_t x) {
    return (int16_t)ew_min_s32(ew_max_s32(x, p->low), p->high);
}

static void add_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    int16_t *z = y;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
        int32_t u = ew_multiply_fixed((int32_t)((uint32_t)a[i] << 15), p->a_multiplier, p->a_shift);
        int32_t v = ew_multiply_fixed((int32_t)((uint32_t)b[i] << 15), p->b_multiplier, p->b_shift);
        u += p->is_difference ? -v : v;
        z[i] = clamped(p, ew_multiply_fixed(u, p->y_multiplier, p->shift));
    }
}

/* Scales that are powers of two: operands are shifted to the result's. */
static void add_shifted_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    int16_t *z = y;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
        int32_t u = ew_divide_by_power(a[i], p->a_shift), v = ew_divide_by_power(b[i], p->b_shift);
        z[i] = clamped(p, p->is_difference ? u - v : u + v);
    }
}

static void mul_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    int16_t *z = y;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++)
        z[i] = clamped(p, ew_multiply_fixed(a[i] * b[i], p->y_multiplier, p->shift));
}

#define KERNEL(name)                                                                               \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        ew_element_bytes bytes = {{2, 2, 0}, 2};                                                   \
        ew_rows(&p->shape, p, operand, bytes, 2, name##_row, tile_begin, tile_end, scratch);       \
    }
KERNEL(add_q16)
KERNEL(add_shifted_q16)
KERNEL(mul_q16)
