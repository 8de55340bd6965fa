/* Normalisations of rows: layer norm, L2_NORMALIZATION, LOCAL_RESPONSE_NORMALIZATION. */
#include "exponentials.h"
#include "fixed.h"

EW_INLINE v_f32 term(v_f32 x, float shift, const int of_squares) {
    x -= shift;
    return of_squares ? x * x : x;
}

/* The sum of x[i] - shift, or of its squares; in four parts, which do not wait for each other. */
EW_INLINE float sum_of(const float *x, uint32_t n, float shift, const int of_squares) {
    enum { PARTS = 4 };
    v_f32 total[PARTS];
    float rest = 0.0f;
    uint32_t i = 0;
    EW_UNROLL
    for (uint32_t k = 0; k < PARTS; k++) total[k] = v_splat_f32(0.0f);
    for (; i + PARTS * EW_LANES <= n; i += PARTS * EW_LANES)
        EW_UNROLL
        for (uint32_t k = 0; k < PARTS; k++)
            total[k] += term(v_load_f32(x + i + k * EW_LANES), shift, of_squares);
    for (; i + EW_LANES <= n; i += EW_LANES)
        total[0] += term(v_load_f32(x + i), shift, of_squares);
    for (; i < n; i++) rest += of_squares ? (x[i] - shift) * (x[i] - shift) : x[i] - shift;
    return v_sum((total[0] + total[1]) + (total[2] + total[3])) + rest;
}

EW_DEFINE(layer_norm_f32) {
    const ew_norm *p = params;
    const float *gamma = operand[1], *beta = operand[2];
    uint32_t n = p->depth, end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[3] + (size_t)row * n;
        float mean = sum_of(x, n, 0.0f, 0) / (float)n;
        float variance = sum_of(x, n, mean, 1) / (float)n;
        float scale = 1.0f / ew_sqrt_f32(variance + p->epsilon);
        uint32_t i = 0;
        for (; i + EW_LANES <= n; i += EW_LANES) {
            const v_f32 normal = (v_load_f32(x + i) - mean) * scale;
            v_store_f32(y + i, normal * v_load_f32(gamma + i) + v_load_f32(beta + i));
        }
        for (; i < n; i++) y[i] = (x[i] - mean) * scale * gamma[i] + beta[i];
    }
}

EW_DEFINE(l2_normalization_f32) {
    const ew_norm *p = params;
    uint32_t n = p->depth, end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[1] + (size_t)row * n;
        float norm = ew_sqrt_f32(sum_of(x, n, 0.0f, 1));
        norm = norm > p->epsilon ? norm : p->epsilon;
        for (uint32_t i = 0; i < n; i++) y[i] = x[i] / norm;
    }
}

/* x * (bias + alpha * s)**-beta, s the sum of squares of the channels within `radius`. */
EW_DEFINE(local_response_normalization_f32) {
    const ew_local_response *p = params;
    uint32_t n = p->depth, end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[1] + (size_t)row * n;
        for (uint32_t i = 0; i < n; i += EW_LANES) {
            float base[EW_LANES] = {0};
            uint32_t here = ew_min_u32(n - i, EW_LANES);
            for (uint32_t c = i; c < i + here; c++) {
                uint32_t first = c > p->radius ? c - p->radius : 0;
                uint32_t last = n - c > p->radius ? c + p->radius : n - 1;
                float sum = 0.0f;
                for (uint32_t k = first; k <= last; k++) sum += x[k] * x[k];
                base[c - i] = p->bias + p->alpha * sum;
            }
            v_f32 size = v_load_f32(base);
            v_f32 power = v_pow_size(size, v_splat_f32(-p->beta));
            v_store_f32(base, v_or_bits(power, v_nan_mask(size)));
            for (uint32_t k = 0; k < here; k++) y[i + k] = x[i + k] * base[k];
        }
    }
}

/* a * b * 2 >> 32, rounded. */
static int64_t high_mul(int64_t a, int64_t b) {
    int64_t y = (a * b + (1 << 30)) >> 31;
    return y < INT32_MAX ? y : INT32_MAX;
}

static int64_t saturated(int64_t x) {
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x;
}

/* 1 / sqrt(x) as a multiplier and shift, by Newton's method (ops/l2_normalization.py). */
static int32_t inverse_square_root(int32_t sum, int32_t *shift) {
    int64_t x = sum, r = 1 << 28;
    int32_t halvings = x >= 1 << 29 ? x >> 2 >= 1 << 29 ? 2 : 1 : 0, bits = 0;
    *shift = 0;
    if (x <= 1) return INT32_MAX;
    x >>= 2 * halvings;
    while (x >> bits) bits++;
    int32_t pairs = (31 - bits) / 2 - 1, left = 11 + halvings - pairs;
    int64_t half = x << (2 * pairs) >> 1, quarter = (half >> 1) + (half & 1);
    for (int i = 0; i < 5; i++) {
        int64_t cube = saturated(high_mul(high_mul(r, r), r) * 64);
        r = saturated((high_mul(r, (1 << 28) + (1 << 27)) - high_mul(quarter, cube)) * 8);
    }
    int64_t m = high_mul(r, 1518500250); /* sqrt(1/2) */
    if (left < 0) m <<= -left, left = 0;
    *shift = -left;
    return (int32_t)m;
}

EW_DEFINE(l2_normalization_b8) {
    const ew_norm_b8 *p = params;
    uint32_t n = p->depth, end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    int32_t low = p->is_signed ? -128 : 0, high = p->is_signed ? 127 : 255;
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)row * n;
        uint8_t *y = (uint8_t *)operand[1] + (size_t)row * n;
        int32_t sum = 0, shift;
        for (uint32_t i = 0; i < n; i++) {
            int32_t v = ew_stored(x, i, p->is_signed) - p->x_zero;
            sum += v * v;
        }
        int32_t m = inverse_square_root(sum, &shift);
        for (uint32_t i = 0; i < n; i++) {
            int32_t v = ew_stored(x, i, p->is_signed) - p->x_zero;
            /* where LiteRT puts the factor of 128 decides the rounding */
            v = p->is_signed ? ew_multiply_fixed(v, m, shift + 7)
                             : ew_multiply_fixed(v * 128, m, shift);
            y[i] = (uint8_t)ew_min_s32(ew_max_s32(v + p->y_zero, low), high);
        }
    }
}
