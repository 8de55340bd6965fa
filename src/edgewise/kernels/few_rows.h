/* Fully connected layers of few rows: what dense_h4.c and dense_w.c share. Weights are in panels of
 * 2 * EW_LANES columns; one row is multiplied by EW_GEMV_B8 of them, up to EW_FEW_ROWS by one. */
#ifndef EW_FEW_ROWS_H
#define EW_FEW_ROWS_H
#include "kernel.h"
#include "simd.h"
#if EW_LANES > 1

enum {
    EW_EIGHT = 8, /* elements of K that are unpacked together */
    EW_FEW_ROWS = 4,
    EW_FEW_SUMS = 8, /* accumulators */
    EW_FEW_COLUMNS = 2 * EW_LANES,
};

/* Rows of x, x_row bytes apart, by the panels from w on, `panel` bytes apart. Operands of columns
 * (of those of the first panel: bias; and of each block of K: scale, sums) are `of_block` apart. */
typedef struct {
    const uint8_t *x, *w;
    size_t x_row, panel;
    const float *scale, *bias;
    const int32_t *sums;
    size_t of_block;
    const float *row_scale;  /* of quantized rows, as is row_zero */
    const int32_t *row_zero;
    float *y;
    size_t y_row; /* elements */
    uint32_t columns, k, block;
    float low, high;
} ew_few_rows;

typedef void ew_few_body(const ew_few_rows *g);

/* The sums of `rows` rows and `vectors` vectors: those of a row after those of the one before. */
typedef float ew_few_results[EW_FEW_SUMS][EW_LANES];

EW_INLINE void ew_few_begin(const uint32_t rows, const uint32_t vectors, const ew_few_rows *g,
                            ew_few_results sum) {
    for (uint32_t i = 0; i < rows * vectors; i++)
        v_store_f32(sum[i], v_load_f32(g->bias + i % vectors * EW_LANES));
}

EW_INLINE void ew_few_end(const uint32_t rows, const uint32_t vectors, const ew_few_rows *g,
                          ew_few_results sum) {
    const v_f32 low = v_splat_f32(g->low), high = v_splat_f32(g->high);
    for (uint32_t i = 0; i < rows * vectors; i++) {
        const uint32_t first = i % vectors * EW_LANES;
        v_store_f32(sum[i], v_min(high, v_max(low, v_load_f32(sum[i]))));
        for (uint32_t n = 0; n < EW_LANES && first + n < g->columns; n++)
            g->y[i / vectors * g->y_row + first + n] = sum[i][n];
    }
}

/* Bodies named name_1x8, name_1x2 ... from `tile(bits, rows, vectors, g)`, functions of their own
 * as in gemm.h; EW_FEW_BODIES(name) are them by rows, [0] for one row by EW_GEMV_B8 panels. */
#define EW_DEFINE_FEW_BODY(name, bits, rows, vectors)                                              \
    static __attribute__((noinline)) void name##_##rows##x##vectors(const ew_few_rows *g) {        \
        tile(bits, rows, vectors, g);                                                              \
    }
#define EW_DEFINE_FEW_BODIES(name, bits)                                                           \
    EW_DEFINE_FEW_BODY(name, bits, 1, 8)                                                           \
    EW_DEFINE_FEW_BODY(name, bits, 1, 2)                                                           \
    EW_DEFINE_FEW_BODY(name, bits, 2, 2)                                                           \
    EW_DEFINE_FEW_BODY(name, bits, 3, 2)                                                           \
    EW_DEFINE_FEW_BODY(name, bits, 4, 2)
#define EW_FEW_BODIES(name) {name##_1x8, name##_1x2, name##_2x2, name##_3x2, name##_4x2}

/* All rows by panels [begin, end) of a layer of `o` outputs; g has its first row and panel. */
static void ew_run_few_rows(ew_few_rows g, ew_few_body *const *bodies, uint32_t all_rows,
                            uint32_t o, uint32_t begin, uint32_t end) {
    for (uint32_t panel = begin, next; panel < end; panel = next) {
        const int is_row = all_rows == 1 && panel + EW_GEMV_B8 <= end;
        const size_t at = (size_t)panel * EW_FEW_COLUMNS;
        next = panel + (is_row ? EW_GEMV_B8 : 1);
        for (uint32_t r = 0, rows; r < all_rows; r += rows) {
            ew_few_rows part = g;
            rows = ew_min_u32(EW_FEW_ROWS, all_rows - r);
            part.x += r * g.x_row;
            part.w += panel * g.panel;
            part.scale += at;
            part.bias += at;
            if (g.sums) part.sums += at;
            if (g.row_scale) part.row_scale += r, part.row_zero += r;
            part.y += r * g.y_row + at;
            part.columns = o - panel * EW_FEW_COLUMNS;
            if (!is_row) part.columns = ew_min_u32(part.columns, EW_FEW_COLUMNS);
            bodies[is_row ? 0 : rows](&part);
        }
    }
}
#endif
#endif
