/* The micro-kernels of products of s16 by s8 (gemm.h), one for each number of rows and vectors. */
#include "gemm_s16.h"
#if EW_LANES > 1

enum { LANE = 2 }; /* elements of K */

/* rows of vector v of the columns as integers of y. */
EW_INLINE void round_column(const uint32_t rows, const uint32_t step, const ew_gemm_s16 *g,
                            uint32_t v, v_s32 *acc) {
    const size_t at = (size_t)v * EW_LANES;
    if (g->rounding == EW_ROUND_up_s32) {
        const v_s32 first = v_load_s32((const int32_t *)g->first + at);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r * step] = v_round_up_s32(acc[r * step], first);
        return;
    }
    const v_f64 first = v_load_f64((const double *)g->first + at);
    if (g->rounding == EW_ROUND_away) {
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r * step] = v_round_away(acc[r * step], first);
        return;
    }
    const v_f64 second = v_load_f64((const double *)g->second + at);
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++) acc[r * step] = v_round_up(acc[r * step], first, second);
}

EW_INLINE void tile(const uint32_t rows, const uint32_t vectors, const ew_gemm_s16 *g,
                    uint32_t begin) {
    v_s32 acc[EW_ROWS][EW_VECTORS];
    const ew_gemm *product = &g->product;
    ew_multiply(rows, vectors, LANE, product, begin, acc);
    if (!g->first) {
        ew_store_sums(rows, vectors, product, begin, acc);
        return;
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) round_column(rows, EW_VECTORS, g, v, &acc[0][v]);
    const uint32_t bytes = vectors * EW_LANES * 2;
    uint8_t *y = product->y + begin * product->y_row;
    int is_whole = product->columns >= vectors * EW_LANES;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        v_bytes row = (v_bytes)v_narrow_s16(acc[r][0], acc[r][vectors - 1], g->range);
        if (is_whole)
            v_store_run(y + r * product->y_row, row, 0, bytes);
        else
            v_store_part(y + r * product->y_row, row, 0, bytes, product->columns * 2);
    }
}

EW_DEFINE_TILES(gemm_s16, ew_gemm_s16)

void EW_NAME(gemm_s16)(const ew_gemm_s16 *g) {
    EW_RUN_TILES(g, &g->product);
}

static __attribute__((noinline)) void gemv_s16_1x8(const ew_gemm_s16 *g) {
    v_s32 acc[EW_SUMS];
    ew_multiply_row(LANE, 0, &g->product, acc);
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v++) round_column(1, 1, g, v, acc + v);
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v += 2) {
        v_bytes bytes = (v_bytes)v_narrow_s16(acc[v], acc[v + 1], g->range);
        v_store_run(g->product.y + v * EW_LANES * 2, bytes, 0, sizeof bytes);
    }
}

void EW_NAME(gemv_s16)(const ew_gemm_s16 *g) {
    gemv_s16_1x8(g);
}
#endif
