/* Products of bfloat16 by vdpbf16ps, for processors that have it and no AMX (gemm_dpbf16.c). What
 * is multiplied lies as gemm_amx.h has it, but for rows of x, of which only what counts is read. */
#ifndef EW_GEMM_DPBF16_H
#define EW_GEMM_DPBF16_H
#include "gemm.h"
#if defined(EW_AMD)

/* A product whose lanes are two bfloat16: bias and sums are float32. Runs may end within one of the
 * registers that weights are packed for. y is clamped, and bfloat16 or float32. */
typedef struct {
    ew_gemm product;
    float low, high;
    uint32_t is_narrow; /* y */
    const char *ahead;  /* what is fetched meanwhile, `pace` bytes for each row and step along K */
    size_t pace;
} ew_gemm_dpbf16;

void EW_NAME(gemm_dpbf16)(const ew_gemm_dpbf16 *g);
#endif
#endif
