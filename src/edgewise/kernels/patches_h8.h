/* The windows of output pixels, as they lie in x and quantized (rows_h8.h), one by one: conv_h8.c,
 * conv_lines_h8.c. */
#ifndef EW_PATCHES_H8_H
#define EW_PATCHES_H8_H
#include "conv_tiles.h"
#include "rows_h8.h"

/* The part of an output pixel's window inside x: `lines` lines of `runs` runs of `length` elements,
 * and around it so many elements of padding, of all and of each line. */
typedef struct {
    const float *x;
    uint32_t lines, runs;
    size_t length, above, below, left, right;
} patch;

/* An output pixel. */
typedef struct {
    uint32_t image, line, column;
} pixel_at;

static inline pixel_at pixel_of(const ew_window *s, uint32_t pixel) {
    const uint32_t line = pixel / s->ow;
    const pixel_at at = {line / s->oh, line % s->oh, pixel % s->ow};
    return at;
}

/* The pixel `count` of its line further on: at most the first of the next line. */
static void move_on(const ew_window *s, uint32_t count, pixel_at *at) {
    at->column += count;
    if (at->column < s->ow) return;
    at->column = 0;
    if (++at->line < s->oh) return;
    at->line = 0;
    at->image++;
}

/* Those of `count` output pixels from `pixel` on. */
static void find_patches(const ew_window *s, uint32_t groups, const float *x, uint32_t group,
                         pixel_at pixel, uint32_t count, patch *found) {
    const uint32_t c = s->c / groups, span = (s->kernel_w - 1) * s->dilation_w;
    const int is_run = s->dilation_w == 1 && groups == 1; /* a line's taps are neighbours */
    const size_t row = (size_t)s->kernel_w * c;
    for (uint32_t r = 0, n; r < count; r += n, move_on(s, n, &pixel)) { /* pixels of one line */
        const int32_t at_h = (int32_t)(pixel.line * s->stride_h - s->pad_top);
        int32_t at_w = (int32_t)(pixel.column * s->stride_w - s->pad_left);
        uint32_t top, bottom;
        n = ew_min_u32(count - r, s->ow - pixel.column);
        ew_inside_of(at_h, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
        const float *line = x + (size_t)pixel.image * s->h * s->w * s->c + group * c;
        if (bottom > top) line += (size_t)(at_h + (int32_t)(top * s->dilation_h)) * s->w * s->c;
        for (uint32_t i = 0; i < n; i++, found++, at_w += (int32_t)s->stride_w) {
            uint32_t left = 0, right = s->kernel_w, last = bottom;
            const int is_inside = at_w >= 0 && (uint32_t)at_w + span < s->w;
            if (is_inside && is_run && bottom - top == s->kernel_h) {
                found->x = line + (size_t)at_w * s->c;
                found->lines = s->kernel_h;
                found->runs = 1;
                found->length = row;
                continue;
            }
            if (!is_inside)
                ew_inside_of(at_w, s->kernel_w, s->dilation_w, s->w, &left, &right);
            if (left == right) last = top;
            found->x = line;
            if (last > top) found->x += (size_t)(at_w + (int32_t)(left * s->dilation_w)) * s->c;
            found->lines = last - top;
            found->runs = is_run ? 1 : right - left;
            found->length = is_run ? (size_t)(right - left) * c : c;
            found->above = top * row;
            found->below = (s->kernel_h - last) * row;
            found->left = (size_t)left * c;
            found->right = (size_t)(s->kernel_w - right) * c;
        }
    }
}

/* A window [KH][KW][C / groups]. */
static void quantize_patch(const ew_window *s, const patch *at, ew_row row, ew_staged *y) {
    const size_t x_step = (size_t)s->dilation_w * s->c;
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c;
    const ew_staged zero = ew_staged_zero(row);
    y = ew_fill(y, at->above, zero);
    for (uint32_t i = 0; i < at->lines; i++) {
        y = ew_fill(y, at->left, zero);
        for (uint32_t j = 0; j < at->runs; j++, y += at->length)
            ew_quantize_run(row, at->x + i * x_line + j * x_step, at->length, y);
        y = ew_fill(y, at->right, zero);
    }
    ew_fill(y, at->below, zero);
}

#if EW_LANES == 1
/* Weights [o][k] of a group, and what goes with its outputs. */
typedef struct {
    const int8_t *w;
    const float *scale, *bias; /* scale [blocks][stride] */
    uint32_t k, o, block, stride;
} group_weights;

/* Those of a convolution with so many outputs in all. */
static group_weights weights_of_group(void *const *operand, uint32_t group, uint32_t outputs,
                                      uint32_t o, uint32_t k, uint32_t block) {
    const group_weights w = {
        .w = (const int8_t *)operand[1] + (size_t)group * o * k,
        .scale = (const float *)operand[2] + group * o,
        .bias = (const float *)operand[3] + group * o,
        .k = k,
        .o = o,
        .block = block,
        .stride = outputs,
    };
    return w;
}

/* The o results of a staged window. */
static void multiply_window(const group_weights *g, const ew_staged *staged, float row_scale,
                            float low, float high, float *y) {
    const int8_t *w = g->w;
    for (uint32_t i = 0; i < g->o; i++, w += g->k) {
        float sum = g->bias[i];
        for (uint32_t first = 0, b = 0; first < g->k; first += g->block, b++) {
            int32_t acc = 0;
            const uint32_t last = first + ew_min_u32(g->block, g->k - first);
            for (uint32_t e = first; e < last; e++) acc += staged[e] * w[e];
            sum = (float)acc * (row_scale * g->scale[(size_t)b * g->stride + i]) + sum;
        }
        y[i] = ew_clamp_f32(sum, low, high);
    }
}
#endif
#endif
