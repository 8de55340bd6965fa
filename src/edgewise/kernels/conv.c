/* CONV_2D and FULLY_CONNECTED as matrix products over blocks of output pixels.
 *
 * A micro-kernel computes 6 pixels x EW_PANEL channels over packed panels of weights. int8: a tile
 * first gathers its patches into scratch as s16 without the zero point, so that padding is 0 and
 * uint8 costs nothing more. float32: the micro-kernel reads x through addresses, one per pixel and
 * kernel position; only patches of few channels are gathered. Sums run over all of K in one go:
 * results do not depend on tiling or threads. */
#include "kernel.h"

enum {
    ROWS = 6,
    VECTORS = 2,
    COLUMNS = VECTORS * EW_LANES,
    CHUNK = 16, /* elements that the gathering copies at once; they may be beyond the run's end */
};

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
#define FOR_EACH_RUN(p, t, ...)                                                                    \
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
                    size_t pixel = ((size_t)image * s->h + line) * s->w + (uint32_t)first;         \
                    size_t source = pixel * s->c;                                                  \
                    __VA_ARGS__                                                                    \
                }                                                                                  \
            }                                                                                      \
            if (++ox == s->ow) {                                                                   \
                ox = 0;                                                                            \
                if (++oy == s->oh) oy = 0, image++;                                                \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* rows x vectors of sum over t of a[t][row][0..c) @ b [taps * c, EW_PANEL], plus bias, clamped. */
EW_INLINE void gemm_f32(const uint32_t rows, const uint32_t vectors, const float *const *a,
                        uint32_t taps, uint32_t c, const float *b, const float *bias,
                        const ew_conv_2d *p, float *y, size_t y_stride) {
    v_f32 acc[ROWS][VECTORS];
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) acc[r][v] = v_load_f32(bias + v * EW_LANES);
    for (uint32_t t = 0; t < taps; t++, a += ROWS) {
        const float *x[ROWS];
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) x[r] = a[r];
        for (uint32_t i = 0; i < c; i++, b += EW_PANEL) {
            v_f32 w[VECTORS];
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) w[v] = v_load_f32(b + v * EW_LANES);
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                v_f32 from = v_splat_f32(x[r][i]);
                EW_UNROLL
                for (uint32_t v = 0; v < vectors; v++) acc[r][v] = v_fma(from, w[v], acc[r][v]);
            }
        }
    }
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            v_f32 out = v_max(v_splat_f32(p->low_f32), acc[r][v]);
            v_store_f32(y + r * y_stride + v * EW_LANES, v_min(v_splat_f32(p->high_f32), out));
        }
}

/* The same on pairs of s16: a [rows, 2 * pairs] @ b [pairs, EW_PANEL, 2]. */
EW_INLINE void gemm_s16(const uint32_t rows, const uint32_t vectors, const int16_t *a,
                        size_t a_stride, const int16_t *b, uint32_t pairs, const int32_t *bias,
                        const float *scale,
                        const ew_conv_2d *p, uint8_t *y, size_t y_stride) {
    v_s32 acc[ROWS][VECTORS];
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) acc[r][v] = v_load_s32(bias + v * EW_LANES);
    for (uint32_t i = 0; i < pairs; i++, b += 2 * EW_PANEL) {
        v_s32 w[VECTORS];
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) w[v] = v_load_s32(b + 2 * v * EW_LANES);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, a + r * a_stride + 2 * i, sizeof pair);
            v_s32 x = v_splat_s32(pair);
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) acc[r][v] = v_dot_s16(x, w[v], acc[r][v]);
        }
    }
    int32_t zero = p->y_zero;
    float low = (float)(p->low - zero), high = (float)(p->high - zero);
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_f32 s = v_load_f32(scale + v * EW_LANES);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            v_store_b8(y + r * y_stride + v * EW_LANES,
                       v_requantize(acc[r][v], s, low, high, zero));
    }
}

/* The micro-kernels for each number of rows. Functions of their own: inlined into the loops around
 * them, clang 22 spills one of the twelve accumulators, which halves the speed. */
#define DEFINE_TILE(rows, vectors)                                                                 \
    static __attribute__((noinline)) void gemm_f32_##rows##x##vectors(                             \
        const float *const *a, uint32_t taps, uint32_t c, const float *b, const float *bias,       \
        const ew_conv_2d *p, float *y, size_t y_stride) {                                          \
        gemm_f32(rows, vectors, a, taps, c, b, bias, p, y, y_stride);                              \
    }                                                                                              \
    static __attribute__((noinline)) void gemm_s16_##rows##x##vectors(                             \
        const int16_t *a, size_t a_stride, const int16_t *b, uint32_t pairs, const int32_t *bias,  \
        const float *scale, const ew_conv_2d *p, uint8_t *y, size_t y_stride) {                    \
        gemm_s16(rows, vectors, a, a_stride, b, pairs, bias, scale, p, y, y_stride);               \
    }
#define DEFINE_ROWS(rows) DEFINE_TILE(rows, 1) DEFINE_TILE(rows, 2)
DEFINE_ROWS(1)
DEFINE_ROWS(2)
DEFINE_ROWS(3)
DEFINE_ROWS(4)
DEFINE_ROWS(5)
DEFINE_ROWS(6)

#define FOR_VECTORS(name, rows, vectors, ...)                                                      \
    if (vectors == 2)                                                                              \
        name##_##rows##x2(__VA_ARGS__);                                                            \
    else                                                                                           \
        name##_##rows##x1(__VA_ARGS__)
#define FOR_TILE(name, rows, vectors, ...)                                                         \
    switch (rows) {                                                                                \
        case 6: FOR_VECTORS(name, 6, vectors, __VA_ARGS__); break;                                 \
        case 5: FOR_VECTORS(name, 5, vectors, __VA_ARGS__); break;                                 \
        case 4: FOR_VECTORS(name, 4, vectors, __VA_ARGS__); break;                                 \
        case 3: FOR_VECTORS(name, 3, vectors, __VA_ARGS__); break;                                 \
        case 2: FOR_VECTORS(name, 2, vectors, __VA_ARGS__); break;                                 \
        default: FOR_VECTORS(name, 1, vectors, __VA_ARGS__); break;                                \
    }

/* One panel of `columns` channels for up to ROWS pixels. Vectors that end beyond the channels are
 * computed aside. */
static void panel_f32(uint32_t rows, const float *const *a, uint32_t taps, uint32_t c,
                      const float *b, const float *bias, const ew_conv_2d *p, uint32_t columns,
                      float *y) {
    for (uint32_t at = 0; at < columns; at += COLUMNS) {
        float edge[ROWS * COLUMNS];
        uint32_t left = columns - at, vectors = left > EW_LANES ? 2 : 1;
        int whole = left >= vectors * EW_LANES;
        float *to = whole ? y + at : edge;
        size_t stride = whole ? p->window.o : COLUMNS;
        FOR_TILE(gemm_f32, rows, vectors, a, taps, c, b + at, bias + at, p, to, stride)
        for (uint32_t r = 0; !whole && r < rows; r++)
            for (uint32_t i = 0; i < left; i++)
                y[(size_t)r * p->window.o + at + i] = edge[r * COLUMNS + i];
    }
}

static void panel_s16(uint32_t rows, const int16_t *a, size_t a_stride, const int16_t *b,
                      uint32_t pairs, const int32_t *bias, const float *scale, const ew_conv_2d *p,
                      uint32_t columns, uint8_t *y) {
    for (uint32_t at = 0; at < columns; at += COLUMNS) {
        uint8_t edge[ROWS * COLUMNS];
        uint32_t left = columns - at, vectors = left > EW_LANES ? 2 : 1;
        int whole = left >= vectors * EW_LANES;
        uint8_t *to = whole ? y + at : edge;
        size_t stride = whole ? p->window.o : COLUMNS;
        FOR_TILE(gemm_s16, rows, vectors, a, a_stride, b + 2 * at, pairs, bias + at, scale + at, p,
                 to, stride)
        for (uint32_t r = 0; !whole && r < rows; r++)
            ew_copy(y + (size_t)r * p->window.o + at, edge + r * COLUMNS, left);
    }
}

/* Copies n elements, CHUNK at a time where `slack` more may be read (and written). */
EW_INLINE void copy_f32(float *restrict y, const float *restrict x, uint32_t n, int slack) {
    uint32_t e = 0;
    if (slack)
        for (; e < n; e += CHUNK)
            for (uint32_t i = 0; i < CHUNK; i++) y[e + i] = x[e + i];
    for (; e < n; e++) y[e] = x[e];
}

static void gather_f32(const ew_conv_2d *p, const tile_of_conv *t, const float *x, float *to) {
    uint32_t c = p->window.c / p->groups;
    size_t total = (size_t)p->window.n * p->window.h * p->window.w * p->window.c;
    FOR_EACH_RUN(p, t, {
        uint32_t columns = p->groups == 1 ? 1 : inside, n = p->groups == 1 ? inside * c : c;
        for (uint32_t e = 0; e < before * c; e++) *to++ = 0.0f;
        for (uint32_t k = 0; k < columns && inside; k++, to += n) {
            size_t at_x = source + (size_t)k * s->c + t->group * c;
            copy_f32(to, x + at_x, n, at_x + n + CHUNK <= total);
        }
        for (uint32_t e = 0; e < after * c; e++) *to++ = 0.0f;
    });
}

/* Addresses [blocks][taps][ROWS] of the tile's pixels; taps in the padding read `zeros`. */
static void find_f32(const ew_conv_2d *p, const tile_of_conv *t, const float *x,
                     const float *zeros, const float **to) {
    const ew_window *w = &p->window;
    uint32_t c = w->c / p->groups, taps = w->kernel_h * w->kernel_w;
    for (uint32_t r = 0; r < t->rows; r++) {
        uint32_t pixel = t->first_row + r, ox = pixel % w->ow, oy = pixel / w->ow % w->oh;
        const float *image = x + (size_t)(pixel / w->ow / w->oh) * w->h * w->w * w->c;
        const float **block = to + (size_t)(r / ROWS) * taps * ROWS + r % ROWS;
        for (uint32_t i = 0; i < w->kernel_h; i++) {
            uint32_t line = oy * w->stride_h + i * w->dilation_h - w->pad_top;
            for (uint32_t j = 0; j < w->kernel_w; j++, block += ROWS) {
                uint32_t at = ox * w->stride_w + j * w->dilation_w - w->pad_left;
                int inside = line < w->h && at < w->w; /* negatives wrap around */
                *block = inside ? image + ((size_t)line * w->w + at) * w->c + t->group * c : zeros;
            }
        }
    }
}

EW_DEFINE(conv_2d_f32) {
    const ew_conv_2d *p = params;
    const ew_window *w = &p->window;
    const float *weights = operand[1], *bias = operand[2];
    float *y = operand[3];
    uint32_t c = w->c / p->groups, o = w->o / p->groups, taps = w->kernel_h * w->kernel_w;
    uint32_t all_panels = ew_divide_up(o, EW_PANEL), k = taps * c;
    const float **from = scratch;
    float *patches = (float *)(from + (size_t)ew_divide_up(p->rows_per_tile, ROWS) * ROWS *
                                          (p->is_gathered ? 1 : taps));
    if (!p->is_gathered)
        for (uint32_t e = 0; e < c; e++) patches[e] = 0.0f; /* what padding reads */
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        tile_of_conv t = tile_at(p, tile);
        if (p->is_gathered) {
            gather_f32(p, &t, operand[0], patches);
            for (uint32_t r = 0; r < t.rows; r++) from[r] = patches + (size_t)r * k;
            taps = 1;
            c = k;
        } else {
            find_f32(p, &t, operand[0], patches, from);
        }
        for (uint32_t panel = t.first_panel; panel < t.first_panel + t.panels; panel++) {
            size_t packed = (size_t)t.group * all_panels + panel;
            uint32_t columns = ew_min_u32(EW_PANEL, o - panel * EW_PANEL);
            for (uint32_t r = 0; r < t.rows; r += ROWS)
                panel_f32(ew_min_u32(ROWS, t.rows - r), from + (size_t)r * taps, taps, c,
                          weights + packed * k * EW_PANEL, bias + packed * EW_PANEL, p, columns,
                          y + (size_t)(t.first_row + r) * w->o + t.group * o + panel * EW_PANEL);
        }
    }
}

/* Elements of x without the zero point, CHUNK at a time where `slack` more may be read. */
EW_INLINE void widen(int16_t *restrict y, const uint8_t *restrict x, uint32_t n, int32_t zero,
                     uint32_t is_signed, int slack) {
    uint32_t e = 0;
    if (slack)
        for (; e < n; e += CHUNK)
            for (uint32_t i = 0; i < CHUNK; i++)
                y[e + i] = (int16_t)(ew_stored(x, e + i, is_signed) - zero);
    for (; e < n; e++) y[e] = (int16_t)(ew_stored(x, e, is_signed) - zero);
}

EW_INLINE void gather_b8(const ew_conv_2d *p, const tile_of_conv *t, const uint8_t *x,
                         int16_t *to, const uint32_t is_signed) {
    uint32_t c = p->window.c / p->groups, k = p->window.kernel_h * p->window.kernel_w * c;
    size_t total = (size_t)p->window.n * p->window.h * p->window.w * p->window.c;
    uint32_t filled = 0;
    if (p->is_pointwise && k % 2 == 0) {
        size_t first = (size_t)t->first_row * c, n = t->rows * c;
        widen(to, x + first, t->rows * c, p->x_zero, is_signed, first + n + CHUNK <= total);
        return;
    }
    FOR_EACH_RUN(p, t, {
        uint32_t columns = p->groups == 1 ? 1 : inside, n = p->groups == 1 ? inside * c : c;
        for (uint32_t e = 0; e < before * c; e++) *to++ = 0;
        for (uint32_t m = 0; m < columns && inside; m++, to += n) {
            size_t at_x = source + (size_t)m * s->c + t->group * c;
            widen(to, x + at_x, n, p->x_zero, is_signed, at_x + n + CHUNK <= total);
        }
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
