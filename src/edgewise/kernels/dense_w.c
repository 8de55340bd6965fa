/* FULLY_CONNECTED of few rows of floats by weights of 8 or 4 bits, which become floats in registers:
 * a layer of few rows takes its time for reading weights, and reads a quarter or an eighth of those
 * of float32. Sums of a block are multiplied with its scale once. */
#include "kernel.h"
#include "simd.h"

#if EW_LANES == 1

EW_DEFINE(dense_w) {
    const ew_dense_w *p = params;
    const uint32_t pitch = p->bits == 4 ? ew_divide_up(p->k, 2) : p->k;
    EW_UNUSED(scratch);
    for (uint32_t n = tile_begin; n < tile_end; n++) {
        const uint8_t *w = (const uint8_t *)operand[1] + (size_t)n * pitch;
        for (uint32_t r = 0; r < p->rows; r++) {
            const float *x = (const float *)operand[0] + (size_t)r * p->k;
            float sum = ((const float *)operand[3])[n];
            for (uint32_t from = 0, b = 0; from < p->k; from += p->block, b++) {
                const uint32_t end = from + ew_min_u32(p->block, p->k - from);
                float part = 0;
                for (uint32_t e = from; e < end; e++) {
                    const int32_t nibble = w[e / 2] >> e % 2 * 4 & 15;
                    part += x[e] * (float)(p->bits == 4 ? nibble - 8 : (int8_t)w[e]);
                }
                sum += part * ((const float *)operand[2])[(size_t)b * p->o + n];
            }
            ((float *)operand[4])[(size_t)r * p->o + n] = ew_clamp_f32(sum, p->low, p->high);
        }
    }
}

#else

enum {
    COLUMNS = 2 * EW_LANES, /* of a panel */
    EIGHT = 8,              /* elements of K that a lane of 4-bit weights holds */
    ROWS = 4,               /* at once by one panel; one row by EW_GEMV_B8 of them */
    SUMS = 8,
};

/* Some rows by the panels from w on, which are `panel` bytes apart. */
typedef struct {
    const float *x;
    const uint8_t *w;
    size_t x_row, panel;
    const float *scale, *bias;
    size_t of_block; /* scales of a block */
    float *y;
    size_t y_row;
    uint32_t columns, k, block;
    float low, high;
} product;

/* acc += x[k] w[k] for element `e` of what stands at w. */
EW_INLINE void step(const uint32_t bits, const uint32_t rows, const uint32_t vectors,
                    const product *g, const float *x, const uint8_t *w, const uint32_t e,
                    v_f32 acc[SUMS]) {
    v_f32 by[ROWS];
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++) by[r] = v_splat_f32(x[r * g->x_row + e]);
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        const uint8_t *at = w + v / 2 * g->panel + v % 2 * EW_LANES * (bits == 4 ? 4 : 1);
        v_f32 weights;
        if (bits == 4)
            weights = v_float((v_load_s32(at) << (28 - 4 * (int32_t)e)) >> 28);
        else
            weights = v_float(v_load_b8(at + e * COLUMNS, 1));
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            acc[r * vectors + v] = v_fma(by[r], weights, acc[r * vectors + v]);
    }
}

/* `rows` rows by `vectors` vectors of columns. */
EW_INLINE void tile(const uint32_t bits, const uint32_t rows, const uint32_t vectors,
                    const product *g) {
    const uint32_t bytes = COLUMNS * (bits == 4 ? 4 : EIGHT); /* of eight elements of K */
    float sum[SUMS][EW_LANES];
    for (uint32_t i = 0; i < rows * vectors; i++)
        v_store_f32(sum[i], v_load_f32(g->bias + i % vectors * EW_LANES));
    const float *x = g->x;
    const uint8_t *w = g->w;
    for (uint32_t from = 0, b = 0; from < g->k; from += g->block, b++) {
        const uint32_t count = ew_min_u32(g->block, g->k - from);
        v_f32 acc[SUMS];
        EW_UNROLL
        for (uint32_t i = 0; i < rows * vectors; i++) acc[i] = v_splat_f32(0.0f);
        for (uint32_t i = count / EIGHT; i; i--, x += EIGHT, w += bytes)
            EW_UNROLL
            for (uint32_t e = 0; e < EIGHT; e++) step(bits, rows, vectors, g, x, w, e, acc);
        /* the rest, as that of a vector of its own: shifts are constants */
        EW_UNROLL
        for (uint32_t e = 0; e < EIGHT - 1; e++)
            if (e < count % EIGHT) step(bits, rows, vectors, g, x, w, e, acc);
        EW_UNROLL
        for (uint32_t i = 0; i < rows * vectors; i++) {
            const v_f32 by = v_load_f32(g->scale + b * g->of_block + i % vectors * EW_LANES);
            v_store_f32(sum[i], v_fma(acc[i], by, v_load_f32(sum[i])));
        }
    }
    const v_f32 low = v_splat_f32(g->low), high = v_splat_f32(g->high);
    for (uint32_t i = 0; i < rows * vectors; i++) {
        const uint32_t first = i % vectors * EW_LANES;
        v_store_f32(sum[i], v_min(high, v_max(low, v_load_f32(sum[i]))));
        for (uint32_t n = 0; n < EW_LANES && first + n < g->columns; n++)
            g->y[i / vectors * g->y_row + first + n] = sum[i][n];
    }
}

/* Functions of their own, as in gemm.h. */
#define DEFINE_TILE(bits, rows, vectors)                                                           \
    static __attribute__((noinline)) void dense_w##bits##_##rows##x##vectors(const product *g) {   \
        tile(bits, rows, vectors, g);                                                              \
    }
#define DEFINE_TILES(bits)                                                                         \
    DEFINE_TILE(bits, 1, 8)                                                                        \
    DEFINE_TILE(bits, 1, 2)                                                                        \
    DEFINE_TILE(bits, 2, 2)                                                                        \
    DEFINE_TILE(bits, 3, 2)                                                                        \
    DEFINE_TILE(bits, 4, 2)
#define TILES(bits)                                                                                \
    {dense_w##bits##_1x8, dense_w##bits##_1x2, dense_w##bits##_2x2, dense_w##bits##_3x2,           \
     dense_w##bits##_4x2}
DEFINE_TILES(8)
DEFINE_TILES(4)
typedef void some_rows(const product *);
static some_rows *const tiles[2][1 + ROWS] = {TILES(8), TILES(4)}; /* [][0]: a row by 8 vectors */

EW_DEFINE(dense_w) {
    const ew_dense_w *p = params;
    const uint32_t panels = ew_divide_up(p->o, COLUMNS), is_narrow = p->bits == 4;
    const size_t eights = ew_divide_up(p->k, EIGHT);
    product g = {
        .x_row = p->k,
        .panel = is_narrow ? eights * COLUMNS * 4 : (size_t)p->k * COLUMNS,
        .of_block = (size_t)panels * COLUMNS,
        .y_row = p->o,
        .k = p->k,
        .block = p->block,
        .low = p->low,
        .high = p->high,
    };
    EW_UNUSED(scratch);
    const uint32_t end = ew_min_u32(tile_end * p->panels_per_tile, panels);
    for (uint32_t panel = tile_begin * p->panels_per_tile, next; panel < end; panel = next) {
        const int is_row = p->rows == 1 && panel + EW_GEMV_B8 <= end;
        const size_t at = (size_t)panel * COLUMNS;
        next = panel + (is_row ? EW_GEMV_B8 : 1);
        g.w = (const uint8_t *)operand[1] + panel * g.panel;
        g.scale = (const float *)operand[2] + at;
        g.bias = (const float *)operand[3] + at;
        g.columns = p->o - panel * COLUMNS;
        if (!is_row) g.columns = ew_min_u32(g.columns, COLUMNS);
        for (uint32_t r = 0, rows; r < p->rows; r += rows) {
            rows = ew_min_u32(ROWS, p->rows - r);
            g.x = (const float *)operand[0] + (size_t)r * p->k;
            g.y = (float *)operand[4] + (size_t)r * p->o + at;
            tiles[is_narrow][is_row ? 0 : rows](&g);
        }
    }
}
#endif
