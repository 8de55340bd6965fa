/* Elementwise operators of two quantized int16 operands with zero points 0: sums, products,
 * quotients, comparisons. */
#include "broadcast.h"
#include "fixed.h"
#include "gemmlowp.h"
#include "simd_s16.h"

EW_INLINE int16_t clamped(const ew_binary *p, int32_t x) {
    return (int16_t)ew_min_s32(ew_max_s32(x, p->low), p->high);
}

#if EW_LANES >= 8
/* x * 2**-16 * m, rounded as ew_multiply_fixed does that of x * 2**-15 / 2: the doubled number fits. */
EW_INLINE v_s32 multiplied(v_s32 x, v_s32 m, int32_t shift) {
    return v_fixed_halved(v_round_up_s32(x, m), -shift);
}

/* As many elements as whole vectors have, where no multiplier shifts to the left; how many. */
static size_t add_vectors(const ew_binary *p, const int16_t *a, const int16_t *b, int16_t *z,
                          size_t n) {
    const v_range range = v_range_of(p->low, p->high);
    const v_s32 by_a = v_splat_s32(p->a_multiplier), by_b = v_splat_s32(p->b_multiplier);
    const v_s32 by_y = v_splat_s32(p->y_multiplier);
    const v_s32 sign = v_splat_s32(p->is_difference ? -1 : 0);
    const int32_t a_shift = p->a_shift, b_shift = p->b_shift, y_shift = p->shift;
    const size_t step = 2 * EW_LANES;
    size_t i = 0;
    if (a_shift > 0 || b_shift > 0 || y_shift > 0) return 0;
    for (; i + step <= n; i += step) {
        v_s16 from_a, from_b;
        v_s32 u[2], v[2];
        __builtin_memcpy(&from_a, a + i, sizeof from_a);
        __builtin_memcpy(&from_b, b + i, sizeof from_b);
        v_zip_s16((v_s16){0}, from_a, u); /* times 2**16 */
        v_zip_s16((v_s16){0}, from_b, v);
        EW_UNROLL
        for (uint32_t h = 0; h < 2; h++) {
            v_s32 second = multiplied(v[h], by_b, b_shift);
            v_s32 sum = multiplied(u[h], by_a, a_shift) + ((second ^ sign) - sign);
            u[h] = multiplied(sum + sum, by_y, y_shift);
        }
        v_s16 block = v_narrow_zipped_s16(u[0], u[1], &range);
        __builtin_memcpy(z + i, &block, sizeof block);
    }
    return i;
}
#else
static size_t add_vectors(const ew_binary *p, const int16_t *a, const int16_t *b, int16_t *z,
                          size_t n) {
    EW_UNUSED(p), EW_UNUSED(a), EW_UNUSED(b), EW_UNUSED(z), EW_UNUSED(n);
    return 0;
}
#endif

static void add_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    int16_t *z = y;
    EW_INDEPENDENT for (size_t i = add_vectors(p, a, b, z, n); i < n; i++) {
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

/* Below 0, x has alpha as a factor. */
static void prelu_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    int16_t *z = y;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
        int32_t above = ew_multiply_fixed(a[i], p->a_multiplier, p->a_shift);
        int32_t below = ew_multiply_fixed(a[i] * b[i], p->y_multiplier, p->shift);
        z[i] = clamped(p, a[i] >= 0 ? above : below);
    }
}

/* LiteRT compares multiples of 1/256. */
static void equal_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    const int is_equal = p->relation == EW_EQUAL;
    uint8_t *z = y;
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
        int32_t u = ew_multiply_fixed(a[i] * 256, p->a_multiplier, p->a_shift);
        int32_t v = ew_multiply_fixed(b[i] * 256, p->b_multiplier, p->b_shift);
        z[i] = (u == v) == is_equal;
    }
}

/* gemmlowp's SaturatingRoundingDoublingHighMul; halves away from zero. */
static int32_t high_product(int32_t a, int32_t b) {
    int64_t product = (int64_t)a * b;
    product = (product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / (INT64_C(1) << 31);
    return product > INT32_MAX ? INT32_MAX : (int32_t)product;
}

/* 1 / x for 0 < x < 2**31 as r * 2**-31 * 2**-k, 2**30 <= r: ops/fixed_point.py has the steps. */
static int32_t reciprocal(uint32_t x, int32_t *k) {
    *k = 31 - __builtin_clz(x);
    const int32_t half = (int32_t)(x << (30 - *k));
    int32_t r = 1515870810 + high_product(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        int32_t error = (1 << 29) - high_product(half, r);
        r = (int32_t)((uint32_t)r + ((uint32_t)high_product(r, error) << 2));
    }
    return r >= 1 << 30 ? INT32_MAX : r << 1;
}

/* Where b is 0, the largest number with the sign of a. */
static void div_q16_row(const void *params, const void *const *x, void *y, size_t n) {
    const ew_binary *p = params;
    const int16_t *a = x[0], *b = x[1];
    int16_t *z = y;
    for (size_t i = 0; i < n; i++) {
        const int32_t dividend = b[i] < 0 ? -a[i] : a[i];
        if (b[i] == 0) {
            z[i] = clamped(p, a[i] > 0 ? 1 << 30 : a[i] < 0 ? -(1 << 30) : 0);
            continue;
        }
        int32_t k;
        const int32_t inverse = reciprocal((uint32_t)(b[i] < 0 ? -b[i] : b[i]), &k);
        const uint32_t size = (uint32_t)(dividend < 0 ? ~dividend : dividend);
        const int32_t headroom = size ? __builtin_clz(size) - 1 : 31;
        int32_t quotient = (int32_t)((uint32_t)dividend << headroom);
        quotient = high_product(high_product(quotient, inverse), p->y_multiplier);
        const int32_t shift = ew_max_s32(headroom + k - p->shift, 0);
        /* halves away from zero; nothing is left of 32 bits or more */
        quotient = shift > 31 ? 0 : ew_divide_by_power(quotient, shift);
        z[i] = clamped(p, quotient);
    }
}

#define KERNEL(name, result)                                                                       \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        ew_element_bytes bytes = {{2, 2, 0}, result};                                              \
        ew_rows(&p->shape, p, operand, bytes, 2, name##_row, tile_begin, tile_end, scratch);       \
    }
KERNEL(add_q16, 2)
KERNEL(add_shifted_q16, 2)
KERNEL(mul_q16, 2)
KERNEL(div_q16, 2)
KERNEL(prelu_q16, 2)
KERNEL(equal_q16, 1)
