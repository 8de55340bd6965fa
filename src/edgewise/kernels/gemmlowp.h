/* gemmlowp's logistic and tanh of 16-bit fixed-point numbers (ops/gemmlowp.py), on numbers in 32-bit
 * lanes: I integer bits mean raw / 2**(15 - I). Sums stay inside 16 bits by construction. */
#ifndef EW_GEMMLOWP_H
#define EW_GEMMLOWP_H
#include "simd.h"

/* All bits of the lanes where a < b. */
EW_INLINE v_s32 v_below_s32(v_s32 a, v_s32 b) {
#if EW_LANES == 1
    return -(a < b);
#else
    return a < b;
#endif
}
EW_INLINE v_s32 v_where_s32(v_s32 mask, v_s32 a, v_s32 b) { return (mask & a) | (~mask & b); }
EW_INLINE v_s32 v_s16_range(v_s32 x) {
    return v_min_s32(v_max_s32(x, v_splat_s32(-32768)), v_splat_s32(32767));
}
/* a * b / 2**15 to the nearest, halves up, saturated. */
EW_INLINE v_s32 v_fixed_mul(v_s32 a, v_s32 b) {
    return v_min_s32((a * b + (1 << 14)) >> 15, v_splat_s32(32767));
}
/* x / 2**bits, halves away from zero. */
EW_INLINE v_s32 v_fixed_halved(v_s32 x, int32_t bits) {
    int32_t mask = (int32_t)((UINT32_C(1) << bits) - 1);
    v_s32 threshold = v_splat_s32(mask >> 1) - (x >> 31);
    return (x >> bits) - v_below_s32(threshold, x & mask);
}
EW_INLINE v_s32 v_fixed_shifted(v_s32 x, int32_t bits) { return v_s16_range(x << bits); }

/* e**a for a in [-1/4, 0), without integer bits: Taylor of the fourth degree about -1/8. */
EW_INLINE v_s32 v_fixed_exp_quarter(v_s32 a) {
    v_s32 x = a + (1 << 12), base = v_splat_s32(28918) /* e**(-1/8) */;
    v_s32 x2 = v_fixed_mul(x, x), x3 = v_fixed_mul(x2, x), x4 = v_fixed_mul(x2, x2);
    v_s32 third = v_splat_s32(10923);
    v_s32 tail = v_fixed_mul(v_fixed_halved(x4, 2) + x3, third) + x2;
    return v_s16_range(base + v_fixed_mul(base, x + v_fixed_halved(tail, 1)));
}

/* e**a for a <= 0 with up to 13 integer bits: the quarter by a polynomial, the rest bit by bit. */
EW_INLINE v_s32 v_fixed_exp(v_s32 a, int32_t integer_bits) {
    static const int16_t factors[] = {25520, 19875, 12055, 4435, 600, 11, 0}; /* e**-2**(k - 2) */
    int32_t fraction_bits = 15 - integer_bits, quarter = 1 << (fraction_bits - 2);
    v_s32 within = (a & (quarter - 1)) - quarter, remainder = within - a;
    v_s32 y = v_fixed_exp_quarter(v_fixed_shifted(within, integer_bits));
    for (int32_t k = 0; k < 7 && integer_bits > k - 2; k++) {
        v_s32 bit = (remainder << (31 - (fraction_bits + k - 2))) >> 31;
        y = v_where_s32(bit, v_fixed_mul(y, v_splat_s32(factors[k])), y);
    }
    if (integer_bits > 5)
        y &= ~v_below_s32(a, v_splat_s32(-(1 << (20 - integer_bits))));
    return v_where_s32(v_below_s32(a, v_splat_s32(0)), y, v_splat_s32(32767));
}

/* 2 / (1 + a) for a in [0, 1], with 2 integer bits: three Newton steps. */
EW_INLINE v_s32 v_fixed_reciprocal(v_s32 a) {
    v_s32 half = (a + 32768) >> 1;
    v_s32 x = v_fixed_mul(half, v_splat_s32(-15420)) + 23130; /* -32 / 17, 48 / 17 */
    for (int i = 0; i < 3; i++) {
        v_s32 error = (1 << 13) - v_fixed_mul(half, x);
        x += v_fixed_shifted(v_fixed_mul(x, error), 2);
    }
    return x;
}

/* 1 / (1 + e**-x) of x with 3 integer bits. */
EW_INLINE v_s32 v_fixed_logistic(v_s32 x) {
    v_s32 sign = x >> 31, zero = v_splat_s32(0);
    v_s32 y = v_fixed_exp(v_where_s32(sign, x, -x), 3);
    y = v_fixed_shifted(v_fixed_reciprocal(y), 1);
    y = v_where_s32(sign, 32767 - y, y);
    return v_where_s32(v_below_s32(zero, x) | sign, y, v_splat_s32(1 << 14));
}

/* tanh of x with up to 12 integer bits. */
EW_INLINE v_s32 v_fixed_tanh(v_s32 x, int32_t integer_bits) {
    v_s32 sign = x >> 31, zero = v_splat_s32(0);
    v_s32 y = v_fixed_exp(v_where_s32(sign, x, -x), integer_bits + 1);
    y = v_fixed_shifted(v_fixed_reciprocal(y) - (1 << 13), 2);
    y = v_where_s32(sign, -y, y);
    return y & (v_below_s32(zero, x) | sign);
}
#endif
