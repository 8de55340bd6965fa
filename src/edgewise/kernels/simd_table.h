/* Bytes looked up in tables of 256: by shuffles of 16 bytes in builds that have them, beside simd.h. */
#ifndef EW_SIMD_TABLE_H
#define EW_SIMD_TABLE_H
#include "kernel.h"
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

/* table[x] by shuffles of 16 bytes. x - 16 h is not negative for the parts h up to that of x, so the
 * exclusive or of the differences between neighbouring parts up to it is left: three instructions per
 * part, of which 0 to 7 see the bytes below 128, and 8 to 15 the others with their top bit flipped.
 * AVX2 at 3.5 GHz: 0.15 ns a byte; a load per byte takes 0.42. Returns the elements done. */
static inline size_t ew_shuffle_table(const uint8_t *x, const uint8_t *table, uint8_t *y, size_t n) {
#if defined(__AVX512VBMI__) /* two shuffles of 128 bytes, of which the highest bit chooses */
    const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
    const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i at = _mm512_loadu_si512(x + i);
        const __m512i low = _mm512_permutex2var_epi8(a, at, b);
        const __m512i high = _mm512_permutex2var_epi8(c, at, d);
        _mm512_storeu_si512(y + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, high));
    }
    return i;
#else
    enum { STEP = 8 * EW_LANES, PARTS = 16 };
    v_index parts[PARTS];
    if (n < 2 * STEP) return 0;
    uint8_t differences[256];
    ew_copy(differences, table, 16), ew_copy(differences + 128, table + 128, 16);
    for (int k = 16; k < 128; k++) differences[k] = table[k] ^ table[k - 16];
    for (int k = 144; k < 256; k++) differences[k] = table[k] ^ table[k - 16];
    for (int h = 0; h < PARTS; h++)
        for (int k = 0; k < 4 * EW_LANES; k += 16)
            __builtin_memcpy((uint8_t *)&parts[h] + k, differences + 16 * h, 16);
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        v_index a = v_load_index(x + i), b = v_load_index(x + i + STEP / 2);
        v_index u = v_shuffle(parts[0], a), v = v_shuffle(parts[0], b);
        v_index c = a ^ -128, d = b ^ -128;
        u ^= v_shuffle(parts[8], c), v ^= v_shuffle(parts[8], d);
        EW_UNROLL for (int h = 1; h < 8; h++) {
            a = v_next_part(a), b = v_next_part(b);
            c = v_next_part(c), d = v_next_part(d);
            u ^= v_shuffle(parts[h], a), v ^= v_shuffle(parts[h], b);
            u ^= v_shuffle(parts[h + 8], c), v ^= v_shuffle(parts[h + 8], d);
        }
        v_store_index(y + i, u), v_store_index(y + i + STEP / 2, v);
    }
    return i;
#endif
}
#else
static inline size_t ew_shuffle_table(const uint8_t *x, const uint8_t *table, uint8_t *y, size_t n) {
    EW_UNUSED(x), EW_UNUSED(table), EW_UNUSED(y), EW_UNUSED(n);
    return 0;
}
#endif

/* y = table[x] for n bytes; y may be x. */
static inline void ew_look_up(const uint8_t *x, const uint8_t *table, uint8_t *y, size_t n) {
    for (size_t i = ew_shuffle_table(x, table, y, n); i < n; i++) y[i] = table[x[i]];
}
#endif
