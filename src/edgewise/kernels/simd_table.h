/* The part of simd.h that looks bytes up: shuffles of 16 bytes, for builds that have them. */
#ifndef EW_SIMD_TABLE_H
#define EW_SIMD_TABLE_H
#include "simd.h"
#if EW_LANES >= 8
typedef int8_t v_index __attribute__((vector_size(4 * EW_LANES)));

EW_INLINE v_index v_load_index(const void *p) {
    v_index v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
EW_INLINE void v_store_index(void *p, v_index v) { __builtin_memcpy(p, &v, sizeof v); }

/* In each part of 16 bytes: table[index & 15] of that part, 0 where the index is negative. */
EW_INLINE v_index v_shuffle(v_index table, v_index index) {
#if EW_LANES == 16 && defined(__AVX512BW__)
    return (v_index)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
#elif EW_LANES == 8
    return (v_index)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
#else
    v_index y = {0};
    for (int i = 0; i < 4 * EW_LANES; i++)
        if (index[i] >= 0) y[i] = table[(i & ~15) | (index[i] & 15)];
    return y;
#endif
}

/* index - 16, not below -128. */
EW_INLINE v_index v_next_part(v_index index) {
#if EW_LANES == 16 && defined(__AVX512BW__)
    return (v_index)_mm512_subs_epi8((__m512i)index, _mm512_set1_epi8(16));
#elif EW_LANES == 8
    return (v_index)_mm256_subs_epi8((__m256i)index, _mm256_set1_epi8(16));
#else
    for (int i = 0; i < 4 * EW_LANES; i++) index[i] = index[i] < -112 ? -128 : index[i] - 16;
    return index;
#endif
}
#endif
#endif
