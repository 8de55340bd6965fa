/* DEPTHWISE_CONV_2D in float32, of x and y in float32 or, with EW_NARROW, bfloat16: vectors of
 * channels of up to four output pixels at once; kernel rows in the padding are skipped. See
 * depthwise.h, depthwise_band.h, and depthwise_walk.h for lines that fit the first-level cache. */
#include "depthwise_band.h"
#include "depthwise_walk.h"

/* What the bodies know of a row besides the addresses. */
typedef struct {
    size_t step, pixel_step, y_step; /* elements of x between columns and pixels, of y between pixels */
    uint32_t rows; /* kernel rows inside x */
    const float *w, *bias; /* w at the first of these rows */
} row_f32;

enum { VECTORS = 2, SUMS = 2 }; /* at most */

/* Some vectors of channels side by side, or the odd and the even columns of the kernel summed
 * apart: with the sums of four pixels alone, additions wait for their predecessors. */
EW_INLINE void block_f32(const uint32_t vectors, const uint32_t sums, const uint32_t pixels,
                         const uint32_t kernel, const uint32_t stride, const uint32_t is_direct,
                         const ew_depthwise_conv_2d *p, const row_f32 *r,
                         const ew_number *const *column, const float *w, const float *bias,
                         uint32_t c, ew_number *y) {
    const uint32_t columns = (pixels - 1) * stride + kernel, size = kernel * kernel * EW_LANES;
    v_f32 acc[VECTORS][SUMS][EW_PIXELS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++)
        EW_UNROLL
        for (uint32_t g = 0; g < pixels; g++) {
            acc[v][0][g] = v_load_f32(bias + v * EW_LANES);
            if (sums > 1) acc[v][1][g] = v_splat_f32(0);
        }
    for (uint32_t i = 0; i < r->rows; i++, w += kernel * EW_LANES) {
        const ew_number *const *from = column + i * (is_direct ? 1 : columns);
        const ew_number *at = from[0] + c;
        v_f32 weight[VECTORS][5];
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++)
            EW_UNROLL
            for (uint32_t j = 0; j < kernel; j++)
                weight[v][j] = v_load_f32(w + v * size + j * EW_LANES);
        EW_UNROLL
        for (uint32_t k = 0; k < columns; k++, at += r->step)
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) {
                v_f32 x = ew_load_number((is_direct ? at : from[k] + c) + v * EW_LANES);
                EW_UNROLL
                for (uint32_t g = 0; g < pixels; g++)
                    if (k >= g * stride && k - g * stride < kernel) {
                        const uint32_t j = k - g * stride;
                        acc[v][j % sums][g] = v_fma(x, weight[v][j], acc[v][j % sums][g]);
                    }
            }
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        if (sums > 1)
            EW_UNROLL
            for (uint32_t g = 0; g < pixels; g++) acc[v][0][g] += acc[v][1][g];
        ew_finish_f32(pixels, p, acc[v][0], r->y_step, y + c + v * EW_LANES);
    }
}

/* A square kernel: every column of x is loaded once for all pixels that it is under. */
EW_INLINE void square_f32(const uint32_t pixels, const uint32_t kernel, const uint32_t stride,
                          const uint32_t is_direct, const ew_depthwise_conv_2d *p,
                          const row_f32 *r, const ew_number *const *column, ew_number *y) {
    const uint32_t size = kernel * kernel * EW_LANES, sums = kernel == 3 ? 1 : 2;
    uint32_t c = 0, last = p->channels - EW_LANES;
    const float *w = r->w, *bias = r->bias;
    if (kernel == 3) /* wider ones have too many weights for that */
        for (; c + EW_LANES <= last; c += 2 * EW_LANES, w += 2 * size, bias += 2 * EW_LANES)
            block_f32(2, 1, pixels, kernel, stride, is_direct, p, r, column, w, bias, c, y);
    for (; c < p->channels; c += EW_LANES, w += size, bias += EW_LANES)
        block_f32(1, sums, pixels, kernel, stride, is_direct, p, r, column, w, bias,
                  ew_min_u32(c, last), y);
}

/* Any kernel, tap by tap. `column` has the addresses of the first pixel's taps. */
EW_INLINE void any_f32(const uint32_t pixels, const ew_depthwise_conv_2d *p, const row_f32 *r,
                       const ew_number *const *column, ew_number *y) {
    uint32_t taps = r->rows * p->window.kernel_w;
    size_t block = (size_t)p->window.kernel_h * p->window.kernel_w * EW_LANES;
    EW_FOR_EACH_BLOCK(p, b, c, {
        v_f32 acc[EW_PIXELS];
        const float *w = r->w + b * block;
        uint32_t from_c = EW_LANES == 1 ? c / p->multiplier : c; /* wider ones spread the rows */
        EW_UNROLL
        for (uint32_t g = 0; g < pixels; g++) acc[g] = v_load_f32(r->bias + b * EW_LANES);
        for (uint32_t t = 0; t < taps; t++, w += EW_LANES) {
            const ew_number *at = column[t] + from_c;
            v_f32 weight = v_load_f32(w);
            EW_UNROLL
            for (uint32_t g = 0; g < pixels; g++, at += r->pixel_step)
                acc[g] = v_fma(ew_load_number(at), weight, acc[g]);
        }
        ew_finish_f32(pixels, p, acc, r->y_step, y + c);
    })
}

/* The bodies as functions of their own: inlined side by side, they spill. */
#define PARAMETERS                                                                                 \
    const ew_depthwise_conv_2d *p, const row_f32 *r, const ew_number *const *column, ew_number *y
typedef void group_f32(PARAMETERS);
#define DEFINE_SQUARE(kernel, stride, pixels, is_direct)                                           \
    static __attribute__((noinline)) void f32_##kernel##x##stride##_##pixels##_##is_direct(        \
        PARAMETERS) {                                                                              \
        square_f32(pixels, kernel, stride, is_direct, p, r, column, y);                            \
    }
#define DEFINE_GROUPS(kernel, stride)                                                              \
    DEFINE_SQUARE(kernel, stride, 4, 1)                                                            \
    DEFINE_SQUARE(kernel, stride, 4, 0)                                                            \
    DEFINE_SQUARE(kernel, stride, 3, 0)                                                            \
    DEFINE_SQUARE(kernel, stride, 2, 0)                                                            \
    DEFINE_SQUARE(kernel, stride, 1, 0)
#define GROUPS(kernel, stride)                                                                     \
    {f32_##kernel##x##stride##_4_1, f32_##kernel##x##stride##_1_0, f32_##kernel##x##stride##_2_0,  \
     f32_##kernel##x##stride##_3_0, f32_##kernel##x##stride##_4_0}

static __attribute__((noinline)) void f32_any_4(PARAMETERS) { any_f32(4, p, r, column, y); }
static __attribute__((noinline)) void f32_any_1(PARAMETERS) { any_f32(1, p, r, column, y); }
#if EW_LANES > 1
DEFINE_GROUPS(3, 1)
DEFINE_GROUPS(3, 2)
DEFINE_GROUPS(5, 1)
DEFINE_GROUPS(5, 2)
#endif

/* By body; [0] for EW_PIXELS pixels inside x, [n] for n pixels anywhere. */
static group_f32 *const bodies[][EW_PIXELS + 1] = {
    {f32_any_4, f32_any_1},
#if EW_LANES > 1
    GROUPS(3, 1), GROUPS(3, 2), GROUPS(5, 1), GROUPS(5, 2),
#endif
};

/* Whether the taps of EW_PIXELS pixels from `ox` on lie inside the lines of x. */
static int is_direct(const ew_window *s, uint32_t ox) {
    uint32_t first = ox * s->stride_w - s->pad_left;
    uint32_t under = (EW_PIXELS - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    return s->ow - ox >= EW_PIXELS && ew_is_inside(s, first, under);
}

/* `n` pixels of an output row from `ox` on, side by side in x. */
static void plain_group(const ew_depthwise_conv_2d *p, const row_f32 *r, const uint8_t **line,
                        const ew_depthwise_scratch *m, uint32_t ox, uint32_t n, int direct,
                        ew_number *y) {
    const ew_window *s = &p->window;
    const ew_number *const *from = (const ew_number *const *)(const void *)m->column;
    int is_any = p->body == EW_DEPTHWISE_any;
    uint32_t first = ox * s->stride_w - s->pad_left, apart = is_any ? s->dilation_w : 1;
    uint32_t columns = is_any ? s->kernel_w : direct ? 1 : (n - 1) * s->stride_w + s->kernel_w;
    ew_find_columns(s, line, r->rows, first, columns, apart, sizeof *y, m->zeros,
                    m->column);
    bodies[p->body][direct ? 0 : n](p, r, from, y);
}

/* One output row of pixels side by side in x. */
static void plain_row(const ew_depthwise_conv_2d *p, const row_f32 *r, const uint8_t **line,
                      const ew_depthwise_scratch *m, ew_number *y) {
    const ew_window *s = &p->window;
    uint32_t most = p->body == EW_DEPTHWISE_any ? 1 : EW_PIXELS; /* of a group in the padding */
    for (uint32_t ox = 0, n; ox < s->ow; ox += n, y += n * r->y_step) {
        int direct = is_direct(s, ox);
        n = direct ? EW_PIXELS : ew_min_u32(most, s->ow - ox);
        plain_group(p, r, line, m, ox, n, direct, y);
    }
}

/* One output row from spread rows: `channels` elements of y, of several pixels, at a time. */
static void spread_row(const ew_depthwise_conv_2d *p, const row_f32 *r,
                       const ew_depthwise_scratch *m, ew_number *y) {
    const ew_window *s = &p->window;
    int is_square = p->body != EW_DEPTHWISE_any;
    ew_number *edge = (ew_number *)(void *)m->edge;
    uint32_t total = s->ow * s->o, taps = p->rows * s->kernel_w;
    for (uint32_t e = 0, n; e < total; e += n) {
        uint32_t pixels = e + EW_PIXELS * p->channels <= total ? EW_PIXELS : 1;
        n = ew_min_u32(pixels * p->channels, total - e);
        int whole = n == pixels * p->channels && p->y_stride == s->o;
        const uint8_t **from = is_square && pixels > 1 ? m->line : m->column;
        bodies[p->body][pixels == 1](p, r, (const ew_number *const *)(const void *)from,
                                     whole ? y + e : edge);
        if (!whole)
            for (uint32_t i = 0; i < n; i += s->o) {
                ew_number *to = y + (size_t)((e + i) / s->o) * p->y_stride;
                for (uint32_t c = 0; c < s->o; c++) to[c] = edge[i + c];
            }
        for (uint32_t i = 0; i < p->rows; i++) m->line[i] += (size_t)n * sizeof *y;
        for (uint32_t t = 0; t < taps; t++) m->column[t] += (size_t)n * sizeof *y;
    }
}

#if defined(EW_NARROW)
EW_DEFINE(depthwise_conv_2d_bf16) {
#else
EW_DEFINE(depthwise_conv_2d_f32) {
#endif
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const uint32_t row_begin = tile_begin * p->rows_per_tile;
    const uint32_t row_end = ew_min_u32(tile_end * p->rows_per_tile, s->n * s->oh);
#if EW_LANES > 1
    if (ew_walks(p)) {
        ew_walk_rows(p, operand, row_begin, row_end);
        return;
    }
#endif
    ew_depthwise_scratch m = ew_divide_scratch(p, scratch, sizeof(ew_number));
    for (uint32_t i = 0; i < p->channels; i++) ((ew_number *)(void *)m.zeros)[i] = 0;
    row_f32 r = {s->c, (size_t)s->stride_w * s->c, p->y_stride, s->kernel_h, operand[1], operand[2]};
    for (uint32_t row = row_begin; row < row_end; row++) {
        ew_number *y = (ew_number *)operand[3] + (size_t)row * s->ow * p->y_stride;
        if (p->is_spread) {
            r.step = s->o;
            r.pixel_step = r.y_step = p->channels;
            ew_spread_rows(p, row, operand[0], sizeof *y, 0, &m);
            spread_row(p, &r, &m, y);
            continue;
        }
        const uint8_t **line = m.line;
        r.w = operand[1];
#if EW_LANES == 16
        const uint32_t image = row / s->oh * s->oh, end = ew_min_u32(row_end, image + s->oh);
        const uint32_t rows = ew_rows_of_band(p, end - row);
        if (rows && end - (image > row_begin ? image : row_begin) >= rows) {
            const uint32_t first = ew_min_u32(row, end - rows); /* some rows twice */
            ew_run_band(p, operand, first, rows, (const ew_number *)(const void *)m.zeros);
            row = first + rows - 1;
            continue;
        }
#endif
        ew_find_lines(s, row, sizeof *y, operand[0], line);
        for (r.rows = s->kernel_h; r.rows && line[0] == NULL; r.rows--, line++)
            r.w += (size_t)s->kernel_w * EW_LANES;
        while (r.rows && line[r.rows - 1] == NULL) r.rows--;
        plain_row(p, &r, line, &m, y);
    }
}
