/* Elementary functions on vectors of EW_LANES float32 (`v_...`), and scalar ones for loops that the
 * compiler vectorises (`ew_...`). One source for all instruction sets; results may differ between
 * them by the rounding of v_fma. Long because each function stands with its coefficients and error.
 *
 * Largest errors in units in the last place, with an operand that has it, over every 257th float32
 * with AVX2 and 1,021st in plain C, specials included; tests/runtime/test_math.py holds them, over
 * all float32 on all instruction sets of x86:
 *   v_exp      0.97 at 48.213730     v_logistic  2.3 at -5.544247     v_sin  0.51 at -128.01868
 *   v_swish    3.0 at 0.000487745; over every 5th and 61st float32 with AVX-512 v_exp 1.03 at
 *   7.083061, v_logistic 3.04 at -3.442705, v_swish 3.6 above -20, 5.42 at -74.31787
 *   v_log      0.77 at 0.628962      v_pow_size  0.51 (2e5 pairs)
 *   v_tanh     5.51 at 8.459126, over all float32; where v_fma rounds twice, 6.22 at 8.267717
 *   v_expm1_negative  0.97 at -0.373943
 *   v_gelu, v_gelu_tanh: 2.4e-7 and 1.5e-7 of the larger of |x| and 1
 * v_logistic may give 0 for results below 2**-126.5, and v_swish for x where it may; subnormal ones
 * of v_exp are right. */
#ifndef EW_MATH_H
#define EW_MATH_H
#include "simd.h"

#if EW_LANES == 1
typedef double v_f64;
typedef int64_t v_s64;
EW_INLINE v_s32 v_less(v_f32 a, v_f32 b) { return -(a < b); }
EW_INLINE v_f64 v_to_f64(v_f32 x) { return (double)x; }
EW_INLINE v_f32 v_to_f32(v_f64 x) { return (float)x; }
EW_INLINE v_s64 v_less_f64(v_f64 a, v_f64 b) { return -(int64_t)(a < b); }
#else
typedef double v_f64 __attribute__((vector_size(8 * EW_LANES)));
typedef int64_t v_s64 __attribute__((vector_size(8 * EW_LANES)));
EW_INLINE v_s32 v_less(v_f32 a, v_f32 b) { return (v_s32)(a < b); }
EW_INLINE v_f64 v_to_f64(v_f32 x) { return __builtin_convertvector(x, v_f64); }
EW_INLINE v_f32 v_to_f32(v_f64 x) { return __builtin_convertvector(x, v_f32); }
EW_INLINE v_s64 v_less_f64(v_f64 a, v_f64 b) { return (v_s64)(a < b); }
#endif
EW_INLINE v_f32 v_of_bits(v_s32 x) {
    v_f32 v;
    __builtin_memcpy(&v, &x, sizeof v);
    return v;
}
EW_INLINE v_s64 v_bits_of_f64(v_f64 x) {
    v_s64 v;
    __builtin_memcpy(&v, &x, sizeof v);
    return v;
}
EW_INLINE v_f64 v_f64_of_bits(v_s64 x) {
    v_f64 v;
    __builtin_memcpy(&v, &x, sizeof v);
    return v;
}
/* a where the mask's lane is all ones, b where it is 0. */
EW_INLINE v_f32 v_where(v_s32 mask, v_f32 a, v_f32 b) {
    return v_of_bits((mask & v_bits_of(a)) | (~mask & v_bits_of(b)));
}
EW_INLINE v_f64 v_where_f64(v_s64 mask, v_f64 a, v_f64 b) {
    return v_f64_of_bits((mask & v_bits_of_f64(a)) | (~mask & v_bits_of_f64(b)));
}
EW_INLINE v_f32 v_abs(v_f32 x) { return v_of_bits(v_bits_of(x) & 0x7FFFFFFF); }
/* Added to a number, 1.5 * 2**23 leaves its nearest integer in the low bits: here n + 127, whose
 * bits shifted by 23 are the float 2**n, and n + 254, for 2**(n/2). */
#define EW_POWER 12583039.0f
#define EW_ROOT_OF_POWER 12583166.0f

/* x = n ln 2 + r, |r| <= 0.35, for |x| <= 104; ln 2 in two `parts`, the product with the first of
 * which is exact, or in one, where v_fma rounds once: r is 2.8e-9 |x| off then. `bits` are those of
 * n + rounder. */
EW_INLINE v_f32 v_exp_parts(v_f32 x, float rounder, const int parts, v_s32 *bits) {
    v_f32 shifted = v_fma(x, v_splat_f32(1.44269504f), v_splat_f32(rounder));
    v_f32 whole = shifted - rounder;
    *bits = v_bits_of(shifted);
    if (parts == 1) return v_fma(whole, v_splat_f32(-0.693147182f), x);
    v_f32 r = v_fma(whole, v_splat_f32(-0.693359375f), x);
    return v_fma(whole, v_splat_f32(2.12194440e-4f), r);
}

/* e**r - 1 for |r| <= 0.35: r + r**2 p(r), p of degree 4 minimax, 3.3e-9 of e**r off; in pairs of
 * terms, which wait less for each other. */
EW_INLINE v_f32 v_expm1_small(v_f32 r) {
    v_f32 square = r * r;
    v_f32 low = v_fma(r, v_splat_f32(1.6666514791e-1f), v_splat_f32(4.9999993051e-1f));
    v_f32 high = v_fma(r, v_splat_f32(8.3694188355e-3f), v_splat_f32(4.1668456787e-2f));
    high = v_fma(square, v_splat_f32(1.3813143504e-3f), high);
    return v_fma(v_fma(high, square, low), square, r);
}

/* x within [low, high]; NaN stays. */
EW_INLINE v_f32 v_within(v_f32 x, float low, float high) {
    return v_min(v_splat_f32(high), v_max(v_splat_f32(low), x));
}

/* The square root, rounded correctly. Processors without the instruction (Cortex-M0) take a root of
 * integers, bit by bit: 25 bits, the last of which rounds (no tie: twice an odd root is no square). */
static inline float ew_sqrt_f32(float x) {
#if defined(__arm__) && !defined(__ARM_FP)
    int32_t bits, e;
    __builtin_memcpy(&bits, &x, sizeof bits);
    if (x != x || x == 0.0f || bits == 0x7F800000) return x;
    if (bits < 0) return __builtin_nanf("");
    uint32_t m = (uint32_t)bits & 0x7FFFFF, root = 0;
    e = bits >> 23;
    if (e)
        m |= 0x800000;
    else
        for (e = 1; !(m & 0x800000); e--) m <<= 1;
    e -= 127;
    if (e & 1) m <<= 1, e--;
    uint64_t square = (uint64_t)m << 25;
    for (uint32_t bit = 1u << 24; bit; bit >>= 1) {
        uint64_t next = root + bit;
        if (next * next <= square) root = (uint32_t)next;
    }
    bits = (e / 2 + 126) * 0x800000 + (int32_t)((root + 1) >> 1);
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
#else
    return __builtin_sqrtf(x);
#endif
}

#if EW_LANES == 16 && defined(__AVX512F__)
/* e**x for |x| <= 2**17; NaN stays. x = n/16 ln 2 + r: 2**(n/16) by the remainder of n, from a
 * register, times 1 + r + r**2 p(r) with |r| <= 0.022, 5e-9 off, times a power that overflows and
 * loses bits as it has to: 6 operations that a multiplier has to do, which has 11 in the polynomial
 * for |r| <= 0.35 (v_exp_parts, the same `parts`). */
EW_INLINE v_f32 v_exp_sixteenths(v_f32 x, const int parts) {
    const __m512 roots = _mm512_setr_ps(
        1.0f, 1.04427373f, 1.09050775f, 1.13878858f,
        1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f,
        1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f,
        1.68179286f, 1.75625217f, 1.8340081f, 1.91520655f);
    v_f32 shifted = v_fma(x, v_splat_f32(1.44269504f), v_splat_f32(0x1.8p19f));
    v_f32 whole = shifted - 0x1.8p19f; /* n/16, and n in the low bits of `shifted` */
    v_f32 r = v_fma(whole, v_splat_f32(parts == 1 ? -0.693147182f : -0.693359375f), x);
    if (parts == 2) r = v_fma(whole, v_splat_f32(2.12194440e-4f), r);
    v_f32 root = (v_f32)_mm512_permutexvar_ps((__m512i)shifted, roots);
    v_f32 p = v_fma(r, v_splat_f32(1.6666667163e-1f), v_splat_f32(5.0000977516e-1f));
    v_f32 e = v_fma(root * r, v_fma(p, r, v_splat_f32(1.0f)), root);
    return (v_f32)_mm512_scalef_ps((__m512)e, (__m512)whole);
}
#endif

/* e**x; subnormal results are right, 0 below -104, infinity above 88.73; NaN stays. 2**n in two
 * steps, of which one alone overflows. */
EW_INLINE v_f32 v_exp(v_f32 x) {
    x = v_within(x, -104.0f, 89.0f);
#if EW_LANES == 16 && defined(__AVX512F__)
    return v_exp_sixteenths(x, 2);
#else
    v_s32 bits;
    v_f32 r = v_exp_parts(x, EW_ROOT_OF_POWER, 2, &bits);
    v_s32 half = bits >> 1;
    v_f32 power = v_of_bits(half << 23);
    return v_fma(v_expm1_small(r), power, power) * v_of_bits((bits - half) << 23);
#endif
}

/* e**x for x <= 88, with one step: below -87.33 it may be 0, below -104 it is; NaN stays. */
EW_INLINE v_f32 v_exp_flushed(v_f32 x, const int parts) {
#if EW_LANES == 16 && defined(__AVX512F__)
    return v_exp_sixteenths(v_max(v_splat_f32(-104.0f), x), parts);
#else
    v_s32 bits; /* 0 below -87.68, where n is -127 and its power 0 */
    v_f32 r = v_exp_parts(v_max(v_splat_f32(-88.0f), x), EW_POWER, parts, &bits);
    v_f32 power = v_of_bits(bits << 23);
    return v_fma(v_expm1_small(r), power, power);
#endif
}

/* e**x - 1 for x <= 0; NaN stays. */
EW_INLINE v_f32 v_expm1_negative(v_f32 x) {
    v_s32 bits;
    v_f32 r = v_exp_parts(v_within(x, -26.0f, 0.0f), EW_POWER, 2, &bits);
    v_f32 power = v_of_bits(bits << 23);
    return v_fma(v_expm1_small(r), power, power - 1.0f);
}

/* e**x / (1 + e**x), which is 1 from 20 on; NaN stays. */
EW_INLINE v_f32 v_logistic(v_f32 x) {
    v_f32 e = v_exp_flushed(v_min(v_splat_f32(20.0f), x), 2);
    return e / (1.0f + e);
}

/* y * logistic(x), which is y / (1 + e**-x) where powers overflow as they have to; y is NaN where x
 * is. One part of ln 2 (9.5 cycles of a vector on a Zen 4; two: 10.8; the product with v_logistic:
 * 12.1) is 1 ulp off at x = -30, 3 at -80. */
EW_INLINE v_f32 v_times_logistic(v_f32 y, v_f32 x) {
#if EW_LANES == 16 && defined(__AVX512F__)
    const __m512 inside = _mm512_range_ps((__m512)x, _mm512_set1_ps(104.0f), 2); /* of NaN: 104 */
    return y / (1.0f + v_exp_sixteenths(-(v_f32)inside, 1));
#else
    return y * v_logistic(x);
#endif
}
EW_INLINE v_f32 v_swish(v_f32 x) { return v_times_logistic(x, x); }

/* tanh x = x p(x**2) / q(x**2), minimax to 2.1e-8 of it on [0, 9.02], where it rounds to 1; NaN
 * stays. */
EW_INLINE v_f32 v_tanh(v_f32 x) {
    v_f32 inside = v_within(x, -9.02f, 9.02f), square = inside * inside;
    v_f32 p = v_splat_f32(1.3319069697e-8f);
    p = v_fma(p, square, v_splat_f32(2.0583478754e-5f));
    p = v_fma(p, square, v_splat_f32(3.4940343584e-3f));
    p = v_fma(p, square, v_splat_f32(1.3379717751e-1f));
    p = v_fma(p, square, v_splat_f32(1.0f));
    v_f32 q = v_splat_f32(7.7620182774e-7f);
    q = v_fma(q, square, v_splat_f32(3.2830925466e-4f));
    q = v_fma(q, square, v_splat_f32(2.5871072374e-2f));
    q = v_fma(q, square, v_splat_f32(4.6713032990e-1f));
    q = v_fma(q, square, v_splat_f32(1.0f));
    return p * inside / q;
}

#if EW_LANES == 16 && defined(__AVX512F__)
/* x/2 * erfc(-x / sqrt 2) = x/2 + |x| f(|x|), where f is erf(|x| / sqrt 2) / 2: a polynomial of
 * degree 4 in the distance to the nearest multiple of 0.36, 9.4e-8 off, with coefficients from
 * registers; 1/2 from 5.22 on. Its error counts in units of |x|: the negative tail has no digits of
 * its own below 1e-7 |x|. It takes 10.7 cycles of a vector on a Zen 4; the quotient of polynomials
 * in x**2 below, 17. */
EW_INLINE v_f32 v_gelu(v_f32 x) {
    static const float of_power[5][EW_LANES] = {
        {3.62342267e-09f, 1.40576437e-01f, 2.64237493e-01f, 3.59928906e-01f,
         4.25066292e-01f, 4.64069694e-01f, 4.84613657e-01f, 4.94132251e-01f,
         4.98011619e-01f, 4.99402344e-01f, 4.99840885e-01f, 4.99962538e-01f,
         4.99992192e-01f, 4.99998569e-01f, 4.99999762e-01f, 0.5f},
        {3.98941278e-01f, 3.73908311e-01f, 3.07851136e-01f, 2.22655088e-01f,
         1.41461939e-01f, 7.89514408e-02f, 3.87072004e-02f, 1.66698657e-02f,
         6.30634837e-03f, 2.09568301e-03f, 6.11745636e-04f, 1.56858863e-04f,
         3.53292780e-05f, 6.98943586e-06f, 1.21457572e-06f, 0.0f},
        {4.47875791e-05f, -6.73030689e-02f, -1.10825442e-01f, -1.20232373e-01f,
         -1.01851307e-01f, -7.10555837e-02f, -4.18037809e-02f, -2.10044831e-02f,
         -9.08167940e-03f, -3.39541025e-03f, -1.10136997e-03f, -3.10683245e-04f,
         -7.63492790e-05f, -1.63670466e-05f, -3.06380343e-06f, 0.0f},
        {-6.71885312e-02f, -5.39603047e-02f, -2.46933904e-02f, 5.97777497e-03f,
         2.50672568e-02f, 2.93165389e-02f, 2.36048680e-02f, 1.48943439e-02f,
         7.71402102e-03f, 3.35328118e-03f, 1.23900792e-03f, 3.92221380e-04f,
         1.06943320e-04f, 2.52103364e-05f, 5.15243073e-06f, 0.0f},
        {4.45039710e-03f, 1.59956068e-02f, 2.27935780e-02f, 1.83081347e-02f,
         7.87915941e-03f, -1.36615220e-03f, -5.75588970e-03f, -5.84504800e-03f,
         -4.00764775e-03f, -2.12918106e-03f, -9.20786697e-04f, -3.32004653e-04f,
         -1.01189995e-04f, -2.62984540e-05f, -5.86279521e-06f, 0.0f},
    };
    v_f32 size = v_abs(x), inside = v_min(v_splat_f32(5.4f), size);
    v_f32 shifted = v_fma(inside, v_splat_f32(1.0f / 0.36f), v_splat_f32(0x1.8p23f));
    v_f32 distance = v_fma(shifted - 0x1.8p23f, v_splat_f32(-0.36f), inside), c[5];
    EW_UNROLL
    for (int i = 0; i < 5; i++)
        c[i] = (v_f32)_mm512_permutexvar_ps((__m512i)shifted, (__m512)v_load_f32(of_power[i]));
    v_f32 f = v_fma(v_fma(c[4], distance, c[3]), distance, c[2]);
    f = v_fma(v_fma(f, distance, c[1]), distance, c[0]);
    return v_fma(size, f, 0.5f * x);
}
#else
/* x/2 * erfc(-x / sqrt 2) = x * (1/2 + x p(x**2) / q(x**2)), where the quotient is minimax to 5.5e-9
 * on [0, 5.4], grows with x from there and is cut off at 1/2. Its error counts in units of |x|: the
 * negative tail has no digits of its own below 1e-7 |x|. */
EW_INLINE v_f32 v_gelu(v_f32 x) {
    v_f32 square = v_min(v_splat_f32(29.16f), x * x);
    v_f32 p = v_splat_f32(2.3386729703e-8f);
    p = v_fma(p, square, v_splat_f32(6.3600276012e-6f));
    p = v_fma(p, square, v_splat_f32(1.6432219641e-4f));
    p = v_fma(p, square, v_splat_f32(4.6508542830e-3f));
    p = v_fma(p, square, v_splat_f32(3.3372273248e-2f));
    p = v_fma(p, square, v_splat_f32(3.9894224536e-1f));
    v_f32 q = v_splat_f32(1.2165914003e-6f);
    q = v_fma(q, square, v_splat_f32(7.2400367393e-5f));
    q = v_fma(q, square, v_splat_f32(1.8589843198e-3f));
    q = v_fma(q, square, v_splat_f32(2.8378713932e-2f));
    q = v_fma(q, square, v_splat_f32(2.5031797263e-1f));
    q = v_fma(q, square, v_splat_f32(1.0f));
    return v_fma(x, v_within(p * x / q, -0.5f, 0.5f), 0.5f * x);
}
#endif

/* x/2 * (1 + tanh u) = x * logistic(2 u), u = sqrt(2/pi) (x + 0.044715 x**3). */
EW_INLINE v_f32 v_gelu_tanh(v_f32 x) {
    v_f32 cubic = 0.044715f * x * x;
    return v_times_logistic(x, 1.59576912f * v_fma(cubic, x, x));
}

/* ln x; -infinity at 0, NaN below, subnormal operands right. x = m 2**e with sqrt(1/2) <= m <
 * sqrt 2; the polynomial of Cephes' logf in m - 1. */
EW_INLINE v_f32 v_log(v_f32 x) {
    v_s32 is_tiny = v_less(x, v_splat_f32(0x1p-126f));
    v_s32 bits = v_bits_of(v_where(is_tiny, x * 0x1p23f, x));
    v_s32 e = ((bits - 0x3F3504F3) >> 23) - (is_tiny & 23);
    v_f32 r = v_of_bits(bits - (((bits - 0x3F3504F3) >> 23) << 23)) - 1.0f;
    v_f32 square = r * r, whole = v_float(e);
    v_f32 p = v_splat_f32(7.0376836292e-2f);
    p = v_fma(p, r, v_splat_f32(-1.1514610310e-1f));
    p = v_fma(p, r, v_splat_f32(1.1676998740e-1f));
    p = v_fma(p, r, v_splat_f32(-1.2420140846e-1f));
    p = v_fma(p, r, v_splat_f32(1.4249322787e-1f));
    p = v_fma(p, r, v_splat_f32(-1.6668057665e-1f));
    p = v_fma(p, r, v_splat_f32(2.0000714765e-1f));
    p = v_fma(p, r, v_splat_f32(-2.4999993993e-1f));
    p = v_fma(p, r, v_splat_f32(3.3333331174e-1f));
    v_f32 y = v_fma(p * square, r, whole * -2.12194440e-4f);
    y = r + v_fma(square, v_splat_f32(-0.5f), y);
    y = v_fma(whole, v_splat_f32(0.693359375f), y);
    v_f32 infinite = v_splat_f32(__builtin_inff());
    y = v_where(v_less(x, infinite), y, x); /* infinity and NaN */
    y = v_where(v_less(v_splat_f32(0.0f), x), y, x * 0.0f - infinite); /* 0; NaN stays */
    return v_where(v_less(x, v_splat_f32(0.0f)), v_splat_f32(__builtin_nanf("")), y);
}

/* Sine and cosine of x + k pi/2, in float64: x = n pi/2 + r, with pi/2 in two parts; Taylor series
 * to r**11 and r**10, 2e-9 off at pi/4. For |x| < EW_LARGE_ANGLE, so that n times the first part is
 * exact. */
#define EW_LARGE_ANGLE 0x1p20f
EW_INLINE v_f32 v_sin_f64(v_f64 r, v_s64 n) {
    v_f64 square = r * r;
    v_f64 s = square * (-1.0 / 39916800) + 1.0 / 362880;
    s = ((s * square - 1.0 / 5040) * square + 1.0 / 120) * square - 1.0 / 6;
    s = s * square * r + r;
    v_f64 c = square * (-1.0 / 3628800) + 1.0 / 40320;
    c = (((c * square - 1.0 / 720) * square + 1.0 / 24) * square - 0.5) * square + 1.0;
    v_f64 y = v_where_f64(-(n & 1), c, s);
    return v_to_f32(v_f64_of_bits(v_bits_of_f64(y) ^ ((n & 2) << 62)));
}
EW_INLINE v_f32 v_sin(v_f32 x, int32_t quarters) {
    v_f64 wide = v_to_f64(x);
    v_f64 shifted = wide * 0.63661977236758134 + 0x1.8p52, whole = shifted - 0x1.8p52;
    v_f64 r = wide - whole * 1.57079632673412561417; /* 33 bits */
    r = r - whole * 6.07710050650619224932e-11;
    return v_sin_f64(r, v_bits_of_f64(shifted) + quarters);
}

/* Element-wise sine of x + quarters * pi/2 for large |x| (Payne and Hanek): the bits of 2/pi that
 * matter, times the significand, modulo 4. */
static inline float ew_sin_large(float x, int32_t quarters) {
    static const uint32_t two_over_pi[] = {0,          0xA2F9836E, 0x4E441529, 0xFC2757D1,
                                           0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB};
    int32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (bits >> 23 & 255) - 150;
    if (exponent > 104) return x - x; /* infinity and NaN */
    uint64_t m = (uint64_t)(bits & 0x7FFFFF) | 0x800000;
    uint32_t first = (uint32_t)(exponent + 30), word = first / 32, shift = first % 32;
    uint64_t high = (uint64_t)two_over_pi[word] << 32 | two_over_pi[word + 1];
    uint64_t low = (uint64_t)two_over_pi[word + 2] << 32 | (word < 5 ? two_over_pi[word + 3] : 0);
    if (shift) high = high << shift | low >> (64 - shift), low <<= shift;
    uint64_t turns = high * m + ((low >> 32) * m >> 32); /* 2 bits before the point */
    uint64_t n = (turns + (1ull << 61)) >> 62;
    double r = (double)(int64_t)(turns - (n << 62)) * (1.5707963267948966 * 0x1p-62);
    if (bits < 0) r = -r, n = 0 - n;
    double s = r * r, y;
    n += (uint64_t)(int64_t)quarters;
    if (n & 1)
        y = (((((s * (-1.0 / 3628800) + 1.0 / 40320) * s - 1.0 / 720) * s + 1.0 / 24) * s - 0.5) *
             s) + 1.0;
    else
        y = ((((s * (-1.0 / 39916800) + 1.0 / 362880) * s - 1.0 / 5040) * s + 1.0 / 120) * s -
             1.0 / 6) * s * r + r;
    return (float)(n & 2 ? -y : y);
}

/* |a|**b for finite a != 0 and finite b, in float64: 2**(b log2 |a|), the logarithm by its series in
 * (m - 1) / (m + 1) to the 15th power, 1e-13 off. */
EW_INLINE v_f32 v_pow_size(v_f32 a, v_f32 b) {
    v_s64 bits = v_bits_of_f64(v_to_f64(v_abs(a)));
    v_s64 above = (bits - 0x3FE6A09E667F3BCDll) & (int64_t)0xFFF0000000000000ull; /* e * 2**52 */
    v_f64 m = v_f64_of_bits(bits - above);
    v_f64 s = (m - 1.0) / (m + 1.0), square = s * s;
    v_f64 p = square * (1.0 / 15) + 1.0 / 13;
    p = (((((p * square + 1.0 / 11) * square + 1.0 / 9) * square + 1.0 / 7) * square + 1.0 / 5) *
             square + 1.0 / 3) * square + 1.0;
    v_f64 whole = v_f64_of_bits((above >> 52) + 0x4338000000000000ll) - 0x1.8p52;
    v_f64 exponent = (p * s * 2.8853900817779268 + whole) * v_to_f64(b);
    const v_f64 most = 1000.0 - (v_f64){0}; /* beyond float32, within float64 */
    exponent = v_where_f64(v_less_f64(exponent, most), exponent, most);
    exponent = v_where_f64(v_less_f64(-most, exponent), exponent, -most);
    v_f64 shifted = exponent + 0x1.8p52, n = shifted - 0x1.8p52;
    v_f64 r = (exponent - n) * 0.69314718055994531;
    v_f64 y = r * (1.0 / 362880) + 1.0 / 40320;
    y = ((((((((y * r + 1.0 / 5040) * r + 1.0 / 720) * r + 1.0 / 120) * r + 1.0 / 24) * r +
            1.0 / 6) * r + 0.5) * r + 1.0) * r) + 1.0;
    return v_to_f32(v_f64_of_bits(v_bits_of_f64(y) + (v_bits_of_f64(shifted) << 52)));
}

/* a**b given size = |a|**b where both are finite and a is not 0: C's pow elsewhere. */
static inline float ew_pow_special(float a, float b, float size) {
    float of_a = __builtin_fabsf(a), of_b = __builtin_fabsf(b);
    const float infinite = __builtin_inff();
    if (b == 0.0f || a == 1.0f) return 1.0f;
    if (a != a || b != b) return a + b;
    int is_whole = of_b >= 0x1p23f || (float)(int32_t)b == b;
    int is_odd = of_b < 0x1p24f && is_whole && ((int32_t)b & 1);
    if (of_b == infinite) {
        if (of_a == 1.0f) return 1.0f;
        return (of_a > 1.0f) == (b > 0.0f) ? infinite : 0.0f;
    }
    if (of_a == 0.0f || of_a == infinite) {
        float y = (of_a == 0.0f) == (b > 0.0f) ? 0.0f : infinite;
        return is_odd ? __builtin_copysignf(y, a) : y;
    }
    if (a > 0.0f) return size;
    if (!is_whole) return __builtin_nanf("");
    return is_odd ? -size : size;
}

/* Nearest integers: down and up, halves to even; beyond 2**23 all numbers are whole.
 * Signs of zeros stay, and NaN. */
EW_INLINE float ew_whole(float x, float rounded) {
    return __builtin_fabsf(x) < 0x1p23f ? __builtin_copysignf(rounded, x) : x;
}
EW_INLINE float ew_floor(float x) {
    float t = (float)(int32_t)(__builtin_fabsf(x) < 0x1p23f ? x : 0.0f);
    return ew_whole(x, t > x ? t - 1.0f : t);
}
EW_INLINE float ew_ceil(float x) { return -ew_floor(-x); }
EW_INLINE float ew_rint(float x) {
    return ew_whole(x, (__builtin_fabsf(x) + 0x1p23f) - 0x1p23f);
}
/* ln x for positive normal x, at most 1 ulp: x = m * 2**e with m in [sqrt(1/2), sqrt(2)), and the
 * series of artanh((m - 1) / (m + 1)), whose argument is below 0.172. One per row where a result
 * has to have the bits of a rounded exact logarithm. */
static inline double ew_log_f64(double x) {
    int64_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    int64_t e = (bits - 0x3FE6A09E667F3BCD) >> 52; /* the bits of sqrt(1/2) */
    bits -= e << 52;
    __builtin_memcpy(&x, &bits, sizeof x);
    double s = (x - 1.0) / (x + 1.0), square = s * s, sum = 0.0;
    for (int k = 21; k > 1; k -= 2) sum = (sum + 1.0 / k) * square;
    return (double)e * 0.693147180559945309 + 2.0 * (s + s * sum);
}

/* e**x in double precision: 2**n times the series of e**r, |r| <= ln(2) / 2; largest error 1 unit
 * in the last place, before the result is rounded to float32. */
static inline double ew_exp_f64(double x) {
    if (x != x) return x;
    if (x > 709.0) return (double)__builtin_inff();
    if (x < -708.0) return 0.0;
    double n = x * 1.4426950408889634 + 6755399441055744.0; /* 1.5 * 2**52: rounds */
    n -= 6755399441055744.0;
    double r = x - n * 0.693147180369123816490 - n * 1.90821492927058770002e-10;
    static const double terms[] = {/* 1 / k! */
                                   1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0,
                                   1.0 / 3628800.0,    1.0 / 362880.0,    1.0 / 40320.0,
                                   1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,
                                   1.0 / 24.0,         1.0 / 6.0,         0.5,
                                   1.0,                1.0};
    double sum = 1.0 / 87178291200.0;
    for (int k = 0; k < 14; k++) sum = sum * r + terms[k];
    int64_t bits = ((int64_t)n + 1023) << 52;
    double power;
    __builtin_memcpy(&power, &bits, sizeof power);
    return sum * power;
}
#endif
