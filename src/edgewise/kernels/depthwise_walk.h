/* DEPTHWISE_CONV_2D of floats with a 3 x 3 kernel, where a block of channels walks along the lines
 * of x: its weights stay in registers, every column of x is loaded once per line of y, and no
 * address is looked up. Products are summed column by column. x and y are of ew_number. */
#ifndef EW_DEPTHWISE_WALK_H
#define EW_DEPTHWISE_WALK_H
#include "axis.h"
#if EW_LANES > 1

/* Lines of y that have the same kernel rows inside x. Distances count elements; x and y are those
 * of the first line. */
typedef struct {
    const ew_number *x;
    const float *w, *bias; /* w at the first of the rows */
    ew_number *y;
    size_t x_row, x_line, x_pixel, y_line, y_pixel;
    uint32_t lines, columns, outputs, pad, channels;
    float low[EW_LANES], high[EW_LANES];
} ew_walk;

enum {
    EW_WALK = 3, /* kernel rows and columns */
    /* of three lines of x and one of y, at the most: in longer ones, the pixels of a block lie so
     * far apart that they evict each other (14x14x384: 11.0 cycles per vector of y, groups of
     * pixels take 8.9; 25x5x64: 6.9 and 10.5) */
    EW_WALK_BYTES = 16 * 1024,
    EW_CACHE_LINE = 64, /* bytes, which the next block of channels finds again */
};

/* Whether no output lies wholly in the padding, of which there are at most `most` on either side. */
static inline int ew_walks_axis(uint32_t size, uint32_t outputs, uint32_t stride, uint32_t pad,
                                int32_t most) {
    int32_t before = (int32_t)pad, after = (int32_t)((outputs - 1) * stride + EW_WALK - pad - size);
    return before >= 0 && before <= most && after <= most;
}

/* Whether lines are walked: short ones, of more than some pixels. */
static inline int ew_walks(const ew_depthwise_conv_2d *p) {
    const ew_window *s = &p->window;
    if (p->is_spread || (p->body != EW_DEPTHWISE_3x1 && p->body != EW_DEPTHWISE_3x2)) return 0;
    uint64_t bytes = (uint64_t)(EW_WALK * s->w + s->ow) * s->c * sizeof(ew_number);
    if (s->ow <= EW_WALK || bytes > EW_WALK_BYTES || s->dilation_h != 1) return 0;
    return ew_walks_axis(s->h, s->oh, s->stride_h, s->pad_top, 2) &&
           ew_walks_axis(s->w, s->ow, s->stride_w, s->pad_left, s->stride_w == 1 ? 2 : 1);
}

/* acc + the products of one column of x by kernel column `tap`. */
EW_INLINE v_f32 ew_column(const uint32_t rows, const v_f32 x[EW_WALK],
                          const v_f32 w[EW_WALK][EW_WALK], const uint32_t tap, v_f32 acc) {
    EW_UNROLL
    for (uint32_t i = 0; i < rows; i++) acc = v_fma(x[i], w[i][tap], acc);
    return acc;
}

/* Loads a column of x; where the next one is. */
EW_INLINE const ew_number *ew_load_column(const uint32_t rows, const ew_walk *k,
                                          const ew_number *x, v_f32 column[EW_WALK]) {
    EW_UNROLL
    for (uint32_t i = 0; i < rows; i++) column[i] = ew_load_number(x + i * k->x_row);
    return x + k->x_pixel;
}

/* Stores an output; where the next one is. */
EW_INLINE ew_number *ew_put(const ew_walk *k, v_f32 low, v_f32 high, v_f32 acc, ew_number *y) {
    ew_store_number(y, v_min(high, v_max(low, acc)));
    return y + k->y_pixel;
}

/* The bounds from memory, where registers are short. */
EW_INLINE ew_number *ew_put_clamped(const ew_walk *k, v_f32 acc, ew_number *y) {
    return ew_put(k, v_load_f32(k->low), v_load_f32(k->high), acc, y);
}

/* One line with stride 1: a column is the last of output `done`, the middle one of `next` and the
 * first of the one after it. */
EW_INLINE void ew_walk_line_1(const uint32_t rows, const ew_walk *k, const v_f32 w[EW_WALK][EW_WALK],
                              const float *bias, const ew_number *x, ew_number *y) {
    v_f32 in[EW_WALK];
    v_f32 done = v_load_f32(bias), next = done, after;
    uint32_t left = k->outputs, skipped = 2 - k->pad;
    uint32_t n = ew_min_u32(k->columns - skipped, left);
    for (left -= n; skipped; skipped--) {
        x = ew_load_column(rows, k, x, in);
        done = ew_column(rows, in, w, 1, next);
        next = ew_column(rows, in, w, 0, v_load_f32(bias));
    }
    for (; n; n--) {
        x = ew_load_column(rows, k, x, in);
        done = ew_column(rows, in, w, 2, done);
        after = ew_column(rows, in, w, 0, v_load_f32(bias));
        next = ew_column(rows, in, w, 1, next);
        y = ew_put_clamped(k, done, y);
        done = next;
        next = after;
    }
    if (left) y = ew_put_clamped(k, done, y);
    if (left > 1) ew_put_clamped(k, next, y);
}

/* One line with stride 2: every other column is the last of an output and the first of the next. */
EW_INLINE void ew_walk_line_2(const uint32_t rows, const ew_walk *k, const v_f32 w[EW_WALK][EW_WALK],
                              const float *bias, const ew_number *x, ew_number *y) {
    v_f32 low = v_load_f32(k->low), high = v_load_f32(k->high), first = v_load_f32(bias);
    v_f32 in[EW_WALK], acc = first;
    uint32_t left = k->outputs, columns = k->columns;
    if (!k->pad) {
        x = ew_load_column(rows, k, x, in);
        acc = ew_column(rows, in, w, 0, acc);
        columns--;
    }
    uint32_t n = ew_min_u32(columns / 2, left);
    for (left -= n; n; n--) {
        x = ew_load_column(rows, k, x, in);
        acc = ew_column(rows, in, w, 1, acc);
        x = ew_load_column(rows, k, x, in);
        acc = ew_column(rows, in, w, 2, acc);
        y = ew_put(k, low, high, acc, y);
        acc = ew_column(rows, in, w, 0, first);
    }
    if (!left) return;
    x = ew_load_column(rows, k, x, in);
    ew_put(k, low, high, ew_column(rows, in, w, 1, acc), y);
}

EW_INLINE void ew_walk_lines(const uint32_t rows, const uint32_t stride, const ew_walk *k) {
    const float *weights = k->w, *biases = k->bias;
    for (uint32_t b = 0, blocks = ew_divide_up(k->channels, EW_LANES); b < blocks; b++) {
        uint32_t c = ew_min_u32(b * EW_LANES, k->channels - EW_LANES);
        v_f32 w[EW_WALK][EW_WALK];
        EW_UNROLL
        for (uint32_t i = 0; i < rows; i++)
            EW_UNROLL
            for (uint32_t j = 0; j < EW_WALK; j++)
                w[i][j] = v_load_f32(weights + (i * EW_WALK + j) * EW_LANES);
        weights += EW_WALK * EW_WALK * EW_LANES;
        const ew_number *x = k->x + c;
        ew_number *y = k->y + c;
        for (uint32_t i = k->lines; i; i--, x += k->x_line, y += k->y_line)
            if (stride == 1)
                ew_walk_line_1(rows, k, w, biases + b * EW_LANES, x, y);
            else
                ew_walk_line_2(rows, k, w, biases + b * EW_LANES, x, y);
    }
}

/* Functions of their own: inlined side by side, they spill. */
#define EW_DEFINE_WALK(rows, stride)                                                               \
    static __attribute__((noinline)) void ew_walk_##rows##x##stride(const ew_walk *k) {            \
        ew_walk_lines(rows, stride, k);                                                            \
    }
EW_DEFINE_WALK(1, 1)
EW_DEFINE_WALK(2, 1)
EW_DEFINE_WALK(3, 1)
EW_DEFINE_WALK(1, 2)
EW_DEFINE_WALK(2, 2)
EW_DEFINE_WALK(3, 2)

/* Output rows [begin, end) of all N * OH. */
static void ew_walk_rows(const ew_depthwise_conv_2d *p, void *const *operand, uint32_t begin,
                         uint32_t end) {
    static void (*const walks[2][EW_WALK])(const ew_walk *) = {
        {ew_walk_1x1, ew_walk_2x1, ew_walk_3x1}, {ew_walk_1x2, ew_walk_2x2, ew_walk_3x2}};
    const ew_window *s = &p->window;
    axis h = axis_of(s->h, EW_WALK, s->stride_h, s->dilation_h, s->pad_top, s->oh);
    size_t x_line = (size_t)s->w * s->c, y_line = (size_t)s->ow * p->y_stride;
    uint32_t bytes = (s->w * s->stride_h + s->ow) * EW_CACHE_LINE; /* of a line */
    uint32_t most = EW_WALK_BYTES / bytes + 1;
    ew_walk k = {.x_row = s->dilation_h * x_line, .x_line = s->stride_h * x_line, .x_pixel = s->c,
                 .y_line = y_line, .y_pixel = p->y_stride, .columns = s->w, .outputs = s->ow,
                 .pad = s->pad_left, .channels = p->channels};
    v_store_f32(k.low, v_splat_f32(p->low_f32));
    v_store_f32(k.high, v_splat_f32(p->high_f32));
    for (uint32_t row = begin; row < end; row += k.lines) {
        uint32_t image = row / s->oh, oy = row - image * s->oh;
        uint32_t last = ew_min_u32(end - image * s->oh, s->oh);
        taps v = taps_at(&h, oy);
        k.lines = ew_min_u32(alike_until(&h, oy, last) - oy, most);
        k.bias = operand[2];
        k.w = (const float *)operand[1] + (size_t)v.first * EW_WALK * EW_LANES;
        k.y = (ew_number *)operand[3] + row * y_line;
        uint32_t line = oy * s->stride_h + v.first * s->dilation_h - s->pad_top;
        k.x = (const ew_number *)operand[0] + ((size_t)image * s->h + line) * x_line;
        walks[s->stride_w - 1][v.last - v.first - 1](&k);
    }
}
#endif
#endif
