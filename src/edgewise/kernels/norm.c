/* Normalisations of rows: layer norm, L2_NORMALIZATION, LOCAL_RESPONSE_NORMALIZATION. */
#include "kernel.h"
#include "math.h"

static float sum_of_lanes(v_f32 v) {
    float lanes[EW_LANES], sum = 0.0f;
    __builtin_memcpy(lanes, &v, sizeof lanes);
    for (uint32_t l = 0; l < EW_LANES; l++) sum += lanes[l];
    return sum;
}

/* The sum of x[i] - shift, or of its squares. */
EW_INLINE float sum_f32(const float *x, uint32_t n, float shift, const int of_squares) {
    v_f32 total = v_splat_f32(0.0f), less = v_splat_f32(shift);
    float rest = 0.0f;
    uint32_t i = 0;
    for (; i + EW_LANES <= n; i += EW_LANES) {
        v_f32 v = v_load_f32(x + i) - less;
        total += of_squares ? v * v : v;
    }
    for (; i < n; i++) rest += of_squares ? (x[i] - shift) * (x[i] - shift) : x[i] - shift;
    return sum_of_lanes(total) + rest;
}

EW_DEFINE(layer_norm_f32) {
    const ew_norm *p = params;
    const float *gamma = operand[1], *beta = operand[2];
    uint32_t n = p->depth, end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[3] + (size_t)row * n;
        float mean = sum_f32(x, n, 0.0f, 0) / (float)n;
        float variance = sum_f32(x, n, mean, 1) / (float)n;
        float scale = 1.0f / ew_sqrt_f32(variance + p->epsilon);
        for (uint32_t i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * gamma[i] + beta[i];
    }
}

EW_DEFINE(l2_normalization_f32) {
    const ew_norm *p = params;
    uint32_t n = p->depth, end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[1] + (size_t)row * n;
        float norm = ew_sqrt_f32(sum_f32(x, n, 0.0f, 1));
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
