/* SVDF: the newest feature of every filter joins its memory, which is weighted and summed. */
#include "fixed.h"
#include "simd.h"

/* The sum of a [n] * b [n]: b in float32, or s8. */
EW_INLINE float dot(const float *a, const void *b, uint32_t n, const int is_s8) {
    const float *whole = b;
    const uint8_t *bytes = b;
    v_f32 total = v_splat_f32(0.0f);
    float lanes[EW_LANES], sum = 0.0f;
    uint32_t i = 0;
    for (; i + EW_LANES <= n; i += EW_LANES) {
        v_f32 factor = is_s8 ? v_float(v_load_b8(bytes + i, 1)) : v_load_f32(whole + i);
        total = v_fma(v_load_f32(a + i), factor, total);
    }
    v_store_f32(lanes, total);
    for (uint32_t l = 0; l < EW_LANES; l++) sum += lanes[l];
    for (; i < n; i++) sum += a[i] * (is_s8 ? (float)(int8_t)bytes[i] : whole[i]);
    return sum;
}

EW_DEFINE(svdf_f32) {
    const ew_svdf *p = params;
    const float *newest = operand[0], *bias = operand[2];
    float *state = operand[3], *y = operand[4];
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end), EW_UNUSED(scratch);
    for (uint32_t b = 0; b < p->batch; b++, y += p->units) {
        const float *time = operand[1];
        const uint8_t *time_s8 = operand[1];
        for (uint32_t u = 0; u < p->units; u++) {
            float sum = 0.0f;
            for (uint32_t f = 0; f < p->rank; f++, state += p->memory) {
                for (uint32_t m = 1; m < p->memory; m++) state[m - 1] = state[m];
                state[p->memory - 1] = *newest++;
                sum += p->is_time_s8 ? dot(state, time_s8, p->memory, 1)
                                     : dot(state, time, p->memory, 0);
                time += p->memory, time_s8 += p->memory;
            }
            y[u] = ew_clamp_f32(sum * p->time_scale + bias[u], p->low_f32, p->high_f32);
        }
    }
}

EW_DEFINE(svdf_s8) {
    const ew_svdf *p = params;
    const int8_t *x = operand[0], *feature = operand[1];
    const int16_t *time = operand[2];
    const int32_t *bias = operand[3]; /* of features, then of units */
    int16_t *state = operand[4];
    int8_t *y = operand[5];
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end), EW_UNUSED(scratch);
    for (uint32_t b = 0; b < p->batch; b++, x += p->inputs, y += p->units) {
        for (uint32_t u = 0; u < p->units; u++) {
            uint32_t total = (uint32_t)bias[p->units * p->rank + u];
            for (uint32_t f = u * p->rank; f < (u + 1) * p->rank; f++, state += p->memory) {
                const int8_t *w = feature + (size_t)f * p->inputs;
                const int16_t *t = time + (size_t)f * p->memory;
                int32_t acc = bias[f];
                for (uint32_t i = 0; i < p->inputs; i++) acc += x[i] * w[i];
                acc = ew_multiply_fixed(acc, p->feature_multiplier, p->feature_shift);
                for (uint32_t m = 1; m < p->memory; m++) state[m - 1] = state[m];
                state[p->memory - 1] = (int16_t)ew_min_s32(ew_max_s32(acc, -32768), 32767);
                for (uint32_t m = 0; m < p->memory; m++) total += (uint32_t)(state[m] * t[m]);
            }
            int32_t z = ew_multiply_fixed((int32_t)total, p->y_multiplier, p->y_shift);
            int64_t moved = (int64_t)z + p->y_zero;
            y[u] = (int8_t)(moved < -128 ? -128 : moved > 127 ? 127 : moved);
        }
    }
}
