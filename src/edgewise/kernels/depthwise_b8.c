/* DEPTHWISE_CONV_2D on 8 bits: with vectors depthwise_integer.h, and where they are faster, the
 * walks of the other two headers; and the plain build. */
#include "depthwise_walk_5x5_b8.h"
#include "depthwise_walk_b8.h"

#if EW_LANES > 1
DEFINE_BODIES(2, 0)
DEFINE_BODIES(2, 1)
#if EW_LANES == 16
DEFINE_BODIES(4, 0)
DEFINE_BODIES(4, 1)
#endif

/* By taps per lane and sign. */
static group_of_rows *const bodies[][2][EW_DEPTHWISE_BODIES][EW_PIXELS + 1] = {
    {BODIES(2, 0), BODIES(2, 1)},
#if EW_LANES == 16
    {BODIES(4, 0), BODIES(4, 1)},
#endif
};

EW_DEFINE(depthwise_conv_2d_b8) {
    const ew_depthwise_conv_2d *p = params;
#if defined(EW_AMD)
    if (walks(p)) {
        walk_all(p, operand, tile_begin, tile_end);
        return;
    }
#endif
    const ew_depthwise_row r = {
        .w = operand[1],
        .bias = operand[2],
        .scale = operand[3],
        .low = (float)(p->low - p->y_zero),
        .high = (float)(p->high - p->y_zero),
        .least = (int16_t)p->low,
        .zero = (int16_t)p->y_zero,
    };
    run_rows(bodies[p->taps_per_lane / 4][p->is_signed][p->body], 1, p, r, (uint8_t)p->x_zero,
             operand[0], operand[4], tile_begin, tile_end, scratch);
}
#else
/* The plain build keeps the weights in 8 bits, which is what they take in a microcontroller's flash
 * memory. It computes a few channels at once: what a tap's address takes is divided among them. */
enum { TOGETHER = 4 };

/* Taps [*first, *last) of a kernel axis that lie inside x. */
static void taps_inside(uint32_t at, uint32_t kernel, uint32_t dilation, uint32_t size,
                        uint32_t *first, uint32_t *last) {
    uint32_t i = 0, end = kernel;
    while (i < end && at + i * dilation >= size) i++; /* negatives wrap around */
    while (end > i && at + (end - 1) * dilation >= size) end--;
    *first = i;
    *last = end;
}

/* sum[n] = the products of `count` channels with neighbouring x, `step` after each (0: one x for
 * all). Taps lie `x_line` and `x_column` bytes of x, `w_line` and `w_column` of w apart. */
EW_INLINE void taps(const uint32_t count, const uint32_t step, const ew_depthwise_conv_2d *p,
                    const uint8_t *x, size_t x_line, size_t x_column, const int8_t *w,
                    uint32_t lines, uint32_t columns, int32_t sum[TOGETHER]) {
    const uint8_t flip = p->is_signed ? 0 : 0x80;
    const int32_t x_zero = p->x_zero - (p->is_signed ? 0 : 128), w_zero = p->w_zero;
    const size_t w_column = p->window.o, w_line = p->window.kernel_w * w_column;
    int32_t acc[TOGETHER] = {0, 0, 0, 0};
    for (; lines; lines--, x += x_line, w += w_line) {
        const uint8_t *from = x;
        const int8_t *by = w;
        for (uint32_t j = columns; j; j--, from += x_column, by += w_column)
            EW_UNROLL
            for (uint32_t n = 0; n < count; n++)
                acc[n] += ((int8_t)(from[n * step] ^ flip) - x_zero) * (by[n] - w_zero);
    }
    EW_UNROLL
    for (uint32_t n = 0; n < count; n++) sum[n] = acc[n];
}

/* Functions of their own: inlined, their loops spill. */
#define DEFINE_TAPS(count, step)                                                                   \
    static __attribute__((noinline)) void taps_##count##_##step(                                   \
        const ew_depthwise_conv_2d *p, const uint8_t *x, size_t x_line, size_t x_column,           \
        const int8_t *w, uint32_t lines, uint32_t columns, int32_t sum[TOGETHER]) {                \
        taps(count, step, p, x, x_line, x_column, w, lines, columns, sum);                         \
    }
DEFINE_TAPS(4, 1)
DEFINE_TAPS(1, 0)

EW_DEFINE(depthwise_conv_2d_b8) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const int32_t *bias = operand[2];
    const float *scale = operand[3];
    const float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c, x_column = s->dilation_w * s->c;
    EW_UNUSED(scratch);
    for (uint32_t pixel = tile_begin * s->ow; pixel < tile_end * s->ow; pixel++) {
        uint32_t row = pixel / s->ow, image = row / s->oh, top, bottom, left, right;
        uint32_t line = row % s->oh * s->stride_h - s->pad_top;
        uint32_t column = pixel % s->ow * s->stride_w - s->pad_left;
        taps_inside(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
        taps_inside(column, s->kernel_w, s->dilation_w, s->w, &left, &right);
        line += top * s->dilation_h;
        column += left * s->dilation_w;
        if (top == bottom || left == right) line = column = 0; /* nothing is read */
        const uint8_t *x = operand[0];
        x += (((size_t)image * s->h + line) * s->w + column) * s->c;
        const int8_t *w = operand[1];
        w += (size_t)(top * s->kernel_w + left) * s->o;
        uint8_t *y = (uint8_t *)operand[4] + (size_t)pixel * p->y_stride;
        for (uint32_t o = 0, count; o < s->o; o += count) {
            int32_t sum[TOGETHER];
            count = p->multiplier == 1 && o + TOGETHER <= s->o ? TOGETHER : 1;
            (count == 1 ? taps_1_0 : taps_4_1)(p, x + o / p->multiplier, x_line, x_column, w + o,
                                               bottom - top, right - left, sum);
            for (uint32_t n = 0; n < count; n++)
                y[o + n] = (uint8_t)v_requantize(bias[o + n] + sum[n], scale[o + n], low, high,
                                                 p->y_zero);
        }
    }
}
#endif
