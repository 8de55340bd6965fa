/* The product of rows of floats, quantized on the way (rows_h8.h), by s8 (gemm_h8.c). */
#ifndef EW_GEMM_H8_H
#define EW_GEMM_H8_H
#include "gemm_b8.h"
#if EW_LANES > 1

/* A product whose `lane` is EW_PER_LANE, without biases; y has floats (y_row counts bytes):
 * clamp(f32(acc) * (row_scale[r] * scale[c]) + more), where `more` is bias[c], or y where is_added.
 * Where x is u8, acc has row_zero[r], the row's negative zero point, times sums[c], those of the
 * column's weights, in it. There may be more columns than a panel's; the next panel follows. It
 * is used up. */
typedef struct {
    ew_gemm product;
    const float *scale, *bias; /* [columns] */
    const int32_t *sums;       /* [columns] */
    const float *row_scale;    /* [rows] */
    const float *row_zero;     /* [rows] */
    int32_t has_zeros;         /* some of them are not 0 */
    uint32_t is_added;
    float low, high;
} ew_gemm_h8;

void EW_NAME(gemm_h8)(ew_gemm_h8 *g);

/* The same for one row of one segment and the EW_GEMV_B8 panels from g->product.w on, all columns
 * of which are stored; nothing is added to y. */
void EW_NAME(gemv_h8)(const ew_gemm_h8 *g);
#endif
#endif
