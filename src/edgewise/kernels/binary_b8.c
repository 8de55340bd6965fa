/* Elementwise operators of two 8-bit operands with broadcasting. Plain loops, which the compiler
 * vectorises for each instruction set. */
#include "broadcast.h"
#include "simd_table.h"

#define KERNEL(name)                                                                               \
    static void name##_row(const void *params, const void *const *x, void *y, size_t n) {          \
        const ew_binary *p = params;                                                               \
        if (p->is_signed)                                                                          \
            name##_of(p, x[0], x[1], y, n, 1);                                                     \
        else                                                                                       \
            name##_of(p, x[0], x[1], y, n, 0);                                                     \
    }                                                                                              \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        ew_element_bytes bytes = {{1, 1, 0}, 1};                                                   \
        ew_rows(&p->shape, p, operand, bytes, 2, name##_row, tile_begin, tile_end, scratch);       \
    }

EW_INLINE void add_b8_of(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                         size_t n, const uint32_t is_signed) {
    const int32_t a_m = p->a_multiplier, b_m = p->b_multiplier, bias = p->bias, shift = p->shift;
    const int32_t low = p->low - p->y_zero, high = p->high - p->y_zero, zero = p->y_zero;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
        int32_t sum = bias + ew_stored(a, i, is_signed) * a_m + ew_stored(b, i, is_signed) * b_m;
        y[i] = (uint8_t)(ew_min_s32(ew_max_s32(sum >> shift, low), high) + zero);
    }
}
KERNEL(add_b8)

EW_INLINE void mul_b8_of(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                         size_t n, const uint32_t is_signed) {
    const float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    const int32_t a_zero = p->a_zero, b_zero = p->b_zero, y_zero = p->y_zero;
    const float scale = p->scale;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
        int32_t product =
            (ew_stored(a, i, is_signed) - a_zero) * (ew_stored(b, i, is_signed) - b_zero);
        float real = (float)product * scale;
        real = real > low ? real : low;
        real = real < high ? real : high;
        y[i] = (uint8_t)(ew_round(real) + y_zero);
    }
}
KERNEL(mul_b8)

/* The operator as a table of all pairs. The table moves with no element: it has no size. */
static void pair_table_b8_row(const void *params, const void *const *x, void *result, size_t n) {
    const uint8_t *a = x[0], *b = x[1], *table = x[2];
    uint8_t *y = result;
    EW_UNUSED(params);
    for (size_t i = 0; i < n; i++) y[i] = table[(size_t)a[i] << 8 | b[i]];
}
EW_DEFINE(pair_table_b8) {
    const ew_binary *p = params;
    ew_element_bytes bytes = {{1, 1, 0}, 1};
    ew_rows(&p->shape, p, operand, bytes, 3, pair_table_b8_row, tile_begin, tile_end, scratch);
}

/* The same where the second operand is one number along each row: a table for each of its values. */
static void row_table_b8_row(const void *params, const void *const *x, void *y, size_t n) {
    const uint8_t *row = x[1], *tables = x[2];
    EW_UNUSED(params);
    if (n > 0) ew_look_up(x[0], tables + (size_t)row[0] * 256, y, n);
}
EW_DEFINE(row_table_b8) {
    const ew_binary *p = params;
    ew_element_bytes bytes = {{1, 1, 0}, 1};
    ew_rows(&p->shape, p, operand, bytes, 3, row_table_b8_row, tile_begin, tile_end, scratch);
}
