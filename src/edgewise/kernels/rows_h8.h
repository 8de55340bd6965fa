/* Rows of floats (what an output pixel or token reads) as the 8-bit products read them:
 *   low = min(0, x...), high = max(0, x...), scale = high / 255 - low / 255,
 *   zero = -rne(low / scale), q = min(rne(x / scale), 255 - zero), which stands for q * scale,
 * where 1 / 255 and 1 / scale are rounded to float32 and multiplied by. Every operation is rounded
 * alike on all instruction sets, so q and scale are equal everywhere. A scale below 2**-126 counts
 * as 0. A row with an infinity or a NaN has the scale NaN. */
#ifndef EW_ROWS_H8_H
#define EW_ROWS_H8_H
#include "gemm_b8.h"

/* The greatest of 0, x... and of 0, -x..., each as its bits, which compare as integers do: what is
 * not finite is greater than all numbers, so that no NaN is lost. While a range is being found,
 * `deep` is the greatest of x's bits as unsigned numbers: a negative x where there is one. */
typedef struct {
    v_s32 high, deep;
} ew_range;

/* What EW_LANES rows were quantized by. */
typedef struct {
    float scale[EW_LANES], inverse[EW_LANES];
    int32_t zero[EW_LANES];
} ew_rows;

/* The greater of unsigned numbers. */
EW_INLINE v_s32 ew_max_bits(v_s32 a, v_s32 b) {
#if EW_LANES == 1
    return (uint32_t)a > (uint32_t)b ? a : b;
#else
    typedef uint32_t bits __attribute__((vector_size(sizeof a)));
    const v_s32 mask = (bits)a > (bits)b;
    return (mask & a) | (~mask & b);
#endif
}

EW_INLINE ew_range ew_no_range(void) {
    ew_range r = {v_splat_s32(0), v_splat_s32(0)};
    return r;
}

EW_INLINE ew_range ew_wider(ew_range r, v_f32 x) {
    r.high = v_max_s32(v_bits_of(x), r.high);
    r.deep = ew_max_bits(v_bits_of(x), r.deep);
    return r;
}

/* The range of r and x [n]. The last vector overlaps the one before it. */
EW_INLINE ew_range ew_range_of(ew_range r, const float *x, size_t n) {
    size_t e = 0;
    if (n < EW_LANES) {
        for (; e < n; e++) r = ew_wider(r, v_splat_f32(x[e]));
        return r;
    }
    for (; e + EW_LANES <= n; e += EW_LANES) r = ew_wider(r, v_load_f32(x + e));
    if (e < n) r = ew_wider(r, v_load_f32(x + n - EW_LANES));
    return r;
}

#if EW_LANES > 1
/* Of two vectors, the lanes whose number has the bit `by`, or has it not, side by side: `at` is 0
 * or `by`. Lanes of b are EW_LANES more. */
#define EW_B EW_LANES
#if EW_LANES == 4
#define EW_PICK1(at) at, EW_B + at, 2 + at, EW_B + 2 + at
#define EW_PICK2(at) at, 1 + at, EW_B + at, EW_B + 1 + at
#elif EW_LANES == 8
#define EW_PAIR1(at, i) i + at, EW_B + i + at, i + 2 + at, EW_B + i + 2 + at
#define EW_PICK1(at) EW_PAIR1(at, 0), EW_PAIR1(at, 4)
#define EW_PAIR2(at, i) i + at, i + 1 + at, EW_B + i + at, EW_B + i + 1 + at
#define EW_PICK2(at) EW_PAIR2(at, 0), EW_PAIR2(at, 4)
#define EW_FOUR(i) i, i + 1, i + 2, i + 3
#define EW_PICK4(at) EW_FOUR(at), EW_FOUR(EW_B + at)
#else
#define EW_PAIR1(at, i) i + at, EW_B + i + at, i + 2 + at, EW_B + i + 2 + at
#define EW_PICK1(at) EW_PAIR1(at, 0), EW_PAIR1(at, 4), EW_PAIR1(at, 8), EW_PAIR1(at, 12)
#define EW_PAIR2(at, i) i + at, i + 1 + at, EW_B + i + at, EW_B + i + 1 + at
#define EW_PICK2(at) EW_PAIR2(at, 0), EW_PAIR2(at, 4), EW_PAIR2(at, 8), EW_PAIR2(at, 12)
#define EW_FOUR(i) i, i + 1, i + 2, i + 3
#define EW_PICK4(at) EW_FOUR(at), EW_FOUR(EW_B + at), EW_FOUR(8 + at), EW_FOUR(EW_B + 8 + at)
#define EW_PICK8(at) EW_FOUR(at), EW_FOUR(at + 4), EW_FOUR(EW_B + at), EW_FOUR(EW_B + at + 4)
#endif
EW_INLINE v_s32 ew_greater(const int is_unsigned, v_s32 a, v_s32 b) {
    return is_unsigned ? ew_max_bits(a, b) : v_max_s32(a, b);
}

#define EW_FOLDED(by, pick, x, y)                                                                  \
    ew_greater(is_unsigned, __builtin_shufflevector(x, y, pick(0)),                                \
               __builtin_shufflevector(x, y, pick(by)))
/* Of two ranges, the greater of the lanes that `pick` puts side by side. */
#define EW_DEFINE_FOLD(by, pick)                                                                   \
    EW_INLINE v_s32 ew_fold##by(const int is_unsigned, v_s32 a, v_s32 b) {                         \
        return EW_FOLDED(by, pick, a, b);                                                          \
    }                                                                                              \
    EW_INLINE ew_range ew_folded##by(ew_range a, ew_range b) {                                     \
        const ew_range r = {ew_fold##by(0, a.high, b.high), ew_fold##by(1, a.deep, b.deep)};       \
        return r;                                                                                  \
    }
EW_DEFINE_FOLD(1, EW_PICK1)
EW_DEFINE_FOLD(2, EW_PICK2)
#if EW_LANES > 4
EW_DEFINE_FOLD(4, EW_PICK4)
#endif
#if EW_LANES > 8
EW_DEFINE_FOLD(8, EW_PICK8)
#endif

/* Every lane is the greatest lane of v. */
EW_INLINE v_s32 ew_fold_one(const int is_unsigned, v_s32 v) {
    v = ew_fold1(is_unsigned, v, v);
    v = ew_fold2(is_unsigned, v, v);
#if EW_LANES > 4
    v = ew_fold4(is_unsigned, v, v);
#endif
#if EW_LANES > 8
    v = ew_fold8(is_unsigned, v, v);
#endif
    return v;
}
#endif

/* Of greatest numbers, what a range is when it has been found. */
EW_INLINE ew_range ew_found(ew_range r) {
    r.deep = v_max_s32(r.deep ^ v_splat_s32(INT32_MIN), v_splat_s32(0)); /* -x, or 0 */
    return r;
}

#if EW_LANES > 1
enum { EW_FOURS = EW_LANES / 4 };

/* Lane 4 * j + i has the range of some lanes of range[i]. */
EW_INLINE ew_range ew_range_of_four(const ew_range range[4]) {
    return ew_folded2(ew_folded1(range[0], range[1]), ew_folded1(range[2], range[3]));
}

/* Lane 4 * j + i is the range of the lanes 4 * k + i of four[j]. */
EW_INLINE ew_range ew_ranges_of_fours(const ew_range four[EW_FOURS]) {
#if EW_LANES == 4
    return ew_found(four[0]);
#elif EW_LANES == 8
    return ew_found(ew_folded4(four[0], four[1]));
#else
    return ew_found(ew_folded8(ew_folded4(four[0], four[1]), ew_folded4(four[2], four[3])));
#endif
}
#endif

/* Lane i is the range of all lanes of range[i]. */
EW_INLINE ew_range ew_ranges_of(const ew_range range[EW_LANES]) {
#if EW_LANES > 1
    ew_range four[EW_FOURS];
    EW_UNROLL
    for (uint32_t i = 0; i < EW_FOURS; i++) four[i] = ew_range_of_four(range + 4 * i);
    return ew_ranges_of_fours(four);
#else
    return ew_found(range[0]);
#endif
}

/* Every lane is the range of all lanes of r, of a row alone: a fifth of the instructions. */
EW_INLINE ew_range ew_range_alone(ew_range r) {
#if EW_LANES > 1
    const ew_range all = {ew_fold_one(0, r.high), ew_fold_one(1, r.deep)};
    return ew_found(all);
#else
    return ew_found(r);
#endif
}

/* Scales and zero points of EW_LANES rows from their ranges, a lane each. */
EW_INLINE void ew_rows_of(ew_range range, ew_rows *rows) {
    const v_f32 high = v_or_bits(v_splat_f32(0.0f), range.high);
    const v_f32 low = v_splat_f32(0.0f) - v_or_bits(v_splat_f32(0.0f), range.deep);
    const v_f32 part = v_splat_f32(1.0f / 255.0f), none = v_splat_f32(0.0f);
    const v_f32 scale = high * part - low * part;
    const v_s32 infinite = v_nan_mask(scale * none); /* NaN, too */
    v_f32 inverse = v_splat_f32(1.0f) / v_max(scale, v_splat_f32(0x1p-126f));
#if EW_LANES == 1
    if (scale < 0x1p-126f || infinite) inverse = 0.0f;
#else
    const v_s32 is_some = (v_s32)(scale >= v_splat_f32(0x1p-126f)) & ~infinite;
    inverse = (v_f32)(v_bits_of(inverse) & is_some);
#endif
    const v_f32 zero = low * inverse + v_splat_f32(12582912.0f); /* as ew_round */
    v_store_f32(rows->scale, v_or_bits(scale, infinite));
    v_store_f32(rows->inverse, inverse);
    const v_s32 points = v_splat_s32(0x4B400000) - v_bits_of(zero);
    __builtin_memcpy(rows->zero, &points, sizeof points);
}

/* How a row is written. */
typedef struct {
    float inverse;
    int32_t zero;
} ew_row;

EW_INLINE ew_row ew_row_at(const ew_rows *rows, uint32_t r) {
    ew_row row = {rows->inverse[r], rows->zero[r]};
    return row;
}

/* What stands for 0. */
EW_INLINE ew_staged ew_staged_zero(ew_row row) {
    return (ew_staged)(EW_QUADS ? row.zero : 0);
}

EW_INLINE ew_staged ew_staged_of(ew_row row, float x) {
    return (ew_staged)(ew_min_s32(ew_round(x * row.inverse), 255 - row.zero) + ew_staged_zero(row));
}

#if EW_LANES == 16 && defined(__AVX512BW__)
/* A vector of elements. */
EW_INLINE void ew_quantize_x1(ew_row row, const float *x, ew_staged *y) {
    const __m512 a = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(row.inverse));
    const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(row.zero));
    _mm_storeu_si128((__m128i *)y, _mm512_cvtusepi32_epi8(q)); /* saturated at 255 */
}
#endif
#if EW_LANES == 16 && defined(__AVX512BW__)
/* Two vectors to four: narrowed together, they take fewer instructions than one by one. */
EW_INLINE void ew_quantize_vectors(const uint32_t n, ew_row row, const float *x, ew_staged *y) {
    const __m512 by = _mm512_set1_ps(row.inverse);
    const __m512i zero = _mm512_set1_epi16((int16_t)row.zero);
    const __m512i columns = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    __m512i q[4];
    EW_UNROLL
    for (uint32_t i = 0; i < n; i++)
        q[i] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + EW_LANES * i), by));
    const __m512i a = _mm512_add_epi16(_mm512_packs_epi32(q[0], q[1]), zero);
    const __m512i b =
        n > 2 ? _mm512_add_epi16(_mm512_packs_epi32(q[2], q[n - 1]), zero) : a;
    __m512i bytes = _mm512_packus_epi16(a, b); /* [column][vector] of four elements */
    bytes = _mm512_permutexvar_epi32(columns, bytes);
    _mm512_mask_storeu_epi32(y, (__mmask16)((1u << 4 * n) - 1), bytes);
}
#endif
#if EW_LANES > 1
/* Two vectors of elements. */
EW_INLINE void ew_quantize_x2(ew_row row, const float *x, ew_staged *y) {
#if EW_LANES == 16 && defined(__AVX512BW__)
    ew_quantize_vectors(2, row, x, y);
#else
    const v_f32 by = v_splat_f32(row.inverse);
    v_f32 a = v_load_f32(x) * by, b = v_load_f32(x + EW_LANES) * by;
#if EW_LANES == 8
    __m256i q = _mm256_packs_epi32(_mm256_cvtps_epi32((__m256)a), _mm256_cvtps_epi32((__m256)b));
#if EW_QUADS
    q = _mm256_add_epi16(q, _mm256_set1_epi16((int16_t)row.zero));
    q = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(q, q), /* saturated at 255 */
                                    _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
    _mm_storeu_si128((__m128i *)y, _mm256_castsi256_si128(q));
#else
    q = _mm256_min_epi16(q, _mm256_set1_epi16((int16_t)(255 - row.zero)));
    _mm256_storeu_si256((__m256i *)y, _mm256_permute4x64_epi64(q, 0xD8));
#endif
#elif EW_LANES == 4 && defined(__SSE2__)
    __m128i q = _mm_packs_epi32(_mm_cvtps_epi32((__m128)a), _mm_cvtps_epi32((__m128)b));
    q = _mm_min_epi16(q, _mm_set1_epi16((int16_t)(255 - row.zero)));
    _mm_storeu_si128((__m128i *)y, q);
#else
    const v_f32 magic = v_splat_f32(12582912.0f); /* as ew_round */
    const v_s32 most = v_splat_s32(255 - row.zero), bits = v_splat_s32(0x4B400000);
    const v_s32 zero = v_splat_s32(ew_staged_zero(row));
    const v_s32 q[2] = {v_min_s32(v_bits_of(a + magic) - bits, most) + zero,
                        v_min_s32(v_bits_of(b + magic) - bits, most) + zero};
    for (uint32_t i = 0; i < 2 * EW_LANES; i++) y[i] = (ew_staged)q[i / EW_LANES][i % EW_LANES];
#endif
#endif
}
#endif

/* x [n] into y [n], and nothing beyond it. */
EW_INLINE void ew_quantize_run(ew_row row, const float *x, size_t n, ew_staged *y) {
    size_t e = 0;
#if EW_LANES > 1
    enum { AT_ONCE = 2 * EW_LANES };
#if EW_LANES == 16 && defined(__AVX512BW__)
    if (n == 3 * EW_LANES) {
        ew_quantize_vectors(3, row, x, y);
        return;
    }
    for (; e + 2 * AT_ONCE <= n; e += 2 * AT_ONCE) ew_quantize_vectors(4, row, x + e, y + e);
    if (e == n) return;
    if (e && n - e > AT_ONCE) { /* the last vectors overlap those before them, here and below */
        ew_quantize_vectors(4, row, x + n - 2 * AT_ONCE, y + n - 2 * AT_ONCE);
        return;
    }
#endif
    for (; e + AT_ONCE <= n; e += AT_ONCE) ew_quantize_x2(row, x + e, y + e);
    if (e == n) return;
#if EW_LANES == 16 && defined(__AVX512BW__)
    if (n - e <= EW_LANES && n >= EW_LANES) {
        ew_quantize_x1(row, x + n - EW_LANES, y + n - EW_LANES);
        return;
    }
    if (n >= EW_LANES && n < AT_ONCE) {
        ew_quantize_x1(row, x, y);
        ew_quantize_x1(row, x + n - EW_LANES, y + n - EW_LANES);
        return;
    }
#endif
    if (n >= AT_ONCE) {
        ew_quantize_x2(row, x + n - AT_ONCE, y + n - AT_ONCE);
        return;
    }
#endif
    for (; e < n; e++) y[e] = ew_staged_of(row, x[e]);
}
#endif
