/* The micro-kernels of gemm_f32.c by weights in bfloat16, whose bits are a float's upper half. */
#include "gemm_f32.h"
#if EW_LANES > 1
#define EW_WEIGHTS bf16
#include "gemm_f32.c"
#endif
