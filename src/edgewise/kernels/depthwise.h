/* What depthwise convolutions of all dtypes share: which lines and columns of x a group of
 * neighbouring output pixels reads, and rows of x spread out in scratch memory.
 *
 * The bodies compute up to EW_PIXELS output pixels at once. Where all of a group's taps lie inside
 * x, they walk from the first column of each line; elsewhere they read an address per column, and
 * what lies in the padding is a row of zeros. */
#ifndef EW_DEPTHWISE_H
#define EW_DEPTHWISE_H
#include "kernel.h"

enum { EW_PIXELS = 4 };

/* Scratch memory as the kernels divide it. `line` has an address per kernel row (NULL: padding),
 * `column` what the body reads; `held` says which line of x (of all images) a spread row has. */
typedef struct {
    const uint8_t **line, **column;
    uint32_t *held;
    uint8_t *zeros, *edge, *spread;
} ew_depthwise_scratch;

EW_INLINE ew_depthwise_scratch ew_divide_scratch(const ew_depthwise_conv_2d *p, void *scratch,
                                                 uint32_t bytes) {
    ew_depthwise_scratch s;
    s.line = scratch;
    s.column = s.line + p->rows;
    s.held = (uint32_t *)(void *)(s.column + (size_t)p->rows * p->columns);
    s.zeros = (uint8_t *)(s.held + p->rows);
    s.edge = s.zeros + (size_t)p->channels * bytes;
    s.spread = s.edge + (size_t)EW_PIXELS * p->channels * bytes;
    for (uint32_t i = 0; i < p->rows; i++) s.held[i] = 0xFFFFFFFF; /* none */
    return s;
}

/* First bytes of the lines of x under output row `row` (of all N * OH); NULL in the padding. */
EW_INLINE void ew_find_lines(const ew_window *s, uint32_t row, uint32_t bytes, const uint8_t *x,
                             const uint8_t **line) {
    uint32_t image = row / s->oh, top = row % s->oh * s->stride_h - s->pad_top;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        uint32_t at = top + i * s->dilation_h; /* negatives wrap around */
        line[i] = at < s->h ? x + ((size_t)image * s->h + at) * s->w * s->c * bytes : NULL;
    }
}

/* Whether columns [first, first + count) lie inside x. */
EW_INLINE int ew_is_inside(const ew_window *s, uint32_t first, uint32_t count) {
    return first < s->w && count <= s->w - first; /* negatives wrap around */
}

/* Addresses of `count` columns, `apart` from each other, of each of `rows` lines. */
EW_INLINE void ew_find_columns(const ew_window *s, const uint8_t *const *line, uint32_t rows,
                               uint32_t first, uint32_t count, uint32_t apart, uint32_t bytes,
                               const uint8_t *zeros, const uint8_t **column) {
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t k = 0; k < count; k++) {
            uint32_t at = first + k * apart;
            int inside = line[i] != NULL && at < s->w;
            *column++ = inside ? line[i] + (size_t)at * s->c * bytes : zeros;
        }
}

EW_INLINE uint8_t *ew_fill(uint8_t *to, uint32_t value, size_t elements, const uint32_t bytes) {
    for (size_t e = 0; e < elements; e++) __builtin_memcpy(to + e * bytes, &value, bytes);
    return to + elements * bytes;
}

/* How many columns of a phase lie before column `at` of the padded line. */
EW_INLINE uint32_t ew_columns_before(const ew_window *s, int32_t at, uint32_t phase) {
    const uint32_t from = (uint32_t)ew_max_s32(at - (int32_t)phase, 0);
    return s->stride_w == 1 ? from : ew_divide_up(from, s->stride_w);
}

EW_INLINE uint8_t *ew_copy_pixels(uint8_t *to, const uint8_t *x, size_t step, uint32_t count,
                                  const size_t bytes) {
    for (; count; count--, x += step, to += bytes) ew_copy(to, x, bytes);
    return to;
}

/* `count` pixels of x, stride_w apart, with every channel repeated; where what follows them goes. */
EW_INLINE uint8_t *ew_spread_pixels(const ew_depthwise_conv_2d *p, const uint8_t *x, uint32_t count,
                                    const uint32_t bytes, uint8_t *to) {
    const ew_window *s = &p->window;
    const size_t pixel = (size_t)s->c * bytes, step = s->stride_w * pixel;
    if (p->multiplier == 1) {
        if (s->stride_w == 1) return ew_copy_pixels(to, x, 0, 1, count * pixel);
        if (pixel == 16) return ew_copy_pixels(to, x, step, count, 16); /* 3 times as fast (Zen 4) */
        return ew_copy_pixels(to, x, step, count, pixel);
    }
    for (; count; count--, x += step)
        for (uint32_t c = 0; c < s->c; c++) {
            uint32_t value = 0;
            __builtin_memcpy(&value, x + (size_t)c * bytes, bytes);
            to = ew_fill(to, value, p->multiplier, bytes);
        }
    return to;
}

/* One line of x (NULL: padding) with every channel repeated `multiplier` times, as
 * [stride_w][phase_columns][O]: columns of one phase are stride_w apart in x, so that the taps of
 * neighbouring pixels stand side by side. `bytes` is 1, 2 or 4, `fill` the padding's bits. */
EW_INLINE void ew_spread_line(const ew_depthwise_conv_2d *p, const uint8_t *x, const uint32_t bytes,
                              uint32_t fill, uint8_t *to) {
    const ew_window *s = &p->window;
    uint32_t columns = p->phase_columns;
    if (x == NULL) {
        ew_fill(to, fill, (size_t)s->stride_w * columns * s->o, bytes);
        return;
    }
    for (uint32_t phase = 0; phase < s->stride_w; phase++) {
        const int32_t pad = (int32_t)s->pad_left; /* negative where lines begin inside x */
        const uint32_t before = ew_min_u32(ew_columns_before(s, pad, phase), columns);
        const uint32_t last = ew_columns_before(s, pad + (int32_t)s->w, phase);
        const uint32_t end = ew_max_u32(ew_min_u32(last, columns), before);
        to = ew_fill(to, fill, (size_t)before * s->o, bytes);
        if (end > before) {
            const uint32_t first = before * s->stride_w + phase - s->pad_left;
            to = ew_spread_pixels(p, x + (size_t)first * s->c * bytes, end - before, bytes, to);
        }
        to = ew_fill(to, fill, (size_t)(columns - end) * s->o, bytes);
    }
}

/* Spread lines under output row `row`, and in `column` the addresses [rows][kernel_w] of its first
 * pixel's taps. Without a dilation, a line that the output row before this one read is still
 * there. */
EW_INLINE void ew_spread_rows(const ew_depthwise_conv_2d *p, uint32_t row, const uint8_t *x,
                              const uint32_t bytes, uint32_t fill, const ew_depthwise_scratch *m) {
    const ew_window *s = &p->window;
    size_t line_bytes = (size_t)s->stride_w * p->phase_columns * s->o * bytes;
    uint32_t top = row % s->oh * s->stride_h, all = s->oh * s->stride_h + s->kernel_h;
    ew_find_lines(s, row, bytes, x, m->line);
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        uint32_t slot = s->dilation_h == 1 ? (top + i) % s->kernel_h : i;
        uint32_t line = row / s->oh * all + top + i; /* in the padding, too */
        uint8_t *to = m->spread + slot * line_bytes;
        if (s->dilation_h != 1 || m->held[slot] != line)
            ew_spread_line(p, m->line[i], bytes, fill, to);
        m->held[slot] = line;
        m->line[i] = to;
    }
    for (uint32_t i = s->kernel_h; i < p->rows; i++) m->line[i] = m->line[i - 1]; /* times 0 */
    for (uint32_t j = 0; j < s->kernel_w; j++) {
        uint32_t at = j * s->dilation_w;
        size_t pixel = (size_t)(at % s->stride_w) * p->phase_columns + at / s->stride_w;
        for (uint32_t i = 0; i < p->rows; i++)
            m->column[i * s->kernel_w + j] = m->line[i] + pixel * s->o * bytes;
    }
}
#endif
