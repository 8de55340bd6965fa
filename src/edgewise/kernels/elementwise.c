/* ADD, SUB and MUL with broadcasting: rows along the last dimension, whose operands have stride 1
 * or 0. Plain loops: the compiler vectorises them for each instruction set. */
#include "kernel.h"

/* Element offsets of both operands at row `row` (all dimensions but the last). */
static void row_offsets(const ew_binary *p, uint32_t row, size_t *a, size_t *b) {
    *a = *b = 0;
    for (uint32_t d = p->rank - 1; d-- > 0; row /= p->dims[d]) {
        uint32_t i = row % p->dims[d];
        *a += (size_t)i * p->a_stride[d];
        *b += (size_t)i * p->b_stride[d];
    }
}

/* One loop per combination of strides: a constant stride is what lets the loop vectorise. */
#define FOR_STRIDES(p, row)                                                                        \
    do {                                                                                           \
        uint32_t last = (p)->rank - 1;                                                             \
        if ((p)->a_stride[last] && (p)->b_stride[last])                                            \
            row(1, 1);                                                                             \
        else if ((p)->a_stride[last])                                                              \
            row(1, 0);                                                                             \
        else                                                                                       \
            row(0, 1);                                                                             \
    } while (0)

#define DEFINE_F32(name, operation)                                                                \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        uint32_t n = p->dims[p->rank - 1];                                                         \
        float low = p->low_f32, high = p->high_f32;                                                \
        EW_UNUSED(scratch);                                                                        \
        for (uint32_t tile = tile_begin; tile < tile_end; tile++) {                                \
            size_t a_at, b_at;                                                                     \
            row_offsets(p, tile, &a_at, &b_at);                                                    \
            const float *a = (const float *)operand[0] + a_at;                                     \
            const float *b = (const float *)operand[1] + b_at;                                     \
            float *y = (float *)operand[2] + (size_t)tile * n;                                     \
            FOR_STRIDES(p, operation);                                                             \
        }                                                                                          \
    }

#define ADD_ROW(sa, sb)                                                                            \
    for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(a[sa * i] + b[sb * i], low, high)
#define SUB_ROW(sa, sb)                                                                            \
    for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(a[sa * i] - b[sb * i], low, high)
#define MUL_ROW(sa, sb)                                                                            \
    for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(a[sa * i] * b[sb * i], low, high)
DEFINE_F32(add_f32, ADD_ROW)
DEFINE_F32(sub_f32, SUB_ROW)
DEFINE_F32(mul_f32, MUL_ROW)

/* LiteRT's MultiplyByQuantizedMultiplier with both roundings; `left`, `right` >= 0. */
EW_INLINE int32_t multiply_fixed(int32_t x, int32_t m, int32_t left, int32_t right) {
    int32_t shifted = (int32_t)((uint32_t)x << left);
    int32_t high = (int32_t)(((int64_t)shifted * m + (1 << 30)) >> 31);
    int32_t mask = (int32_t)((1u << right) - 1u);
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0));
}

typedef struct {
    int32_t m, left, right;
} fixed;

static fixed fixed_of(int32_t m, int32_t shift) {
    return (fixed){m, ew_max_s32(shift, 0), ew_max_s32(-shift, 0)};
}

EW_INLINE void add_row(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                       const uint32_t sa, const uint32_t sb, const uint32_t is_signed) {
    uint32_t n = p->dims[p->rank - 1];
    const fixed fa = fixed_of(p->a_multiplier, p->a_shift);
    const fixed fb = fixed_of(p->b_multiplier, p->b_shift);
    const fixed fy = fixed_of(p->y_multiplier, p->y_shift);
    int32_t a_zero = p->a_zero, b_zero = p->b_zero, y_zero = p->y_zero, sign = p->sign;
    int32_t low = p->low - y_zero, high = p->high - y_zero;
    for (uint32_t i = 0; i < n; i++) {
        int32_t u = (ew_stored(a, sa * i, is_signed) - a_zero) * (1 << 20);
        int32_t v = (ew_stored(b, sb * i, is_signed) - b_zero) * (1 << 20);
        int32_t total = multiply_fixed(u, fa.m, fa.left, fa.right) +
                        sign * multiply_fixed(v, fb.m, fb.left, fb.right);
        total = multiply_fixed(total, fy.m, fy.left, fy.right);
        y[i] = (uint8_t)(ew_min_s32(ew_max_s32(total, low), high) + y_zero);
    }
}

EW_INLINE void mul_row(const ew_binary *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
                       const uint32_t sa, const uint32_t sb, const uint32_t is_signed) {
    uint32_t n = p->dims[p->rank - 1];
    float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    float scale = p->scale;
    int32_t a_zero = p->a_zero, b_zero = p->b_zero, y_zero = p->y_zero;
    for (uint32_t i = 0; i < n; i++) {
        int32_t product = (ew_stored(a, sa * i, is_signed) - a_zero) *
                          (ew_stored(b, sb * i, is_signed) - b_zero);
        float real = (float)product * scale;
        real = real > low ? real : low;
        real = real < high ? real : high;
        y[i] = (uint8_t)(ew_round(real) + y_zero);
    }
}

#define DEFINE_B8(name, function)                                                                  \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        EW_UNUSED(scratch);                                                                        \
        for (uint32_t tile = tile_begin; tile < tile_end; tile++) {                                \
            size_t a_at, b_at;                                                                     \
            row_offsets(p, tile, &a_at, &b_at);                                                    \
            const uint8_t *a = (const uint8_t *)operand[0] + a_at;                                 \
            const uint8_t *b = (const uint8_t *)operand[1] + b_at;                                 \
            uint8_t *y = (uint8_t *)operand[2] + (size_t)tile * p->dims[p->rank - 1];              \
            if (p->is_signed)                                                                      \
                FOR_STRIDES(p, function##_SIGNED);                                                 \
            else                                                                                   \
                FOR_STRIDES(p, function##_UNSIGNED);                                               \
        }                                                                                          \
    }
#define ADD_SIGNED(sa, sb) add_row(p, a, b, y, sa, sb, 1)
#define ADD_UNSIGNED(sa, sb) add_row(p, a, b, y, sa, sb, 0)
#define MUL_SIGNED(sa, sb) mul_row(p, a, b, y, sa, sb, 1)
#define MUL_UNSIGNED(sa, sb) mul_row(p, a, b, y, sa, sb, 0)
DEFINE_B8(add_b8, ADD)
DEFINE_B8(mul_b8, MUL)
