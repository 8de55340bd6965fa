/* Elementary functions in float32 arithmetic, branch-free where loops over them are vectorised.
 * Relative errors stand above each function; the operator matrix holds the kernels to theirs. */
#ifndef EW_MATH_H
#define EW_MATH_H
#include <stdint.h>

/* e**x, at most 2 ulp for x in [-87, 88]; saturates to 0 below -104 and infinity above 89; NaN
 * stays. x = n ln 2 + r with |r| <= ln 2 / 2, a Taylor polynomial of degree 7 in r, times 2**n in
 * two steps, so that subnormal results are right. */
static inline float ew_exp_f32(float x) {
    float inside = x < -104.0f ? -104.0f : x;
    inside = inside > 89.0f ? 89.0f : inside;
    float shifted = inside * 1.44269504f + 12582912.0f; /* n in the low bits */
    int32_t n;
    __builtin_memcpy(&n, &shifted, sizeof n);
    n -= 0x4B400000;
    float whole = shifted - 12582912.0f;
    float r = inside - whole * 0.693359375f; /* ln 2 in two parts: the product is exact */
    r = r - whole * -2.12194440e-4f;
    float y = 1.98412698e-4f; /* 1 / 7! */
    y = y * r + 1.38888889e-3f;
    y = y * r + 8.33333333e-3f;
    y = y * r + 4.16666667e-2f;
    y = y * r + 1.66666667e-1f;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    int32_t half = n >> 1, first = (half + 127) << 23, second = (n - half + 127) << 23;
    float a, b;
    __builtin_memcpy(&a, &first, sizeof a);
    __builtin_memcpy(&b, &second, sizeof b);
    return y * a * b;
}

/* 1 / (1 + e**-x) without overflow on either side. */
static inline float ew_logistic_f32(float x) {
    float e = ew_exp_f32(x < 0.0f ? x : -x);
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* tanh x; below 0.625 an odd rational function (Eigen's and Cephes' interval), above 1 - 2 / (...).
 * Small |x|: x + x**3 * polynomial, from Cephes tanhf. */
static inline float ew_tanh_f32(float x) {
    float size = x < 0.0f ? -x : x, square = x * x;
    float e = ew_exp_f32(-2.0f * size);
    float large = (1.0f - e) / (1.0f + e);
    float p = -5.70498872745e-3f;
    p = p * square + 2.06390887954e-2f;
    p = p * square - 5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square - 3.33332819422e-1f;
    float small = p * square * x + x;
    return size < 0.625f ? small : x < 0.0f ? -large : large;
}
#endif
