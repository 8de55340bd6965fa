/* The 16-bit floats of simd.h: loads that widen, stores that round; bfloat16 without vectors. */
#ifndef EW_SIMD_HALF_H
#define EW_SIMD_HALF_H
#include "bfloat.h"
#include "kernel.h"
#if EW_LANES > 1
/* Finite float16 numbers, as they are. */
EW_INLINE v_f32 v_load_f16(const uint16_t *p) {
#if EW_LANES == 16 && defined(__AVX512F__)
    return (v_f32)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif EW_LANES == 8
    return (v_f32)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#else /* in the places of float32 an exponent is 112 too small; subnormals become normal */
    typedef uint16_t v_half __attribute__((vector_size(2 * EW_LANES)));
    v_half half;
    __builtin_memcpy(&half, p, sizeof half);
    v_s32 bits = __builtin_convertvector(half, v_s32);
    v_f32 size = (v_f32)((bits & 0x7FFF) << 13) * v_splat_f32(0x1p112f);
    return v_or_bits(size, (bits & 0x8000) << 16);
#endif
}

#if EW_LANES == 8 || (EW_LANES == 16 && defined(__AVX512F__))
/* The processor knows float16: any number is loaded, and is stored as the nearest, halves to even. */
#define EW_HALVES
EW_INLINE void v_store_f16(uint16_t *p, v_f32 v) {
#if EW_LANES == 16
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
#else
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
#endif
}
#endif

/* bfloat16 numbers, as they are. */
EW_INLINE v_f32 v_load_bf16(const uint16_t *p) {
    typedef uint16_t v_half __attribute__((vector_size(2 * EW_LANES)));
    typedef uint32_t v_wide __attribute__((vector_size(4 * EW_LANES)));
    v_half half;
    __builtin_memcpy(&half, p, sizeof half);
    return (v_f32)(__builtin_convertvector(half, v_wide) << 16);
}

/* The nearest bfloat16 numbers, halves to even; NaN stays NaN. AMX's instruction makes subnormal
 * numbers 0. */
EW_INLINE void v_store_bf16(uint16_t *p, v_f32 v) {
#if EW_LANES == 16 && defined(__AVX512BF16__)
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
#else
    typedef uint16_t v_half __attribute__((vector_size(2 * EW_LANES)));
    typedef uint32_t v_wide __attribute__((vector_size(4 * EW_LANES)));
    const v_wide bits = (v_wide)v, is_nan = (v_wide)(v != v);
    const v_wide nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    const v_wide quiet = (bits >> 16 & 0x8000) | 0x7FC0;
    const v_half half = __builtin_convertvector((nearest & ~is_nan) | (quiet & is_nan), v_half);
    __builtin_memcpy(p, &half, sizeof half);
#endif
}

/* The first n of a vector's numbers, at most all of them, as bfloat16 or float32. */
EW_INLINE void v_store_first(uint8_t *p, v_f32 v, uint32_t n, const int is_bf16) {
    if (!is_bf16) {
        v_store_first_f32((float *)(void *)p, v, n);
        return;
    }
#if EW_LANES == 16 && defined(__AVX512BF16__)
    const __mmask16 mask = n < EW_LANES ? (__mmask16)((1u << n) - 1) : 0xFFFF;
    _mm256_mask_storeu_epi16(p, mask, (__m256i)_mm512_cvtneps_pbh((__m512)v));
#else
    uint16_t narrow[EW_LANES];
    v_store_bf16(narrow, v);
    ew_copy(p, (const uint8_t *)narrow, ew_min_u32(n, EW_LANES) * sizeof *narrow);
#endif
}
#else
EW_INLINE v_f32 v_load_bf16(const uint16_t *p) { return ew_of_bfloat(*p); }
EW_INLINE void v_store_bf16(uint16_t *p, v_f32 v) { *p = ew_bfloat_of(v); }
#endif
#endif
