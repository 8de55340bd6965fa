/* Weights of 8 bits that the model computes, packed as the convolutions in 8 bits take them. */
#include "kernel.h"

/* The weights of one output, with `stride` bytes between its steps; their sum modulo 2**32. */
static uint32_t pack_output(const ew_pack_weights_b8 *p, const uint8_t *w, uint32_t length,
                            int8_t *to) {
    const ew_pack_weights *s = &p->weights;
    const uint32_t rows = s->dims[0] * s->dims[1] * s->dims[2], last = s->dims[3];
    const size_t stride = (size_t)p->panel * p->step;
    uint32_t sum = 0, e = 0;
    for (uint32_t row = 0; row < rows; row++) {
        const uint32_t line = row / s->dims[2];
        const uint8_t *from = w + (ptrdiff_t)(line / s->dims[1]) * s->stride[2] +
                              (ptrdiff_t)(line % s->dims[1]) * s->stride[3] +
                              (ptrdiff_t)(row % s->dims[2]) * s->stride[4];
        for (uint32_t j = 0; j < last; j++) {
            const int8_t value = (int8_t)(from[(ptrdiff_t)j * s->stride[5]] ^ p->flip);
            to[e / p->step * stride + e % p->step] = value;
            sum += (uint32_t)value;
            if (++e == length) e = 0, to += p->steps * stride;
        }
    }
    return sum;
}

EW_DEFINE(pack_weights_b8) {
    const ew_pack_weights_b8 *p = params;
    const ew_pack_weights *s = &p->weights;
    const uint32_t panels = ew_divide_up(s->o, p->panel);
    const uint32_t k = s->dims[0] * s->dims[1] * s->dims[2] * s->dims[3];
    const uint32_t length = p->runs ? k / p->runs : 0;
    const size_t bytes = (size_t)p->runs * p->steps * p->panel * p->step;
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t group = tile / panels, first = tile % panels * p->panel;
        const uint32_t columns = ew_min_u32(s->o - first, p->panel);
        const uint8_t *w = (const uint8_t *)operand[0] + s->first +
                           (ptrdiff_t)group * s->stride[0] + (ptrdiff_t)first * s->stride[1];
        const int32_t *bias = (const int32_t *)operand[1] + group * s->o + first;
        int8_t *y = (int8_t *)operand[2] + tile * bytes;
        int32_t *z = (int32_t *)operand[3] + (size_t)tile * p->panel;
        const int is_padded = columns < p->panel || length != p->steps * p->step;
        for (size_t i = 0; is_padded && i < bytes; i++) y[i] = 0;
        for (uint32_t c = 0; c < p->panel; c++) {
            if (c >= columns) {
                z[c] = 0;
                continue;
            }
            const uint8_t *from = w + (ptrdiff_t)c * s->stride[1];
            const uint32_t sum = pack_output(p, from, length, y + (size_t)c * p->step);
            z[c] = (int32_t)((uint32_t)bias[c] - (uint32_t)p->x_zero * (sum - k * (uint32_t)p->w_zero));
        }
    }
}
