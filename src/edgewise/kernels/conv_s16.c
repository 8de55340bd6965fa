/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV of int16 by int8.
 *
 * As conv_b8.c; x is multiplied as it is, so that lines are staged for their padding only, and not
 * at all under windows of one pixel. Sums that leave s32 are made of parts which do not. */
#include "conv_tiles.h"
#include "gemm_s16.h"
#include "round_s16.h"

#if EW_LANES == 1

/* A window over x and the weights of one channel: taps `lines` x `columns` of c elements. */
typedef struct {
    const int16_t *x;
    const int8_t *w;
    size_t x_line, x_column, w_line; /* elements between taps; columns of w are c apart */
    uint32_t lines, columns, c;
} taps;

#define DEFINE_SUM(name, type)                                                                     \
    static type name(const taps *t, type sum) {                                                    \
        for (uint32_t i = 0; i < t->lines; i++)                                                    \
            for (uint32_t j = 0; j < t->columns; j++) {                                            \
                const int16_t *x = t->x + i * t->x_line + j * t->x_column;                         \
                const int8_t *w = t->w + i * t->w_line + j * t->c;                                 \
                for (uint32_t e = 0; e < t->c; e++) sum += (type)(x[e] * w[e]);                    \
            }                                                                                      \
        return sum;                                                                                \
    }
DEFINE_SUM(narrow_sum, int32_t)
DEFINE_SUM(wide_sum, uint64_t) /* modulo 2**64 */

/* One pixel of y, all channels of a group. */
static void pixel(const ew_conv_s16 *p, void *const *operand, taps *t, uint32_t group, int16_t *y) {
    const ew_window *s = &p->layout.window;
    const uint32_t o = s->o / p->layout.groups;
    const size_t k = (size_t)s->kernel_h * s->kernel_w * t->c;
    for (uint32_t n = 0; n < o; n++, t->w += k) {
        const size_t at = (size_t)group * o + n;
        const int64_t sum = p->is_wide ? (int64_t)wide_sum(t, ((const uint64_t *)operand[2])[at])
                                       : narrow_sum(t, ((const int32_t *)operand[2])[at]);
        y[n] = ew_round_s16(sum, p->rounding, operand[3], operand[4], at, p->low, p->high);
    }
}

EW_DEFINE(conv_2d_s16) {
    const ew_conv_s16 *p = params;
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups, o = s->o / p->layout.groups;
    const size_t k = (size_t)s->kernel_h * s->kernel_w * c;
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t oy = tile % s->oh, image = tile / s->oh % s->n, group = tile / s->oh / s->n;
        const int32_t line = (int32_t)(oy * s->stride_h - s->pad_top);
        int16_t *y = (int16_t *)operand[5] + p->layout.y_first;
        y += (size_t)image * p->layout.y_image + (size_t)oy * p->layout.y_line + group * o;
        uint32_t top, bottom, left, right;
        ew_inside_of(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
        for (uint32_t ox = 0; ox < s->ow; ox++, y += p->layout.y_pixel) {
            const int32_t column = (int32_t)(ox * s->stride_w - s->pad_left);
            ew_inside_of(column, s->kernel_w, s->dilation_w, s->w, &left, &right);
            taps t = {
                .x = operand[0],
                .w = (const int8_t *)operand[1] + group * o * k,
                .x_line = (size_t)s->dilation_h * s->w * s->c,
                .x_column = (size_t)s->dilation_w * s->c,
                .w_line = (size_t)s->kernel_w * c,
                .lines = bottom - top,
                .columns = right - left,
                .c = c,
            };
            if (t.lines && t.columns) {
                const size_t at = (uint32_t)(line + (int32_t)(top * s->dilation_h));
                const size_t from = (uint32_t)(column + (int32_t)(left * s->dilation_w));
                t.x += (((size_t)image * s->h + at) * s->w + from) * s->c + group * c;
                t.w += (top * s->kernel_w + left) * (size_t)c;
            }
            pixel(p, operand, &t, group, y);
        }
    }
}

#else

enum { LANE = 2 }; /* elements of K */

/* Windows of one pixel, all inside x: rows of a product lie in x. Elements are read in pairs, and
 * what lies behind a channel may not be ours to read. */
static int is_direct(const ew_conv_layout *p) {
    const ew_window *s = &p->window;
    return s->kernel_h == 1 && s->kernel_w == 1 && s->pad_top == 0 && s->pad_left == 0 &&
           (s->oh - 1) * s->stride_h < s->h && (s->ow - 1) * s->stride_w < s->w &&
           s->c / p->groups % LANE == 0;
}

/* Line `line` of x (which may be beyond it), from column `column` on. */
static void stage_line(const ew_conv_layout *p, const ew_staging *g, const int16_t *x,
                       int32_t line, int32_t column, uint32_t columns, int16_t *to) {
    const ew_window *s = &p->window;
    const uint32_t c = s->c / p->groups;
    uint32_t first, last;
    ew_inside_of(column, columns, g->skip_w, s->w, &first, &last);
    if (line < 0 || line >= (int32_t)s->h) first = last = columns;
    for (size_t e = 0; e < (size_t)first * c; e++) to[e] = 0;
    to += (size_t)first * c;
    if (first < last) {
        const size_t at = (uint32_t)(column + (int32_t)(first * g->skip_w));
        const int16_t *from = x + ((size_t)(uint32_t)line * s->w + at) * s->c;
        const int is_run = c == s->c && g->skip_w == 1;
        const uint32_t runs = is_run ? 1 : last - first;
        const size_t length = (size_t)(last - first) * c / runs;
        for (uint32_t i = 0; i < runs; i++, to += length, from += (size_t)g->skip_w * s->c)
            ew_copy((uint8_t *)to, (const uint8_t *)from, length * sizeof *to);
    }
    for (size_t e = 0; e < (size_t)(columns - last) * c; e++) to[e] = 0;
}

/* Memory of sums that leave s32. */
typedef struct {
    int32_t *zeros, *part;
    int64_t *sum;
} wide;

/* g->product part by part; `at` is the place of its panel in the operands. */
static void multiply_wide(const ew_conv_s16 *p, void *const *operand, const ew_gemm_s16 *g,
                          const wide *m, size_t at) {
    const ew_gemm *all = &g->product;
    const int64_t *bias = (const int64_t *)operand[2] + at;
    const size_t sums = (size_t)all->rows * EW_COLUMNS;
    ew_gemm_s16 of_part = {.product = *all};
    ew_gemm *part = &of_part.product;
    part->bias = m->zeros;
    part->y = (uint8_t *)m->part;
    part->y_row = EW_COLUMNS * sizeof *m->part;
    for (size_t i = 0; i < sums; i++) m->sum[i] = bias[i % EW_COLUMNS];
    for (uint32_t run = 0; run < all->segments; run += p->runs_per_part)
        for (uint32_t step = 0; step < all->steps; step += p->steps_per_part) {
            part->segment = all->segment + run;
            part->segments = ew_min_u32(p->runs_per_part, all->segments - run);
            part->steps = ew_min_u32(p->steps_per_part, all->steps - step);
            part->x = all->x + (size_t)step * LANE * sizeof(int16_t);
            part->w = all->w + ((size_t)run * all->steps + step) * EW_COLUMNS * LANE;
            EW_NAME(gemm_s16)(&of_part);
            for (size_t i = 0; i < sums; i++)
                m->sum[i] = (int64_t)((uint64_t)m->sum[i] + (uint64_t)(int64_t)m->part[i]);
        }
    for (uint32_t r = 0; r < all->rows; r++) {
        int16_t *y = (int16_t *)(void *)(all->y + r * all->y_row);
        for (uint32_t n = 0; n < all->columns; n++)
            y[n] = ew_round_s16(m->sum[(size_t)r * EW_COLUMNS + n], p->rounding, operand[3],
                                operand[4], at + n, p->low, p->high);
    }
}

EW_DEFINE(conv_2d_s16) {
    const ew_conv_s16 *p = params;
    const ew_conv_layout *l = &p->layout;
    const ew_window *s = &l->window;
    const ew_staging g = ew_staging_of(l, sizeof(int16_t));
    const v_range range = v_range_of(p->low, p->high);
    const uint32_t c = s->c / l->groups, o = s->o / l->groups, direct = is_direct(l);
    const uint32_t all_panels = ew_divide_up(o, EW_COLUMNS), segments = s->kernel_h * g.runs;
    const uint32_t steps = ew_divide_up(g.length, LANE);
    const size_t run_bytes = (size_t)steps * EW_COLUMNS * LANE;
    const size_t of_channel = p->rounding == EW_ROUND_up_s32 ? sizeof(int32_t) : sizeof(double);
    const size_t line_step = direct ? (size_t)s->stride_h * s->w * s->c : g.stride_h * g.pitch / 2;
    uint8_t *memory = scratch;
    wide sums = {0};
    if (p->is_wide) {
        const size_t count = (size_t)l->columns_per_tile * EW_COLUMNS;
        sums.sum = (int64_t *)scratch;
        sums.part = (int32_t *)(sums.sum + count);
        sums.zeros = sums.part + count;
        for (uint32_t n = 0; n < EW_COLUMNS; n++) sums.zeros[n] = 0;
        memory = (uint8_t *)(sums.zeros + EW_COLUMNS);
    }
    uint32_t *segment = (uint32_t *)(void *)memory;
    int16_t *staged = (int16_t *)(segment + segments);
    ew_find_runs(l, &g, sizeof *staged, segment);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const ew_conv_tile t = ew_conv_tile_at(l, tile, all_panels);
        const int16_t *x = (const int16_t *)operand[0] + t.group * c;
        x += (size_t)t.image * s->h * s->w * s->c;
        if (direct) {
            x += ((size_t)t.line * s->stride_h * s->w + (size_t)t.column * s->stride_w) * s->c;
        } else {
            const int32_t top = (int32_t)(t.line * s->stride_h - s->pad_top);
            const int32_t left = (int32_t)(t.column * s->stride_w - s->pad_left);
            const uint32_t lines = (t.lines - 1) * g.stride_h + (s->kernel_h - 1) * s->dilation_h;
            const uint32_t across = (s->kernel_w - 1) * s->dilation_w;
            const uint32_t columns = (t.columns - 1) * g.stride_w + across;
            for (uint32_t i = 0; i <= lines && segments; i++)
                stage_line(l, &g, x, top + (int32_t)(i * g.skip_h), left, columns + 1,
                           staged + i * g.pitch / sizeof *staged);
            x = staged;
        }
        ew_gemm_s16 gemm = {.range = &range, .rounding = p->rounding};
        ew_gemm *product = &gemm.product;
        product->x_row = (direct ? (size_t)s->stride_w * s->c : (size_t)g.stride_w * c) * sizeof *x;
        product->steps = steps, product->rows = t.columns;
        product->y_row = (size_t)l->y_pixel * sizeof(int16_t);
        const int is_vector = t.lines * t.columns * segments == 1 && !p->is_wide;
        for (uint32_t panel = t.panel; panel < t.panel + t.panels; panel++) {
            const size_t packed = (size_t)t.group * all_panels + panel, at = packed * EW_COLUMNS;
            product->columns = ew_min_u32(EW_COLUMNS, o - panel * EW_COLUMNS);
            product->bias = (const int32_t *)operand[2] + at;
            gemm.first = (const uint8_t *)operand[3] + at * of_channel;
            gemm.second = (const uint8_t *)operand[4] + at * of_channel;
            for (uint32_t i = 0; i < t.lines; i++) {
                const uint32_t line = t.line + i;
                uint32_t first, last;
                ew_inside_of((int32_t)(line * s->stride_h - s->pad_top), s->kernel_h, s->dilation_h,
                             s->h, &first, &last);
                product->segment = segment + first * g.runs;
                product->segments = (last - first) * g.runs;
                product->x = (const uint8_t *)(x + i * line_step);
                product->w = (const int8_t *)operand[1] +
                             (packed * segments + first * g.runs) * run_bytes;
                int16_t *y = (int16_t *)operand[5] + l->y_first + (size_t)t.image * l->y_image;
                y += (size_t)line * l->y_line + (size_t)t.column * l->y_pixel;
                product->y = (uint8_t *)(y + t.group * o + panel * EW_COLUMNS);
                const uint32_t after = panel + EW_GEMV_B8;
                if (p->is_wide) {
                    multiply_wide(p, operand, &gemm, &sums, at);
                } else if (is_vector && after <= t.panel + t.panels && after * EW_COLUMNS <= o) {
                    EW_NAME(gemv_s16)(&gemm);
                    panel = after - 1;
                } else {
                    EW_NAME(gemm_s16)(&gemm);
                }
            }
        }
    }
}
#endif
