/* LiteRT's 32-bit multiplier and shift, one number at a time (ops/requant.py: multiply_fixed). */
#ifndef EW_FIXED_H
#define EW_FIXED_H
#include "kernel.h"

/* x / 2**exponent, halves away from zero. */
static inline int32_t ew_divide_by_power(int32_t x, int32_t exponent) {
    int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1);
    int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* x * m * 2**(shift - 31), rounded twice; 0 <= m, -31 <= shift <= 30. */
static inline int32_t ew_multiply_fixed(int32_t x, int32_t m, int32_t shift) {
    int32_t left = (int32_t)((uint32_t)x << (shift > 0 ? shift : 0));
    int64_t product = (int64_t)left * m;
    int32_t high = (int32_t)((product + (1 << 30)) >> 31);
    return ew_divide_by_power(high, shift < 0 ? -shift : 0);
}
#endif
