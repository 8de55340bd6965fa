/* The vector builds of DEPTHWISE_CONV_2D on integers: bodies, and the rows they run over.
 *
 * A lane holds the taps of one channel in neighbouring kernel rows: two s16, or with AVX-512 VNNI
 * four bytes, x as u8 and weights as s8. They are zipped together once per column of x and
 * multiplied for every pixel that the column is under. The zipped order of channels is undone by
 * the narrowing of the results; weights, biases and scales are packed in it. Taps in the padding
 * read x's zero point, whose products the bias leaves out. See depthwise.h.
 *
 * Long because what is inlined has to stand together. */
#ifndef EW_DEPTHWISE_INTEGER_H
#define EW_DEPTHWISE_INTEGER_H
#include "depthwise.h"
#include "simd_s16.h"
#if EW_LANES > 1

enum { BLOCK = 2 * EW_LANES };

/* Elements of x and y. */
enum { EW_OF_u8, EW_OF_s8, EW_OF_s16 };
#define EW_ELEMENT(kind) ((kind) == EW_OF_s16 ? 2u : 1u) /* bytes */

/* What the bodies know besides the addresses: steps are bytes. */
typedef struct {
    size_t step, pixel_step, y_step; /* of x between columns and pixels, of y between pixels */
    const uint8_t *w;
    const int32_t *bias;
    /* 8 bits */
    const float *scale;
    float low, high; /* bounds less y's zero point */
    int16_t least, zero; /* the lower bound, y's zero point */
    /* int16: EW_ROUND_up_s32 where is_s32, else EW_ROUND_up_f64 */
    uint32_t is_s32;
    const void *first, *second;
    v_range range;
} ew_depthwise_row;

EW_INLINE v_s16 load_block(const uint32_t kind, const uint8_t *p) {
    if (kind != EW_OF_s16) return v_load_block_b8(p, kind);
    v_s16 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* The taps of one column in `rows` lines, zipped; `lane` taps per lane. With four, x is made
 * unsigned. */
EW_INLINE void zip_rows(const uint32_t rows, const uint32_t lane, const uint32_t kind,
                        const uint8_t *const *at, v_s32 pair[2]) {
    if (lane == 2) {
        v_zip_s16(load_block(kind, at[0]), load_block(kind, at[1]), pair);
        return;
    }
    const v_s16 sign = (v_s16){0} + (int16_t)(kind == EW_OF_s8 ? 0x8080 : 0);
    v_s16 low = rows > 1 ? v_load_pairs_block_b8(at[0], at[1]) : v_load_block_b8(at[0], 0);
    v_s16 high = {0};
    if (rows == 3) high = v_load_block_b8(at[2], 0);
    if (rows == 4) high = v_load_pairs_block_b8(at[2], at[3]);
    v_zip_s16(low ^ sign, high ^ sign, pair);
}

EW_INLINE v_s32 dot(const uint32_t lane, v_s32 x, v_s32 w, v_s32 acc) {
    return lane == 4 ? v_dot_u8_s8(x, w, acc) : v_dot_s16(x, w, acc);
}

EW_INLINE void begin(const uint32_t pixels, const int32_t *bias, v_s32 acc[][2]) {
    EW_UNROLL
    for (uint32_t g = 0; g < pixels; g++) {
        acc[g][0] = v_load_s32(bias);
        acc[g][1] = v_load_s32(bias + EW_LANES);
    }
}

EW_INLINE void finish(const uint32_t pixels, const uint32_t kind, const ew_depthwise_row *r,
                      v_s32 acc[][2], uint32_t block, uint8_t *y) {
    const size_t at = (size_t)block * BLOCK;
    if (kind == EW_OF_s16) {
        EW_UNROLL
        for (uint32_t v = 0; v < 2; v++) {
            const size_t from = at + v * EW_LANES;
            if (r->is_s32) {
                const v_s32 by = v_load_s32((const int32_t *)r->first + from);
                EW_UNROLL
                for (uint32_t g = 0; g < pixels; g++) acc[g][v] = v_round_up_s32(acc[g][v], by);
                continue;
            }
            const v_f64 first = v_load_f64((const double *)r->first + from);
            const v_f64 second = v_load_f64((const double *)r->second + from);
            EW_UNROLL
            for (uint32_t g = 0; g < pixels; g++) acc[g][v] = v_round_up(acc[g][v], first, second);
        }
        EW_UNROLL
        for (uint32_t g = 0; g < pixels; g++) {
            v_s16 block_of_y = v_narrow_zipped_s16(acc[g][0], acc[g][1], &r->range);
            __builtin_memcpy(y + g * r->y_step, &block_of_y, sizeof block_of_y);
        }
        return;
    }
    const v_f32 by[2] = {v_load_f32(r->scale + at), v_load_f32(r->scale + at + EW_LANES)};
    EW_UNROLL
    for (uint32_t g = 0; g < pixels; g++)
        v_store_block_b8(y + g * r->y_step, acc[g], by, r->low, r->high, r->least, r->zero,
                         kind == EW_OF_s8);
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
EW_INLINE void square(const uint32_t pixels, const uint32_t kernel, const uint32_t stride,
                      const uint32_t is_direct, const uint32_t lane, const uint32_t kind,
                      const ew_depthwise_conv_2d *p, const ew_depthwise_row *r,
                      const uint8_t *const *column, uint8_t *y) {
    const uint32_t columns = (pixels - 1) * stride + kernel, left = kernel % lane;
    const uint32_t per_line = is_direct ? 1 : columns, product = 2 * 4 * EW_LANES;
    const uint8_t *w = r->w;
    for (uint32_t b = 0, blocks = ew_divide_up(p->channels, BLOCK); b < blocks; b++) {
        size_t c = (size_t)ew_min_u32(b * BLOCK, p->channels - BLOCK) * EW_ELEMENT(kind);
        v_s32 acc[EW_PIXELS][2], pair[2];
        begin(pixels, r->bias + (size_t)b * BLOCK, acc);
        for (uint32_t i = 0; i + lane <= kernel; i += lane, w += kernel * product) {
            const uint8_t *const *from = column + i * per_line;
            const uint8_t *at[4];
            EW_UNROLL
            for (uint32_t q = 0; q < lane; q++) at[q] = from[q * per_line] + c;
            EW_UNROLL
            for (uint32_t k = 0; k < columns; k++) {
                next_column(lane, is_direct, from + k, per_line, c, k ? r->step : 0, at);
                zip_rows(lane, lane, kind, at, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, kernel, 1, k, pair, w, acc);
            }
        }
        const uint8_t *const *from = column + (kernel - left) * per_line;
        if (lane == 2) { /* one row: pairs of columns */
            const uint32_t products = (kernel + 1) / 2;
            const uint8_t *at = from[0] + c;
            v_s16 x = load_block(kind, at);
            EW_UNROLL
            for (uint32_t k = 0; k < columns; k++) {
                v_s16 next = x; /* beyond the last column, multiplied by 0 */
                at = is_direct ? at + r->step : from[k + 1 < columns ? k + 1 : k] + c;
                if (k + 1 < columns) next = load_block(kind, at);
                v_zip_s16(x, next, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, products, 2, k, pair, w, acc);
                x = next;
            }
            w += products * product;
        } else if (left == 1) { /* quads of columns */
            const uint32_t products = ew_divide_up(kernel, 4);
            const uint8_t *at = from[0] + c;
            const v_s16 sign = (v_s16){0} + (int16_t)(kind == EW_OF_s8 ? 0x8080 : 0);
            v_s16 x[4]; /* those of four columns; beyond the last one, multiplied by 0 */
            EW_UNROLL
            for (uint32_t k = 0; k < columns + 3; k++) {
                if (k < columns) {
                    x[k % 4] = v_load_block_b8(at, 0);
                    at = is_direct ? at + r->step : from[k + 1 < columns ? k + 1 : k] + c;
                }
                if (k < 3) continue;
                v_s16 low = x[(k + 1) % 4] | x[(k + 2) % 4] << 8;
                v_s16 high = x[(k + 3) % 4] | x[k % 4] << 8;
                v_zip_s16(low ^ sign, high ^ sign, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, products, 4, k - 3, pair, w, acc);
            }
            w += products * product;
        } else {
            const uint8_t *at[4];
            EW_UNROLL
            for (uint32_t q = 0; q < left; q++) at[q] = from[q * per_line] + c;
            EW_UNROLL
            for (uint32_t k = 0; k < columns; k++) {
                next_column(left, is_direct, from + k, per_line, c, k ? r->step : 0, at);
                zip_rows(left, lane, kind, at, pair);
                w = forget(w);
                multiply_column(pixels, stride, lane, kernel, 1, k, pair, w, acc);
            }
            w += kernel * product;
        }
        finish(pixels, kind, r, acc, b, y + c);
    }
}

/* Any kernel, product by product. `column` has the addresses of the first pixel's taps. */
EW_INLINE void any(const uint32_t pixels, const uint32_t lane, const uint32_t kind,
                   const ew_depthwise_conv_2d *p, const ew_depthwise_row *r,
                   const uint8_t *const *column, uint8_t *y) {
    uint32_t kernel_w = p->window.kernel_w;
    const uint8_t *w = r->w;
    for (uint32_t b = 0, blocks = ew_divide_up(p->channels, BLOCK); b < blocks; b++) {
        size_t c = (size_t)ew_min_u32(b * BLOCK, p->channels - BLOCK) * EW_ELEMENT(kind);
        v_s32 acc[EW_PIXELS][2], pair[2];
        begin(pixels, r->bias + (size_t)b * BLOCK, acc);
        for (uint32_t i = 0; i < p->rows; i += lane)
            for (uint32_t j = 0; j < kernel_w; j++, w += 2 * 4 * EW_LANES) {
                const uint8_t *at[4];
                EW_UNROLL
                for (uint32_t q = 0; q < lane; q++) at[q] = column[(i + q) * kernel_w + j] + c;
                v_s32 first = v_load_s32(w), second = v_load_s32(w + 4 * EW_LANES);
                EW_UNROLL
                for (uint32_t g = 0; g < pixels; g++) {
                    zip_rows(lane, lane, kind, at, pair);
                    acc[g][0] = dot(lane, pair[0], first, acc[g][0]);
                    acc[g][1] = dot(lane, pair[1], second, acc[g][1]);
                    EW_UNROLL
                    for (uint32_t q = 0; q < lane; q++) at[q] += r->pixel_step;
                }
            }
        finish(pixels, kind, r, acc, b, y + c);
    }
}

/* The bodies as functions of their own: inlined side by side, they spill. BODIES(lane, kind) are
 * those of DEFINE_BODIES(lane, kind) by body; [0] for EW_PIXELS pixels inside x, [n] for n
 * anywhere. The kind is given as its number. */
#define PARAMETERS                                                                                 \
    const ew_depthwise_conv_2d *p, const ew_depthwise_row *r, const uint8_t *const *column,        \
        uint8_t *y
typedef void group_of_rows(PARAMETERS);
#define NAME(body, pixels, is_direct, lane, kind)                                                  \
    depthwise_##body##_##pixels##_##is_direct##_##lane##_##kind
#define DEFINE_GROUP(kernel, stride, pixels, is_direct, lane, kind)                                \
    static __attribute__((noinline)) void NAME(kernel##x##stride, pixels, is_direct, lane,         \
                                               kind)(PARAMETERS) {                                 \
        square(pixels, kernel, stride, is_direct, lane, kind, p, r, column, y);                    \
    }
#define DEFINE_SQUARE(kernel, stride, lane, kind)                                                  \
    DEFINE_GROUP(kernel, stride, 4, 1, lane, kind)                                                 \
    DEFINE_GROUP(kernel, stride, 4, 0, lane, kind)                                                 \
    DEFINE_GROUP(kernel, stride, 3, 0, lane, kind)                                                 \
    DEFINE_GROUP(kernel, stride, 2, 0, lane, kind)                                                 \
    DEFINE_GROUP(kernel, stride, 1, 0, lane, kind)
#define DEFINE_ANY(pixels, is_direct, lane, kind)                                                  \
    static __attribute__((noinline)) void NAME(any, pixels, is_direct, lane, kind)(                \
        PARAMETERS) {                                                                              \
        any(pixels, lane, kind, p, r, column, y);                                                  \
    }
#define DEFINE_BODIES(lane, kind)                                                                  \
    DEFINE_ANY(4, 1, lane, kind)                                                                   \
    DEFINE_ANY(1, 0, lane, kind)                                                                   \
    DEFINE_SQUARE(3, 1, lane, kind)                                                                \
    DEFINE_SQUARE(3, 2, lane, kind)                                                                \
    DEFINE_SQUARE(5, 1, lane, kind)                                                                \
    DEFINE_SQUARE(5, 2, lane, kind)
#define SQUARE(body, lane, kind)                                                                   \
    {NAME(body, 4, 1, lane, kind), NAME(body, 1, 0, lane, kind),                                   \
     NAME(body, 2, 0, lane, kind), NAME(body, 3, 0, lane, kind),                                   \
     NAME(body, 4, 0, lane, kind)}
#define BODIES(lane, kind)                                                                         \
    {                                                                                              \
        {NAME(any, 4, 1, lane, kind), NAME(any, 1, 0, lane, kind)},                                \
            SQUARE(3x1, lane, kind), SQUARE(3x2, lane, kind),                                      \
            SQUARE(5x1, lane, kind), SQUARE(5x2, lane, kind),                                      \
    }

/* One output row of pixels side by side in x. */
EW_INLINE void plain_row(group_of_rows *const *body, const uint32_t bytes,
                         const ew_depthwise_conv_2d *p, const ew_depthwise_row *r,
                         const ew_depthwise_scratch *m, uint8_t *y) {
    const ew_window *s = &p->window;
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
        ew_find_columns(s, m->line, p->rows, first, columns, apart, bytes, m->zeros, m->column);
        body[direct ? 0 : n](p, r, m->column, y);
    }
}

/* One output row from spread rows: `channels` elements of y, of several pixels, at a time. */
EW_INLINE void spread_row(group_of_rows *const *body, const uint32_t bytes,
                          const ew_depthwise_conv_2d *p, const ew_depthwise_row *r,
                          const ew_depthwise_scratch *m, uint8_t *y) {
    const ew_window *s = &p->window;
    int is_square = p->body != EW_DEPTHWISE_any;
    uint32_t total = s->ow * s->o, taps = p->rows * s->kernel_w;
    for (uint32_t e = 0, n; e < total; e += n) {
        uint32_t pixels = e + EW_PIXELS * p->channels <= total ? EW_PIXELS : 1;
        n = ew_min_u32(pixels * p->channels, total - e);
        int whole = n == pixels * p->channels && p->y_stride == s->o;
        const uint8_t **from = is_square && pixels > 1 ? m->line : m->column;
        body[pixels == 1](p, r, from, whole ? y + (size_t)e * bytes : m->edge);
        if (!whole)
            for (uint32_t i = 0; i < n; i += s->o)
                ew_copy(y + (size_t)((e + i) / s->o) * p->y_stride * bytes,
                        m->edge + (size_t)i * bytes, (size_t)s->o * bytes);
        for (uint32_t i = 0; i < p->rows; i++) m->line[i] += (size_t)n * bytes;
        for (uint32_t t = 0; t < taps; t++) m->column[t] += (size_t)n * bytes;
    }
}

/* Output rows [row, end), with r as it is where rows are not spread. `zero` is x's zero point. */
EW_INLINE void run_rows(group_of_rows *const *body, const uint32_t bytes,
                        const ew_depthwise_conv_2d *p, ew_depthwise_row r, uint32_t zero,
                        const uint8_t *x, uint8_t *y, uint32_t row, uint32_t end, void *scratch) {
    const ew_window *s = &p->window;
    ew_depthwise_scratch m = ew_divide_scratch(p, scratch, bytes);
    ew_fill(m.zeros, zero, p->channels, bytes);
    r.step = (size_t)(p->is_spread ? s->o : s->c) * bytes;
    r.pixel_step = p->is_spread ? (size_t)p->channels * bytes : s->stride_w * r.step;
    r.y_step = (size_t)(p->is_spread ? p->channels : p->y_stride) * bytes;
    for (; row < end; row++) {
        uint8_t *to = y + (size_t)row * s->ow * p->y_stride * bytes;
        if (p->is_spread) {
            ew_spread_rows(p, row, x, bytes, zero, &m);
            spread_row(body, bytes, p, &r, &m, to);
        } else {
            ew_find_lines(s, row, bytes, x, m.line);
            plain_row(body, bytes, p, &r, &m, to);
        }
    }
}
#endif
#endif
