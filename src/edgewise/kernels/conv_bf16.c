/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV of float32, multiplied as bfloat16.
 *
 * A tile stages the part of x that it reads, rounded to bfloat16, in whole registers of AMX: what
 * fills a register up is zero, because a weight of zero does not make zero of an infinity. Where
 * pixels have channels enough, the taps of the kernel are runs of a pixel each, and pixels whose
 * places in x agree modulo the strides are neighbours: the rows of a product are all of a tile's
 * lines, one after the other, whatever the strides are. Rows between the lines are computed, too,
 * and dropped. Pixels of few channels are gathered instead, once for every output whose window
 * they are in.
 *
 * Where an image is larger than the second-level cache, reading x and writing y as float32 takes
 * most of the time (Emerald Rapids: 18 GB/s from the third level). Fetching the next weights ahead
 * made nothing faster, nor did pixels that are not a multiple of 512 bytes apart (by 3 %). */
#include "bfloat.h"
#include "conv_tiles.h"
#include "gemm_amx.h"

#if !defined(EW_AMX)

/* Columns of a panel, whatever the vectors of this build are. */
enum { COLUMNS = 32 };

/* The products of a window by the weights of one output. */
static float multiplied(const ew_conv_bf16 *p, const float *x, uint32_t oy, uint32_t ox,
                        const uint16_t *w) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups;
    const int32_t line = (int32_t)(oy * s->stride_h - s->pad_top);
    const int32_t column = (int32_t)(ox * s->stride_w - s->pad_left);
    uint32_t top, bottom, left, right;
    ew_inside_of(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
    ew_inside_of(column, s->kernel_w, s->dilation_w, s->w, &left, &right);
    float sum = 0;
    for (uint32_t i = top; i < bottom; i++)
        for (uint32_t j = left; j < right; j++) {
            const float *from = x + ((size_t)(line + (int32_t)(i * s->dilation_h)) * s->w +
                                     (uint32_t)(column + (int32_t)(j * s->dilation_w))) * s->c;
            const uint32_t tap = i * s->kernel_w + j, e = p->is_gathered ? tap * c : 0;
            const uint16_t *run = w + (p->is_gathered ? 0 : (size_t)tap * p->steps * 2 * COLUMNS);
            for (uint32_t k = 0; k < c; k++) {
                const uint16_t weight = run[(size_t)((e + k) / 2) * 2 * COLUMNS + (e + k) % 2];
                sum += ew_of_bfloat(ew_bfloat_of(from[k])) * ew_of_bfloat(weight);
            }
        }
    return sum;
}

EW_DEFINE(conv_2d_bf16) {
    const ew_conv_bf16 *p = params;
    const ew_conv_layout *l = &p->layout;
    const ew_window *s = &l->window;
    const uint32_t c = s->c / l->groups, o = s->o / l->groups, panels = ew_divide_up(o, COLUMNS);
    const uint32_t segments = p->is_gathered ? 1 : s->kernel_h * s->kernel_w;
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const ew_conv_tile t = ew_conv_tile_at(l, tile, panels);
        const float *x = (const float *)operand[0] + (size_t)t.image * s->h * s->w * s->c;
        for (uint32_t line = t.line; line < t.line + t.lines; line++)
            for (uint32_t column = t.column; column < t.column + t.columns; column++) {
                float *y = (float *)operand[3] + l->y_first + (size_t)t.image * l->y_image +
                           (size_t)line * l->y_line + (size_t)column * l->y_pixel + t.group * o;
                const uint32_t end = ew_min_u32((t.panel + t.panels) * COLUMNS, o);
                for (uint32_t n = t.panel * COLUMNS; n < end; n++) {
                    const uint32_t panel = t.group * panels + n / COLUMNS;
                    const uint16_t *w = (const uint16_t *)operand[1] + n % COLUMNS * 2 +
                                        (size_t)panel * segments * p->steps * 2 * COLUMNS;
                    const float *bias = (const float *)operand[2] + panel * COLUMNS;
                    const float sum = multiplied(p, x + t.group * c, line, column, w);
                    y[n] = ew_clamp_f32(bias[n % COLUMNS] + sum, p->low, p->high);
                }
            }
    }
}

#else

enum { AT_ONCE = 32 }; /* elements of a register's row */

/* The n numbers at x as bfloat16, then zeros up to a multiple of AT_ONCE. */
EW_INLINE void stage(uint16_t *y, const float *x, uint32_t n) {
#if defined(__AVX512BF16__)
    for (; n >= AT_ONCE; n -= AT_ONCE, x += AT_ONCE, y += AT_ONCE)
        _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + EW_LANES),
                                                           _mm512_loadu_ps(x)));
    if (n) {
        const uint32_t mask = (1u << n) - 1;
        const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, x);
        const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> EW_LANES), x + EW_LANES);
        _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
#else
    for (; n; n -= ew_min_u32(n, AT_ONCE), x += AT_ONCE, y += AT_ONCE)
        for (uint32_t i = 0; i < AT_ONCE; i++) y[i] = i < n ? ew_bfloat_of(x[i]) : 0;
#endif
}

/* So many zeros, a multiple of AT_ONCE. */
static inline void zero(uint16_t *y, size_t n) {
    const v_s32 none = v_splat_s32(0);
    for (; n; n -= AT_ONCE, y += AT_ONCE) __builtin_memcpy(y, &none, sizeof none);
}

/* How x lies in scratch: planes of pixels whose lines and columns agree modulo the strides.
 * Gathered pixels are a plane like y. */
typedef struct {
    uint32_t planes_h, planes_w;       /* that the kernel reads */
    uint32_t lines, columns;           /* of a plane */
    uint32_t more_lines, more_columns; /* than a tile has */
    uint32_t pixel;                    /* elements of one */
} staging;

static staging staging_of(const ew_conv_bf16 *p) {
    const ew_window *s = &p->layout.window;
    staging g = {.planes_h = 1, .planes_w = 1, .pixel = 2 * p->steps};
    if (!p->is_gathered) {
        const uint32_t span_h = (s->kernel_h - 1) * s->dilation_h;
        const uint32_t span_w = (s->kernel_w - 1) * s->dilation_w;
        g.planes_h = ew_min_u32(s->stride_h, span_h + 1);
        g.planes_w = ew_min_u32(s->stride_w, span_w + 1);
        g.more_lines = span_h / s->stride_h;
        g.more_columns = span_w / s->stride_w;
    }
    g.lines = p->layout.lines_per_tile + g.more_lines;
    g.columns = p->layout.columns_per_tile + g.more_columns;
    return g;
}

/* Bytes from a row of x in scratch to where each of its runs begins; how many those are. */
static uint32_t find_runs(const ew_conv_bf16 *p, const staging *g, uint32_t *segment) {
    const ew_window *s = &p->layout.window;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->kernel_h && !p->is_gathered; i++)
        for (uint32_t j = 0; j < s->kernel_w; j++) {
            const uint32_t line = i * s->dilation_h, column = j * s->dilation_w;
            const uint32_t plane = line % s->stride_h * g->planes_w + column % s->stride_w;
            const uint32_t at = plane * g->lines + line / s->stride_h;
            segment[n++] = (at * g->columns + column / s->stride_w) * g->pixel * 2;
        }
    if (p->is_gathered) segment[n++] = 0;
    return n;
}

/* A line of a plane: pixels `stride_w` columns of x apart, from `column` on. */
static void stage_line(const ew_conv_bf16 *p, const staging *g, const float *x, int32_t line,
                       int32_t column, uint32_t columns, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups;
    const size_t step = (size_t)s->stride_w * s->c;
    uint32_t first, last;
    ew_inside_of(column, columns, s->stride_w, s->w, &first, &last);
    if (line < 0 || line >= (int32_t)s->h) first = last = columns;
    zero(to, (size_t)first * g->pixel);
    to += (size_t)first * g->pixel;
    if (first < last)
        x += ((size_t)line * s->w + (uint32_t)(column + (int32_t)(first * s->stride_w))) * s->c;
    if (c == g->pixel && step == c) { /* neighbours there and here */
        stage(to, x, (last - first) * c);
        to += (size_t)(last - first) * c;
    } else {
        for (uint32_t i = first; i < last; i++, x += step, to += g->pixel) stage(to, x, c);
    }
    zero(to, (size_t)(columns - last) * g->pixel);
}

/* The windows of outputs [ox, ox + columns) of line oy, each as one run. What is written beyond a
 * part of one is written again. */
static void gather_line(const ew_conv_bf16 *p, const staging *g, const float *x, uint32_t oy,
                        uint32_t ox, uint32_t columns, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups, row = s->kernel_w * c;
    const int is_run = s->dilation_w == 1 && c == s->c;
    const size_t below = (size_t)s->dilation_h * s->w * s->c, beside = (size_t)s->dilation_w * s->c;
    const int32_t line = (int32_t)(oy * s->stride_h - s->pad_top);
    int32_t column = (int32_t)(ox * s->stride_w - s->pad_left);
    uint32_t top, bottom;
    ew_inside_of(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
    if (top < bottom) x += (size_t)(line + (int32_t)(top * s->dilation_h)) * s->w * s->c;
    for (uint32_t n = 0; n < columns; n++, column += (int32_t)s->stride_w, to += g->pixel) {
        uint32_t left, right;
        ew_inside_of(column, s->kernel_w, s->dilation_w, s->w, &left, &right);
        const int is_whole = bottom - top == s->kernel_h && right - left == s->kernel_w;
        zero(is_whole ? to + g->pixel - AT_ONCE : to, is_whole ? AT_ONCE : g->pixel);
        if (left == right) continue;
        const float *from = x + (size_t)(column + (int32_t)(left * s->dilation_w)) * s->c;
        uint16_t *y = to + top * row + left * c;
        const uint32_t parts = is_run ? 1 : right - left, length = is_run ? (right - left) * c : c;
        for (uint32_t i = top; i < bottom; i++, from += below, y += row)
            for (uint32_t j = 0; j < parts; j++) stage(y + j * c, from + j * beside, length);
    }
}

/* What a tile reads of an image and group. */
static void stage_tile(const ew_conv_bf16 *p, const staging *g, const ew_conv_tile *t,
                       const float *x, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const size_t pitch = (size_t)g->columns * g->pixel;
    for (uint32_t i = 0; i < t->lines && p->is_gathered; i++)
        gather_line(p, g, x, t->line + i, t->column, t->columns, to + i * pitch);
    if (p->is_gathered) return;
    for (uint32_t h = 0; h < g->planes_h; h++)
        for (uint32_t w = 0; w < g->planes_w; w++, to += g->lines * pitch)
            for (uint32_t i = 0; i < t->lines + g->more_lines; i++)
                stage_line(p, g, x, (int32_t)((t->line + i) * s->stride_h + h - s->pad_top),
                           (int32_t)(t->column * s->stride_w + w - s->pad_left),
                           t->columns + g->more_columns, to + i * pitch);
}

enum { NOWHERE = 0xFFFFFFFF }; /* the place of a row between lines */

/* A product of bfloat16: bias and sums are float32. */
typedef struct {
    ew_gemm product;
    float low, high;
    const uint32_t *place; /* of rows in y, elements; NULL: they are y_row apart */
} ew_gemm_bf16;

/* Results of the sums of four vectors, see EW_DEFINE_AMX. */
EW_INLINE void finish(const uint32_t vectors, const int is_plain, const ew_gemm_bf16 *g,
                      uint32_t row, uint32_t end, uint32_t column, const int32_t *sums,
                      uint8_t *y) {
    const ew_gemm *p = &g->product;
    const v_f32 low = v_splat_f32(g->low), high = v_splat_f32(g->high);
    EW_UNROLL
    for (uint32_t k = 0; k < 4 / vectors; k++, y += p->y_row) {
        float *to = (float *)(void *)y;
        if (!is_plain) {
            if (row + k >= end) break;
            if (g->place) {
                if (g->place[row + k] == NOWHERE) continue;
                to = (float *)(void *)p->y + g->place[row + k] + column;
            }
        }
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            v_f32 sum = (v_f32)v_load_s32(sums + k * EW_COLUMNS + v * EW_LANES);
            sum = v_min(high, v_max(low, sum));
            if (is_plain || p->columns - column >= vectors * EW_LANES)
                v_store_f32(to + v * EW_LANES, sum);
            else
                ew_amx_put(to + v * EW_LANES, sum, p->columns - column - v * EW_LANES);
        }
    }
}

static int is_plain(const ew_gemm_bf16 *g) { return !g->place; }

EW_DEFINE_AMX(gemm_bf16, ew_gemm_bf16, 1, 4, finish, is_plain)

EW_DEFINE(conv_2d_bf16) {
    const ew_conv_bf16 *p = params;
    const ew_conv_layout *l = &p->layout;
    const ew_window *s = &l->window;
    const staging g = staging_of(p);
    const uint32_t c = s->c / l->groups, o = s->o / l->groups;
    const uint32_t all_panels = ew_divide_up(o, EW_COLUMNS);
    uint32_t *segment = scratch;
    const uint32_t segments = find_runs(p, &g, segment);
    uint32_t *place = segment + segments;
    uint16_t *staged = ew_aligned(place + l->lines_per_tile * g.columns);
    ew_amx_begin();
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const ew_conv_tile t = ew_conv_tile_at(l, tile, all_panels);
        const float *x = (const float *)operand[0] + (size_t)t.image * s->h * s->w * s->c;
        float *y = (float *)operand[3] + l->y_first + (size_t)t.image * l->y_image +
                   (size_t)t.line * l->y_line + (size_t)t.column * l->y_pixel + t.group * o;
        stage_tile(p, &g, &t, x + t.group * c, staged);
        const int is_one = g.columns == t.columns && l->y_line == (uint64_t)t.columns * l->y_pixel;
        const int is_even = t.lines == 1 || is_one;
        const uint32_t rows = (t.lines - 1) * g.columns + t.columns;
        for (uint32_t row = 0, i = 0, j = 0; row < rows && !is_even; row++) {
            place[row] = j < t.columns ? i * l->y_line + j * l->y_pixel : NOWHERE;
            if (++j == g.columns) j = 0, i++;
        }
        ew_gemm_bf16 gemm = {.low = p->low, .high = p->high, .place = is_even ? NULL : place};
        ew_gemm *product = &gemm.product;
        product->x = (const uint8_t *)staged, product->x_row = (size_t)g.pixel * 2;
        product->segment = segment, product->segments = segments, product->steps = p->steps;
        product->rows = rows, product->y_row = (size_t)l->y_pixel * sizeof(float);
        const size_t packed = (size_t)t.group * all_panels + t.panel;
        product->columns = ew_min_u32(t.panels * EW_COLUMNS, o - t.panel * EW_COLUMNS);
        product->bias = (const int32_t *)operand[2] + packed * EW_COLUMNS;
        product->w = (const int8_t *)operand[1] + packed * segments * p->steps * EW_COLUMNS * 4;
        product->y = (uint8_t *)(y + t.panel * EW_COLUMNS);
        gemm_bf16(&gemm, 1);
    }
    ew_amx_end();
}
#endif
