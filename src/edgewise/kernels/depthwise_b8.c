/* DEPTHWISE_CONV_2D on 8 bits. A lane holds the taps of one channel in neighbouring kernel rows: two
 * s16, or with AVX-512 VNNI four bytes, x as u8 and weights as s8. They are zipped together once per
 * column of x and multiplied for every pixel that the column is under. The zipped order of channels
 * is undone by the narrowing of the results; weights, biases and scales are packed in it. Taps in
 * the padding read x's zero point, whose products the bias leaves out. See depthwise.h.
 *
 * Long because the plain version at its end is another algorithm. */
#include "depthwise.h"

#if EW_LANES > 1
enum { BLOCK = 2 * EW_LANES };

/* What the bodies know besides the addresses: steps are elements. */
typedef struct {
    size_t step, pixel_step, y_step; /* of x between columns and pixels, of y between pixels */
    const uint8_t *w;
    const int32_t *bias;
    const float *scale;
    float low, high; /* bounds less y's zero point */
    int16_t first, zero; /* the lower bound, y's zero point */
} row_b8;

/* The taps of one column in `rows` lines, zipped; `lane` taps per lane. With four, x is made
 * unsigned. */
EW_INLINE void zip_rows(const uint32_t rows, const uint32_t lane, const uint32_t is_signed,
                        const uint8_t *const *at, v_s32 pair[2]) {
    if (lane == 2) {
        v_zip_s16(v_load_block_b8(at[0], is_signed), v_load_block_b8(at[1], is_signed), pair);
        return;
    }
    const v_s16 sign = (v_s16){0} + (int16_t)(is_signed ? 0x8080 : 0);
    v_s16 low = rows > 1 ? v_load_pairs_block_b8(at[0], at[1]) : v_load_block_b8(at[0], 0);
    v_s16 high = {0};
    if (rows == 3) high = v_load_block_b8(at[2], 0);
    if (rows == 4) high = v_load_pairs_block_b8(at[2], at[3]);
    v_zip_s16(low ^ sign, high ^ sign, pair);
}

EW_INLINE v_s32 dot(const uint32_t lane, v_s32 x, v_s32 w, v_s32 acc) {
    return lane == 4 ? v_dot_u8_s8(x, w, acc) : v_dot_s16(x, w, acc);
}

EW_INLINE void begin_b8(const uint32_t pixels, const int32_t *bias, v_s32 acc[][2]) {
    EW_UNROLL
    for (uint32_t g = 0; g < pixels; g++) {
        acc[g][0] = v_load_s32(bias);
        acc[g][1] = v_load_s32(bias + EW_LANES);
    }
}

EW_INLINE void finish_b8(const uint32_t pixels, const uint32_t is_signed, const row_b8 *r,
                         v_s32 acc[][2], uint32_t block, uint8_t *y) {
    const float *scale = r->scale + (size_t)block * BLOCK;
    const v_f32 by[2] = {v_load_f32(scale), v_load_f32(scale + EW_LANES)};
    EW_UNROLL
    for (uint32_t g = 0; g < pixels; g++)
        v_store_block_b8(y + g * r->y_step, acc[g], by, r->low, r->high, r->first, r->zero,
                         is_signed);
}

/* acc[g] += the product number `k - g * stride` of a group of rows with the zipped taps of column k,
 * for all pixels that this column is the first of a product for. */
EW_INLINE void multiply_column(const uint32_t pixels, const uint32_t stride, const uint32_t lane,
                               const uint32_t products, const uint32_t apart, uint32_t k,
                               const v_s32 pair[2], const uint8_t *w, v_s32 acc[][2]) {
    EW_UNROLL
    for (uint32_t g = 0; g < pixels; g++) {
        uint32_t j = k - g * stride;
        if (k >= g * stride && j % apart == 0 && j / apart < products)
            EW_UNROLL
            for (uint32_t v = 0; v < 2; v++) {
                v_s32 by = v_load_s32(w + (j / apart * 2 + v) * 4 * EW_LANES);
                acc[g][v] = v_settle_s32(dot(lane, pair[v], by, acc[g][v]));
            }
    }
}

/* The same address, of which the compiler knows nothing: weights are loaded anew for each column.
 * Kept in registers from one to the next, they push the accumulators out to the stack. */
EW_INLINE const uint8_t *forget(const uint8_t *w) {
    __asm__("" : "+r"(w));
    return w;
}

/* Moves `at` to the next column: a step further, or to the addresses in `from`. */
EW_INLINE void next_column(const uint32_t rows, const uint32_t is_direct,
                           const uint8_t *const *from, uint32_t per_line, size_t c, size_t step,
                           const uint8_t *at[4]) {
    EW_UNROLL
    for (uint32_t q = 0; q < rows; q++)
        at[q] = is_direct ? at[q] + step : from[q * per_line] + c;
}

/* A square kernel. */
EW_INLINE void square_b8(const uint32_t pixels, const uint32_t kernel, const uint32_t stride,
                         const uint32_t is_direct, const uint32_t lane, const uint32_t is_signed,
                         const ew_depthwise_conv_2d *p, const row_b8 *r,
                         const uint8_t *const *column, uint8_t *y) {
    const uint32_t columns = (pixels - 1) * stride + kernel, left = kernel % lane;
    const uint32_t per_line = is_direct ? 1 : columns, product = 2 * 4 * EW_LANES;
    const uint8_t *w = r->w;
    for (uint32_t b = 0, blocks = ew_divide_up(p->channels, BLOCK); b < blocks; b++) {
        size_t c = ew_min_u32(b * BLOCK, p->channels - BLOCK);
        v_s32 acc[EW_PIXELS][2], pair[2];
        begin_b8(pixels, r->bias + (size_t)b * BLOCK, acc);
        for (uint32_t i = 0; i + lane <= kernel; i += lane, w += kernel * product) {
            const uint8_t *const *from = column + i * per_line;
            const uint8_t *at[4];
            EW_UNROLL
            for (uint32_t q = 0; q < lane; q++) at[q] = from[q * per_line] + c;
            EW_UNROLL
            for (uint32_t k = 0; k < columns; k++) {
                next_column(lane, is_direct, from + k, per_line, c, k ? r->step : 0, at);
                zip_rows(lane, lane, is_signed, at, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, kernel, 1, k, pair, w, acc);
            }
        }
        const uint8_t *const *from = column + (kernel - left) * per_line;
        if (lane == 2) { /* one row: pairs of columns */
            const uint32_t products = (kernel + 1) / 2;
            const uint8_t *at = from[0] + c;
            v_s16 x = v_load_block_b8(at, is_signed);
            EW_UNROLL
            for (uint32_t k = 0; k < columns; k++) {
                v_s16 next = x; /* beyond the last column, multiplied by 0 */
                at = is_direct ? at + r->step : from[k + 1 < columns ? k + 1 : k] + c;
                if (k + 1 < columns) next = v_load_block_b8(at, is_signed);
                v_zip_s16(x, next, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, products, 2, k, pair, w, acc);
                x = next;
            }
            w += products * product;
        } else {
            const uint8_t *at[4];
            EW_UNROLL
            for (uint32_t q = 0; q < left; q++) at[q] = from[q * per_line] + c;
            EW_UNROLL
            for (uint32_t k = 0; k < columns; k++) {
                next_column(left, is_direct, from + k, per_line, c, k ? r->step : 0, at);
                zip_rows(left, lane, is_signed, at, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, kernel, 1, k, pair, w, acc);
            }
            w += kernel * product;
        }
        finish_b8(pixels, is_signed, r, acc, b, y + c);
    }
}

/* Any kernel, product by product. `column` has the addresses of the first pixel's taps. */
EW_INLINE void any_b8(const uint32_t pixels, const uint32_t lane, const uint32_t is_signed,
                      const ew_depthwise_conv_2d *p, const row_b8 *r,
                      const uint8_t *const *column, uint8_t *y) {
    uint32_t kernel_w = p->window.kernel_w;
    const uint8_t *w = r->w;
    for (uint32_t b = 0, blocks = ew_divide_up(p->channels, BLOCK); b < blocks; b++) {
        size_t c = ew_min_u32(b * BLOCK, p->channels - BLOCK);
        v_s32 acc[EW_PIXELS][2], pair[2];
        begin_b8(pixels, r->bias + (size_t)b * BLOCK, acc);
        for (uint32_t i = 0; i < p->rows; i += lane)
            for (uint32_t j = 0; j < kernel_w; j++, w += 2 * 4 * EW_LANES) {
                const uint8_t *at[4];
                EW_UNROLL
                for (uint32_t q = 0; q < lane; q++) at[q] = column[(i + q) * kernel_w + j] + c;
                v_s32 first = v_load_s32(w), second = v_load_s32(w + 4 * EW_LANES);
                EW_UNROLL
                for (uint32_t g = 0; g < pixels; g++) {
                    zip_rows(lane, lane, is_signed, at, pair);
                    acc[g][0] = dot(lane, pair[0], first, acc[g][0]);
                    acc[g][1] = dot(lane, pair[1], second, acc[g][1]);
                    EW_UNROLL
                    for (uint32_t q = 0; q < lane; q++) at[q] += r->pixel_step;
                }
            }
        finish_b8(pixels, is_signed, r, acc, b, y + c);
    }
}

/* The bodies as functions of their own: inlined side by side, they spill. */
#define PARAMETERS                                                                                 \
    const ew_depthwise_conv_2d *p, const row_b8 *r, const uint8_t *const *column, uint8_t *y
typedef void group_b8(PARAMETERS);
#define NAME(body, pixels, is_direct, lane, is_signed)                                             \
    b8_##body##_##pixels##_##is_direct##_##lane##_##is_signed
#define DEFINE_GROUP(kernel, stride, pixels, is_direct, lane, is_signed)                           \
    static __attribute__((noinline)) void NAME(kernel##x##stride, pixels, is_direct, lane,         \
                                               is_signed)(PARAMETERS) {                            \
        square_b8(pixels, kernel, stride, is_direct, lane, is_signed, p, r, column, y);            \
    }
#define DEFINE_SQUARE(kernel, stride, lane, is_signed)                                             \
    DEFINE_GROUP(kernel, stride, 4, 1, lane, is_signed)                                            \
    DEFINE_GROUP(kernel, stride, 4, 0, lane, is_signed)                                            \
    DEFINE_GROUP(kernel, stride, 3, 0, lane, is_signed)                                            \
    DEFINE_GROUP(kernel, stride, 2, 0, lane, is_signed)                                            \
    DEFINE_GROUP(kernel, stride, 1, 0, lane, is_signed)
#define DEFINE_ANY(pixels, is_direct, lane, is_signed)                                             \
    static __attribute__((noinline)) void NAME(any, pixels, is_direct, lane, is_signed)(           \
        PARAMETERS) {                                                                              \
        any_b8(pixels, lane, is_signed, p, r, column, y);                                          \
    }
#define DEFINE_BODIES(lane, is_signed)                                                             \
    DEFINE_ANY(4, 1, lane, is_signed)                                                              \
    DEFINE_ANY(1, 0, lane, is_signed)                                                              \
    DEFINE_SQUARE(3, 1, lane, is_signed)                                                           \
    DEFINE_SQUARE(3, 2, lane, is_signed)                                                           \
    DEFINE_SQUARE(5, 1, lane, is_signed)                                                           \
    DEFINE_SQUARE(5, 2, lane, is_signed)
#define SQUARE(body, lane, is_signed)                                                              \
    {NAME(body, 4, 1, lane, is_signed), NAME(body, 1, 0, lane, is_signed),                         \
     NAME(body, 2, 0, lane, is_signed), NAME(body, 3, 0, lane, is_signed),                         \
     NAME(body, 4, 0, lane, is_signed)}
#define BODIES(lane, is_signed)                                                                    \
    {                                                                                              \
        {NAME(any, 4, 1, lane, is_signed), NAME(any, 1, 0, lane, is_signed)},                      \
            SQUARE(3x1, lane, is_signed), SQUARE(3x2, lane, is_signed),                            \
            SQUARE(5x1, lane, is_signed), SQUARE(5x2, lane, is_signed),                            \
    }
DEFINE_BODIES(2, 0)
DEFINE_BODIES(2, 1)
#if EW_LANES == 16
DEFINE_BODIES(4, 0)
DEFINE_BODIES(4, 1)
#endif

/* By taps per lane, sign and body; [0] for EW_PIXELS pixels inside x, [n] for n anywhere. */
static group_b8 *const bodies[][2][EW_DEPTHWISE_BODIES][EW_PIXELS + 1] = {
    {BODIES(2, 0), BODIES(2, 1)},
#if EW_LANES == 16
    {BODIES(4, 0), BODIES(4, 1)},
#endif
};

/* One output row of pixels side by side in x. */
static void plain_row(const ew_depthwise_conv_2d *p, const row_b8 *r,
                      const ew_depthwise_scratch *m, uint8_t *y) {
    const ew_window *s = &p->window;
    group_b8 *const *body = bodies[p->taps_per_lane / 4][p->is_signed][p->body];
    int is_any = p->body == EW_DEPTHWISE_any, whole = 1;
    uint32_t apart = is_any ? s->dilation_w : 1;
    uint32_t most = is_any ? 1 : EW_PIXELS; /* pixels of a group in the padding */
    for (uint32_t i = 0; i < p->rows; i++) {
        if (i >= s->kernel_h) m->line[i] = m->line[i - 1]; /* multiplied by 0 */
        whole &= m->line[i] != NULL;
    }
    for (uint32_t ox = 0, n; ox < s->ow; ox += n, y += n * r->y_step) {
        uint32_t first = ox * s->stride_w - s->pad_left;
        uint32_t under = (EW_PIXELS - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
        int direct = whole && s->ow - ox >= EW_PIXELS && ew_is_inside(s, first, under);
        n = direct ? EW_PIXELS : ew_min_u32(most, s->ow - ox);
        uint32_t columns = is_any ? s->kernel_w : direct ? 1 : (n - 1) * s->stride_w + s->kernel_w;
        ew_find_columns(s, m->line, p->rows, first, columns, apart, 1, m->zeros, m->column);
        body[direct ? 0 : n](p, r, m->column, y);
    }
}

/* One output row from spread rows: `channels` elements of y, of several pixels, at a time. */
static void spread_row(const ew_depthwise_conv_2d *p, const row_b8 *r,
                       const ew_depthwise_scratch *m, uint8_t *y) {
    const ew_window *s = &p->window;
    group_b8 *const *body = bodies[p->taps_per_lane / 4][p->is_signed][p->body];
    int is_square = p->body != EW_DEPTHWISE_any;
    uint32_t total = s->ow * s->o, taps = p->rows * s->kernel_w;
    for (uint32_t e = 0, n; e < total; e += n) {
        uint32_t pixels = e + EW_PIXELS * p->channels <= total ? EW_PIXELS : 1;
        n = ew_min_u32(pixels * p->channels, total - e);
        int whole = n == pixels * p->channels && p->y_stride == s->o;
        const uint8_t **from = is_square && pixels > 1 ? m->line : m->column;
        body[pixels == 1](p, r, from, whole ? y + e : m->edge);
        if (!whole)
            for (uint32_t i = 0; i < n; i += s->o)
                ew_copy(y + (size_t)((e + i) / s->o) * p->y_stride, m->edge + i, s->o);
        for (uint32_t i = 0; i < p->rows; i++) m->line[i] += n;
        for (uint32_t t = 0; t < taps; t++) m->column[t] += n;
    }
}

EW_DEFINE(depthwise_conv_2d_b8) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    ew_depthwise_scratch m = ew_divide_scratch(p, scratch, 1);
    for (uint32_t i = 0; i < p->channels; i++) m.zeros[i] = (uint8_t)p->x_zero;
    row_b8 r = {.step = s->c,
                .pixel_step = (size_t)s->stride_w * s->c,
                .y_step = p->y_stride,
                .w = operand[1],
                .bias = operand[2],
                .scale = operand[3],
                .low = (float)(p->low - p->y_zero),
                .high = (float)(p->high - p->y_zero),
                .first = (int16_t)p->low,
                .zero = (int16_t)p->y_zero};
    if (p->is_spread) {
        r.step = s->o;
        r.pixel_step = r.y_step = p->channels;
    }
    for (uint32_t row = tile_begin; row < tile_end; row++) {
        uint8_t *y = (uint8_t *)operand[4] + (size_t)row * s->ow * p->y_stride;
        if (p->is_spread) {
            ew_spread_rows(p, row, operand[0], 1, (uint8_t)p->x_zero, &m);
            spread_row(p, &r, &m, y);
        } else {
            ew_find_lines(s, row, 1, operand[0], m.line);
            plain_row(p, &r, &m, y);
        }
    }
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
