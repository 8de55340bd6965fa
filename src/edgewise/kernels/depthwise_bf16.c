/* depthwise_f32.c with x and y of bfloat16; weights, bias and sums are float32. */
#define EW_NARROW
#include "depthwise_f32.c"
