/* CONV_2D and FULLY_CONNECTED of float32: the micro-kernel reads x through addresses, one per pixel
 * and kernel position; only patches of few channels are gathered. */
#include "conv.h"

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

/* The micro-kernels for each number of rows. Functions of their own: inlined into the loops around
 * them, clang 22 spills one of the twelve accumulators, which halves the speed. */
#define DEFINE_TILE(rows, vectors)                                                                 \
    static __attribute__((noinline)) void gemm_f32_##rows##x##vectors(                             \
        const float *const *a, uint32_t taps, uint32_t c, const float *b, const float *bias,       \
        const ew_conv_2d *p, float *y, size_t y_stride) {                                          \
        gemm_f32(rows, vectors, a, taps, c, b, bias, p, y, y_stride);                              \
    }
#define DEFINE_ROWS(rows) DEFINE_TILE(rows, 1) DEFINE_TILE(rows, 2)
DEFINE_ROWS(1)
DEFINE_ROWS(2)
DEFINE_ROWS(3)
DEFINE_ROWS(4)
DEFINE_ROWS(5)
DEFINE_ROWS(6)

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
