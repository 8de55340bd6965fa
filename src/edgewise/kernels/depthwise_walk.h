/* DEPTHWISE_CONV_2D of floats with a 3 x 3 kernel, where a block of channels walks along the lines
 * of x: its weights stay in registers, every column of x is loaded once per line of y, and no
 * address is looked up. Products are summed column by column. x and y are of ew_number. With 16
 * lanes, half a block walks, too, where channels are fewer than one. */
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
    EW_HAS_ROOM = EW_LANES == 16, /* registers: for the sums of two lines, bias and bounds */
};

/* Whether no output lies wholly in the padding, of which there are at most `most` on either side. */
static inline int ew_walks_axis(uint32_t size, uint32_t outputs, uint32_t stride, uint32_t pad,
                                int32_t most) {
    int32_t before = (int32_t)pad, after = (int32_t)((outputs - 1) * stride + EW_WALK - pad - size);
    return before >= 0 && before <= most && after <= most;
}

/* Whether channels are half a block or more, but no whole one: lower halves of vectors walk. */
static inline int ew_is_low(const ew_depthwise_conv_2d *p) {
    return EW_LANES == 16 && p->window.o < EW_LANES && p->window.o >= EW_LANES / 2;
}

/* Whether lines are walked: short ones, of more than some pixels. */
static inline int ew_walks(const ew_depthwise_conv_2d *p) {
    const ew_window *s = &p->window;
    if (p->is_spread && (p->multiplier > 1 || !ew_is_low(p))) return 0;
    if (s->kernel_h != EW_WALK || s->kernel_w != EW_WALK || s->stride_w > 2 || s->dilation_w != 1)
        return 0;
    uint64_t bytes = (uint64_t)(EW_WALK * s->w + s->ow) * s->c * sizeof(ew_number);
    if (s->ow <= EW_WALK || bytes > EW_WALK_BYTES || s->dilation_h != 1) return 0;
    return ew_walks_axis(s->h, s->oh, s->stride_h, s->pad_top, 2) &&
           ew_walks_axis(s->w, s->ow, s->stride_w, s->pad_left, s->stride_w == 1 ? 2 : 1);
}

/* acc + the products of one column of x by kernel column `tap`. */
EW_INLINE v_f32 ew_column(const uint32_t rows, const int is_low, const v_f32 x[EW_WALK],
                          const v_f32 w[EW_WALK][EW_WALK], const uint32_t tap, v_f32 acc) {
    EW_UNROLL
    for (uint32_t i = 0; i < rows; i++) acc = v_fma_part(is_low, x[i], w[i][tap], acc);
    return acc;
}

/* Loads a column of x; where the next one is. */
EW_INLINE const ew_number *ew_load_column(const uint32_t rows, const int is_low, const ew_walk *k,
                                          const ew_number *x, v_f32 *column) {
    EW_UNROLL
    for (uint32_t i = 0; i < rows; i++) {
        const ew_number *at = x + i * k->x_row;
        column[i] = EW_IF_LOW(is_low, ew_load_low(at), ew_load_number(at));
    }
    return x + k->x_pixel;
}

/* Stores an output; where the next one is. */
EW_INLINE ew_number *ew_put(const int is_low, const ew_walk *k, v_f32 low, v_f32 high, v_f32 acc,
                            ew_number *y) {
    const v_f32 sum = v_min(high, v_max(low, acc));
    EW_IF_LOW(is_low, ew_store_low(y, sum), ew_store_number(y, sum));
    return y + k->y_pixel;
}

/* What is needed once per output: from memory, where registers are short. */
EW_INLINE v_f32 ew_at_hand(const int is_low, v_f32 loaded, const float *p) {
    return EW_HAS_ROOM ? loaded : v_load_part_f32(is_low, p);
}
EW_INLINE ew_number *ew_put_at_hand(const int is_low, const ew_walk *k, v_f32 low, v_f32 high,
                                    v_f32 acc, ew_number *y) {
    low = ew_at_hand(is_low, low, k->low);
    high = ew_at_hand(is_low, high, k->high);
    return ew_put(is_low, k, low, high, acc, y);
}

/* One line with stride 1, or two of which the second begins a row below: a column is the last of
 * output `done`, the middle one of `next` and the first of the one after it. */
EW_INLINE void ew_walk_line_1(const uint32_t rows, const uint32_t lines, const int is_low,
                              const ew_walk *k, const v_f32 w[EW_WALK][EW_WALK], const float *bias,
                              const ew_number *x, ew_number *y) {
    v_f32 in[EW_WALK + 1], done[2], next[2], after;
    uint32_t left = k->outputs, skipped = 2 - k->pad;
    uint32_t n = ew_min_u32(k->columns - skipped, left);
    const v_f32 low = v_load_part_f32(is_low, k->low), high = v_load_part_f32(is_low, k->high);
    const v_f32 first = v_load_part_f32(is_low, bias);
    ew_number *to[2] = {y, y + k->y_line};
    EW_UNROLL
    for (uint32_t l = 0; l < lines; l++) done[l] = next[l] = first;
    for (left -= n; skipped; skipped--) {
        x = ew_load_column(rows + lines - 1, is_low, k, x, in);
        EW_UNROLL
        for (uint32_t l = 0; l < lines; l++) {
            done[l] = ew_column(rows, is_low, in + l, w, 1, next[l]);
            next[l] = ew_column(rows, is_low, in + l, w, 0, ew_at_hand(is_low, first, bias));
        }
    }
    for (; n; n--) {
        x = ew_load_column(rows + lines - 1, is_low, k, x, in);
        EW_UNROLL
        for (uint32_t l = 0; l < lines; l++) {
            done[l] = ew_column(rows, is_low, in + l, w, 2, done[l]);
            after = ew_column(rows, is_low, in + l, w, 0, ew_at_hand(is_low, first, bias));
            next[l] = ew_column(rows, is_low, in + l, w, 1, next[l]);
            to[l] = ew_put_at_hand(is_low, k, low, high, done[l], to[l]);
            done[l] = next[l];
            next[l] = after;
        }
    }
    EW_UNROLL
    for (uint32_t l = 0; l < lines; l++) {
        if (left) to[l] = ew_put_at_hand(is_low, k, low, high, done[l], to[l]);
        if (left > 1) ew_put_at_hand(is_low, k, low, high, next[l], to[l]);
    }
}

/* One line with stride 2: every other column is the last of an output and the first of the next. */
EW_INLINE void ew_walk_line_2(const uint32_t rows, const int is_low, const ew_walk *k,
                              const v_f32 w[EW_WALK][EW_WALK], const float *bias,
                              const ew_number *x, ew_number *y) {
    const v_f32 low = v_load_part_f32(is_low, k->low), high = v_load_part_f32(is_low, k->high);
    const v_f32 first = v_load_part_f32(is_low, bias);
    v_f32 in[EW_WALK], acc = first;
    uint32_t left = k->outputs, columns = k->columns;
    if (!k->pad) {
        x = ew_load_column(rows, is_low, k, x, in);
        acc = ew_column(rows, is_low, in, w, 0, acc);
        columns--;
    }
    uint32_t n = ew_min_u32(columns / 2, left);
    for (left -= n; n; n--) {
        x = ew_load_column(rows, is_low, k, x, in);
        acc = ew_column(rows, is_low, in, w, 1, acc);
        x = ew_load_column(rows, is_low, k, x, in);
        acc = ew_column(rows, is_low, in, w, 2, acc);
        y = ew_put(is_low, k, low, high, acc, y);
        acc = ew_column(rows, is_low, in, w, 0, first);
    }
    if (!left) return;
    x = ew_load_column(rows, is_low, k, x, in);
    ew_put(is_low, k, low, high, ew_column(rows, is_low, in, w, 1, acc), y);
}

EW_INLINE void ew_walk_lines(const uint32_t rows, const uint32_t stride, const int is_low,
                             const ew_walk *k) {
    const uint32_t lanes = is_low ? EW_LANES / 2 : EW_LANES;
    for (uint32_t b = 0, blocks = ew_divide_up(k->channels, lanes); b < blocks; b++) {
        uint32_t c = ew_min_u32(b * lanes, k->channels - lanes);
        /* low ones are parts of the first block of weights */
        const float *weights = k->w + (is_low ? c : b * EW_WALK * EW_WALK * EW_LANES);
        const float *bias = k->bias + (is_low ? c : b * EW_LANES);
        v_f32 w[EW_WALK][EW_WALK];
        EW_UNROLL
        for (uint32_t i = 0; i < rows; i++)
            EW_UNROLL
            for (uint32_t j = 0; j < EW_WALK; j++)
                w[i][j] = v_load_part_f32(is_low, weights + (i * EW_WALK + j) * EW_LANES);
        const ew_number *x = k->x + c;
        ew_number *y = k->y + c;
        uint32_t lines = k->lines;
        /* two load fewer columns, and wait less for sums (25x5x64: 1.25 us, not 1.42) */
        if (EW_HAS_ROOM && rows == EW_WALK && stride == 1 && k->x_line == k->x_row)
            for (; lines > 1; lines -= 2, x += 2 * k->x_line, y += 2 * k->y_line)
                ew_walk_line_1(rows, 2, is_low, k, w, bias, x, y);
        for (; lines; lines--, x += k->x_line, y += k->y_line)
            if (stride == 1)
                ew_walk_line_1(rows, 1, is_low, k, w, bias, x, y);
            else
                ew_walk_line_2(rows, is_low, k, w, bias, x, y);
    }
}

/* Functions of their own: inlined side by side, they spill. */
#define EW_DEFINE_WALK(rows, stride, is_low)                                                       \
    static __attribute__((noinline)) void ew_walk_##rows##x##stride##_##is_low(const ew_walk *k) { \
        ew_walk_lines(rows, stride, is_low, k);                                                    \
    }
#define EW_DEFINE_WALKS(is_low)                                                                    \
    EW_DEFINE_WALK(1, 1, is_low)                                                                   \
    EW_DEFINE_WALK(2, 1, is_low)                                                                   \
    EW_DEFINE_WALK(3, 1, is_low)                                                                   \
    EW_DEFINE_WALK(1, 2, is_low)                                                                   \
    EW_DEFINE_WALK(2, 2, is_low)                                                                   \
    EW_DEFINE_WALK(3, 2, is_low)
#define EW_WALKS(is_low)                                                                           \
    {{ew_walk_1x1_##is_low, ew_walk_2x1_##is_low, ew_walk_3x1_##is_low},                           \
     {ew_walk_1x2_##is_low, ew_walk_2x2_##is_low, ew_walk_3x2_##is_low}}
EW_DEFINE_WALKS(0)
#if EW_LANES == 16
EW_DEFINE_WALKS(1)
#endif

/* Output rows [begin, end) of all N * OH. */
static void ew_walk_rows(const ew_depthwise_conv_2d *p, void *const *operand, uint32_t begin,
                         uint32_t end) {
    static void (*const walks[][2][EW_WALK])(const ew_walk *) = {
        EW_WALKS(0),
#if EW_LANES == 16
        EW_WALKS(1),
#endif
    };
    const ew_window *s = &p->window;
    axis h = axis_of(s->h, EW_WALK, s->stride_h, s->dilation_h, s->pad_top, s->oh);
    size_t x_line = (size_t)s->w * s->c, y_line = (size_t)s->ow * p->y_stride;
    uint32_t bytes = (s->w * s->stride_h + s->ow) * EW_CACHE_LINE; /* of a line */
    uint32_t most = EW_WALK_BYTES / bytes + 1;
    ew_walk k = {.x_row = s->dilation_h * x_line, .x_line = s->stride_h * x_line, .x_pixel = s->c,
                 .y_line = y_line, .y_pixel = p->y_stride, .columns = s->w, .outputs = s->ow,
                 .pad = s->pad_left, .channels = s->o};
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
        walks[ew_is_low(p)][s->stride_w - 1][v.last - v.first - 1](&k);
    }
}
#endif
#endif
