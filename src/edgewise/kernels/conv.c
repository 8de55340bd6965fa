/* CONV_2D and FULLY_CONNECTED as matrix products over blocks of output pixels.
 *
 * A tile gathers its input patches into scratch (int8: widened to s16 without the zero point, so
 * that padding is 0 and uint8 costs nothing more), then runs a 6 x EW_PANEL micro-kernel over
 * packed panels of weights. Pointwise float convolutions read x in place. Sums run over all of K in
 * one go: results do not depend on tiling or threads. */
#include "kernel.h"

enum { ROWS = 6, VECTORS = 2, COLUMNS = VECTORS * EW_LANES };

typedef struct {
    uint32_t group, first_row, rows, first_panel, panels;
} tile_of_conv;

static tile_of_conv tile_at(const ew_conv_2d *p, uint32_t tile) {
    const ew_window *s = &p->window;
    uint32_t total = s->n * s->oh * s->ow;
    uint32_t all_panels = ew_divide_up(s->o / p->groups, EW_PANEL);
    uint32_t columns = ew_divide_up(all_panels, p->panels_per_tile);
    uint32_t rows = ew_divide_up(total, p->rows_per_tile);
    tile_of_conv t;
    t.first_panel = tile % columns * p->panels_per_tile;
    t.panels = ew_min_u32(p->panels_per_tile, all_panels - t.first_panel);
    t.first_row = tile / columns % rows * p->rows_per_tile;
    t.rows = ew_min_u32(p->rows_per_tile, total - t.first_row);
    t.group = tile / columns / rows;
    return t;
}

/* For every row of every patch of the tile, in order: the run of neighbouring kernel columns that
 * lies inside x. `before`, `inside` and `after` count its columns (the outer ones are padding) and
 * `source` is the element of the first one inside. With a dilation, runs are single columns. */
#define FOR_EACH_RUN(p, t, body)                                                                   \
    do {                                                                                           \
        const ew_window *s = &(p)->window;                                                         \
        uint32_t ox = (t)->first_row % s->ow, oy = (t)->first_row / s->ow % s->oh;                 \
        uint32_t image = (t)->first_row / s->ow / s->oh;                                           \
        uint32_t run = s->dilation_w == 1 ? s->kernel_w : 1;                                       \
        for (uint32_t row = 0; row < (t)->rows; row++) {                                           \
            for (uint32_t i = 0; i < s->kernel_h; i++) {                                           \
                uint32_t line = oy * s->stride_h + i * s->dilation_h - s->pad_top;                 \
                for (uint32_t j = 0; j < s->kernel_w; j += run) {                                  \
                    int32_t at = (int32_t)(ox * s->stride_w + j * s->dilation_w - s->pad_left);    \
                    int32_t first = ew_max_s32(at, 0);                                             \
                    int32_t last = ew_min_s32(at + (int32_t)run, (int32_t)s->w);                   \
                    if (line >= s->h || last <= first) first = last = at + (int32_t)run;           \
                    uint32_t before = (uint32_t)(first - at), inside = (uint32_t)(last - first);   \
                    uint32_t after = run - before - inside;                                        \
                    size_t source = (((size_t)image * s->h + line) * s->w + (uint32_t)first) * s->c; \
                    body                                                                           \
                }                                                                                  \
            }                                                                                      \
            if (++ox == s->ow) {                                                                   \
                ox = 0;                                                                            \
                if (++oy == s->oh) oy = 0, image++;                                                \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* rows x COLUMNS of a [rows, k] @ b [k, EW_PANEL], plus bias, clamped. */
EW_INLINE void gemm_f32(const uint32_t rows, const float *a, size_t a_stride, const float *b,
                        uint32_t k, const float *bias, const ew_conv_2d *p, float *y,
                        size_t y_stride) {
    v_f32 acc[ROWS][VECTORS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < VECTORS; v++) acc[r][v] = v_load_f32(bias + v * EW_LANES);
    for (uint32_t i = 0; i < k; i++, b += EW_PANEL) {
        v_f32 w[VECTORS];
        for (uint32_t v = 0; v < VECTORS; v++) w[v] = v_load_f32(b + v * EW_LANES);
        for (uint32_t r = 0; r < rows; r++) {
            v_f32 x = v_splat_f32(a[r * a_stride + i]);
            for (uint32_t v = 0; v < VECTORS; v++) acc[r][v] = v_fma(x, w[v], acc[r][v]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < VECTORS; v++) {
            v_f32 out = v_max(v_splat_f32(p->low_f32), acc[r][v]);
            v_store_f32(y + r * y_stride + v * EW_LANES, v_min(v_splat_f32(p->high_f32), out));
        }
}

/* The same on pairs of s16: a [rows, 2 * pairs] @ b [pairs, EW_PANEL, 2]. */
EW_INLINE void gemm_s16(const uint32_t rows, const int16_t *a, size_t a_stride, const int16_t *b,
                        uint32_t pairs, const int32_t *bias, const float *scale,
                        const ew_conv_2d *p, uint8_t *y, size_t y_stride) {
    v_s32 acc[ROWS][VECTORS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < VECTORS; v++) acc[r][v] = v_load_s32(bias + v * EW_LANES);
    for (uint32_t i = 0; i < pairs; i++, b += 2 * EW_PANEL) {
        v_s32 w[VECTORS];
        for (uint32_t v = 0; v < VECTORS; v++) w[v] = v_load_s32(b + 2 * v * EW_LANES);
        for (uint32_t r = 0; r < rows; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, a + r * a_stride + 2 * i, sizeof pair);
            v_s32 x = v_splat_s32(pair);
            for (uint32_t v = 0; v < VECTORS; v++) acc[r][v] = v_dot_s16(x, w[v], acc[r][v]);
        }
    }
    float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    for (uint32_t v = 0; v < VECTORS; v++) {
        v_f32 s = v_load_f32(scale + v * EW_LANES);
        for (uint32_t r = 0; r < rows; r++)
            v_store_b8(y + r * y_stride + v * EW_LANES,
                       v_requantize(acc[r][v], s, low, high, p->y_zero));
    }
}

/* The micro-kernels for each number of rows. Functions of their own: inlined into the loops around
 * them, clang 22 spills one of the twelve accumulators, which halves the speed. */
#define DEFINE_ROWS(rows)                                                                          \
    static __attribute__((noinline)) void gemm_f32_##rows(                                         \
        const float *a, size_t a_stride, const float *b, uint32_t k, const float *bias,            \
        const ew_conv_2d *p, float *y, size_t y_stride) {                                          \
        gemm_f32(rows, a, a_stride, b, k, bias, p, y, y_stride);                                   \
    }                                                                                              \
    static __attribute__((noinline)) void gemm_s16_##rows(                                         \
        const int16_t *a, size_t a_stride, const int16_t *b, uint32_t pairs, const int32_t *bias,  \
        const float *scale, const ew_conv_2d *p, uint8_t *y, size_t y_stride) {                    \
        gemm_s16(rows, a, a_stride, b, pairs, bias, scale, p, y, y_stride);                        \
    }
DEFINE_ROWS(1)
DEFINE_ROWS(2)
DEFINE_ROWS(3)
DEFINE_ROWS(4)
DEFINE_ROWS(5)
DEFINE_ROWS(6)

#define FOR_ROWS(rows, name, ...)                                                                  \
    switch (rows) {                                                                                \
        case 6: name##_6(__VA_ARGS__); break;                                                      \
        case 5: name##_5(__VA_ARGS__); break;                                                      \
        case 4: name##_4(__VA_ARGS__); break;                                                      \
        case 3: name##_3(__VA_ARGS__); break;                                                      \
        case 2: name##_2(__VA_ARGS__); break;                                                      \
        default: name##_1(__VA_ARGS__); break;                                                     \
    }

static void panel_f32(uint32_t rows, const float *a, size_t a_stride, const float *b, uint32_t k,
                      const float *bias, const ew_conv_2d *p, uint32_t columns, float *y) {
    for (uint32_t c = 0; c < columns; c += COLUMNS) {
        float edge[ROWS * COLUMNS];
        int whole = c + COLUMNS <= columns;
        float *to = whole ? y + c : edge;
        size_t stride = whole ? p->window.o : COLUMNS;
        FOR_ROWS(rows, gemm_f32, a, a_stride, b + c, k, bias + c, p, to, stride)
        for (uint32_t r = 0; !whole && r < rows; r++)
            for (uint32_t i = 0; i < columns - c; i++)
                y[(size_t)r * p->window.o + c + i] = edge[r * COLUMNS + i];
    }
}

static void panel_s16(uint32_t rows, const int16_t *a, size_t a_stride, const int16_t *b,
                      uint32_t pairs, const int32_t *bias, const float *scale, const ew_conv_2d *p,
                      uint32_t columns, uint8_t *y) {
    for (uint32_t c = 0; c < columns; c += COLUMNS) {
        uint8_t edge[ROWS * COLUMNS];
        int whole = c + COLUMNS <= columns;
        uint8_t *to = whole ? y + c : edge;
        size_t stride = whole ? p->window.o : COLUMNS;
        FOR_ROWS(rows, gemm_s16, a, a_stride, b + 2 * c, pairs, bias + c, scale + c, p, to, stride)
        for (uint32_t r = 0; !whole && r < rows; r++)
            ew_copy(y + (size_t)r * p->window.o + c, edge + r * COLUMNS, columns - c);
    }
}

static void gather_f32(const ew_conv_2d *p, const tile_of_conv *t, const float *x, float *to) {
    uint32_t c = p->window.c / p->groups;
    FOR_EACH_RUN(p, t, {
        for (uint32_t e = 0; e < before * c; e++) *to++ = 0.0f;
        if (p->groups == 1) {
            for (uint32_t e = 0; e < inside * c; e++) to[e] = x[source + e];
            to += inside * c;
        }
        for (uint32_t k = 0; p->groups > 1 && k < inside; k++)
            for (uint32_t e = 0; e < c; e++)
                *to++ = x[source + (size_t)k * s->c + t->group * c + e];
        for (uint32_t e = 0; e < after * c; e++) *to++ = 0.0f;
    });
}

EW_DEFINE(conv_2d_f32) {
    const ew_conv_2d *p = params;
    const ew_window *w = &p->window;
    const float *x = operand[0], *weights = operand[1], *bias = operand[2];
    float *y = operand[3];
    uint32_t c = w->c / p->groups, o = w->o / p->groups, k = w->kernel_h * w->kernel_w * c;
    uint32_t all_panels = ew_divide_up(o, EW_PANEL);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        tile_of_conv t = tile_at(p, tile);
        const float *a = x + (size_t)t.first_row * w->c + t.group * c;
        size_t a_stride = w->c;
        if (!p->is_pointwise) {
            gather_f32(p, &t, x, scratch);
            a = scratch;
            a_stride = k;
        }
        for (uint32_t panel = t.first_panel; panel < t.first_panel + t.panels; panel++) {
            size_t packed = (size_t)t.group * all_panels + panel;
            uint32_t columns = ew_min_u32(EW_PANEL, o - panel * EW_PANEL);
            for (uint32_t r = 0; r < t.rows; r += ROWS)
                panel_f32(ew_min_u32(ROWS, t.rows - r), a + r * a_stride, a_stride,
                          weights + packed * k * EW_PANEL, k, bias + packed * EW_PANEL, p, columns,
                          y + (size_t)(t.first_row + r) * w->o + t.group * o + panel * EW_PANEL);
        }
    }
}

/* Elements of x without the zero point; with a constant is_signed the loop is vectorised. */
EW_INLINE void widen(int16_t *y, const uint8_t *x, uint32_t n, int32_t zero, uint32_t is_signed) {
    for (uint32_t e = 0; e < n; e++) y[e] = (int16_t)(ew_stored(x, e, is_signed) - zero);
}

EW_INLINE void gather_b8(const ew_conv_2d *p, const tile_of_conv *t, const uint8_t *x,
                         int16_t *to, const uint32_t is_signed) {
    uint32_t c = p->window.c / p->groups, k = p->window.kernel_h * p->window.kernel_w * c;
    uint32_t filled = 0;
    FOR_EACH_RUN(p, t, {
        for (uint32_t e = 0; e < before * c; e++) *to++ = 0;
        if (p->groups == 1) {
            widen(to, x + source, inside * c, p->x_zero, is_signed);
            to += inside * c;
        }
        for (uint32_t n = 0; p->groups > 1 && n < inside; n++, to += c)
            widen(to, x + source + (size_t)n * s->c + t->group * c, c, p->x_zero, is_signed);
        for (uint32_t e = 0; e < after * c; e++) *to++ = 0;
        filled += run * c;
        if (filled == k) {
            if (k % 2) *to++ = 0;
            filled = 0;
        }
    });
}

EW_DEFINE(conv_2d_b8) {
    const ew_conv_2d *p = params;
    const ew_window *w = &p->window;
    const uint8_t *x = operand[0];
    const int16_t *weights = operand[1];
    const int32_t *bias = operand[2];
    const float *scale = operand[3];
    uint8_t *y = operand[4];
    uint32_t c = w->c / p->groups, o = w->o / p->groups;
    uint32_t pairs = (w->kernel_h * w->kernel_w * c + 1) / 2;
    uint32_t all_panels = ew_divide_up(o, EW_PANEL);
    const int16_t *a = scratch;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        tile_of_conv t = tile_at(p, tile);
        if (p->is_signed)
            gather_b8(p, &t, x, scratch, 1);
        else
            gather_b8(p, &t, x, scratch, 0);
        for (uint32_t panel = t.first_panel; panel < t.first_panel + t.panels; panel++) {
            size_t packed = (size_t)t.group * all_panels + panel, first = packed * EW_PANEL;
            uint32_t columns = ew_min_u32(EW_PANEL, o - panel * EW_PANEL);
            for (uint32_t r = 0; r < t.rows; r += ROWS)
                panel_s16(ew_min_u32(ROWS, t.rows - r), a + (size_t)r * 2 * pairs, 2 * pairs,
                          weights + first * 2 * pairs, pairs, bias + first, scale + first, p,
                          columns,
                          y + (size_t)(t.first_row + r) * w->o + t.group * o + panel * EW_PANEL);
        }
    }
}
