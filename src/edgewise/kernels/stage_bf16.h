/* How the part of x that a tile of conv_bf16.c reads is staged: rounded to bfloat16, in whole
 * registers of AMX. What fills a register up is zero, because a weight of zero does not make zero of
 * an infinity. Where pixels have channels enough, the taps of the kernel are runs of a pixel each,
 * and pixels whose places in x agree modulo the strides are neighbours, whatever the strides are.
 * Pixels of few channels are gathered instead, once for every output whose window they are in. */
#ifndef EW_STAGE_BF16_H
#define EW_STAGE_BF16_H
#include "conv_tiles.h"
#include "gemm_dpbf16.h"
#include "simd_half.h"

enum {
    AT_ONCE = 32, /* elements of a register's row */
    AT_MOST = 4,  /* pieces of one that are gathered at once */
};

/* Bytes of an element. */
EW_INLINE size_t bytes_of(uint32_t type) { return type == EW_TYPE_bf16 ? 2 : 4; }

/* n numbers of bfloat16, then zeros up to a multiple of AT_ONCE. */
EW_INLINE void stage_narrow(uint16_t *y, const uint8_t *x, uint32_t n) {
#if defined(__AVX512BF16__)
    for (; n >= AT_ONCE; n -= AT_ONCE, x += 2 * AT_ONCE, y += AT_ONCE)
        _mm512_storeu_si512(y, _mm512_loadu_si512(x));
    if (n) _mm512_storeu_si512(y, _mm512_maskz_loadu_epi16((1u << n) - 1, x));
#else
    const uint32_t end = ew_divide_up(n, AT_ONCE) * AT_ONCE;
    ew_copy((uint8_t *)y, x, n * sizeof *y);
    for (uint32_t i = n; i < end; i++) y[i] = 0;
#endif
}

/* The n numbers at x as bfloat16, then zeros up to a multiple of AT_ONCE. */
EW_INLINE void stage(uint16_t *y, const uint8_t *x, uint32_t n, uint32_t type) {
    if (type == EW_TYPE_bf16) {
        stage_narrow(y, x, n);
        return;
    }
    const float *from = (const float *)(const void *)x;
#if defined(__AVX512BF16__)
    for (; n >= AT_ONCE; n -= AT_ONCE, from += AT_ONCE, y += AT_ONCE)
        _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + EW_LANES),
                                                           _mm512_loadu_ps(from)));
    if (n) {
        const uint32_t mask = (1u << n) - 1;
        const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, from);
        const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> EW_LANES), from + EW_LANES);
        _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
#else
    for (; n >= AT_ONCE; n -= AT_ONCE, from += AT_ONCE, y += AT_ONCE)
        for (uint32_t i = 0; i < AT_ONCE; i += EW_LANES) v_store_bf16(y + i, v_load_f32(from + i));
    for (uint32_t i = 0; n && i < AT_ONCE; i++) y[i] = i < n ? ew_bfloat_of(from[i]) : 0;
#endif
}

/* So many zeros, and more up to a multiple of AT_ONCE. */
static inline void zero(uint16_t *y, size_t n) {
    const v_s32 none = v_splat_s32(0);
    for (size_t i = 0; i < n; i += AT_ONCE) __builtin_memcpy(y + i, &none, sizeof none);
}

/* How x lies in scratch: planes of pixels whose lines and columns agree modulo the strides.
 * Gathered pixels are a plane like y. */
typedef struct {
    uint32_t planes_h, planes_w;       /* that the kernel reads */
    uint32_t lines, columns;           /* of a plane */
    uint32_t more_lines, more_columns; /* than a tile has */
    uint32_t pixel;                    /* elements of one */
    uint32_t steps;                    /* of a run that are multiplied */
} staging;

static staging staging_of(const ew_conv_bf16 *p) {
    const ew_window *s = &p->layout.window;
    staging g = {.planes_h = 1, .planes_w = 1, .pixel = 2 * p->steps, .steps = p->steps};
#if defined(EW_AMD) /* no register has to be filled */
    const uint32_t c = s->c / p->layout.groups, taps = s->kernel_h * s->kernel_w;
    g.steps = ew_divide_up(p->is_gathered ? taps * c : c, 2);
    if (!p->is_gathered) g.pixel = 2 * g.steps;
#endif
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

/* Pixels of line `line` of x, `apart` columns from each other, from `column` on; `pixel` elements
 * each in `to`, of which what follows is written again or zero. */
static void stage_line(const ew_conv_bf16 *p, const uint8_t *x, int32_t line, int32_t column,
                       uint32_t columns, uint32_t apart, uint32_t pixel, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups;
    const size_t bytes = bytes_of(p->x_type), step = (size_t)apart * s->c * bytes;
    uint32_t first, last;
    ew_inside_of(column, columns, apart, s->w, &first, &last);
    if (line < 0 || line >= (int32_t)s->h) first = last = columns;
    zero(to, (size_t)first * pixel);
    to += (size_t)first * pixel;
    if (first < last) {
        const uint32_t at = (uint32_t)(column + (int32_t)(first * apart));
        x += ((size_t)line * s->w + at) * s->c * bytes;
    }
    if (c == pixel && step == c * bytes) { /* neighbours there and here */
        stage(to, x, (last - first) * c, p->x_type);
        to += (size_t)(last - first) * c;
    } else {
        for (uint32_t i = first; i < last; i++, x += step, to += pixel) stage(to, x, c, p->x_type);
    }
    zero(to, (size_t)(columns - last) * pixel);
}

/* Elements of a register of a window, from `first` on: those of x from `at` + `first` on. */
typedef struct {
    ptrdiff_t at;
    uint32_t first, count;
} piece;

/* The pieces of a window in its register from element k on; how many those are. Lines of x have
 * `pitch` elements. */
static uint32_t find_pieces(const ew_conv_bf16 *p, size_t pitch, uint32_t k, piece *found) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups, parts = s->dilation_w == 1 ? 1 : s->kernel_w;
    const uint32_t length = s->kernel_w / parts * c;
    uint32_t n = 0, begin = 0; /* of a part in the window */
    for (uint32_t i = 0; i < s->kernel_h; i++)
        for (uint32_t j = 0; j < parts; j++, begin += length) {
            const uint32_t first = ew_max_u32(begin, k);
            const uint32_t end = ew_min_u32(begin + length, k + AT_ONCE);
            const size_t at = i * s->dilation_h * pitch + (size_t)j * s->dilation_w * c;
            if (first < end)
                found[n++] = (piece){(ptrdiff_t)(at + k) - begin, first - k, end - first};
        }
    return n;
}

/* So many pieces of a register of the windows of some outputs, which are `step` elements apart in x
 * and `pixel` in y. What else the registers hold is zero, or stays, unless `is_first`. */
EW_INLINE void gather_pieces(const uint32_t count, const piece *pieces, int is_first,
                             const uint16_t *x, uint32_t step, uint32_t columns, uint16_t *y,
                             uint32_t pixel) {
#if defined(__AVX512BF16__)
    const uint16_t *from[AT_MOST];
    uint32_t mask[AT_MOST];
    for (uint32_t i = 0; i < count; i++) {
        from[i] = x + pieces[i].at;
        mask[i] = (uint32_t)((1ull << pieces[i].count) - 1) << pieces[i].first;
    }
    for (size_t n = 0, at = 0; n < columns; n++, at += step, y += pixel) {
        __m512i all = is_first ? _mm512_setzero_si512() : _mm512_loadu_si512(y);
        EW_UNROLL
        for (uint32_t i = 0; i < count; i++)
            all = _mm512_mask_loadu_epi16(all, mask[i], from[i] + at);
        _mm512_storeu_si512(y, all);
    }
#else
    for (uint32_t n = 0; n < columns; n++, x += step, y += pixel) {
        if (is_first) zero(y, AT_ONCE);
        for (uint32_t i = 0; i < count; i++)
            ew_copy((uint8_t *)(y + pieces[i].first),
                    (const uint8_t *)(x + pieces[i].at + pieces[i].first),
                    pieces[i].count * sizeof *y);
    }
#endif
}

/* The windows of outputs whose first one begins at x, each as one run of `pixel` elements with zeros
 * at its end: x has a tile's lines and columns, padding included. Register by register, of which
 * loads of the pieces make one store. */
static void gather_line(const ew_conv_bf16 *p, uint32_t pixel, const uint16_t *x, size_t pitch,
                        uint32_t columns, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const uint32_t step = s->stride_w * (s->c / p->layout.groups);
    for (uint32_t k = 0; k < pixel; k += AT_ONCE, to += AT_ONCE) {
        piece all[AT_ONCE];
        const uint32_t count = find_pieces(p, pitch, k, all);
        for (uint32_t i = 0; i < count; i += AT_MOST) {
#define GATHER(n) gather_pieces(n, all + i, !i, x, step, columns, to, pixel)
            switch (ew_min_u32(count - i, AT_MOST)) {
            case 1: GATHER(1); break;
            case 2: GATHER(2); break;
            case 3: GATHER(3); break;
            default: GATHER(4);
            }
#undef GATHER
        }
    }
}

/* The same of a tile; its part of x is rounded first. */
static void gather_tile(const ew_conv_bf16 *p, const staging *g, const ew_conv_tile *t,
                        const uint8_t *x, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups;
    const uint32_t lines = (t->lines - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
    const uint32_t columns = (t->columns - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    const size_t pitch = (size_t)columns * c;
    uint16_t *rounded = to + ((size_t)g->lines * g->columns + EW_AMX_TILE) * g->pixel;
    for (uint32_t i = 0; i < lines; i++)
        stage_line(p, x, (int32_t)(t->line * s->stride_h + i - s->pad_top),
                   (int32_t)(t->column * s->stride_w - s->pad_left), columns, 1, c,
                   rounded + i * pitch);
    for (uint32_t i = 0; i < t->lines; i++)
        gather_line(p, g->pixel, rounded + i * s->stride_h * pitch, pitch, t->columns,
                    to + (size_t)i * g->columns * g->pixel);
}

/* What a tile reads of an image and group. */
static void stage_tile(const ew_conv_bf16 *p, const staging *g, const ew_conv_tile *t,
                       const uint8_t *x, uint16_t *to) {
    const ew_window *s = &p->layout.window;
    const size_t pitch = (size_t)g->columns * g->pixel;
    for (uint32_t h = 0; h < g->planes_h; h++)
        for (uint32_t w = 0; w < g->planes_w; w++, to += g->lines * pitch)
            for (uint32_t i = 0; i < t->lines + g->more_lines; i++)
                stage_line(p, x, (int32_t)((t->line + i) * s->stride_h + h - s->pad_top),
                           (int32_t)(t->column * s->stride_w + w - s->pad_left),
                           t->columns + g->more_columns, s->stride_w, g->pixel, to + i * pitch);
}
#endif
