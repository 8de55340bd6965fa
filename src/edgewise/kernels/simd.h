/* Vectors of EW_LANES 32-bit elements: 16 with AVX-512, 8 with AVX2, 4 elsewhere (SSE2, NEON,
 * WASM), 1 in the plain build. Everything is written with the compilers' vector types; intrinsics
 * stand only where these give worse code, each beside its meaning in vector types: a build with
 * -DEW_LANES=16 for a lesser processor (the tests make one) computes the same bits. Semantics are
 * equal on all: v_min and v_max return their second operand when one is NaN, v_fma may or may not
 * round its product (integers never use it).
 *
 * Long because what stands beside its meaning is read together. */
#ifndef EW_SIMD_H
#define EW_SIMD_H
#include <stddef.h>
#include <stdint.h>

#if defined(EW_SCALAR)
#define EW_LANES 1
typedef float v_f32;
typedef int32_t v_s32;
#else
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#if !defined(EW_LANES)
#if defined(__AVX512F__)
#define EW_LANES 16
#elif defined(__AVX2__)
#define EW_LANES 8
#else
#define EW_LANES 4
#endif
#endif
typedef float v_f32 __attribute__((vector_size(4 * EW_LANES)));
typedef int32_t v_s32 __attribute__((vector_size(4 * EW_LANES)));
typedef uint8_t v_u8 __attribute__((vector_size(EW_LANES)));
typedef int8_t v_s8 __attribute__((vector_size(EW_LANES)));
#endif

/* Whether a lane of a product of integers is four bytes, u8 by s8 (VNNI); else two s16. */
#if !defined(EW_QUADS)
#if EW_LANES == 16 || defined(__AVXVNNI__)
#define EW_QUADS 1
#else
#define EW_QUADS 0
#endif
#endif

/* What is written for AMD's processors, where figures say Zen 4: theirs are the only ones with
 * AVX512-BF16 and without AMX that matter. */
#if defined(__AVX512BF16__) && !defined(EW_AMX)
#define EW_AMD
#endif

/* Before a loop over registers: without it, clang keeps such arrays in memory where a body is
 * long. */
#if defined(__clang__)
#define EW_UNROLL _Pragma("clang loop unroll(full)")
#else
#define EW_UNROLL _Pragma("GCC unroll 16")
#endif
/* Makes the compiler forget what it knows of an integer. */
#define EW_HIDE(x) __asm__("" : "+r"(x))
#define EW_INLINE static inline __attribute__((always_inline))

/* Brings the cache line at p into the second level, or the first; p need not be valid. */
#if EW_LANES > 1
#define EW_FETCH(p, locality) __builtin_prefetch(p, 0, locality)
#else
#define EW_FETCH(p, locality) (void)(p)
#endif
EW_INLINE void v_fetch(const char *p) { EW_FETCH(p, 2); }
EW_INLINE void v_fetch_near(const void *p) { EW_FETCH(p, 3); }

EW_INLINE v_f32 v_load_f32(const float *p) {
    v_f32 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
EW_INLINE void v_store_f32(float *p, v_f32 v) { __builtin_memcpy(p, &v, sizeof v); }
EW_INLINE v_s32 v_load_s32(const void *p) {
    v_s32 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
EW_INLINE v_s32 v_bits_of(v_f32 x) {
    v_s32 v;
    __builtin_memcpy(&v, &x, sizeof v);
    return v;
}

#if EW_LANES == 1
EW_INLINE v_f32 v_splat_f32(float x) { return x; }
EW_INLINE v_s32 v_splat_s32(int32_t x) { return x; }
EW_INLINE v_f32 v_float(v_s32 x) { return (float)x; }
EW_INLINE v_s32 v_load_b8(const uint8_t *p, uint32_t is_signed) {
    return is_signed ? (int32_t)(int8_t)*p : (int32_t)*p;
}
EW_INLINE void v_store_b8(uint8_t *p, v_s32 v) { *p = (uint8_t)v; }
EW_INLINE v_s32 v_load_s16(const void *p) {
    int16_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
EW_INLINE void v_store_s16(void *p, v_s32 v) {
    int16_t low = (int16_t)v;
    __builtin_memcpy(p, &low, sizeof low);
}
#else
EW_INLINE v_f32 v_splat_f32(float x) { return x - (v_f32){0}; }
EW_INLINE v_s32 v_splat_s32(int32_t x) { return x - (v_s32){0}; }
EW_INLINE v_f32 v_float(v_s32 x) { return __builtin_convertvector(x, v_f32); }
EW_INLINE v_s32 v_load_b8(const uint8_t *p, uint32_t is_signed) {
#if EW_LANES == 16 && defined(__AVX512F__) /* clang extends some of these one by one */
    const __m128i v = _mm_loadu_si128((const __m128i *)p);
    return (v_s32)(is_signed ? _mm512_cvtepi8_epi32(v) : _mm512_cvtepu8_epi32(v));
#else
    if (is_signed) {
        v_s8 v;
        __builtin_memcpy(&v, p, sizeof v);
        return __builtin_convertvector(v, v_s32);
    }
    v_u8 v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, v_s32);
#endif
}
EW_INLINE void v_store_b8(uint8_t *p, v_s32 v) {
    v_u8 bytes = __builtin_convertvector(v, v_u8);
    __builtin_memcpy(p, &bytes, sizeof bytes);
}
/* As many s16 as there are lanes; of what is stored, the low halves. */
typedef int16_t v_s16_lanes __attribute__((vector_size(2 * EW_LANES)));
EW_INLINE v_s32 v_load_s16(const void *p) {
    v_s16_lanes v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, v_s32);
}
EW_INLINE void v_store_s16(void *p, v_s32 v) {
    v_s16_lanes low = __builtin_convertvector(v, v_s16_lanes);
    __builtin_memcpy(p, &low, sizeof low);
}
#endif

/* The first n floats, the other lanes 0. */
EW_INLINE v_f32 v_load_first_f32(const float *p, uint32_t n) {
#if EW_LANES == 16 && defined(__AVX512F__) /* a vector would wait for what is stored in parts */
    return (v_f32)_mm512_maskz_loadu_ps(n < EW_LANES ? (__mmask16)((1u << n) - 1) : 0xFFFF, p);
#elif EW_LANES == 8
    const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return (v_f32)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes));
#else
    float all[EW_LANES] = {0};
    for (uint32_t i = 0; i < n && i < EW_LANES; i++) all[i] = p[i];
    return v_load_f32(all);
#endif
}

/* The first n floats of a vector, at most all. */
EW_INLINE void v_store_first_f32(float *p, v_f32 v, uint32_t n) {
#if EW_LANES == 16 && defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, n < EW_LANES ? (__mmask16)((1u << n) - 1) : 0xFFFF, (__m512)v);
#else
    float all[EW_LANES];
    v_store_f32(all, v);
    for (uint32_t i = 0; i < n && i < EW_LANES; i++) p[i] = all[i];
#endif
}

/* EW_FUSED: whether v_fma rounds once. */
#if EW_LANES == 16 && defined(__AVX512F__)
#define EW_FUSED 1
EW_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return (v_f32)_mm512_fmadd_ps(a, b, c); }
EW_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return (v_f32)_mm512_min_ps(a, b); }
EW_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return (v_f32)_mm512_max_ps(a, b); }
#elif EW_LANES == 8
#define EW_FUSED 1
EW_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return (v_f32)_mm256_fmadd_ps(a, b, c); }
EW_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return (v_f32)_mm256_min_ps(a, b); }
EW_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return (v_f32)_mm256_max_ps(a, b); }
#else
#if EW_LANES == 4 && defined(__aarch64__)
#define EW_FUSED 1
EW_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return (v_f32)vfmaq_f32(c, a, b); }
#else
#define EW_FUSED 0
EW_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return a * b + c; }
#endif
#if EW_LANES == 4 && defined(__SSE2__)
EW_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return (v_f32)_mm_min_ps(a, b); }
EW_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return (v_f32)_mm_max_ps(a, b); }
#elif EW_LANES > 1
EW_INLINE v_f32 v_choose(v_s32 mask, v_f32 a, v_f32 b) {
    return (v_f32)((mask & (v_s32)a) | (~mask & (v_s32)b));
}
EW_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return v_choose(a < b, a, b); }
EW_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return v_choose(a > b, a, b); }
#else
EW_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return a < b ? a : b; }
EW_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return a > b ? a : b; }
#endif
#endif

/* Towards zero, for values in the range of s32. */
EW_INLINE v_s32 v_truncate(v_f32 x) {
#if EW_LANES == 1
    return (int32_t)x;
#else
    return __builtin_convertvector(x, v_s32);
#endif
}

/* All bits of the lanes where x is NaN. */
EW_INLINE v_s32 v_nan_mask(v_f32 x) {
#if EW_LANES == 1
    return x != x ? -1 : 0;
#else
    return x != x;
#endif
}

/* x where the mask's lanes are 0; NaN where all their bits are set. */
EW_INLINE v_f32 v_or_bits(v_f32 x, v_s32 mask) {
    mask |= v_bits_of(x);
    __builtin_memcpy(&x, &mask, sizeof x);
    return x;
}

EW_INLINE v_s32 v_max_s32(v_s32 a, v_s32 b) {
#if EW_LANES == 1
    return a > b ? a : b;
#else
    v_s32 mask = a > b;
    return (mask & a) | (~mask & b);
#endif
}
EW_INLINE v_s32 v_min_s32(v_s32 a, v_s32 b) { return ~v_max_s32(~a, ~b); }

/* acc + a.low * b.low + a.high * b.high, where each 32-bit lane of a and b holds two s16. */
EW_INLINE v_s32 v_dot_s16(v_s32 a, v_s32 b, v_s32 acc) {
#if EW_LANES == 16 && defined(__AVX512VNNI__)
    return (v_s32)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif EW_LANES == 8 && defined(__AVXVNNI__)
    return (v_s32)_mm256_dpwssd_avx_epi32((__m256i)acc, (__m256i)a, (__m256i)b);
#elif EW_LANES == 8
    return acc + (v_s32)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif EW_LANES == 4 && defined(__SSE2__)
    return acc + (v_s32)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return acc + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

/* acc + the products of the four u8 of each lane of a with the four s8 of b. */
EW_INLINE v_s32 v_dot_u8_s8(v_s32 a, v_s32 b, v_s32 acc) {
#if EW_LANES == 16 && defined(__AVX512VNNI__)
    return (v_s32)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif EW_LANES == 8 && defined(__AVXVNNI__)
    return (v_s32)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)a, (__m256i)b);
#else
    return acc + (a & 255) * ((b << 24) >> 24) + (a >> 8 & 255) * ((b << 16) >> 24) +
           (a >> 16 & 255) * ((b << 8) >> 24) + (a >> 24 & 255) * (b >> 24);
#endif
}

/* Lanes of two s16: a stored integer of `low` and one of `high`. */
EW_INLINE v_s32 v_load_pairs_b8(const uint8_t *low, const uint8_t *high, uint32_t is_signed) {
#if EW_LANES == 16 && defined(__AVX512BW__)
    __m128i a = _mm_loadu_si128((const __m128i *)low), b = _mm_loadu_si128((const __m128i *)high);
    __m256i pairs = _mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b));
    return (v_s32)(is_signed ? _mm512_cvtepi8_epi16(pairs) : _mm512_cvtepu8_epi16(pairs));
#elif EW_LANES == 8
    __m128i a = _mm_loadl_epi64((const __m128i *)low), b = _mm_loadl_epi64((const __m128i *)high);
    __m128i pairs = _mm_unpacklo_epi8(a, b);
    return (v_s32)(is_signed ? _mm256_cvtepi8_epi16(pairs) : _mm256_cvtepu8_epi16(pairs));
#else
    return (v_load_b8(low, is_signed) & 0xFFFF) | (v_load_b8(high, is_signed) << 16);
#endif
}

/* rne(clamp(f32(acc) * scale, low, high)) + zero with `low` and `high` relative to the zero point
 * and at most 2**16 in magnitude; NaN gives low. Adding 1.5 * 2**23 rounds to nearest even and
 * leaves the integer in the low bits: the same operations on every target. */
EW_INLINE v_s32 v_requantize(v_s32 acc, v_f32 scale, float low, float high, int32_t zero) {
    v_f32 y = v_min(v_max(v_float(acc) * scale, v_splat_f32(low)), v_splat_f32(high));
    return v_bits_of(y + v_splat_f32(12582912.0f)) + v_splat_s32(zero - 0x4B400000);
}

#if EW_LANES > 1
/* Twice as many 16-bit or 8-bit elements as a vector has lanes: a block of channels. */
typedef int16_t v_s16 __attribute__((vector_size(4 * EW_LANES)));
typedef uint8_t v_u8_block __attribute__((vector_size(2 * EW_LANES)));
typedef int8_t v_s8_block __attribute__((vector_size(2 * EW_LANES)));

EW_INLINE v_s16 v_load_block_b8(const uint8_t *p, uint32_t is_signed) {
    if (is_signed) {
        v_s8_block v;
        __builtin_memcpy(&v, p, sizeof v);
        return __builtin_convertvector(v, v_s16);
    }
    v_u8_block v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, v_s16);
}

/* Pairs (a, b) of each element of a block, as the hardware's unpacking orders them: of every eight
 * elements, the first four in `pair[0]` and the last four in `pair[1]`. */
#define EW_ZIP(n, i) i, n + i, i + 1, n + i + 1, i + 2, n + i + 2, i + 3, n + i + 3
EW_INLINE void v_zip_s16(v_s16 a, v_s16 b, v_s32 pair[2]) {
#if EW_LANES == 4
    v_s16 low = __builtin_shufflevector(a, b, EW_ZIP(8, 0));
    v_s16 high = __builtin_shufflevector(a, b, EW_ZIP(8, 4));
#elif EW_LANES == 8
    v_s16 low = __builtin_shufflevector(a, b, EW_ZIP(16, 0), EW_ZIP(16, 8));
    v_s16 high = __builtin_shufflevector(a, b, EW_ZIP(16, 4), EW_ZIP(16, 12));
#else
    v_s16 low = __builtin_shufflevector(a, b, EW_ZIP(32, 0), EW_ZIP(32, 8), EW_ZIP(32, 16),
                                        EW_ZIP(32, 24));
    v_s16 high = __builtin_shufflevector(a, b, EW_ZIP(32, 4), EW_ZIP(32, 12), EW_ZIP(32, 20),
                                         EW_ZIP(32, 28));
#endif
    __builtin_memcpy(&pair[0], &low, sizeof low);
    __builtin_memcpy(&pair[1], &high, sizeof high);
}

/* A register of bytes, compared as s8 or u8. */
enum { EW_BYTES = 4 * EW_LANES };
typedef uint8_t v_bytes __attribute__((vector_size(EW_BYTES)));
typedef int8_t v_signed_bytes __attribute__((vector_size(EW_BYTES)));

EW_INLINE v_bytes v_load_bytes(const uint8_t *p) {
    v_bytes v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
EW_INLINE v_bytes v_splat_bytes(uint8_t x) { return x - (v_bytes){0}; }
EW_INLINE v_bytes v_max_bytes(v_bytes a, v_bytes b, uint32_t is_signed) {
    v_bytes mask = is_signed ? (v_bytes)((v_signed_bytes)a > (v_signed_bytes)b) : (v_bytes)(a > b);
    return (mask & a) | (~mask & b);
}
EW_INLINE v_bytes v_min_bytes(v_bytes a, v_bytes b, uint32_t is_signed) {
    return ~v_max_bytes(~a, ~b, is_signed);
}

/* The same value, computed here: clang holds sums back to schedule the multiplications of a long
 * body first, and spills. */
EW_INLINE v_s32 v_settle_s32(v_s32 v) {
#if EW_LANES == 8
    __asm__ volatile("" : "+x"(v));
#endif
    return v;
}

/* The bytes (a, b) of each element of two blocks as 16 bits, a low. */
EW_INLINE v_s16 v_load_pairs_block_b8(const uint8_t *a, const uint8_t *b) {
    return v_load_block_b8(a, 0) | v_load_block_b8(b, 0) << 8;
}

/* A requantized block, y = rne(clamp(f32(acc) * scale, low, high)) + zero with the bounds relative
 * to the zero point, in the order of v_zip_s16; NaN gives low. `first` is the lower bound as
 * stored. On x86, what is below the range of s32 becomes its least, and the bound is set after
 * narrowing. */
EW_INLINE void v_store_block_b8(uint8_t *y, const v_s32 acc[2], const v_f32 scale[2], float low,
                                float high, int32_t first, int32_t zero, uint32_t is_signed) {
#if EW_LANES == 16 && defined(__AVX512BW__)
    v_f32 a = v_min(v_splat_f32(high), v_float(acc[0]) * scale[0]);
    v_f32 b = v_min(v_splat_f32(high), v_float(acc[1]) * scale[1]);
    __m512i q = _mm512_packs_epi32(_mm512_cvtps_epi32((__m512)a), _mm512_cvtps_epi32((__m512)b));
    q = _mm512_adds_epi16(q, _mm512_set1_epi16((int16_t)zero));
    q = _mm512_max_epi16(q, _mm512_set1_epi16((int16_t)first));
    _mm256_storeu_si256((__m256i *)y, _mm512_cvtepi16_epi8(q));
    (void)low, (void)is_signed;
#elif EW_LANES == 8
    v_f32 a = v_min(v_splat_f32(high), v_float(acc[0]) * scale[0]);
    v_f32 b = v_min(v_splat_f32(high), v_float(acc[1]) * scale[1]);
    __m256i q = _mm256_packs_epi32(_mm256_cvtps_epi32((__m256)a), _mm256_cvtps_epi32((__m256)b));
    q = _mm256_adds_epi16(q, _mm256_set1_epi16((int16_t)zero));
    q = _mm256_max_epi16(q, _mm256_set1_epi16((int16_t)first));
    __m128i l = _mm256_castsi256_si128(q), h = _mm256_extracti128_si256(q, 1);
    _mm_storeu_si128((__m128i *)y, is_signed ? _mm_packs_epi16(l, h) : _mm_packus_epi16(l, h));
    (void)low;
#elif EW_LANES == 4 && defined(__SSE2__)
    v_f32 a = v_min(v_splat_f32(high), v_float(acc[0]) * scale[0]);
    v_f32 b = v_min(v_splat_f32(high), v_float(acc[1]) * scale[1]);
    __m128i q = _mm_packs_epi32(_mm_cvtps_epi32((__m128)a), _mm_cvtps_epi32((__m128)b));
    q = _mm_adds_epi16(q, _mm_set1_epi16((int16_t)zero));
    q = _mm_max_epi16(q, _mm_set1_epi16((int16_t)first));
    _mm_storel_epi64((__m128i *)y, is_signed ? _mm_packs_epi16(q, q) : _mm_packus_epi16(q, q));
    (void)low;
#else
    v_s32 q[2];
    for (int i = 0; i < 2; i++) q[i] = v_requantize(acc[i], scale[i], low, high, zero);
    for (uint32_t e = 0; e < 2 * EW_LANES; e += 4) {
        v_u8 bytes = __builtin_convertvector(q[e / 4 % 2], v_u8);
        __builtin_memcpy(y + e, (const uint8_t *)&bytes + e / 8 * 4, 4);
    }
    (void)first, (void)is_signed;
#endif
}
#endif
#endif
