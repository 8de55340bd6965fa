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
    if (p->multiplier == 1 && s->stride_w == 1) { /* as it is, between two borders */
        uint32_t before = ew_min_u32(s->pad_left, columns);
        uint32_t inside = ew_min_u32(s->w, columns - before);
        to = ew_fill(to, fill, (size_t)before * s->c, bytes);
        ew_copy(to, x, (size_t)inside * s->c * bytes);
        to += (size_t)inside * s->c * bytes;
        ew_fill(to, fill, (size_t)(columns - before - inside) * s->c, bytes);
        return;
    }
    for (uint32_t phase = 0; phase < s->stride_w; phase++)
        for (uint32_t q = 0; q < columns; q++) {
            uint32_t at = q * s->stride_w + phase - s->pad_left; /* negatives wrap around */
            if (p->multiplier == 1 && at < s->w) {
                ew_copy(to, x + (size_t)at * s->c * bytes, (size_t)s->c * bytes);
                to += (size_t)s->c * bytes;
                continue;
            }
            for (uint32_t c = 0; c < s->c; c++) {
                uint32_t value = fill;
                if (at < s->w) __builtin_memcpy(&value, x + ((size_t)at * s->c + c) * bytes, bytes);
                to = ew_fill(to, value, p->multiplier, bytes);
            }
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
