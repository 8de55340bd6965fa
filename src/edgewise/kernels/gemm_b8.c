/* The micro-kernels of 8-bit products (gemm.h), one for each number of rows and vectors. */
#include "gemm_b8.h"
#if EW_LANES > 1

EW_INLINE void tile(const uint32_t rows, const uint32_t vectors, const ew_gemm_b8 *g,
                    uint32_t first) {
    v_s32 acc[EW_ROWS][EW_VECTORS];
    const ew_gemm *product = &g->product;
    ew_multiply(rows, vectors, EW_PER_LANE, product, first, acc);
    if (!g->scale) {
        ew_store_sums(rows, vectors, product, first, acc);
        return;
    }
    v_f32 scale[EW_VECTORS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) scale[v] = v_load_f32(g->scale + v * EW_LANES);
    const uint32_t share = 4 / vectors, width = vectors * EW_LANES; /* rows packed at once */
    uint8_t *y = product->y + first * product->y_row;
    int is_whole = product->columns >= width;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r += share) {
#define EW_AT(i) acc[ew_min_u32(r + (i) / vectors, rows - 1)][(i) % vectors]
#define EW_BY(i) scale[(i) % vectors]
        v_bytes bytes = v_requantize_x4(EW_AT(0), EW_AT(1), EW_AT(2), EW_AT(3), EW_BY(0), EW_BY(1),
                                        EW_BY(2), EW_BY(3), g->output);
#undef EW_AT
#undef EW_BY
        EW_UNROLL
        for (uint32_t k = 0; k < share && r + k < rows; k++) {
            if (is_whole)
                v_store_run(y + (r + k) * product->y_row, bytes, k * width, width);
            else
                v_store_part(y + (r + k) * product->y_row, bytes, k * width, product->columns);
        }
    }
}

EW_DEFINE_TILES(gemm_b8, ew_gemm_b8)

void EW_NAME(gemm_b8)(const ew_gemm_b8 *g) {
    EW_RUN_TILES(g, &g->product);
}

static __attribute__((noinline)) void gemv_b8_1x8(const ew_gemm_b8 *g) {
    v_s32 acc[EW_SUMS];
    ew_multiply_row(EW_PER_LANE, &g->product, acc);
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v += 4) {
        const float *scale = g->scale + v * EW_LANES;
        v_bytes bytes = v_requantize_x4(acc[v], acc[v + 1], acc[v + 2], acc[v + 3],
                                        v_load_f32(scale), v_load_f32(scale + EW_LANES),
                                        v_load_f32(scale + 2 * EW_LANES),
                                        v_load_f32(scale + 3 * EW_LANES), g->output);
        v_store_run(g->product.y + v * EW_LANES, bytes, 0, 4 * EW_LANES);
    }
}

void EW_NAME(gemv_b8)(const ew_gemm_b8 *g) {
    gemv_b8_1x8(g);
}
#endif
