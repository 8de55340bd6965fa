/* CONV_2D and FULLY_CONNECTED of float32, without a copy of x: output pixels whose patches have the
 * same taps inside x form rectangles (the interior, and rows and columns near the border), and
 * taps in the padding are not computed. Neighbouring pixels of a rectangle lie a fixed distance
 * apart in x and in y, which is all that the micro-kernels need to know of them. An image of few
 * pixels is mostly border: it is staged with its padding, and is one rectangle. */
#include "axis.h"
#include "gemm_f32.h"
#include "simd.h"

/* The function for the type of the weights. */
#if EW_LANES > 4
#define EW_BY_HALF(p, name)                                                                        \
    ((p)->w_type == EW_TYPE_f16 ? EW_NAME(name##_f16) : EW_NAME(name##_bf16))
#elif EW_LANES > 1
#define EW_BY_HALF(p, name) EW_NAME(name##_bf16)
#else
#define EW_BY_HALF(p, name) EW_NAME(name##_f32)
#endif
#define EW_BY_TYPE(p, name)                                                                        \
    ((p)->w_type == EW_TYPE_f32 ? EW_NAME(name##_f32) : EW_BY_HALF(p, name))

/* Bytes of weights that stay in the first-level cache: there pixels are multiplied by all panels
 * while they are at hand, else a panel by all pixels. */
enum { EW_NEAR = 16 * 1024 };

/* What does not change during a call: parameters, axes, operands. */
typedef struct {
    const ew_conv_2d_f32 *p;
    axis h, w;
    const float *x, *bias;
    const char *weights;
    float *y;
    uint32_t c, o; /* channels of one group */
    uint32_t depth, panels, whole; /* of the panels, those of two whole vectors */
} conv;

/* Output rows and columns of a tile. Rows count those of all images. */
typedef struct {
    uint32_t group, row, row_end, column, column_end, panel, panel_end;
} tile;

/* Where part `*index` of `size` begins, in parts of `per`; `*index` becomes the part of what is
 * divided next. Small convolutions feel each division. */
static uint32_t part_at(uint32_t size, uint32_t per, uint32_t *index) {
    if (size <= per) return 0;
    uint32_t parts = ew_divide_up(size, per), part = *index % parts;
    *index /= parts;
    return part * per;
}

static tile tile_at(const conv *k, uint32_t index) {
    const ew_conv_2d_f32 *p = k->p;
    const ew_window *w = &p->window;
    uint32_t rows = w->n * w->oh;
    tile t;
    t.panel = part_at(k->panels, p->panels_per_tile, &index);
    t.column = part_at(w->ow, p->columns_per_tile, &index);
    t.row = part_at(rows, p->rows_per_tile, &index);
    t.group = index;
    t.panel_end = ew_min_u32(t.panel + p->panels_per_tile, k->panels);
    t.column_end = ew_min_u32(t.column + p->columns_per_tile, w->ow);
    t.row_end = ew_min_u32(t.row + p->rows_per_tile, rows);
    return t;
}

/* Panel `index` of a tile, with which `blocks` blocks of pixels are going to be multiplied. */
static ew_panel panel_at(const conv *k, const tile *t, uint32_t index, uint32_t blocks) {
    uint32_t bytes = k->p->w_type == EW_TYPE_f32 ? sizeof(float) : sizeof(uint16_t);
    size_t first = (size_t)t->group * ew_divide_up(k->o, EW_LANES) * EW_LANES;
    ew_panel panel = ew_panel_at(k->weights + first * k->depth * bytes, bytes, k->bias + first,
                                 k->depth, k->o, index, blocks);
    panel.low = k->p->low;
    panel.high = k->p->high;
    return panel;
}

/* At most EW_FEW neighbouring pixels, by all panels of a tile. */
static void few(const conv *k, const tile *t, const ew_patch *patch, uint32_t n, const float *x,
                size_t x_stride, float *y, size_t y_stride) {
    for (uint32_t i = t->panel, done; i < t->panel_end; i += done) {
        ew_panel panel = panel_at(k, t, i, 1);
        uint32_t end = ew_min_u32(t->panel_end, k->whole), whole = end > i ? end - i : 0;
        float *to = y + (size_t)i * 2 * EW_LANES;
        done = EW_BY_TYPE(k->p, gemm_few)(patch, &panel, whole, n, x, x_stride, to, y_stride);
        if (done) continue;
        EW_BY_TYPE(k->p, gemm)(patch, &panel, n, x, x_stride, to, y_stride);
        done = 1;
    }
}

/* The pixels [oy, oy_end) x [ox, ox_end) of an image, alike in their taps, of one panel, or where
 * these are few, of all panels (`panel` is NULL). x and y are those of the image and group. */
static void rectangle(const conv *k, const tile *t, ew_panel *panel, const float *x, float *y,
                      uint32_t oy, uint32_t oy_end, uint32_t ox, uint32_t ox_end) {
    const ew_conv_2d_f32 *p = k->p;
    const ew_window *w = &p->window;
    uint32_t height = oy_end - oy, width = ox_end - ox;
    uint32_t n = width >= height ? width : height, lines = width >= height ? height : width;
    if ((n <= EW_FEW) != (panel == NULL)) return;
    taps v = taps_at(&k->h, oy), u = taps_at(&k->w, ox);
    uint32_t columns = u.last - u.first, taps_h = v.last - v.first;
    size_t x_line = (size_t)w->dilation_h * w->w * w->c, k_line = (size_t)w->kernel_w * k->c;
    int dense = w->dilation_w == 1 && p->groups == 1; /* neighbouring taps are neighbours in x */
    ew_patch patch = {.planes = 1,
                      .rows = dense ? 1 : taps_h,
                      .columns = dense ? taps_h : columns,
                      .length = dense ? columns * k->c : k->c,
                      .x_row = x_line,
                      .x_column = dense ? x_line : (size_t)w->dilation_w * w->c,
                      .k_first = ((size_t)v.first * w->kernel_w + u.first) * k->c,
                      .k_row = k_line,
                      .k_column = dense ? k_line : k->c};
    size_t x_column = (size_t)w->stride_w * w->c, x_row = (size_t)w->stride_h * w->w * w->c;
    if (columns == 0 || taps_h == 0) {
        patch.rows = 0;
    } else {
        uint32_t line = oy * w->stride_h + v.first * w->dilation_h - w->pad_top;
        uint32_t at = ox * w->stride_w + u.first * w->dilation_w - w->pad_left;
        x += ((size_t)line * w->w + at) * w->c;
    }
    y += (size_t)oy * p->y_line + (size_t)ox * p->y_pixel;
    int wide = width >= height;
    size_t x_step = wide ? x_column : x_row, y_step = wide ? p->y_pixel : p->y_line;
    size_t x_next = wide ? x_row : x_column, y_next = wide ? p->y_line : p->y_pixel;
    for (uint32_t i = 0; i < lines; i++, x += x_next, y += y_next)
        if (panel)
            EW_BY_TYPE(p, gemm)(&patch, panel, n, x, x_step, y, y_step);
        else
            few(k, t, &patch, n, x, x_step, y, y_step);
}

/* The pixels of a tile: those of long rectangles by one panel, those of short ones by all. */
static void rectangles(const conv *k, const tile *t, ew_panel *panel, uint32_t first) {
    const ew_window *w = &k->p->window;
    for (uint32_t row = t->row, row_end; row < t->row_end; row = row_end) {
        uint32_t image = w->n == 1 ? 0 : row / w->oh, top = image * w->oh;
        uint32_t oy = row - top, last = ew_min_u32(t->row_end - top, w->oh);
        const float *x = k->x + (size_t)image * w->h * w->w * w->c + (size_t)t->group * k->c;
        float *y = k->y + (size_t)image * k->p->y_image + (size_t)t->group * k->o + first;
        row_end = top + alike_until(&k->h, oy, last);
        for (uint32_t ox = t->column, ox_end; ox < t->column_end; ox = ox_end) {
            ox_end = alike_until(&k->w, ox, t->column_end);
            rectangle(k, t, panel, x, y, oy, row_end - top, ox, ox_end);
        }
    }
}

/* All pixels of a tile are alike. */
static int is_rectangle(const conv *k, const tile *t) {
    return k->p->window.n == 1 && t->row >= k->h.whole && t->row_end <= k->h.whole_end &&
           t->column >= k->w.whole && t->column_end <= k->w.whole_end;
}

static void convolve(const ew_conv_2d_f32 *p, const float *x, const void *weights,
                     const float *bias, float *y, uint32_t tile_begin, uint32_t tile_end) {
    const ew_window *w = &p->window;
    conv k = {.p = p,
              .h = axis_of(w->h, w->kernel_h, w->stride_h, w->dilation_h, w->pad_top, w->oh),
              .w = axis_of(w->w, w->kernel_w, w->stride_w, w->dilation_w, w->pad_left, w->ow),
              .x = x,
              .weights = weights,
              .bias = bias,
              .y = y + p->y_first,
              .c = p->groups == 1 ? w->c : w->c / p->groups,
              .o = p->groups == 1 ? w->o : w->o / p->groups};
    k.depth = w->kernel_h * w->kernel_w * k.c;
    k.panels = ew_panels(k.o);
    k.whole = k.o == k.panels * 2 * EW_LANES ? k.panels : k.panels - 1;
    const int is_near = k.depth * k.o * (uint64_t)sizeof(float) <= EW_NEAR;
    for (uint32_t index = tile_begin; index < tile_end; index++) {
        tile t = tile_at(&k, index);
        uint32_t rows = t.row_end - t.row, columns = t.column_end - t.column;
        uint32_t pixels = rows * columns;
        uint32_t blocks = rows * ew_blocks(columns, (size_t)w->stride_w * w->c);
        int has_short = !is_rectangle(&k, &t) || (rows <= EW_FEW && columns <= EW_FEW);
        if (has_short) rectangles(&k, &t, NULL, 0);
        for (uint32_t i = pixels > EW_FEW ? t.panel : t.panel_end, n; i < t.panel_end; i += n) {
            ew_panel panel = panel_at(&k, &t, i, blocks);
            if (i == t.panel && k.depth == k.c) panel.x_pace = sizeof(float);
            n = panel.count = is_near && i < k.whole ? ew_min_u32(t.panel_end, k.whole) - i : 1;
            rectangles(&k, &t, &panel, i * 2 * EW_LANES);
        }
    }
}

/* The elements of x, of `size` pixels or lines, that lie inside a staged axis of `staged`: `count`
 * from `from` on, which come to `to`. */
typedef struct {
    uint32_t from, to, count;
} overlap;

static overlap overlap_of(uint32_t size, uint32_t pad, uint32_t staged) {
    int32_t before = (int32_t)pad; /* negative where x begins before what is staged */
    overlap o = {.from = before < 0 ? -pad : 0, .to = before > 0 ? pad : 0};
    int32_t count = ew_min_s32((int32_t)(size - o.from), (int32_t)(staged - o.to));
    o.count = (uint32_t)ew_max_s32(count, 0);
    return o;
}

/* The parameters of one image that is staged at `to`, with all windows inside. */
static ew_conv_2d_f32 stage(const ew_conv_2d_f32 *p, const float *x, float *to) {
    const ew_window *w = &p->window;
    ew_conv_2d_f32 staged = *p;
    uint32_t h = (w->oh - 1) * w->stride_h + (w->kernel_h - 1) * w->dilation_h + 1;
    uint32_t columns = (w->ow - 1) * w->stride_w + (w->kernel_w - 1) * w->dilation_w + 1;
    overlap v = overlap_of(w->h, w->pad_top, h), u = overlap_of(w->w, w->pad_left, columns);
    size_t line = (size_t)columns * w->c, bytes = (size_t)u.count * w->c * sizeof(float);
    for (size_t i = 0, n = h * line; i < n; i += EW_LANES)
        v_store_first_f32(to + i, v_splat_f32(0), n - i < EW_LANES ? (uint32_t)(n - i) : EW_LANES);
    x += ((size_t)v.from * w->w + u.from) * w->c;
    to += v.to * line + (size_t)u.to * w->c;
    for (uint32_t i = 0; i < v.count; i++, x += (size_t)w->w * w->c, to += line)
        ew_copy((uint8_t *)to, (const uint8_t *)x, bytes);
    staged.window.n = 1;
    staged.window.h = h;
    staged.window.w = columns;
    staged.window.pad_top = staged.window.pad_left = 0;
    return staged;
}

EW_DEFINE(conv_2d_f32) {
    const ew_conv_2d_f32 *p = params;
    const float *x = operand[0];
    float *y = operand[3];
    if (!p->is_staged) {
        convolve(p, x, operand[1], operand[2], y, tile_begin, tile_end);
        return;
    }
    for (uint32_t i = tile_begin; i < tile_end; i++) {
        size_t image = (size_t)p->window.h * p->window.w * p->window.c;
        const ew_conv_2d_f32 staged = stage(p, x + i * image, scratch);
        convolve(&staged, scratch, operand[1], operand[2], y + (size_t)i * p->y_image, 0, 1);
    }
}

/* Columns [first, first + columns) of a group, [dims..] steps of `width` columns, 0 beyond. Sixteen
 * steps at a time, so that the rows written stay in the cache. */
static void pack_columns(const ew_pack_weights *p, const float *w, uint32_t columns, uint32_t width,
                         float *to) {
    enum { STEPS = 16 };
    const uint32_t rows = p->dims[0] * p->dims[1] * p->dims[2], last = p->dims[3];
    for (uint32_t row = 0; row < rows; row++, to += (size_t)last * width) {
        const uint32_t line = row / p->dims[2];
        const float *from = w + (ptrdiff_t)(line / p->dims[1]) * p->stride[2] +
                            (ptrdiff_t)(line % p->dims[1]) * p->stride[3] +
                            (ptrdiff_t)(row % p->dims[2]) * p->stride[4];
        for (uint32_t i = 0; i < last; i += STEPS)
            for (uint32_t c = 0; c < width; c++)
                for (uint32_t j = i; j < ew_min_u32(last, i + STEPS); j++)
                    to[(size_t)j * width + c] =
                        c < columns ? from[(ptrdiff_t)c * p->stride[1] + (ptrdiff_t)j * p->stride[5]]
                                    : 0.0f;
    }
}

EW_DEFINE(pack_weights_f32) {
    const ew_pack_weights *p = params;
    const uint32_t panels = ew_panels(p->o), vectors = ew_divide_up(p->o, EW_LANES);
    const size_t k = (size_t)p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3];
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t group = tile / panels, panel = tile % panels;
        const uint32_t first = 2 * EW_LANES * panel; /* the last panel may have three vectors */
        const uint32_t width = panel + 1 < panels ? 2 * EW_LANES : vectors * EW_LANES - first;
        const float *w = (const float *)operand[0] + p->first + (ptrdiff_t)group * p->stride[0];
        float *to = (float *)operand[1] + k * ((size_t)group * vectors * EW_LANES + first);
        pack_columns(p, w + (ptrdiff_t)first * p->stride[1], ew_min_u32(p->o - first, width), width,
                     to);
    }
}
