/* Elementwise operators of one operand: tables on 8 and 16 bits, functions of float32, and the change
 * between both. y may be x where their elements have one size. */
#include "knots.h"
#include "broadcast.h"
#include "math.h"
#include "simd_b8.h"
#include "simd_table.h"

/* The elements [begin, end) of the tiles. */
typedef struct {
    size_t begin, end;
} range;

static range elements_of(const ew_unary *p, uint32_t tile_begin, uint32_t tile_end) {
    size_t end = (size_t)tile_end * p->per_tile;
    return (range){(size_t)tile_begin * p->per_tile, end < p->count ? end : p->count};
}

#define BEGIN(type)                                                                      \
    const ew_unary *p = params;                                                                    \
    const type *x = operand[0];                                                                    \
    range r = elements_of(p, tile_begin, tile_end);                                                \
    EW_UNUSED(scratch);

EW_DEFINE(table_b8) {
    BEGIN(uint8_t)
    uint8_t *y = operand[2];
    if (r.begin < r.end) ew_look_up(x + r.begin, operand[1], y + r.begin, r.end - r.begin);
}

/* LiteRT's interpolation between 513 values, 128 operands apart; half up. */
EW_DEFINE(knots_s16) {
    BEGIN(int16_t)
    const int16_t *knot = operand[1];
    int16_t *y = operand[2];
    for (size_t i = r.begin; i < r.end; i++) y[i] = ew_between_knots(knot, x[i]);
}

/* A value for each operand, by its bits. */
EW_DEFINE(table_s16) {
    BEGIN(uint16_t)
    const int16_t *table = operand[1];
    int16_t *y = operand[2];
    for (size_t i = r.begin; i < r.end; i++) y[i] = table[x[i]];
}

/* ---- float32, one element at a time: the compiler vectorises these ---- */
#define SIMPLE(name, type, formula)                                                                \
    EW_DEFINE(name) {                                                                              \
        BEGIN(type)                                                                          \
        type *y = operand[1];                                                                      \
        const float low = p->low_f32, high = p->high_f32, scale = p->scale;                        \
        EW_UNUSED(low), EW_UNUSED(high), EW_UNUSED(scale);                                         \
        EW_INDEPENDENT for (size_t i = r.begin; i < r.end; i++) y[i] = (type)(formula);            \
    }
SIMPLE(clip_f32, float, ew_clamp_f32(x[i], low, high))
SIMPLE(hard_swish_f32, float, x[i] * (1.0f / 6) * ew_clamp_f32(x[i] + 3.0f, 0.0f, 6.0f))
SIMPLE(leaky_relu_f32, float, x[i] > 0.0f ? x[i] : x[i] * scale)
SIMPLE(abs_f32, float, __builtin_fabsf(x[i]))
SIMPLE(abs_s32, int32_t, x[i] < 0 ? 0 - x[i] : x[i])
SIMPLE(abs_s64, int64_t, x[i] < 0 ? 0 - x[i] : x[i])
SIMPLE(sign_f32, float, x[i] > 0.0f ? 1.0f : x[i] < 0.0f ? -1.0f : x[i] * 0.0f + x[i])
SIMPLE(sign_f64, double, x[i] > 0.0 ? 1.0 : x[i] < 0.0 ? -1.0 : x[i] * 0.0 + x[i])
SIMPLE(floor_f32, float, ew_floor(x[i]))
SIMPLE(ceil_f32, float, ew_ceil(x[i]))
SIMPLE(round_f32, float, ew_rint(x[i]))
#ifndef __AVX512F__
SIMPLE(sqrt_f32, float, ew_sqrt_f32(x[i]))
#endif
#if EW_LANES < 16
SIMPLE(rsqrt_f32, float, 1.0f / ew_sqrt_f32(x[i]))
#endif
SIMPLE(fake_quant_f32, float,
       ew_floor((ew_clamp_f32(x[i], low, high) - low) * (1.0f / scale) + 0.5f) * scale + low)

/* Bounds and scale are operand 1: f64 [3]. The steps are between 0 and 2**16. */
EW_DEFINE(fake_quant_f64) {
    BEGIN(double)
    const double *given = operand[1];
    const double low = given[0], high = given[1], scale = given[2];
    double *y = operand[2];
    for (size_t i = r.begin; i < r.end; i++) {
        double inside = x[i] < low ? low : x[i] > high ? high : x[i]; /* NaN stays */
        double steps = (inside - low) * (1.0 / scale) + 0.5;
        y[i] = (steps == steps ? (double)(int64_t)steps : steps) * scale + low;
    }
}

/* ---- float32, a vector at a time (two compete for registers: +6 % time of LOGISTIC with AVX2); a
 * rest passes through the same function ---- */
#define VECTORS(name, function)                                                                    \
    EW_DEFINE(name) {                                                                              \
        BEGIN(float)                                                                               \
        float *y = operand[1];                                                                     \
        size_t i = r.begin;                                                                        \
        for (; i + EW_LANES <= r.end; i += EW_LANES)                                               \
            v_store_f32(y + i, function(v_load_f32(x + i)));                                       \
        if (i < r.end) {                                                                           \
            float rest[EW_LANES] = {0};                                                            \
            size_t n = r.end - i;                                                                  \
            for (size_t k = 0; k < n; k++) rest[k] = x[i + k];                                     \
            v_store_f32(rest, function(v_load_f32(rest)));                                         \
            for (size_t k = 0; k < n; k++) y[i + k] = rest[k];                                     \
        }                                                                                          \
    }
EW_INLINE v_f32 elu(v_f32 x) {
    return v_where(v_less(x, v_splat_f32(0.0f)), v_expm1_negative(x), x);
}
#if EW_LANES == 16
/* A root and a division take 34 cycles of such a vector. A guess to 2**-14 has no error left but
 * rounding's, 1 ulp, after a step of third order (Householder); it is the result where the step is
 * NaN: of 0, infinity and what has no root. */
EW_INLINE v_f32 rsqrt(v_f32 x) {
    v_f32 y;
#if defined(__AVX512F__)
    y = (v_f32)_mm512_rsqrt14_ps((__m512)x);
#else
    for (uint32_t l = 0; l < EW_LANES; l++) y[l] = 1.0f / ew_sqrt_f32(x[l]);
#endif
    v_f32 left = v_fma(-(x * y), y, v_splat_f32(1.0f));
    v_f32 better = v_fma(y * left, v_fma(v_splat_f32(0.375f), left, v_splat_f32(0.5f)), y);
    return v_where(left == left, better, y);
}
VECTORS(rsqrt_f32, rsqrt)
#endif
#ifdef __AVX512F__
/* A root of this vector takes 13.5 cycles on a Zen 4, this 9 with loads and stores. A guess of its
 * inverse to 2**-14 gives, after a step for both and one for what the root's square leaves
 * (Markstein, IA-64 and Elementary Functions, 2000), its very bits: so said all 2**24 significands
 * and parities of exponents, with guesses up to 2**-13 off. What is left of numbers below 2**-102
 * is no normal number; they, infinity and what has no root are asked for. */
EW_INLINE v_f32 root(v_f32 x) {
    const __m512i least = _mm512_set1_epi32(0x0D800000), above = _mm512_set1_epi32(0x72000000);
    const __m512i place = _mm512_sub_epi32((__m512i)x, least);
    if (_mm512_cmpge_epu32_mask(place, above)) return (v_f32)_mm512_sqrt_ps((__m512)x);
    const v_f32 half = v_splat_f32(0.5f), guess = (v_f32)_mm512_rsqrt14_ps((__m512)x);
    v_f32 y = x * guess, h = guess * half;
    const v_f32 left = v_fma(-y, h, half);
    y = v_fma(y, left, y), h = v_fma(h, left, h);
    return v_fma(h, v_fma(-y, y, x), y);
}
VECTORS(sqrt_f32, root)
#endif
VECTORS(exp_f32, v_exp)
VECTORS(log_f32, v_log)
VECTORS(logistic_f32, v_logistic)
VECTORS(swish_f32, v_swish)
VECTORS(tanh_f32, v_tanh)
VECTORS(gelu_f32, v_gelu)
VECTORS(gelu_tanh_f32, v_gelu_tanh)
VECTORS(elu_f32, elu)

/* Sine of x + quarters * pi/2; large angles one by one. */
EW_INLINE void sines(const float *x, float *y, range r, const int32_t quarters) {
    for (size_t i = r.begin; i < r.end; i += EW_LANES) {
        float in[EW_LANES] = {0}, out[EW_LANES];
        size_t n = r.end - i < EW_LANES ? r.end - i : EW_LANES;
        for (size_t k = 0; k < n; k++) in[k] = x[i + k];
        v_store_f32(out, v_sin(v_load_f32(in), quarters));
        for (size_t k = 0; k < n; k++)
            y[i + k] = __builtin_fabsf(in[k]) < EW_LARGE_ANGLE ? out[k] : ew_sin_large(in[k], quarters);
    }
}
EW_DEFINE(sin_f32) {
    BEGIN(float)
    sines(x, operand[1], r, 0);
}
EW_DEFINE(cos_f32) {
    BEGIN(float)
    sines(x, operand[1], r, 1);
}

/* ---- between float32 and stored integers ---- */
#if EW_LANES > 1
/* Returns the first element that is left. */
static size_t quantize_registers(const ew_unary *p, const float *x, uint8_t *y, range r) {
    const v_output o = v_output_of(p->low, p->high, p->zero, p->low < 0);
    const v_f32 scale = v_splat_f32(p->scale);
    size_t i = r.begin;
    for (; i + EW_BYTES <= r.end; i += EW_BYTES) {
        v_s32 q[4];
        EW_UNROLL for (int k = 0; k < 4; k++) {
            v_f32 real = v_max(v_load_f32(x + i + k * EW_LANES) * scale, o.low_f32); /* NaN: low */
            q[k] = v_rounded(real, &o);
        }
        v_store_run(y + i, v_narrow_x4(q[0], q[1], q[2], q[3], &o), 0, EW_BYTES);
    }
    return i;
}
#else
#define quantize_registers(p, x, y, r) (r).begin
#endif

EW_DEFINE(quantize_b8) {
    BEGIN(float)
    uint8_t *y = operand[1];
    const float low = (float)(p->low - p->zero), high = (float)(p->high - p->zero), scale = p->scale;
    const int32_t zero = p->zero;
    for (size_t i = quantize_registers(p, x, y, r); i < r.end; i++) {
        float real = x[i] * scale;
        real = real > low ? real : low; /* NaN: the smallest */
        real = real < high ? real : high;
        y[i] = (uint8_t)(ew_round(real) + zero);
    }
}
EW_DEFINE(quantize_s16) {
    BEGIN(float)
    int16_t *y = operand[1];
    const float low = (float)(p->low - p->zero), high = (float)(p->high - p->zero), scale = p->scale;
    const int32_t zero = p->zero;
    for (size_t i = r.begin; i < r.end; i++) {
        float real = x[i] * scale;
        real = real > low ? real : low;
        real = real < high ? real : high;
        y[i] = (int16_t)(ew_round(real) + zero);
    }
}

#define DEQUANTIZE(name, type)                                                                     \
    EW_DEFINE(name) {                                                                              \
        BEGIN(type)                                                                         \
        float *y = operand[1];                                                                     \
        const int32_t zero = p->zero;                                                              \
        const float scale = p->scale;                                                              \
        for (size_t i = r.begin; i < r.end; i++) y[i] = (float)(x[i] - zero) * scale;              \
    }
DEQUANTIZE(dequantize_s8, int8_t)
DEQUANTIZE(dequantize_u8, uint8_t)
DEQUANTIZE(dequantize_s16, int16_t)
