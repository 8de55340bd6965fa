/* The micro-kernels of products of s16 by s8 (gemm.h), one for each number of rows and vectors. */
#include "gemm_s16.h"
#if EW_LANES > 1

enum { LANE = 2 }; /* elements of K */

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
    for (uint32_t v = 0; v < vectors; v++) {
        const v_f64 first = v_load_f64(g->first + v * EW_LANES);
        if (!g->second) {
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r++) acc[r][v] = v_round_away(acc[r][v], first);
            continue;
        }
        const v_f64 second = v_load_f64(g->second + v * EW_LANES);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r][v] = v_round_up(acc[r][v], first, second);
    }
    const uint32_t bytes = vectors * EW_LANES * 2;
    uint8_t *y = product->y + begin * product->y_row;
    int is_whole = product->columns >= vectors * EW_LANES;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        v_bytes row = (v_bytes)v_narrow_s16(acc[r][0], acc[r][vectors - 1], g->range);
        if (is_whole)
            v_store_run(y + r * product->y_row, row, 0, bytes);
        else
            v_store_part(y + r * product->y_row, row, 0, product->columns * 2);
    }
}

EW_DEFINE_TILES(gemm_s16, ew_gemm_s16)

void EW_NAME(gemm_s16)(const ew_gemm_s16 *g) {
    EW_RUN_TILES(g, &g->product);
}

static __attribute__((noinline)) void gemv_s16_1x8(const ew_gemm_s16 *g) {
    v_s32 acc[EW_SUMS];
    ew_multiply_row(LANE, &g->product, acc);
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v++) {
        const v_f64 first = v_load_f64(g->first + v * EW_LANES);
        acc[v] = g->second ? v_round_up(acc[v], first, v_load_f64(g->second + v * EW_LANES))
                           : v_round_away(acc[v], first);
    }
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
