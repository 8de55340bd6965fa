/* The matrix product of s16 by s8 of the 16x8 convolutions (gemm_s16.c). */
#ifndef EW_GEMM_S16_H
#define EW_GEMM_S16_H
#include "gemm.h"
#include "simd_s16.h"
#if EW_LANES > 1

/* A product whose `lane` is 2. y has s16 (y_row counts bytes), or where `first` is NULL the
 * accumulators. `first` and `second` are those of `rounding`, which is not EW_ROUND_up. */
typedef struct {
    ew_gemm product;
    const void *first, *second;
    const v_range *range;
    uint32_t rounding;
} ew_gemm_s16;

void EW_NAME(gemm_s16)(const ew_gemm_s16 *g);

/* The same for one row of one segment and the EW_GEMV_B8 panels from g->product.w on, all columns
 * of which are stored. */
void EW_NAME(gemv_s16)(const ew_gemm_s16 *g);
#endif
#endif
