/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV of floats by 8-bit weights. A tile
 * stages the window of each of its output pixels as a row of 8-bit integers with a scale and a zero
 * point of its own (rows_h8.h), multiplies rows by panels of weights as 8-bit convolutions do, and
 * makes floats of the sums. A pixel's result therefore depends on its window alone. */
#include "conv_tiles.h"
#include "gemm_amx.h"
#include "gemm_h8.h"
#include "rows_h8.h"

/* The part of an output pixel's window inside x: `lines` lines of `runs` runs of `length` elements,
 * and around it so many elements of padding, of all and of each line. */
typedef struct {
    const float *x;
    uint32_t lines, runs;
    size_t length, above, below, left, right;
} patch;

/* An output pixel. */
typedef struct {
    uint32_t image, line, column;
} pixel_at;

static pixel_at pixel_of(const ew_window *s, uint32_t pixel) {
    const uint32_t line = pixel / s->ow;
    const pixel_at at = {line / s->oh, line % s->oh, pixel % s->ow};
    return at;
}

/* The pixel `count` of its line further on: at most the first of the next line. */
static void move_on(const ew_window *s, uint32_t count, pixel_at *at) {
    at->column += count;
    if (at->column < s->ow) return;
    at->column = 0;
    if (++at->line < s->oh) return;
    at->line = 0;
    at->image++;
}

/* Those of `count` output pixels from `pixel` on. */
static void find_patches(const ew_conv_h8 *p, const float *x, uint32_t group, pixel_at pixel,
                         uint32_t count, patch *found) {
    const ew_window *s = &p->window;
    const uint32_t c = s->c / p->groups, span = (s->kernel_w - 1) * s->dilation_w;
    const int is_run = s->dilation_w == 1 && p->groups == 1; /* a line's taps are neighbours */
    const size_t row = (size_t)s->kernel_w * c;
    for (uint32_t r = 0, n; r < count; r += n, move_on(s, n, &pixel)) { /* pixels of one line */
        const int32_t at_h = (int32_t)(pixel.line * s->stride_h - s->pad_top);
        int32_t at_w = (int32_t)(pixel.column * s->stride_w - s->pad_left);
        uint32_t top, bottom;
        n = ew_min_u32(count - r, s->ow - pixel.column);
        ew_inside_of(at_h, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
        const float *line = x + (size_t)pixel.image * s->h * s->w * s->c + group * c;
        if (bottom > top) line += (size_t)(at_h + (int32_t)(top * s->dilation_h)) * s->w * s->c;
        for (uint32_t i = 0; i < n; i++, found++, at_w += (int32_t)s->stride_w) {
            uint32_t left = 0, right = s->kernel_w, last = bottom;
            if (at_w < 0 || (uint32_t)at_w + span >= s->w)
                ew_inside_of(at_w, s->kernel_w, s->dilation_w, s->w, &left, &right);
            if (left == right) last = top;
            found->x = line;
            if (last > top) found->x += (size_t)(at_w + (int32_t)(left * s->dilation_w)) * s->c;
            found->lines = last - top;
            found->runs = is_run ? 1 : right - left;
            found->length = is_run ? (size_t)(right - left) * c : c;
            found->above = top * row;
            found->below = (s->kernel_h - last) * row;
            found->left = (size_t)left * c;
            found->right = (size_t)(s->kernel_w - right) * c;
        }
    }
}

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
        ew_range range[EW_LANES];
        for (uint32_t i = 0; i < EW_LANES; i++) {
            range[i] = ew_no_range();
            if (first + i < last)
                range[i] = ew_range_of(range[i], x + (size_t)(first + i) * s->c, c);
        }
        const ew_range all = ew_ranges_of(range);
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

static ew_staged *fill(ew_staged *y, size_t n, ew_staged value) {
    for (size_t e = 0; e < n; e++) y[e] = value;
    return y + n;
}

/* The windows of `count` <= EW_LANES output pixels from `pixel` on, [KH][KW][C / groups] each and
 * x_row elements apart; `ranges`, if not NULL, are theirs. */
static void stage(const ew_conv_h8 *p, const float *x, uint32_t group, pixel_at pixel,
                  uint32_t count, const ew_range *ranges, ew_rows *rows, ew_staged *to,
                  size_t x_row) {
    const ew_window *s = &p->window;
    const size_t x_step = (size_t)s->dilation_w * s->c;
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c;
    patch at[EW_LANES];
    ew_range range[EW_LANES];
    find_patches(p, x, group, pixel, count, at);
    for (uint32_t r = 0; r < EW_LANES && !ranges; r++) {
        range[r] = ew_no_range();
        for (uint32_t i = 0; r < count && i < at[r].lines; i++)
            for (uint32_t j = 0; j < at[r].runs; j++)
                range[r] = ew_range_of(range[r], at[r].x + i * x_line + j * x_step, at[r].length);
    }
    ew_rows_of(ranges ? *ranges : ew_ranges_of(range), rows);
    for (uint32_t r = 0; r < count; r++, to += x_row) {
        const ew_row row = ew_row_at(rows, r);
        const ew_staged zero = ew_staged_zero(row);
        ew_staged *y = fill(to, at[r].above, zero);
        for (uint32_t i = 0; i < at[r].lines; i++) {
            y = fill(y, at[r].left, zero);
            for (uint32_t j = 0; j < at[r].runs; j++, y += at[r].length)
                ew_quantize_run(row, at[r].x + i * x_line + j * x_step, at[r].length, y);
            y = fill(y, at[r].right, zero);
        }
        fill(y, at[r].below, zero);
    }
}

/* The same where a window is a pixel of dense x [pixels, C]. */
static void stage_pixels(const float *x, size_t c, uint32_t count, ew_rows *rows, ew_staged *to,
                         size_t x_row) {
    ew_range range[EW_LANES];
    for (uint32_t r = 0; r < EW_LANES; r++) {
        range[r] = ew_no_range();
        if (r < count) range[r] = ew_range_of(range[r], x + r * c, c);
    }
    ew_rows_of(ew_ranges_of(range), rows);
    for (uint32_t r = 0; r < count; r++)
        ew_quantize_run(ew_row_at(rows, r), x + r * c, c, to + r * x_row);
}

static int is_pixelwise(const ew_conv_h8 *p) {
    const ew_window *s = &p->window;
    return p->groups == 1 && s->kernel_h * s->kernel_w == 1 && s->n * s->oh == 1 && s->h == 1 &&
           s->stride_w == 1 && s->w == s->ow && s->pad_left == 0 && s->pad_top == 0;
}

/* Element of y at which output pixel `pixel` begins. */
static size_t place_of(const ew_conv_h8 *p, uint32_t pixel) {
    const pixel_at at = pixel_of(&p->window, pixel);
    return p->y_first + (size_t)at.image * p->y_image + (size_t)at.line * p->y_line +
           (size_t)at.column * p->y_pixel;
}

#if EW_LANES == 1

EW_DEFINE(conv_2d_h8) {
    const ew_conv_h8 *p = params;
    const ew_window *s = &p->window;
    const uint32_t o = s->o / p->groups, k = s->kernel_h * s->kernel_w * (s->c / p->groups);
    const uint32_t pixels = s->n * s->oh * s->ow;
    ew_staged *staged = scratch;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t pixel = tile % pixels, group = tile / pixels;
        const int8_t *w = (const int8_t *)operand[1] + (size_t)group * o * k;
        const float *scale = (const float *)operand[2] + group * o;
        const float *bias = (const float *)operand[3] + group * o;
        float *y = (float *)operand[5] + place_of(p, pixel) + group * o;
        ew_rows row;
        stage(p, operand[0], group, pixel_of(s, pixel), 1, NULL, &row, staged, k);
        for (uint32_t i = 0; i < o; i++) {
            float sum = bias[i];
            for (uint32_t first = 0, b = 0; first < k; first += p->block, b++) {
                int32_t acc = 0;
                const uint32_t last = first + ew_min_u32(p->block, k - first);
                for (uint32_t e = first; e < last; e++) acc += staged[e] * w[e];
                sum = (float)acc * (row.scale[0] * scale[(size_t)b * s->o + i]) + sum;
            }
            w += k;
            y[i] = ew_clamp_f32(sum, p->low, p->high);
        }
    }
}

#else

EW_DEFINE(conv_2d_h8) {
    const ew_conv_h8 *p = params;
    const ew_window *s = &p->window;
    const uint32_t c = s->c / p->groups, o = s->o / p->groups;
    const uint32_t k = s->kernel_h * s->kernel_w * c, blocks = ew_divide_up(k, p->block);
    const uint32_t all_panels = ew_divide_up(o, EW_COLUMNS), pixels = s->n * s->oh * s->ow;
    const uint32_t panel_tiles = ew_divide_up(all_panels, p->panels_per_tile);
    const uint32_t row_tiles = ew_divide_up(pixels, p->rows_per_tile);
    const size_t x_row = ew_divide_up(p->steps * EW_PER_LANE, EW_CHUNK) * EW_CHUNK;
    const size_t padded = (size_t)p->groups * all_panels * EW_COLUMNS;
    const size_t panel_bytes = (size_t)p->steps * EW_PER_LANE * EW_COLUMNS;
    const int is_dense = p->y_line == s->ow * p->y_pixel && p->y_image == s->oh * p->y_line;
    const int is_dense_x = is_pixelwise(p);
    float *row_scale = scratch, *row_zero = row_scale + p->rows_per_tile;
    line_ranges lines;
    ew_staged *staged = ew_aligned(keep_none(p, (int32_t *)(row_zero + p->rows_per_tile), &lines));
    if (p->is_tiled) ew_amx_begin();
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t first = tile % panel_tiles * p->panels_per_tile;
        const uint32_t end = ew_min_u32(first + p->panels_per_tile, all_panels);
        const uint32_t pixel = tile / panel_tiles % row_tiles * p->rows_per_tile;
        const uint32_t group = tile / panel_tiles / row_tiles;
        const uint32_t rows = ew_min_u32(p->rows_per_tile, pixels - pixel);
        int32_t has_zeros = 0;
        for (uint32_t r = 0; r < rows; r += EW_LANES) {
            const uint32_t count = ew_min_u32(EW_LANES, rows - r);
            ew_rows found;
            ew_staged *to = staged + r * x_row;
            if (is_dense_x) {
                stage_pixels((const float *)operand[0] + (size_t)(pixel + r) * c, c, count, &found,
                             to, x_row);
            } else {
                const pixel_at at = pixel_of(s, pixel + r);
                ew_range ranges;
                if (p->lines) ranges = ranges_of_windows(p, operand[0], group, at, count, &lines);
                stage(p, operand[0], group, at, count, p->lines ? &ranges : NULL, &found, to,
                      x_row);
            }
            for (uint32_t i = 0; i < count; i++) {
                row_scale[r + i] = found.scale[i];
                row_zero[r + i] = (float)-found.zero[i];
                has_zeros |= found.zero[i];
            }
        }
        for (uint32_t panel = first, next; panel < end; panel = next) {
            const size_t packed = (size_t)group * all_panels + panel;
            const uint32_t after = panel + EW_GEMV_B8;
            const int is_vector =
                rows == 1 && blocks == 1 && after <= end && after * EW_COLUMNS <= o;
            next = is_vector ? after : blocks == 1 ? end : panel + 1;
            for (uint32_t r = 0, n; r < rows; r += n) { /* rows of y that lie evenly */
                n = is_dense ? rows - r : ew_min_u32(rows - r, s->ow - (pixel + r) % s->ow);
                for (uint32_t b = 0; b < blocks; b++) {
                    const uint32_t from = b * p->block, segment = from * sizeof(ew_staged);
                    const size_t at = b * padded + packed * EW_COLUMNS;
                    const int is_last = b + 1 == blocks;
                    const uint32_t end_of_block =
                        is_last ? p->steps : (from + p->block) / EW_PER_LANE;
                    ew_gemm_h8 product = {
                        .product = {
                            .x = (const uint8_t *)(staged + r * x_row),
                            .x_row = x_row * sizeof(ew_staged),
                            .segment = &segment,
                            .segments = 1,
                            .steps = end_of_block - from / EW_PER_LANE,
                            .w = (const int8_t *)operand[1] + packed * panel_bytes +
                                 from * EW_COLUMNS,
                            .y = (uint8_t *)((float *)operand[5] + place_of(p, pixel + r) +
                                             group * o + panel * EW_COLUMNS),
                            .y_row = p->y_pixel * sizeof(float),
                            .rows = n,
                            .columns = ew_min_u32((next - panel) * EW_COLUMNS,
                                                  o - panel * EW_COLUMNS),
                            .is_tiled = p->is_tiled,
                        },
                        .scale = (const float *)operand[2] + at,
                        .bias = (const float *)operand[3] + packed * EW_COLUMNS,
                        .sums = (const int32_t *)operand[4] + (EW_PER_LANE == 4 ? at : 0),
                        .row_scale = row_scale + r,
                        .row_zero = row_zero + r,
                        .has_zeros = has_zeros,
                        .is_added = b > 0,
                        .low = is_last ? p->low : -__builtin_inff(),
                        .high = is_last ? p->high : __builtin_inff(),
                    };
                    if (is_vector)
                        EW_NAME(gemv_h8)(&product);
                    else
                        EW_NAME(gemm_h8)(&product);
                }
            }
        }
    }
    if (p->is_tiled) ew_amx_end();
}
#endif
