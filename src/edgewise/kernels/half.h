/* float16 numbers one by one and in runs: from and to float32. */
#ifndef EW_HALF_H
#define EW_HALF_H
#include "broadcast.h"
#include "simd_half.h"

/* All cases at once and one of them chosen, which vectors can do. */
static inline float ew_of_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7FFF, bits;
    float y = (float)(int32_t)rest * 0x1p-24f; /* subnormal: a whole number of 2**-24 */
    __builtin_memcpy(&bits, &y, sizeof bits);
    bits = rest < 0x400 ? bits : (rest << 13) + 0x38000000;
    bits = rest < 0x7C00 ? bits : 0x7F800000 | rest << 13; /* infinity and NaN */
    bits |= sign;
    __builtin_memcpy(&y, &bits, sizeof y);
    return y;
}

/* Nearest, halves to even. */
static inline uint16_t ew_half_of(float x) {
    uint32_t bits, small;
    __builtin_memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    float y = __builtin_fabsf(x) + 0.5f; /* subnormal: 2**-24 is the last bit of 0.5 */
    __builtin_memcpy(&small, &y, sizeof small);
    bits = (size + 0xFFF + (size >> 13 & 1) - 0x38000000) >> 13;
    bits = size < 0x38800000 ? small - 0x3F000000 : bits;
    bits = size < 0x477FF000 ? bits : 0x7C00; /* rounds beyond 65504 */
    bits = size > 0x7F800000 ? 0x7C00 | (size >> 13 & 0x3FF) | 0x200 : bits;
    return (uint16_t)(sign | bits);
}

static inline void ew_of_halves(float *y, const uint16_t *x, size_t n) {
    size_t i = 0;
#if defined(EW_HALVES)
    for (; i + EW_LANES <= n; i += EW_LANES) v_store_f32(y + i, v_load_f16(x + i));
#endif
    EW_INDEPENDENT for (; i < n; i++) y[i] = ew_of_half(x[i]);
}

static inline void ew_halves_of(uint16_t *y, const float *x, size_t n) {
    size_t i = 0;
#if defined(EW_HALVES)
    for (; i + EW_LANES <= n; i += EW_LANES) v_store_f16(y + i, v_load_f32(x + i));
#endif
    EW_INDEPENDENT for (; i < n; i++) y[i] = ew_half_of(x[i]);
}
#endif
