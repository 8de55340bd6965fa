/* The 8-bit part of simd.h, for builds with vectors: products of stored integers, and the way from
 * accumulators to bytes. A lane of a product holds EW_PER_LANE elements of K: two s16 (pmaddwd), or
 * four u8 times four s8 where the processor multiplies those (VNNI). */
#ifndef EW_SIMD_B8_H
#define EW_SIMD_B8_H
#include "simd.h"
#if EW_LANES > 1
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { EW_PER_LANE = EW_QUADS ? 4 : 2 };

typedef uint8_t v_bytes __attribute__((vector_size(4 * EW_LANES))); /* of four v_s32 */

/* `lane` weights for each lane: four bytes, or two that are widened. */
EW_INLINE v_s32 v_load_weights(const uint32_t lane, const int8_t *p) {
    if (lane == 4) return v_load_s32(p);
#if EW_LANES == 16 && defined(__AVX512BW__)
    return (v_s32)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
#elif EW_LANES == 8
    return (v_s32)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
#elif EW_LANES == 4 && defined(__SSE2__)
    __m128i bytes = _mm_loadl_epi64((const __m128i *)p);
    return (v_s32)_mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
#else
    v_s8_block bytes;
    __builtin_memcpy(&bytes, p, sizeof bytes);
    return (v_s32)__builtin_convertvector(bytes, v_s16);
#endif
}

/* Elements of 4 bits, moved by 8, of which a lane of a product holds EW_PER_LANE: those that stand
 * above `part` others. */
EW_INLINE v_s32 v_narrow_weights(v_s32 packed, const uint32_t part) {
    const v_s32 mask = v_splat_s32(EW_PER_LANE == 4 ? 0x0F0F0F0F : 0x000F000F);
    const v_s32 moved = (packed >> (int32_t)(4 * part)) & mask;
    if (EW_PER_LANE == 4) return (v_s32)((v_bytes)moved - v_splat_bytes(8));
    return (v_s32)((v_s16)moved - (int16_t)8);
}

/* acc + the products of the `lane` elements of each lane: u8 by s8, or two s16 by two. */
EW_INLINE v_s32 v_dot_lane(const uint32_t lane, v_s32 x, v_s32 w, v_s32 acc) {
    return lane == 4 ? v_dot_u8_s8(x, w, acc) : v_dot_s16(x, w, acc);
}

/* Whether results have the bounds of a type, to which instructions saturate. */
enum { EW_BOUNDS_OTHER, EW_BOUNDS_S8, EW_BOUNDS_U8 };

/* How accumulators become stored integers: y = rne(clamp(f32(acc) * scale, low, high)) + zero with
 * the bounds relative to the zero point. `scale` must be finite. Where instructions saturate, only
 * the upper bound is applied before rounding (a float beyond the integers rounds to the least one,
 * which is right only below); the zero point and the lower bound follow in 16 bits. */
typedef struct {
    v_f32 high;
    v_s16 zero, low;
    v_s16 zero_stored; /* which of uint8 is 128 more than `zero` */
    v_bytes flip; /* uint8 is int8 with the highest bit inverted */
    v_bytes least, most; /* both bounds, before that */
    uint32_t bounds;
    v_f32 low_f32;
    v_s32 zero_s32, low_s32, high_s32;
} v_output;

EW_INLINE v_output v_output_of(int32_t low, int32_t high, int32_t zero, uint32_t is_signed) {
    int32_t shift = is_signed ? 0 : 128;
    v_output o;
    o.high = v_splat_f32((float)(high - zero));
    o.low_f32 = v_splat_f32((float)(low - zero));
    o.zero_s32 = v_splat_s32(zero);
    o.low_s32 = v_splat_s32(low);
    o.high_s32 = v_splat_s32(high);
    o.zero = (v_s16)v_splat_s32((zero - shift) * 0x10000 | ((zero - shift) & 0xFFFF));
    o.low = (v_s16)v_splat_s32((low - shift) * 0x10000 | ((low - shift) & 0xFFFF));
    o.flip = (v_bytes)v_splat_s32(is_signed ? 0 : (int32_t)0x80808080);
    o.least = v_splat_bytes((uint8_t)(low - shift));
    o.most = v_splat_bytes((uint8_t)(high - shift));
    o.zero_stored = (v_s16)v_splat_s32(zero * 0x10000 | (zero & 0xFFFF));
    o.bounds = EW_BOUNDS_OTHER;
    if (low - shift == -128 && high - shift == 127)
        o.bounds = is_signed ? EW_BOUNDS_S8 : EW_BOUNDS_U8;
    return o;
}

#if EW_LANES == 16 && defined(__AVX512BW__)
#define EW_SATURATE(name) _mm512_##name
typedef __m512i v_any;
typedef __m512 v_any_f32;
#elif EW_LANES == 8
#define EW_SATURATE(name) _mm256_##name
typedef __m256i v_any;
typedef __m256 v_any_f32;
#elif EW_LANES == 4 && defined(__SSE2__)
#define EW_SATURATE(name) _mm_##name
typedef __m128i v_any;
typedef __m128 v_any_f32;
#endif

/* Nearest integers, halves to even, not above the upper bound; x is not NaN. */
EW_INLINE v_s32 v_rounded(v_f32 x, const v_output *o) {
    x = v_min(x, o->high);
#if defined(EW_SATURATE)
    return (v_s32)EW_SATURATE(cvtps_epi32)((v_any_f32)x);
#elif EW_LANES == 4 && defined(__aarch64__)
    return (v_s32)vcvtnq_s32_f32((float32x4_t)x);
#else
    return v_bits_of(v_max(x, o->low_f32) + v_splat_f32(12582912.0f)) - v_splat_s32(0x4B400000);
#endif
}

#if EW_LANES == 16 && defined(__AVX512BW__)
/* What was packed twice, which works within 128 bits, in the order of the vectors. */
EW_INLINE __m512i v_in_order(__m512i packed) {
    const v_s32 order = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    return _mm512_permutexvar_epi32((__m512i)order, packed);
}
#endif

/* The bytes of four vectors of integers relative to the zero point: those of a, then b, c, d. Not
 * below the lower bound, and not above the largest integer of the type: the upper bound is the
 * caller's. */
EW_INLINE v_bytes v_narrow_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, const v_output *o) {
#if defined(EW_SATURATE)
    v_any ab = EW_SATURATE(packs_epi32)((v_any)a, (v_any)b);
    v_any cd = EW_SATURATE(packs_epi32)((v_any)c, (v_any)d);
    ab = EW_SATURATE(max_epi16)(EW_SATURATE(adds_epi16)(ab, (v_any)o->zero), (v_any)o->low);
    cd = EW_SATURATE(max_epi16)(EW_SATURATE(adds_epi16)(cd, (v_any)o->zero), (v_any)o->low);
    v_any bytes = EW_SATURATE(packs_epi16)(ab, cd);
#if EW_LANES == 16
    bytes = v_in_order(bytes);
#elif EW_LANES == 8
    const v_s32 order = {0, 4, 1, 5, 2, 6, 3, 7};
    bytes = _mm256_permutevar8x32_epi32(bytes, (v_any)order);
#endif
    return (v_bytes)bytes ^ o->flip;
#elif EW_LANES == 4 && defined(__aarch64__)
    int16x8_t ab = vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b));
    int16x8_t cd = vcombine_s16(vqmovn_s32((int32x4_t)c), vqmovn_s32((int32x4_t)d));
    ab = vmaxq_s16(vqaddq_s16(ab, (int16x8_t)o->zero), (int16x8_t)o->low);
    cd = vmaxq_s16(vqaddq_s16(cd, (int16x8_t)o->zero), (int16x8_t)o->low);
    return (v_bytes)vcombine_s8(vqmovn_s16(ab), vqmovn_s16(cd)) ^ o->flip;
#else
    const v_s32 q[4] = {a, b, c, d};
    v_bytes bytes;
    for (uint32_t i = 0; i < 4; i++) {
        v_s32 inside = v_min_s32(v_max_s32(q[i] + o->zero_s32, o->low_s32), o->high_s32);
        v_store_b8((uint8_t *)&bytes + i * EW_LANES, inside);
    }
    return bytes;
#endif
}

/* Nearest integers, halves to even, for |x| < 2**31. */
EW_INLINE v_s32 v_nearest(v_f32 x) {
#if defined(EW_SATURATE)
    return (v_s32)EW_SATURATE(cvtps_epi32)((v_any_f32)x);
#else
    v_s32 y = v_truncate(x);
    const v_f32 rest = x - v_float(y); /* exact; 0 where x has no fraction */
    const v_s32 odd = y & 1, half = rest == v_splat_f32(0.5f), minus = rest == v_splat_f32(-0.5f);
    y -= (rest > v_splat_f32(0.5f)) | (half & -odd); /* a mask is -1 */
    return y + ((rest < v_splat_f32(-0.5f)) | (minus & -odd));
#endif
}

/* As v_narrow_x4, with both bounds; those of the type where `is_whole`. */
EW_INLINE v_bytes v_narrow_all_x4(const int is_whole, v_s32 a, v_s32 b, v_s32 c, v_s32 d,
                                  const v_output *o) {
#if defined(EW_SATURATE) && EW_LANES == 16
    __m512i ab = _mm512_packs_epi32((__m512i)a, (__m512i)b);
    __m512i cd = _mm512_packs_epi32((__m512i)c, (__m512i)d);
    ab = _mm512_adds_epi16(ab, (__m512i)o->zero);
    cd = _mm512_adds_epi16(cd, (__m512i)o->zero);
    v_bytes bytes = (v_bytes)v_in_order(_mm512_packs_epi16(ab, cd));
    if (!is_whole) bytes = v_min_bytes(v_max_bytes(bytes, o->least, 1), o->most, 1);
    return bytes ^ o->flip;
#else
    (void)is_whole;
    const v_s32 high = o->high_s32 - o->zero_s32;
    return v_narrow_x4(v_min_s32(a, high), v_min_s32(b, high), v_min_s32(c, high),
                       v_min_s32(d, high), o);
#endif
}

#if EW_LANES == 16 && defined(__AVX512BW__)
/* As v_narrow_x4, where the bounds are those of a type: half of the instructions. */
EW_INLINE v_bytes v_saturate_x4(const uint32_t bounds, v_s32 a, v_s32 b, v_s32 c, v_s32 d,
                                const v_output *o) {
    __m512i ab = _mm512_packs_epi32((__m512i)a, (__m512i)b);
    __m512i cd = _mm512_packs_epi32((__m512i)c, (__m512i)d);
    ab = _mm512_adds_epi16(ab, (__m512i)o->zero_stored);
    cd = _mm512_adds_epi16(cd, (__m512i)o->zero_stored);
    return (v_bytes)v_in_order(bounds == EW_BOUNDS_S8 ? _mm512_packs_epi16(ab, cd)
                                                      : _mm512_packus_epi16(ab, cd));
}
#endif

/* The bytes of four accumulators. Where `bounds` are those of a type, scales leave them in s32. */
EW_INLINE v_bytes v_requantize_x4(const uint32_t bounds, v_s32 a, v_s32 b, v_s32 c, v_s32 d,
                                  v_f32 scale_a, v_f32 scale_b, v_f32 scale_c, v_f32 scale_d,
                                  const v_output *o) {
    const v_f32 e = v_float(a) * scale_a, f = v_float(b) * scale_b;
    const v_f32 g = v_float(c) * scale_c, h = v_float(d) * scale_d;
#if EW_LANES == 16 && defined(__AVX512BW__)
    if (bounds != EW_BOUNDS_OTHER)
        return v_saturate_x4(bounds, v_nearest(e), v_nearest(f), v_nearest(g), v_nearest(h), o);
#else
    (void)bounds;
#endif
    return v_narrow_x4(v_rounded(e, o), v_rounded(f, o), v_rounded(g, o), v_rounded(h, o), o);
}

/* Bytes [first, first + n) of v; `first` and, where all of a run are stored, `n` are constants. */
EW_INLINE void v_store_run(uint8_t *y, v_bytes v, const uint32_t first, const uint32_t n) {
    __builtin_memcpy(y, (const uint8_t *)&v + first, n);
}

/* The first n < width bytes from `first` on; `width` is 4, 2 or 1 times EW_LANES. */
EW_INLINE void v_store_part(uint8_t *y, v_bytes v, const uint32_t first, const uint32_t width,
                            uint32_t n) {
    const uint8_t *from = (const uint8_t *)&v + first;
#if EW_LANES == 16 && defined(__AVX512BW__)
    const uint64_t mask = ((uint64_t)1 << n) - 1;
    if (width == 64) {
        _mm512_mask_storeu_epi8(y, mask, (__m512i)v);
    } else if (width == 32) {
        __m256i half;
        __builtin_memcpy(&half, from, sizeof half);
        _mm256_mask_storeu_epi8(y, (__mmask32)mask, half);
    } else {
        __m128i quarter;
        __builtin_memcpy(&quarter, from, sizeof quarter);
        _mm_mask_storeu_epi8(y, (__mmask16)mask, quarter);
    }
#else
    for (uint32_t size = width / 2; size; size /= 2)
        if (n & size) {
            __builtin_memcpy(y, from, size);
            y += size;
            from += size;
        }
#endif
}
#elif defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)
/* Cortex-M4 and the like multiply two s16 by two others at once. Compilers do not see that bytes
 * can be widened in pairs: of four, those with even numbers, and the others. */
#define EW_HAS_PAIRS
EW_INLINE int32_t v_even_bytes(int32_t x) {
    int32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(x));
    return pair;
}
EW_INLINE int32_t v_odd_bytes(int32_t x) {
    int32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(x));
    return pair;
}
EW_INLINE int32_t v_dot_pairs(int32_t x, int32_t y, int32_t acc) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(y));
    return acc;
}
#endif
#endif
