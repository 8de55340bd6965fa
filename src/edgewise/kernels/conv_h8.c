/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV of floats by 8-bit weights. A tile
 * stages the window of each of its output pixels as a row of 8-bit integers with a scale and a zero
 * point of its own (rows_h8.h), multiplies rows by panels of weights as 8-bit convolutions do, and
 * makes floats of the sums. A pixel's result therefore depends on its window alone. */
#include "gemm_amx.h"
#include "gemm_h8.h"
#include "stage_h8.h"

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
        const group_weights weights = weights_of_group(operand, group, s->o, o, k, p->block);
        ew_rows row;
        stage(p, operand[0], group, pixel_of(s, pixel), 1, NULL, &row, staged, k);
        multiply_window(&weights, staged, row.scale[0], p->low, p->high,
                        (float *)operand[5] + place_of(p, pixel) + group * o);
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
