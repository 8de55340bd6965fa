/* MEAN over the middle of [outer, count, inner], and SOFTMAX over rows. */
#include "kernel.h"
#include "math.h"

EW_DEFINE(mean_f32) {
    const ew_mean *p = params;
    uint32_t inner = p->inner;
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const float *x = (const float *)operand[0] + (size_t)tile * p->count * inner;
        float *y = (float *)operand[1] + (size_t)tile * inner;
        for (uint32_t i = 0; i < inner; i++) y[i] = 0.0f;
        for (uint32_t k = 0; k < p->count; k++, x += inner)
            for (uint32_t i = 0; i < inner; i++) y[i] += x[i];
        for (uint32_t i = 0; i < inner; i++) y[i] *= p->scale;
    }
}

EW_INLINE void add_stored(int32_t *sum, const uint8_t *x, uint32_t n, const uint32_t is_signed) {
    for (uint32_t c = 0; c < n; c++) sum[c] += ew_stored(x, c, is_signed);
}

EW_DEFINE(mean_b8) {
    const ew_mean *p = params;
    uint32_t inner = p->inner;
    int32_t *sum = scratch;
    float low = (float)p->low, high = (float)p->high;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)tile * p->count * inner;
        uint8_t *y = (uint8_t *)operand[1] + (size_t)tile * inner;
        int32_t start = (int32_t)(0u - p->count * (uint32_t)p->x_zero);
        for (uint32_t i = 0; i < inner; i++) sum[i] = start;
        for (uint32_t k = 0; k < p->count; k++, x += inner) {
            if (p->is_signed)
                add_stored(sum, x, inner, 1);
            else
                add_stored(sum, x, inner, 0);
        }
        for (uint32_t i = 0; i < inner; i++) {
            float real = (float)sum[i] * p->scale + (float)p->y_zero;
            y[i] = (uint8_t)ew_round(ew_clamp_f32(real, low, high));
        }
    }
}

EW_DEFINE(softmax_f32) {
    const ew_softmax *p = params;
    uint32_t n = p->depth;
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin; row < tile_end; row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[1] + (size_t)row * n;
        float largest = -__builtin_inff(), sum = 0.0f;
        for (uint32_t i = 0; i < n; i++) largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
        for (uint32_t i = 0; i < n; i++) y[i] = ew_exp_f32((x[i] - largest) * p->beta);
        for (uint32_t i = 0; i < n; i++) sum += y[i];
        for (uint32_t i = 0; i < n; i++) y[i] /= sum;
    }
}

/* Exponentials of the distance to the largest from a table, one float32 sum in order, one rounding
 * half away from zero: LiteRT's optimised softmax. */
EW_DEFINE(softmax_b8) {
    const ew_softmax *p = params;
    const float *table = operand[1];
    uint32_t n = p->depth;
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin; row < tile_end; row++) {
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)row * n;
        uint8_t *y = (uint8_t *)operand[2] + (size_t)row * n;
        int32_t largest = -128;
        float sum = 0.0f;
        for (uint32_t i = 0; i < n; i++)
            largest = ew_max_s32(largest, ew_stored(x, i, p->is_signed));
        for (uint32_t i = 0; i < n; i++) sum += table[largest - ew_stored(x, i, p->is_signed)];
        float scale = 1.0f / (sum * p->y_scale);
        for (uint32_t i = 0; i < n; i++) {
            float real = table[largest - ew_stored(x, i, p->is_signed)] * scale + 0.5f;
            int32_t q = (int32_t)(real < 65536.0f ? real : 65536.0f) + p->y_zero;
            y[i] = (uint8_t)ew_min_s32(ew_max_s32(q, p->low), p->high);
        }
    }
}
