/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV of floats by 8-bit weights. A tile
 * stages the window of each of its output pixels as a row of 8-bit integers with a scale and a zero
 * point of its own (rows_h8.h), multiplies rows by panels of weights as 8-bit convolutions do, and
 * makes floats of the sums. A pixel's result therefore depends on its window alone. */
#include "gemm_h8.h"
#include "rows_h8.h"

/* Taps [*first, *last) of a kernel axis that lie inside x, where tap 0 reads `at`. */
static void taps_inside(int32_t at, uint32_t kernel, uint32_t dilation, uint32_t size,
                        uint32_t *first, uint32_t *last) {
    uint32_t i = 0, end = kernel;
    while (i < end && at + (int32_t)(i * dilation) < 0) i++;
    while (end > i && at + (int32_t)((end - 1) * dilation) >= (int32_t)size) end--;
    *first = i;
    *last = end;
}

/* The part of an output pixel's window inside x: `lines` lines of `runs` runs of `length` elements,
 * and around it so many elements of padding, of all and of each line. */
typedef struct {
    const float *x;
    uint32_t lines, runs;
    size_t length, above, below, left, right;
} patch;

static patch patch_of(const ew_conv_h8 *p, const float *x, uint32_t group, uint32_t pixel) {
    const ew_window *s = &p->window;
    const uint32_t c = s->c / p->groups, column = pixel % s->ow, line = pixel / s->ow;
    const int32_t at_h = (int32_t)(line % s->oh * s->stride_h - s->pad_top);
    const int32_t at_w = (int32_t)(column * s->stride_w - s->pad_left);
    const int is_run = s->dilation_w == 1 && p->groups == 1; /* a line's taps are neighbours */
    uint32_t top, bottom, left, right;
    taps_inside(at_h, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
    taps_inside(at_w, s->kernel_w, s->dilation_w, s->w, &left, &right);
    if (left == right) bottom = top;
    x += (size_t)(line / s->oh) * s->h * s->w * s->c + group * c;
    if (bottom > top)
        x += ((size_t)(at_h + (int32_t)(top * s->dilation_h)) * s->w +
              (size_t)(at_w + (int32_t)(left * s->dilation_w))) * s->c;
    const size_t row = (size_t)s->kernel_w * c;
    patch found = {
        .x = x,
        .lines = bottom - top,
        .runs = is_run ? 1 : right - left,
        .length = is_run ? (size_t)(right - left) * c : c,
        .above = top * row,
        .below = (s->kernel_h - bottom) * row,
        .left = (size_t)left * c,
        .right = (size_t)(s->kernel_w - right) * c,
    };
    return found;
}

static ew_staged *fill(ew_staged *y, size_t n, ew_staged value) {
    for (size_t e = 0; e < n; e++) y[e] = value;
    return y + n;
}

/* The windows of `count` <= EW_LANES output pixels from `pixel` on, [KH][KW][C / groups] each and
 * x_row elements apart. */
static void stage(const ew_conv_h8 *p, const float *x, uint32_t group, uint32_t pixel,
                  uint32_t count, ew_rows *rows, ew_staged *to, size_t x_row) {
    const ew_window *s = &p->window;
    const size_t x_step = (size_t)s->dilation_w * s->c;
    const size_t x_line = (size_t)s->dilation_h * s->w * s->c;
    patch at[EW_LANES];
    ew_range range[EW_LANES];
    for (uint32_t r = 0; r < EW_LANES; r++) {
        range[r] = ew_no_range();
        if (r >= count) continue;
        at[r] = patch_of(p, x, group, pixel + r);
        for (uint32_t i = 0; i < at[r].lines; i++)
            for (uint32_t j = 0; j < at[r].runs; j++)
                range[r] = ew_range_of(range[r], at[r].x + i * x_line + j * x_step, at[r].length);
    }
    ew_rows_of(range, rows);
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
    ew_rows_of(range, rows);
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
    const ew_window *s = &p->window;
    const uint32_t column = pixel % s->ow, line = pixel / s->ow;
    return p->y_first + (size_t)(line / s->oh) * p->y_image + (size_t)(line % s->oh) * p->y_line +
           (size_t)column * p->y_pixel;
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
        stage(p, operand[0], group, pixel, 1, &row, staged, k);
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
    const size_t x_row = (size_t)ew_divide_up(k, EW_CHUNK) * EW_CHUNK;
    const size_t padded = (size_t)p->groups * all_panels * EW_COLUMNS;
    const size_t panel_bytes = (size_t)ew_divide_up(k, EW_PER_LANE) * EW_PER_LANE * EW_COLUMNS;
    const int is_dense = p->y_line == s->ow * p->y_pixel && p->y_image == s->oh * p->y_line;
    const int is_dense_x = is_pixelwise(p);
    float *row_scale = scratch;
    int32_t *row_zero = (int32_t *)(row_scale + p->rows_per_tile);
    ew_staged *staged = (ew_staged *)(void *)(row_zero + p->rows_per_tile);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t first = tile % panel_tiles * p->panels_per_tile;
        const uint32_t end = ew_min_u32(first + p->panels_per_tile, all_panels);
        const uint32_t pixel = tile / panel_tiles % row_tiles * p->rows_per_tile;
        const uint32_t group = tile / panel_tiles / row_tiles;
        const uint32_t rows = ew_min_u32(p->rows_per_tile, pixels - pixel);
        for (uint32_t r = 0; r < rows; r += EW_LANES) {
            const uint32_t count = ew_min_u32(EW_LANES, rows - r);
            ew_rows found;
            if (is_dense_x)
                stage_pixels((const float *)operand[0] + (size_t)(pixel + r) * c, c, count, &found,
                             staged + r * x_row, x_row);
            else
                stage(p, operand[0], group, pixel + r, count, &found, staged + r * x_row, x_row);
            for (uint32_t i = 0; i < count; i++) {
                row_scale[r + i] = found.scale[i];
                row_zero[r + i] = -found.zero[i];
            }
        }
        for (uint32_t panel = first; panel < end; panel++) {
            const size_t packed = (size_t)group * all_panels + panel;
            for (uint32_t r = 0, n; r < rows; r += n) { /* rows of y that lie evenly */
                n = is_dense ? rows - r : ew_min_u32(rows - r, s->ow - (pixel + r) % s->ow);
                uint32_t after = panel + EW_GEMV_B8;
                const int is_vector =
                    rows == 1 && blocks == 1 && after <= end && after * EW_COLUMNS <= o;
                for (uint32_t b = 0; b < blocks; b++) {
                    const uint32_t from = b * p->block, segment = from * sizeof(ew_staged);
                    const uint32_t length = ew_min_u32(p->block, k - from);
                    const size_t at = b * padded + packed * EW_COLUMNS;
                    const int is_last = b + 1 == blocks;
                    const ew_gemm_h8 product = {
                        .product = {
                            .x = (const uint8_t *)(staged + r * x_row),
                            .x_row = x_row * sizeof(ew_staged),
                            .segment = &segment,
                            .segments = 1,
                            .steps = ew_divide_up(length, EW_PER_LANE),
                            .w = (const int8_t *)operand[1] + packed * panel_bytes +
                                 from * EW_COLUMNS,
                            .y = (uint8_t *)((float *)operand[5] + place_of(p, pixel + r) +
                                             group * o + panel * EW_COLUMNS),
                            .y_row = p->y_pixel * sizeof(float),
                            .rows = n,
                            .columns = ew_min_u32(EW_COLUMNS, o - panel * EW_COLUMNS),
                        },
                        .scale = (const float *)operand[2] + at,
                        .bias = (const float *)operand[3] + packed * EW_COLUMNS,
                        .sums = (const int32_t *)operand[4] + (EW_PER_LANE == 4 ? at : 0),
                        .row_scale = row_scale + r,
                        .row_zero = row_zero + r,
                        .is_added = b > 0,
                        .low = is_last ? p->low : -__builtin_inff(),
                        .high = is_last ? p->high : __builtin_inff(),
                    };
                    if (is_vector)
                        EW_NAME(gemv_h8)(&product);
                    else
                        EW_NAME(gemm_h8)(&product);
                }
                if (is_vector) panel = after - 1;
            }
        }
    }
}
#endif
