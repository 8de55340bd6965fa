/* Elementwise operators of one operand: tables on 8 bits, activations in float32, and the change
 * between both. */
#include "kernel.h"
#include "math.h"

/* The elements [begin, end) of the tiles. */
typedef struct {
    size_t begin, end;
} range;

static range elements_of(const ew_unary *p, uint32_t tile_begin, uint32_t tile_end) {
    size_t end = (size_t)tile_end * p->per_tile;
    return (range){(size_t)tile_begin * p->per_tile, end < p->count ? end : p->count};
}

EW_DEFINE(table_b8) {
    const ew_unary *p = params;
    const uint8_t *x = operand[0], *table = operand[1];
    uint8_t *y = operand[2];
    range r = elements_of(p, tile_begin, tile_end);
    EW_UNUSED(scratch);
    for (size_t i = r.begin; i < r.end; i++) y[i] = table[x[i]];
}

#define DEFINE_F32(name, formula)                                                                  \
    EW_DEFINE(name) {                                                                              \
        const ew_unary *p = params;                                                                \
        const float *x = operand[0];                                                               \
        float *y = operand[1];                                                                     \
        range r = elements_of(p, tile_begin, tile_end);                                            \
        float low = p->low_f32, high = p->high_f32;                                                \
        EW_UNUSED(scratch);                                                                        \
        EW_UNUSED(low);                                                                            \
        EW_UNUSED(high);                                                                           \
        for (size_t i = r.begin; i < r.end; i++) y[i] = formula;                                   \
    }
DEFINE_F32(clip_f32, ew_clamp_f32(x[i], low, high))
DEFINE_F32(hard_swish_f32, x[i] * ew_clamp_f32(x[i] + 3.0f, 0.0f, 6.0f) / 6.0f)
DEFINE_F32(logistic_f32, ew_logistic_f32(x[i]))
DEFINE_F32(tanh_f32, ew_tanh_f32(x[i]))

EW_DEFINE(quantize_b8) {
    const ew_unary *p = params;
    const float *x = operand[0];
    uint8_t *y = operand[1];
    range r = elements_of(p, tile_begin, tile_end);
    float low = (float)(p->low - p->zero), high = (float)(p->high - p->zero);
    EW_UNUSED(scratch);
    for (size_t i = r.begin; i < r.end; i++) {
        float real = x[i] * p->scale;
        real = real > low ? real : low; /* NaN: the smallest */
        real = real < high ? real : high;
        y[i] = (uint8_t)(ew_round(real) + p->zero);
    }
}

EW_INLINE void dequantize(const ew_unary *p, const uint8_t *x, float *y, range r,
                          const uint32_t is_signed) {
    for (size_t i = r.begin; i < r.end; i++)
        y[i] = (float)(ew_stored(x, i, is_signed) - p->zero) * p->scale;
}

EW_DEFINE(dequantize_b8) {
    const ew_unary *p = params;
    range r = elements_of(p, tile_begin, tile_end);
    EW_UNUSED(scratch);
    if (p->is_signed)
        dequantize(p, operand[0], operand[1], r, 1);
    else
        dequantize(p, operand[0], operand[1], r, 0);
}
