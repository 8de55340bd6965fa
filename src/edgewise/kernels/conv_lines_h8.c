/* CONV_2D of floats by few 8-bit weights under windows that overlap. All windows of a line of
 * outputs are quantized alike, by the range of the lines of x under them: each element is then
 * quantized once for every line of the kernel that reads it, not once for every window (conv_h8.c),
 * and windows lie in the staged lines, as in conv_b8.c. Lines that lie there quantized alike for
 * the outputs before stay. A network of 3x3 layers of 16 to 64 channels (tiny_resnet8) takes 0.72
 * of the time with AVX-512, 0.85 with AVX2 and in plain C, 0.90 with SSE2 (Zen 4). */
#include "gemm_h8.h"
#include "patches_h8.h"

/* What is kept of a line of x, which may be beyond it: its range, found (rows_h8.h), as bits, and
 * how it has been staged. Of the lines under a window, i is at (i + pad_top) % their number. */
typedef struct {
    int32_t line, high, deep, is_staged;
    ew_row row;
} kept_line;

static uint32_t span_of(const ew_window *s) { return (s->kernel_h - 1) * s->dilation_h + 1; }

static void keep_none(const ew_window *s, kept_line *kept) {
    for (uint32_t i = 0; i < span_of(s); i++) kept[i].line = INT32_MIN;
}

static void keep_line(const ew_conv_layout *p, const float *x, uint32_t group, int32_t line,
                      kept_line *kept) {
    const ew_window *s = &p->window;
    const uint32_t c = ew_of_group(s->c, p->groups);
    ew_range range = ew_no_range();
    const int is_inside = line >= 0 && line < (int32_t)s->h;
    const float *from = x + (is_inside ? (size_t)line * s->w * s->c : 0) + group * c;
    if (is_inside && c == s->c)
        range = ew_range_of(range, from, (size_t)s->w * c);
    else if (is_inside)
        for (uint32_t j = 0; j < s->w; j++) range = ew_range_of(range, from + j * s->c, c);
    range = ew_range_alone(range);
    __builtin_memcpy(&kept->high, &range.high, sizeof kept->high);
    __builtin_memcpy(&kept->deep, &range.deep, sizeof kept->deep);
    kept->line = line;
    kept->is_staged = 0;
}

/* How the windows of a line of outputs are quantized, of which tap 0 reads line `top` of x. */
static ew_rows rows_under(const ew_conv_layout *p, const float *x, uint32_t group, int32_t top,
                          kept_line *kept) {
    const ew_window *s = &p->window;
    int32_t high = 0, deep = 0;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        const int32_t line = top + (int32_t)(i * s->dilation_h);
        kept_line *const of = kept + (uint32_t)(line + (int32_t)s->pad_top) % span_of(s);
        if (of->line != line) keep_line(p, x, group, line, of);
        high = ew_max_s32(high, of->high);
        deep = ew_max_s32(deep, of->deep);
    }
    const ew_range all = {v_splat_s32(high), v_splat_s32(deep)};
    ew_rows rows;
    ew_rows_of(all, &rows);
    return rows;
}

#if EW_LANES == 1

EW_DEFINE(conv_2d_lines_h8) {
    const ew_conv_lines_h8 *p = params;
    const ew_conv_layout *l = &p->layout;
    const ew_window *s = &l->window;
    const uint32_t c = s->c / l->groups, o = s->o / l->groups, k = s->kernel_h * s->kernel_w * c;
    kept_line *kept = scratch;
    ew_staged *staged = (ew_staged *)(kept + span_of(s));
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t oy = tile % s->oh, image = tile / s->oh % s->n, group = tile / s->oh / s->n;
        const float *x = (const float *)operand[0] + (size_t)image * s->h * s->w * s->c;
        const group_weights weights = weights_of_group(operand, group, s->o, o, k, k);
        float *y = (float *)operand[5] + l->y_first + (size_t)image * l->y_image +
                   (size_t)oy * l->y_line + group * o;
        keep_none(s, kept); /* of this image and group */
        const ew_rows rows =
            rows_under(l, x, group, (int32_t)(oy * s->stride_h - s->pad_top), kept);
        pixel_at at = {image, oy, 0};
        for (; at.column < s->ow; at.column++, y += l->y_pixel) {
            patch window = {0}; /* of one all inside x, the padding is not set */
            find_patches(s, l->groups, operand[0], group, at, 1, &window);
            quantize_patch(s, &window, ew_row_at(&rows, 0), staged);
            multiply_window(&weights, staged, rows.scale[0], p->low, p->high, y);
        }
    }
}

#else

/* The columns of x under a tile, of one group: [first, last) of `columns` are inside x. */
typedef struct {
    const float *x; /* element `first` of line 0 */
    uint32_t columns, first, last, runs;
    size_t length; /* of a run; runs are s->c apart */
} columns_of_x;

static columns_of_x columns_under(const ew_conv_layout *p, const ew_staging *g, const float *x,
                                  const ew_conv_tile *t) {
    const ew_window *s = &p->window;
    const uint32_t c = ew_of_group(s->c, p->groups);
    const int32_t left = (int32_t)(t->column * s->stride_w - s->pad_left);
    columns_of_x of;
    of.columns = (t->columns - 1) * g->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    ew_inside_of(left, of.columns, 1, s->w, &of.first, &of.last);
    of.runs = c == s->c ? of.last > of.first : of.last - of.first;
    of.length = c == s->c ? (size_t)(of.last - of.first) * c : c;
    of.x = x + t->group * c;
    if (of.last > of.first) of.x += (size_t)(left + (int32_t)of.first) * s->c;
    return of;
}

/* Line `line` of x, which may be beyond it. */
static void stage_line(const ew_window *s, const columns_of_x *of, size_t c, ew_row row,
                       int32_t line, ew_staged *to) {
    const ew_staged zero = ew_staged_zero(row);
    if (line < 0 || line >= (int32_t)s->h) {
        ew_fill(to, of->columns * c, zero);
        return;
    }
    const float *from = of->x + (size_t)line * s->w * s->c;
    to = ew_fill(to, of->first * c, zero);
    for (uint32_t i = 0; i < of->runs; i++, from += s->c, to += of->length)
        ew_quantize_run(row, from, of->length, to);
    ew_fill(to, (of->columns - of->last) * c, zero);
}

/* Stages the lines under the windows of which tap 0 reads line `top`, but for those that lie there
 * quantized alike, and finds the bytes from x's row to each run. */
static void stage_lines(const ew_conv_layout *p, const ew_staging *g, const columns_of_x *of,
                        ew_row row, int32_t top, kept_line *kept, uint8_t *staged,
                        uint32_t *segment) {
    const ew_window *s = &p->window;
    const uint32_t c = ew_of_group(s->c, p->groups);
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        const int32_t line = top + (int32_t)(i * s->dilation_h);
        const uint32_t slot = (uint32_t)(line + (int32_t)s->pad_top) % span_of(s);
        kept_line *const at = kept + slot;
        const size_t begin = slot * g->pitch;
        for (uint32_t run = 0; run < g->runs; run++)
            *segment++ = (uint32_t)(begin + run * s->dilation_w * c * sizeof(ew_staged));
        if (at->is_staged && at->row.inverse == row.inverse && at->row.zero == row.zero) continue;
        stage_line(s, of, c, row, line, (ew_staged *)(void *)(staged + begin));
        at->is_staged = 1;
        at->row = row;
    }
}

EW_DEFINE(conv_2d_lines_h8) {
    const ew_conv_lines_h8 *p = params;
    const ew_conv_layout *l = &p->layout;
    const ew_window *s = &l->window;
    const ew_staging g = ew_staging_of(l, sizeof(ew_staged));
    const uint32_t c = ew_of_group(s->c, l->groups), o = ew_of_group(s->o, l->groups);
    const uint32_t all_panels = ew_divide_up(o, EW_COLUMNS), segments = s->kernel_h * g.runs;
    const size_t panel_bytes = (size_t)segments * p->steps * EW_COLUMNS * EW_PER_LANE;
    uint32_t *segment = scratch;
    float *row_scale = (float *)(segment + segments), *row_zero = row_scale + l->columns_per_tile;
    kept_line *kept = (kept_line *)(void *)(row_zero + l->columns_per_tile);
    uint8_t *staged = ew_aligned(kept + span_of(s));
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const ew_conv_tile t = ew_conv_tile_at(l, tile, all_panels);
        const float *x = (const float *)operand[0] + (size_t)t.image * s->h * s->w * s->c;
        const columns_of_x under = columns_under(l, &g, x, &t);
        const size_t packed = (size_t)t.group * all_panels + t.panel;
        const uint32_t channel = t.panel * EW_COLUMNS;
        keep_none(s, kept);
        for (uint32_t line = t.line; line < t.line + t.lines; line++) {
            const int32_t top = (int32_t)(line * s->stride_h - s->pad_top);
            const ew_rows rows = rows_under(l, x, t.group, top, kept);
            const ew_row row = ew_row_at(&rows, 0);
            stage_lines(l, &g, &under, row, top, kept, staged, segment);
            for (uint32_t i = 0; i < t.columns; i++) {
                row_scale[i] = rows.scale[0];
                row_zero[i] = (float)-row.zero;
            }
            float *y = (float *)operand[5] + l->y_first + (size_t)t.image * l->y_image +
                       (size_t)line * l->y_line + (size_t)t.column * l->y_pixel + t.group * o;
            ew_gemm_h8 product = {
                .product = {
                    .x = staged,
                    .x_row = (size_t)g.stride_w * c * sizeof(ew_staged),
                    .segment = segment,
                    .segments = segments,
                    .steps = p->steps,
                    .w = (const int8_t *)operand[1] + packed * panel_bytes,
                    .y = (uint8_t *)(y + channel),
                    .y_row = l->y_pixel * sizeof(float),
                    .rows = t.columns,
                    .columns = ew_min_u32(t.panels * EW_COLUMNS, o - channel),
                },
                .scale = (const float *)operand[2] + packed * EW_COLUMNS,
                .bias = (const float *)operand[3] + packed * EW_COLUMNS,
                .sums = (const int32_t *)operand[4] + (EW_PER_LANE == 4 ? packed * EW_COLUMNS : 0),
                .row_scale = row_scale,
                .row_zero = row_zero,
                .has_zeros = row.zero,
                .low = p->low,
                .high = p->high,
            };
            EW_NAME(gemm_h8)(&product);
        }
    }
}
#endif
