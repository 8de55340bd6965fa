/* The 8-bit matrix product of the convolutions and matrix multiplications (gemm_b8.c). */
#ifndef EW_GEMM_B8_H
#define EW_GEMM_B8_H
#include "kernel.h"
#include "simd_b8.h"
#if EW_LANES > 1

/* x as the products read it: without its zero point, or moved to u8 (VNNI). */
#if EW_LANES == 16
typedef uint8_t ew_staged;
#else
typedef int16_t ew_staged;
#endif

enum {
    EW_COLUMNS = 2 * EW_LANES, /* of a panel of weights */
    EW_CHUNK = 16,             /* elements staged at once */
};

/* n elements of x as the products read them: EW_CHUNK at a time where `slack` allows to read (and
 * write) beyond them. */
static inline void ew_stage(ew_staged *restrict y, const uint8_t *restrict x, size_t n,
                            int32_t x_zero, uint32_t is_signed, int slack) {
#if EW_LANES == 16
    const uint8_t flip = is_signed ? 0x80 : 0;
#define EW_STAGED(byte) (uint8_t)((byte) ^ flip)
    EW_UNUSED(x_zero);
#else
    const uint8_t flip = is_signed ? 0 : 0x80;
    const int32_t zero = x_zero - (is_signed ? 0 : 128);
#define EW_STAGED(byte) (int16_t)((int8_t)((byte) ^ flip) - zero)
#endif
    size_t e = 0;
    for (; e + EW_CHUNK <= n || (slack && e < n); e += EW_CHUNK)
        for (uint32_t i = 0; i < EW_CHUNK; i++) y[e + i] = EW_STAGED(x[e + i]);
    for (; e < n; e++) y[e] = EW_STAGED(x[e]);
#undef EW_STAGED
}

/* Rows of x times one panel. A row is the concatenation of `segments` runs of steps * EW_PER_LANE
 * elements, run s of row r at x + segment[s] + r * x_row (bytes). A panel is
 * [segments][steps][EW_COLUMNS][EW_PER_LANE] s8. Elements that pad a run may hold anything: their
 * weights are 0. Row r of y starts at y + r * y_row and has `columns` <= EW_COLUMNS bytes; where
 * scale is NULL it gets the accumulators, EW_COLUMNS s32. */
typedef struct {
    const uint8_t *x;
    size_t x_row;
    const uint32_t *segment;
    uint32_t segments, steps;
    const int8_t *w;
    const int32_t *bias;
    const float *scale;
    const int32_t *row_bias; /* one more summand per row; may be 0 */
    uint8_t *y;
    size_t y_row;
    uint32_t rows, columns;
    const v_output *output;
} ew_gemm_b8;

void EW_NAME(gemm_b8)(const ew_gemm_b8 *g);

/* The same for one row of one segment and the EW_GEMV_B8 panels from g->w on, all columns of which are
 * stored. */
void EW_NAME(gemv_b8)(const ew_gemm_b8 *g);
#endif
#endif
