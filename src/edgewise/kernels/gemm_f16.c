/* The micro-kernels of gemm_f32.c by weights in float16, where processors convert as they load. */
#include "gemm_f32.h"
#if EW_LANES > 4
#define EW_WEIGHTS f16
#include "gemm_f32.c"
#endif
