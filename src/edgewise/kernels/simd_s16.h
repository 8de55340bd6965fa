/* The int16 part of simd.h, for builds with vectors: the way from accumulators to s16. */
#ifndef EW_SIMD_S16_H
#define EW_SIMD_S16_H
#include "simd_b8.h"
#if EW_LANES > 1

/* An element of 64 bits for each lane. */
typedef double v_f64 __attribute__((vector_size(8 * EW_LANES)));
typedef int64_t v_s64 __attribute__((vector_size(8 * EW_LANES)));

EW_INLINE v_f64 v_load_f64(const double *p) {
    v_f64 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* EW_ROUND_up_f64. All of acc * first + second has fewer than 53 bits; then 1.5 * 2**52 rounds and
 * leaves the integer in the low bits, modulo 2**32. Rounding to even is rounding up here, because
 * `second` makes of every half a little more. */
EW_INLINE v_s32 v_round_up(v_s32 acc, v_f64 first, v_f64 second) {
    v_f64 y = __builtin_convertvector(acc, v_f64) * first + second + 6755399441055744.0;
    return __builtin_convertvector((v_s64)y, v_s32);
}

/* EW_ROUND_up_s32. Products of 64 bits have the even lanes, and those of the odd ones, whose upper
 * halves are in their places already. Odd lanes are moved by a shuffle: of a shift, clang 22 makes
 * three multiplications of one. */
EW_INLINE v_s32 v_round_up_s32(v_s32 acc, v_s32 first) {
#if EW_LANES == 8
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << 31);
    const __m256i a = (__m256i)acc, b = (__m256i)first;
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, b), half);
    __m256i odd = _mm256_mul_epi32(_mm256_shuffle_epi32(a, 0xF5), _mm256_shuffle_epi32(b, 0xF5));
    odd = _mm256_add_epi64(odd, half);
    return (v_s32)_mm256_blend_epi32(_mm256_shuffle_epi32(even, 0xF5), odd, 0xAA);
#elif EW_LANES == 16 && defined(__AVX512F__)
    const __m512i half = _mm512_set1_epi64((int64_t)1 << 31);
    const __m512i a = (__m512i)acc, b = (__m512i)first;
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
    __m512i odd = _mm512_mul_epi32(_mm512_shuffle_epi32(a, 0xF5), _mm512_shuffle_epi32(b, 0xF5));
    odd = _mm512_add_epi64(odd, half);
    return (v_s32)_mm512_mask_blend_epi32(0xAAAA, _mm512_shuffle_epi32(even, 0xF5), odd);
#else
    v_s64 y = __builtin_convertvector(acc, v_s64) * __builtin_convertvector(first, v_s64);
    return __builtin_convertvector((y + ((int64_t)1 << 31)) >> 32, v_s32);
#endif
}

/* EW_ROUND_away. */
EW_INLINE v_s32 v_round_away(v_s32 acc, v_f64 first) {
    const v_f64 x = __builtin_convertvector(acc, v_f64) * first;
    v_s64 size = (v_s64)x & 0x7FFFFFFFFFFFFFFF;
    v_s64 is_small = (v_f64)size < 65536.0;
    size = (is_small & size) | (~is_small & 0x40F0000000000000); /* 65536.0 */
    v_s32 y = __builtin_convertvector((v_f64)size + 0.5, v_s32);
    v_s32 sign = __builtin_convertvector((v_s64)x >> 63, v_s32);
    return (y ^ sign) - sign;
}

/* Bounds of stored integers. */
typedef struct {
    v_s16 low, high;
    v_s32 low_s32, high_s32;
} v_range;

EW_INLINE v_range v_range_of(int32_t low, int32_t high) {
    v_range r = {(v_s16){0} + (int16_t)low, (v_s16){0} + (int16_t)high, v_splat_s32(low),
                 v_splat_s32(high)};
    return r;
}

EW_INLINE v_s16 v_clamp_s16(v_s16 x, const v_range *r) {
#if defined(EW_SATURATE)
    return (v_s16)EW_SATURATE(min_epi16)(EW_SATURATE(max_epi16)((v_any)x, (v_any)r->low),
                                         (v_any)r->high);
#else
    v_s16 mask = x > r->low;
    x = (mask & x) | (~mask & r->low);
    mask = x < r->high;
    return (mask & x) | (~mask & r->high);
#endif
}

/* The s16 of two vectors in the order of v_zip_s16, within bounds. */
EW_INLINE v_s16 v_narrow_zipped_s16(v_s32 a, v_s32 b, const v_range *r) {
#if defined(EW_SATURATE)
    return v_clamp_s16((v_s16)EW_SATURATE(packs_epi32)((v_any)a, (v_any)b), r);
#elif EW_LANES == 4 && defined(__aarch64__)
    v_s16 y = (v_s16)vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b));
    return v_clamp_s16(y, r);
#else
    v_s16 y;
    a = v_min_s32(v_max_s32(a, r->low_s32), r->high_s32);
    b = v_min_s32(v_max_s32(b, r->low_s32), r->high_s32);
    for (uint32_t e = 0; e < EW_LANES; e++) {
        y[e / 4 * 8 + e % 4] = (int16_t)a[e];
        y[e / 4 * 8 + e % 4 + 4] = (int16_t)b[e];
    }
    return y;
#endif
}

/* The same with those of b behind those of a. */
EW_INLINE v_s16 v_narrow_s16(v_s32 a, v_s32 b, const v_range *r) {
    v_s16 y = v_narrow_zipped_s16(a, b, r);
#if EW_LANES == 8
    y = (v_s16)_mm256_permute4x64_epi64((__m256i)y, 0xD8);
#elif EW_LANES == 16
    typedef int64_t v_words __attribute__((vector_size(64)));
    y = (v_s16)__builtin_shufflevector((v_words)y, (v_words)y, 0, 2, 4, 6, 1, 3, 5, 7);
#endif
    return y;
}
#endif
#endif
