/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV of float32 or bfloat16, multiplied as
 * bfloat16: a tile's part of x is staged (stage_bf16.h), or lies in x as it is multiplied.
 *
 * AMX's registers take the rows of a product as all of a tile's lines, one after the other: those
 * between the lines are computed, too, and dropped. vdpbf16ps has no registers to fill: lines are
 * multiplied one by one, runs end where they do, and any pixels of pairs that are windows are
 * multiplied where they lie.
 *
 * Where an image is larger than the second-level cache, reading x and writing y takes most of the
 * time (Emerald Rapids: 18 GB/s from the third level). Fetching the next weights ahead made nothing
 * faster with AMX, nor did pixels that are not a multiple of 512 bytes apart (by 3 %). */
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC) && !defined(EW_SCALAR)
#define EW_NEON_BF16 1
#define EW_LANES 16 /* four of NEON's: what is staged, packed and summed lies as for AMX */
#endif
#include "bfloat.h"
#include "conv_tiles.h"
#include "gemm_amx.h"
#include "gemm_dpbf16.h"

#if !defined(EW_AMX) && !defined(EW_AMD) && !EW_NEON_BF16

/* Columns of a panel, and of a register of weights, whatever the vectors of this build are. */
enum { COLUMNS = 32, LANES = 16, STEPS = 16 };

/* Element i of x, rounded to bfloat16. */
static float element(const ew_conv_bf16 *p, const void *x, size_t i) {
    if (p->x_type == EW_TYPE_bf16) return ew_of_bfloat(((const uint16_t *)x)[i]);
    return ew_of_bfloat(ew_bfloat_of(((const float *)x)[i]));
}

/* The products of a window by the weights of one output. `first`: the element of x where the image
 * and the group begin. */
static float multiplied(const ew_conv_bf16 *p, const void *x, size_t first, uint32_t oy,
                        uint32_t ox, const uint16_t *w) {
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
            const size_t from = first + ((size_t)(line + (int32_t)(i * s->dilation_h)) * s->w +
                                         (uint32_t)(column + (int32_t)(j * s->dilation_w))) * s->c;
            const uint32_t tap = i * s->kernel_w + j, e = p->is_gathered ? tap * c : 0;
            const uint16_t *run = w + (p->is_gathered ? 0 : (size_t)tap * p->steps * 2 * COLUMNS);
            for (uint32_t k = 0; k < c; k++) {
                const uint32_t at = e + k, step = at % (2 * STEPS) / 2;
                const uint16_t *block = run + (size_t)(at / (2 * STEPS)) * 2 * STEPS * COLUMNS;
                sum += element(p, x, from + k) * ew_of_bfloat(block[step * 2 * LANES + at % 2]);
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
        const size_t x = (size_t)t.image * s->h * s->w * s->c + t.group * c;
        for (uint32_t line = t.line; line < t.line + t.lines; line++)
            for (uint32_t column = t.column; column < t.column + t.columns; column++) {
                const size_t y = l->y_first + (size_t)t.image * l->y_image +
                                 (size_t)line * l->y_line + (size_t)column * l->y_pixel +
                                 t.group * o;
                const uint32_t end = ew_min_u32((t.panel + t.panels) * COLUMNS, o);
                for (uint32_t n = t.panel * COLUMNS; n < end; n++) {
                    const uint32_t panel = t.group * panels + n / COLUMNS;
                    const uint16_t *w = (const uint16_t *)operand[1] +
                                        (size_t)panel * segments * p->steps * 2 * COLUMNS;
                    w += n % COLUMNS / LANES * STEPS * LANES * 2 + n % LANES * 2;
                    const float *bias = (const float *)operand[2] + panel * COLUMNS;
                    const float sum = multiplied(p, operand[0], x, line, column, w);
                    const float result = ew_clamp_f32(bias[n % COLUMNS] + sum, p->low, p->high);
                    if (p->y_type == EW_TYPE_bf16)
                        ((uint16_t *)operand[3])[y + n] = ew_bfloat_of(result);
                    else
                        ((float *)operand[3])[y + n] = result;
                }
            }
    }
}

#else

#include "stage_bf16.h"

#if defined(EW_AMD)
/* Whether the rows of a tile's products lie in x. */
static int is_there(const ew_conv_bf16 *p, const ew_conv_tile *t) {
    const ew_window *s = &p->layout.window;
    const int is_pixel = s->kernel_h * s->kernel_w == 1 && !s->pad_top && !s->pad_left;
    const int is_inside = (s->oh - 1) * s->stride_h < s->h && (s->ow - 1) * s->stride_w < s->w;
    const int is_pairs = p->x_type == EW_TYPE_bf16 && s->c / p->layout.groups % 2 == 0;
    EW_UNUSED(t);
    return is_pixel && is_inside && is_pairs;
}

/* The products of a tile, of which `first` is that of its first line by all panels: the lines of x
 * are x_line bytes apart. Those that are neighbours in x and y are multiplied as one; others by the
 * rows of the kernel that lie in x (3x3 of 7x7: 0.9 of the products). */
static void multiply(const ew_conv_bf16 *p, const ew_conv_tile *t, const ew_gemm *first,
                     size_t x_line, uint32_t *place) {
    const ew_window *s = &p->layout.window;
    const size_t bytes = bytes_of(p->y_type), y_line = p->layout.y_line * bytes;
    const size_t run = (size_t)p->steps * EW_COLUMNS * 4;
    const int is_one = x_line == t->columns * first->x_row && y_line == t->columns * first->y_row;
    const uint32_t all = first->columns, rows = t->lines * t->columns;
    ew_gemm_dpbf16 g = {.low = p->low, .high = p->high, .is_narrow = p->y_type == EW_TYPE_bf16};
    EW_UNUSED(place);
    g.pace = ew_divide_up(EW_COLUMNS * 4, rows);
    const size_t fetched = g.pace * first->rows * first->segments * first->steps;
    for (uint32_t n = 0; n < all; n += EW_COLUMNS) {
        const int8_t *w = first->w + n / EW_COLUMNS * first->segments * run;
        g.product = *first;
        g.product.columns = ew_min_u32(all - n, EW_COLUMNS);
        g.product.bias += n, g.product.y += n * bytes, g.product.w = w;
        g.ahead = (const char *)w + first->segments * run;
        if (is_one) g.product.rows = rows;
        for (uint32_t i = 0; i < (is_one ? 1 : t->lines); i++) {
            if (!is_one && !p->is_gathered) {
                const int32_t line = (int32_t)((t->line + i) * s->stride_h - s->pad_top);
                uint32_t top, bottom;
                ew_inside_of(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
                g.product.segment = first->segment + top * s->kernel_w;
                g.product.segments = (bottom - top) * s->kernel_w;
                g.product.w = w + top * s->kernel_w * run;
            }
            EW_NAME(gemm_dpbf16)(&g);
            g.product.x += x_line, g.product.y += y_line, g.ahead += fetched;
        }
    }
}
#else
/* Whether the rows of a tile's products lie in x, and those beyond that registers load, too. */
static int is_there(const ew_conv_bf16 *p, const ew_conv_tile *t) {
    const ew_window *s = &p->layout.window;
    const uint32_t end = t->column + ew_divide_up(t->columns, EW_AMX_TILE) * EW_AMX_TILE;
    const int is_line = s->h == 1 && s->oh == 1 && s->kernel_h == 1 && !s->pad_top;
    const int is_alike = s->w == s->ow && s->kernel_w == 1 && s->stride_w == 1 && !s->pad_left;
    const int is_whole = p->x_type == EW_TYPE_bf16 && s->c == 2 * p->steps * p->layout.groups;
    return is_line && is_alike && is_whole && end <= s->ow;
}

enum { NOWHERE = 0xFFFFFFFF }; /* the place of a row between lines */

/* A product of bfloat16: bias and sums are float32. */
typedef struct {
    ew_gemm product;
    float low, high;
    const uint32_t *place; /* of rows in y, elements; NULL: they are y_row apart */
} ew_gemm_bf16;

/* What results are clamped to. */
typedef struct {
    v_f32 low, high;
} bounds;

EW_INLINE bounds bounds_at(const uint32_t vectors, const ew_gemm_bf16 *g, uint32_t column) {
    const bounds found = {v_splat_f32(g->low), v_splat_f32(g->high)};
    EW_UNUSED(vectors);
    EW_UNUSED(column);
    return found;
}

/* Results of the sums of four vectors, see EW_DEFINE_AMX. */
EW_INLINE void finish_as(const int is_narrow, const uint32_t vectors, const int is_plain,
                         const ew_gemm_bf16 *g, const bounds *around, uint32_t row, uint32_t end,
                         uint32_t column, const int32_t *sums, uint8_t *y) {
    const ew_gemm *p = &g->product;
    const size_t bytes = is_narrow ? 2 : 4;
    EW_UNROLL
    for (uint32_t k = 0; k < 4 / vectors; k++, y += p->y_row) {
        uint8_t *to = y;
        if (!is_plain) {
            if (row + k >= end) break;
            if (g->place) {
                if (g->place[row + k] == NOWHERE) continue;
                to = p->y + (g->place[row + k] + column) * bytes;
            }
        }
        v_f32 sum[4];
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            sum[v] = (v_f32)v_load_s32(sums + k * EW_COLUMNS + v * EW_LANES);
            sum[v] = v_min(around->high, v_max(around->low, sum[v]));
        }
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            uint8_t *at = to + v * EW_LANES * bytes;
            if (!is_plain && p->columns - column < vectors * EW_LANES)
                v_store_first(at, sum[v], p->columns - column - v * EW_LANES, is_narrow);
            else if (is_narrow)
                v_store_bf16((uint16_t *)(void *)at, sum[v]);
            else
                v_store_f32((float *)(void *)at, sum[v]);
        }
    }
}

EW_INLINE void finish(const uint32_t vectors, const int is_plain, const ew_gemm_bf16 *g,
                      const bounds *around, uint32_t row, uint32_t end, uint32_t column,
                      const int32_t *sums, uint8_t *y) {
    finish_as(0, vectors, is_plain, g, around, row, end, column, sums, y);
}

EW_INLINE void finish_narrow(const uint32_t vectors, const int is_plain, const ew_gemm_bf16 *g,
                             const bounds *around, uint32_t row, uint32_t end, uint32_t column,
                             const int32_t *sums, uint8_t *y) {
    finish_as(1, vectors, is_plain, g, around, row, end, column, sums, y);
}

static int is_plain(const ew_gemm_bf16 *g) { return !g->place; }

EW_DEFINE_AMX(gemm_bf16, ew_gemm_bf16, bounds, 1, 4, finish, is_plain)
EW_DEFINE_AMX(gemm_bf16_narrow, ew_gemm_bf16, bounds, 1, 2, finish_narrow, is_plain)

/* The products of a tile, of which `first` is that of its first line: the lines of x are x_line bytes
 * apart. `place` has room for the rows of all. */
static void multiply(const ew_conv_bf16 *p, const ew_conv_tile *t, const ew_gemm *first,
                     size_t x_line, uint32_t *place) {
    const ew_conv_layout *l = &p->layout;
    const uint32_t columns = t->lines > 1 ? (uint32_t)(x_line / first->x_row) : t->columns;
    const int is_even = columns == t->columns && l->y_line == (uint64_t)columns * l->y_pixel;
    ew_gemm_bf16 g = {*first, p->low, p->high, t->lines == 1 || is_even ? NULL : place};
    g.product.rows = (t->lines - 1) * columns + t->columns;
    for (uint32_t row = 0, i = 0, j = 0; row < g.product.rows && g.place; row++) {
        place[row] = j < t->columns ? i * l->y_line + j * l->y_pixel : NOWHERE;
        if (++j == columns) j = 0, i++;
    }
    (p->y_type == EW_TYPE_bf16 ? gemm_bf16_narrow : gemm_bf16)(&g, 1);
}
#endif

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
    const size_t x_bytes = bytes_of(p->x_type), y_bytes = bytes_of(p->y_type);
    ew_amx_begin();
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const ew_conv_tile t = ew_conv_tile_at(l, tile, all_panels);
        const size_t image = (size_t)t.image * s->h * s->w;
        const uint8_t *x = (const uint8_t *)operand[0] + (image * s->c + t.group * c) * x_bytes;
        const size_t at = l->y_first + (size_t)t.image * l->y_image + (size_t)t.line * l->y_line +
                          (size_t)t.column * l->y_pixel + t.group * o + t.panel * EW_COLUMNS;
        const size_t packed = (size_t)t.group * all_panels + t.panel;
        ew_gemm first = {.x = (const uint8_t *)staged, .x_row = (size_t)g.pixel * 2,
                         .segment = segment, .segments = segments, .steps = g.steps,
                         .w = operand[1], .bias = (const int32_t *)operand[2] + packed * EW_COLUMNS,
                         .y = (uint8_t *)operand[3] + at * y_bytes, .y_row = l->y_pixel * y_bytes,
                         .rows = t.columns};
        first.columns = ew_min_u32(t.panels * EW_COLUMNS, o - t.panel * EW_COLUMNS);
        first.w += packed * segments * p->steps * EW_COLUMNS * 4;
        size_t x_line = g.columns * first.x_row;
        if (p->is_gathered) {
            gather_tile(p, &g, &t, x, staged);
        } else if (is_there(p, &t)) {
            const size_t row = s->c * x_bytes, line = s->w * row;
            first.x = x + t.line * s->stride_h * line + t.column * s->stride_w * row;
            first.x_row = s->stride_w * row;
            x_line = s->stride_h * line;
        } else {
            stage_tile(p, &g, &t, x, staged);
        }
        multiply(p, &t, &first, x_line, place);
    }
    ew_amx_end();
}
#endif
