/* DEPTHWISE_CONV_2D of int16 by int8: with vectors depthwise_integer.h, and the plain build. Sums
 * stay within s32: kernels whose sums do not are groups of conv_2d_s16. */
#include "conv_tiles.h"
#include "depthwise_integer.h"
#include "round_s16.h"

#if EW_LANES > 1
DEFINE_BODIES(2, 2)
static group_of_rows *const bodies[EW_DEPTHWISE_BODIES][EW_PIXELS + 1] = BODIES(2, 2);

EW_DEFINE(depthwise_conv_2d_s16) {
    const ew_depthwise_conv_2d *p = params;
    const ew_depthwise_row r = {
        .w = operand[1],
        .bias = operand[2],
        .is_s32 = p->rounding == EW_ROUND_up_s32,
        .first = operand[3],
        .second = operand[4],
        .range = v_range_of(p->low, p->high),
    };
    run_rows(bodies[p->body], 2, p, r, 0, operand[0], operand[5], tile_begin, tile_end, scratch);
}
#else

EW_DEFINE(depthwise_conv_2d_s16) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const int32_t *bias = operand[2];
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c;
    const size_t x_column = (size_t)s->dilation_w * s->c;
    EW_UNUSED(scratch);
    for (uint32_t pixel = tile_begin * s->ow; pixel < tile_end * s->ow; pixel++) {
        const uint32_t row = pixel / s->ow, image = row / s->oh;
        const int32_t line = (int32_t)(row % s->oh * s->stride_h - s->pad_top);
        const int32_t column = (int32_t)(pixel % s->ow * s->stride_w - s->pad_left);
        uint32_t top, bottom, left, right;
        ew_inside_of(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
        ew_inside_of(column, s->kernel_w, s->dilation_w, s->w, &left, &right);
        const int16_t *x = operand[0];
        if (top < bottom && left < right) {
            const uint32_t at = (uint32_t)(line + (int32_t)(top * s->dilation_h));
            const uint32_t from = (uint32_t)(column + (int32_t)(left * s->dilation_w));
            x += (((size_t)image * s->h + at) * s->w + from) * s->c;
        } else {
            bottom = top; /* nothing is read */
        }
        const int8_t *w = (const int8_t *)operand[1] + (size_t)(top * s->kernel_w + left) * s->o;
        int16_t *y = (int16_t *)operand[5] + (size_t)pixel * p->y_stride;
        for (uint32_t o = 0; o < s->o; o++) {
            int32_t sum = bias[o];
            for (uint32_t i = 0; i < bottom - top; i++)
                for (uint32_t j = 0; j < right - left; j++)
                    sum += x[i * x_line + j * x_column + o / p->multiplier] *
                           w[((size_t)i * s->kernel_w + j) * s->o + o];
            y[o] = ew_round_s16(sum, EW_ROUND_up, operand[3], operand[4], o, p->low, p->high);
        }
    }
}
#endif
