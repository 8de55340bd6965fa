/* Elementwise operators of two 8-bit operands with broadcasting. Registers of bytes at a time, whose
 * narrowing saturates; the rest in plain loops, which are all of the build without vectors. */
#include "broadcast.h"
#include "simd_b8.h"
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

#if EW_LANES > 1
/* Both return the elements done. */
EW_INLINE size_t add_registers(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                               size_t n, const uint32_t is_signed) {
    const v_output o = v_output_of(p->low, p->high, p->y_zero, is_signed);
    const v_s32 a_m = v_splat_s32(p->a_multiplier), b_m = v_splat_s32(p->b_multiplier);
    const v_s32 bias = v_splat_s32(p->bias);
    const v_bytes high = v_splat_bytes((uint8_t)p->high);
    const int32_t shift = p->shift;
    size_t i = 0;
    for (; i + EW_BYTES <= n; i += EW_BYTES) {
        v_s32 sum[4];
        EW_UNROLL for (int k = 0; k < 4; k++) {
            sum[k] = bias + v_load_b8(a + i + k * EW_LANES, is_signed) * a_m;
            sum[k] = (sum[k] + v_load_b8(b + i + k * EW_LANES, is_signed) * b_m) >> shift;
        }
        v_bytes bytes = v_narrow_x4(sum[0], sum[1], sum[2], sum[3], &o);
        v_store_run(y + i, v_min_bytes(bytes, high, is_signed), 0, EW_BYTES);
    }
    return i;
}

EW_INLINE size_t mul_registers(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                               size_t n, const uint32_t is_signed) {
    const v_output o = v_output_of(p->low, p->high, p->y_zero, is_signed);
    const v_s32 a_zero = v_splat_s32(p->a_zero), b_zero = v_splat_s32(p->b_zero);
    const v_f32 scale = v_splat_f32(p->scale);
    size_t i = 0;
    for (; i + EW_BYTES <= n; i += EW_BYTES) {
        v_s32 product[4];
        EW_UNROLL for (int k = 0; k < 4; k++)
            product[k] = (v_load_b8(a + i + k * EW_LANES, is_signed) - a_zero) *
                         (v_load_b8(b + i + k * EW_LANES, is_signed) - b_zero);
        v_bytes bytes = v_requantize_x4(EW_BOUNDS_OTHER, product[0], product[1], product[2],
                                        product[3], scale, scale, scale, scale, &o);
        v_store_run(y + i, bytes, 0, EW_BYTES);
    }
    return i;
}
#else
#define add_registers(p, a, b, y, n, is_signed) 0
#define mul_registers(p, a, b, y, n, is_signed) 0
#endif

EW_INLINE void add_b8_of(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                         size_t n, const uint32_t is_signed) {
    const int32_t a_m = p->a_multiplier, b_m = p->b_multiplier, bias = p->bias, shift = p->shift;
    const int32_t low = p->low - p->y_zero, high = p->high - p->y_zero, zero = p->y_zero;
    size_t done = add_registers(p, a, b, y, n, is_signed);
    EW_INDEPENDENT for (size_t i = done; i < n; i++) {
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
    size_t done = mul_registers(p, a, b, y, n, is_signed);
    EW_INDEPENDENT for (size_t i = done; i < n; i++) {
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
