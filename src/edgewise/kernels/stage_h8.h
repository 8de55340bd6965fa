/* The windows of output pixels as rows of 8-bit integers (rows_h8.h): conv_h8.c. The range of a
 * window is found from those of the pixels under it, where pixels are under several. */
#ifndef EW_STAGE_H8_H
#define EW_STAGE_H8_H
#include "patches_h8.h"

/* f with n as a constant where layers often have it (21: 7x7 by 3 channels), which leaves no
 * choices to its loops: 3x3 by 16 channels, 32x32, 16 outputs take 0.8 of the time (Zen 4). */
#if EW_LANES == 1
#define BY_LENGTH(f, n, ...) f(n, __VA_ARGS__);
#else
#define BY_LENGTH(f, n, ...)                                                                       \
    switch (n) {                                                                                   \
    case 16: f(16, __VA_ARGS__); break;                                                            \
    case 21: f(21, __VA_ARGS__); break;                                                            \
    case 24: f(24, __VA_ARGS__); break;                                                            \
    case 32: f(32, __VA_ARGS__); break;                                                            \
    case 48: f(48, __VA_ARGS__); break;                                                            \
    case 64: f(64, __VA_ARGS__); break;                                                            \
    case 96: f(96, __VA_ARGS__); break;                                                            \
    default: f(n, __VA_ARGS__);                                                                    \
    }
#endif

#if EW_LANES > 1
/* The ranges of `count` rows, four of which keep theirs in registers until they are one vector:
 * stored one by one, they wait for each other (1.1 times as long for 32x32x16, 3x3 to 16, Zen 4). */
EW_INLINE void find_ranges(const size_t n, const float *x, size_t x_row, uint32_t count,
                           ew_range four[EW_FOURS]) {
    for (uint32_t i = 0; i < EW_FOURS; i++, x += 4 * x_row) {
        four[i] = ew_no_range();
        if (4 * i >= count) continue;
        ew_range range[4];
        EW_UNROLL
        for (uint32_t r = 0; r < 4; r++) { /* the last row again, rather than none */
            const size_t row = ew_min_u32(r, count - 1 - 4 * i);
            range[r] = ew_range_of(ew_no_range(), x + row * x_row, n);
        }
        four[i] = ew_range_of_four(range);
    }
}

enum { FEW = 4 }; /* elements of a row, which would take as many instructions as a whole vector */

/* The ranges of `count` <= EW_LANES rows of n elements, x_row elements apart; none in the other
 * lanes. */
static ew_range ranges_of_rows(const float *x, size_t n, size_t x_row, uint32_t count) {
    ew_range four[EW_FOURS];
    if (n <= FEW && count == EW_LANES) { /* pixels of a picture: an element of all at once */
        ew_range all = ew_no_range();
        for (uint32_t e = 0; e < n; e++) {
            v_f32 of_rows = v_splat_f32(0.0f);
            EW_UNROLL
            for (uint32_t r = 0; r < EW_LANES; r++) of_rows[r] = x[r * x_row + e];
            all = ew_wider(all, of_rows);
        }
        return ew_found(all);
    }
    BY_LENGTH(find_ranges, n, x, x_row, count, four)
    ew_range all = ew_ranges_of_fours(four);
    for (uint32_t r = count; r < EW_LANES; r++) all.high[r] = all.deep[r] = 0;
    return all;
}
#endif

#if EW_LANES > 1
/* Of the last lines of x, one group's channels: what each pixel's range is, with no range where
 * windows reach beyond x. A window's range is found from those of its pixels. */
typedef struct {
    int32_t *high, *deep; /* [count][pitch]: of the pixel that tap 0 of column 0 reads, and so on */
    uint32_t *held;       /* [count]: line i of all images and groups is kept at i % count */
    uint32_t count, pitch, columns; /* columns: of all windows */
} line_ranges;

/* In scratch memory; what follows it. */
static void *keep_none(const ew_conv_h8 *p, int32_t *scratch, line_ranges *lines) {
    const ew_window *s = &p->window;
    lines->columns = (s->ow - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    lines->pitch = ew_divide_up(lines->columns, EW_LANES) * EW_LANES + EW_LANES;
    lines->count = p->lines;
    lines->high = scratch;
    lines->deep = scratch + lines->count * lines->pitch;
    lines->held = (uint32_t *)(lines->deep + lines->count * lines->pitch);
    for (uint32_t i = 0; i < 2 * lines->count * lines->pitch; i++) scratch[i] = 0;
    for (uint32_t i = 0; i < lines->count; i++) lines->held[i] = UINT32_MAX;
    return lines->held + lines->count;
}

static void keep_line(const ew_conv_h8 *p, const float *x, uint32_t group, uint32_t line,
                      const line_ranges *lines) {
    const ew_window *s = &p->window;
    const uint32_t c = s->c / p->groups, slot = line % lines->count;
    const uint32_t number = group * s->n * s->h + line;
    if (lines->held[slot] == number) return;
    lines->held[slot] = number;
    x += (size_t)line * s->w * s->c + group * c;
    const int32_t pad = (int32_t)s->pad_left, under = (int32_t)lines->columns - pad;
    const uint32_t last = ew_min_u32(s->w, under > 0 ? (uint32_t)under : 0);
    for (uint32_t first = pad < 0 ? (uint32_t)-pad : 0; first < last; first += EW_LANES) {
        const ew_range all = ranges_of_rows(x + (size_t)first * s->c, c, s->c,
                                            ew_min_u32(EW_LANES, last - first));
        const size_t at = (size_t)slot * lines->pitch + (first + s->pad_left);
        __builtin_memcpy(lines->high + at, &all.high, sizeof all.high);
        __builtin_memcpy(lines->deep + at, &all.deep, sizeof all.deep);
    }
}

/* The ranges of the windows of `count` pixels, from those of the pixels under them. */
static ew_range ranges_of_windows(const ew_conv_h8 *p, const float *x, uint32_t group,
                                  pixel_at pixel, uint32_t count, const line_ranges *lines) {
    const ew_window *s = &p->window;
    int32_t high[2 * EW_LANES] = {0}, deep[2 * EW_LANES] = {0};
    for (uint32_t r = 0, n; r < count; r += n, move_on(s, n, &pixel)) { /* pixels of one line */
        const int32_t at_h = (int32_t)(pixel.line * s->stride_h - s->pad_top);
        uint32_t top, bottom;
        n = ew_min_u32(count - r, s->ow - pixel.column);
        ew_inside_of(at_h, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
        const uint32_t first = pixel.image * s->h + (uint32_t)at_h;
        for (uint32_t i = top; i < bottom; i++)
            keep_line(p, x, group, first + i * s->dilation_h, lines);
        for (uint32_t e = 0; e < n;) { /* of neighbours in x, those that are stride_w apart */
            const uint32_t begin = e * s->stride_w;
            ew_range all = ew_no_range();
            for (uint32_t i = top; i < bottom; i++) {
                const uint32_t slot = (first + i * s->dilation_h) % lines->count;
                size_t at = (size_t)slot * lines->pitch + pixel.column * s->stride_w + begin;
                for (uint32_t j = 0; j < s->kernel_w; j++, at += s->dilation_w) {
                    all.high = v_max_s32(v_load_s32(lines->high + at), all.high);
                    all.deep = v_max_s32(v_load_s32(lines->deep + at), all.deep);
                }
            }
            if (s->stride_w == 1) { /* the next line's overwrite more */
                __builtin_memcpy(high + r, &all.high, sizeof all.high);
                __builtin_memcpy(deep + r, &all.deep, sizeof all.deep);
                break;
            }
            for (; e < n && e * s->stride_w - begin < EW_LANES; e++) {
                high[r + e] = all.high[e * s->stride_w - begin];
                deep[r + e] = all.deep[e * s->stride_w - begin];
            }
        }
    }
    const ew_range found = {v_load_s32(high), v_load_s32(deep)};
    return found;
}
#endif

/* `count` windows, x_row elements apart. Lines of whole ones are runs of n elements. */
EW_INLINE void quantize_windows(const size_t n, const ew_conv_h8 *p, const patch *at,
                                uint32_t count, const ew_rows *rows, ew_staged *to, size_t x_row) {
    const ew_window *s = &p->window;
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c;
    for (uint32_t r = 0; r < count; r++, at++, to += x_row) {
        const ew_row row = ew_row_at(rows, r);
        if (at->lines < s->kernel_h || at->length < n) {
            quantize_patch(s, at, row, to);
            continue;
        }
        const float *x = at->x;
        ew_staged *y = to;
        for (uint32_t i = s->kernel_h; i; i--, x += x_line, y += n) ew_quantize_run(row, x, n, y);
    }
}

/* The windows of `count` <= EW_LANES output pixels from `pixel` on, x_row elements apart; `ranges`,
 * if not NULL, are theirs. */
static void stage(const ew_conv_h8 *p, const float *x, uint32_t group, pixel_at pixel,
                  uint32_t count, const ew_range *ranges, ew_rows *rows, ew_staged *to,
                  size_t x_row) {
    const ew_window *s = &p->window;
    const size_t x_step = (size_t)s->dilation_w * s->c;
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c;
    patch at[EW_LANES];
    ew_range range[EW_LANES];
    find_patches(s, p->groups, x, group, pixel, count, at);
    for (uint32_t r = 0; r < EW_LANES && !ranges; r++) {
        range[r] = ew_no_range();
        for (uint32_t i = 0; r < count && i < at[r].lines; i++)
            for (uint32_t j = 0; j < at[r].runs; j++)
                range[r] = ew_range_of(range[r], at[r].x + i * x_line + j * x_step, at[r].length);
    }
    ew_rows_of(ranges ? *ranges : ew_ranges_of(range), rows);
    const size_t n = (size_t)s->kernel_w * (s->c / p->groups);
    BY_LENGTH(quantize_windows, n, p, at, count, rows, to, x_row)
}

#if EW_LANES > 1
EW_INLINE void quantize_rows(const size_t n, const float *x, uint32_t count, const ew_rows *rows,
                             ew_staged *to, size_t x_row) {
    for (uint32_t r = 0; r < count; r++, x += n, to += x_row)
        ew_quantize_run(ew_row_at(rows, r), x, n, to);
}

/* The same where a window is a pixel of dense x [pixels, C]. */
static void stage_pixels(const float *x, size_t c, uint32_t count, ew_rows *rows, ew_staged *to,
                         size_t x_row) {
    const int is_one = count == 1;
    ew_rows_of(is_one ? ew_range_alone(ew_range_of(ew_no_range(), x, c))
                      : ranges_of_rows(x, c, c, count),
               rows);
    BY_LENGTH(quantize_rows, c, x, count, rows, to, x_row)
}
#endif
#endif
