/* Vectors of which only the lower half matters, in builds of 16 lanes: where a processor multiplies
 * one whole vector at a time, it multiplies two halves (Zen 4), and what fits in one takes half the
 * time. `is_low` is a constant; the upper half of what these functions then return is undefined. */
#ifndef EW_SIMD_LOW_H
#define EW_SIMD_LOW_H
#include "simd_half.h"
#if EW_LANES == 16
#define EW_IF_LOW(is_low, low, whole) ((is_low) ? (low) : (whole))
enum { EW_LOW = EW_LANES / 2 };
typedef float v_low_f32 __attribute__((vector_size(4 * EW_LOW)));

EW_INLINE v_low_f32 v_low_of(v_f32 v) {
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
}
EW_INLINE v_f32 v_of_low(v_low_f32 v) {
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, -1, -1, -1, -1, -1, -1, -1, -1);
}

EW_INLINE v_f32 v_fma_low(v_f32 a, v_f32 b, v_f32 c) {
    v_low_f32 x = v_low_of(a), y = v_low_of(b), sum = v_low_of(c);
#if defined(__AVX512F__)
    sum = (v_low_f32)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)sum);
    __asm__("" : "+v"(sum)); /* else clang multiplies whole vectors: nobody asks for the rest */
#else
    sum += x * y;
#endif
    return v_of_low(sum);
}

EW_INLINE v_f32 v_load_low_f32(const float *p) {
    v_low_f32 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v_of_low(v);
}
EW_INLINE void v_store_low_f32(float *p, v_f32 v) {
    const v_low_f32 low = v_low_of(v);
    __builtin_memcpy(p, &low, sizeof low);
}

EW_INLINE v_f32 v_load_low_bf16(const uint16_t *p) {
    uint16_t all[EW_LANES] = {0};
    __builtin_memcpy(all, p, EW_LOW * sizeof *p);
    return v_load_bf16(all);
}
EW_INLINE void v_store_low_bf16(uint16_t *p, v_f32 v) {
    uint16_t all[EW_LANES];
    v_store_bf16(all, v);
    __builtin_memcpy(p, all, EW_LOW * sizeof *p);
}

/* The first n floats of a lower half, at most all. */
EW_INLINE void v_store_first_low_f32(float *p, v_f32 v, uint32_t n) {
#if defined(__AVX512F__)
    _mm256_mask_storeu_ps(p, (__mmask8)((1u << n) - 1), (__m256)v_low_of(v));
#else
    v_store_first_f32(p, v, n);
#endif
}
#else
#define EW_IF_LOW(is_low, low, whole) ((void)(is_low), (whole))
#endif

EW_INLINE v_f32 v_fma_part(const int is_low, v_f32 a, v_f32 b, v_f32 c) {
    return EW_IF_LOW(is_low, v_fma_low(a, b, c), v_fma(a, b, c));
}
EW_INLINE v_f32 v_load_part_f32(const int is_low, const float *p) {
    return EW_IF_LOW(is_low, v_load_low_f32(p), v_load_f32(p));
}
EW_INLINE void v_store_first_part_f32(const int is_low, float *p, v_f32 v, uint32_t n) {
    EW_IF_LOW(is_low, v_store_first_low_f32(p, v, n), v_store_first_f32(p, v, n));
}
#endif
