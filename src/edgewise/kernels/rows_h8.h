/* Rows of floats (what an output pixel or token reads) as the 8-bit products read them:
 *   low = min(0, x...), high = max(0, x...), scale = high / 255 - low / 255,
 *   zero = -rne(low / scale), q = min(rne(x / scale), 255 - zero), which stands for q * scale,
 * where 1 / 255 and 1 / scale are rounded to float32 and multiplied by. Every operation is rounded
 * alike on all instruction sets, so q and scale are equal everywhere. A scale below 2**-126 counts
 * as 0. A row with an infinity or a NaN has the scale NaN. */
#ifndef EW_ROWS_H8_H
#define EW_ROWS_H8_H
#include "gemm_b8.h"
#if EW_LANES == 1
typedef int16_t ew_staged; /* without the zero point */
#endif

typedef struct {
    v_f32 low, high;
    v_s32 odd; /* bits where x was NaN */
} ew_range;

/* What EW_LANES rows were quantized by. */
typedef struct {
    float scale[EW_LANES], inverse[EW_LANES];
    int32_t zero[EW_LANES];
} ew_rows;

EW_INLINE ew_range ew_no_range(void) {
    ew_range r = {v_splat_f32(0.0f), v_splat_f32(0.0f), v_splat_s32(0)};
    return r;
}

EW_INLINE ew_range ew_wider(ew_range r, v_f32 x) {
    r.low = v_min(x, r.low);
    r.high = v_max(x, r.high);
    r.odd |= v_nan_mask(x);
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
#define EW_FOLD(by, pick)                                                                          \
    EW_UNROLL                                                                                      \
    for (uint32_t i = 0; i < EW_LANES / (2 * by); i++) {                                           \
        v_f32 a = __builtin_shufflevector(v[2 * i], v[2 * i + 1], pick(0));                        \
        v_f32 b = __builtin_shufflevector(v[2 * i], v[2 * i + 1], pick(by));                       \
        v[i] = is_max ? v_max(a, b) : v_min(a, b);                                                 \
    }

/* Lane i is the greatest (least) lane of v[i]. */
EW_INLINE v_f32 ew_fold(v_f32 v[EW_LANES], const int is_max) {
    EW_FOLD(1, EW_PICK1)
    EW_FOLD(2, EW_PICK2)
#if EW_LANES > 4
    EW_FOLD(4, EW_PICK4)
#endif
#if EW_LANES > 8
    EW_FOLD(8, EW_PICK8)
#endif
    return v[0];
}
#endif

/* Scales and zero points of rows from their ranges. */
EW_INLINE void ew_rows_of(const ew_range range[EW_LANES], ew_rows *rows) {
    v_f32 low = range[0].low, high = range[0].high;
    v_s32 odd = range[0].odd;
#if EW_LANES > 1
    v_f32 lows[EW_LANES], highs[EW_LANES];
    EW_UNROLL
    for (uint32_t i = 0; i < EW_LANES; i++) {
        lows[i] = range[i].low;
        highs[i] = range[i].high;
        odd |= range[i].odd;
    }
    low = ew_fold(lows, 0);
    high = ew_fold(highs, 1);
#endif
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
    int32_t bits[EW_LANES], any = 0;
    __builtin_memcpy(bits, &odd, sizeof odd);
    for (uint32_t i = 0; i < EW_LANES; i++) any |= bits[i];
    if (!any) return;
    for (uint32_t r = 0; r < EW_LANES; r++) {
        __builtin_memcpy(bits, &range[r].odd, sizeof odd);
        for (uint32_t i = 0; i < EW_LANES; i++)
            if (bits[i]) rows->scale[r] = __builtin_nanf("");
    }
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
    return (ew_staged)(EW_LANES == 16 ? row.zero : 0);
}

EW_INLINE ew_staged ew_staged_of(ew_row row, float x) {
    return (ew_staged)(ew_min_s32(ew_round(x * row.inverse), 255 - row.zero) + ew_staged_zero(row));
}

#if EW_LANES > 1
/* Two vectors of elements. */
EW_INLINE void ew_quantize_x2(ew_row row, const float *x, ew_staged *y) {
    const v_f32 by = v_splat_f32(row.inverse);
    v_f32 a = v_load_f32(x) * by, b = v_load_f32(x + EW_LANES) * by;
#if EW_LANES == 16 && defined(__AVX512BW__)
    const __m512i zero = _mm512_set1_epi32(row.zero); /* saturated at 255 */
    __m512i p = _mm512_add_epi32(_mm512_cvtps_epi32((__m512)a), zero);
    __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32((__m512)b), zero);
    _mm_storeu_si128((__m128i *)y, _mm512_cvtusepi32_epi8(p));
    _mm_storeu_si128((__m128i *)(y + 16), _mm512_cvtusepi32_epi8(q));
#elif EW_LANES == 8
    __m256i q = _mm256_packs_epi32(_mm256_cvtps_epi32((__m256)a), _mm256_cvtps_epi32((__m256)b));
    q = _mm256_min_epi16(q, _mm256_set1_epi16((int16_t)(255 - row.zero)));
    _mm256_storeu_si256((__m256i *)y, _mm256_permute4x64_epi64(q, 0xD8));
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
}
#endif

/* x [n] into y [n], and nothing beyond it. */
EW_INLINE void ew_quantize_run(ew_row row, const float *x, size_t n, ew_staged *y) {
    size_t e = 0;
#if EW_LANES > 1
    enum { AT_ONCE = 2 * EW_LANES };
    if (n >= AT_ONCE) {
        for (; e + AT_ONCE <= n; e += AT_ONCE) ew_quantize_x2(row, x + e, y + e);
        if (e < n) ew_quantize_x2(row, x + n - AT_ONCE, y + n - AT_ONCE);
        return;
    }
#endif
    for (; e < n; e++) y[e] = ew_staged_of(row, x[e]);
}
#endif
