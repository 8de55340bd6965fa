/* From sums of products to int16, one number at a time: EW_ROUND_... of params_products.h. */
#ifndef EW_ROUND_S16_H
#define EW_ROUND_S16_H
#include "kernel.h"

/* acc as y, of channel n of the operands `first` and `second`; `rounding` is up or away. */
static inline int16_t ew_round_s16(int64_t acc, uint32_t rounding, const void *first,
                                   const void *second, size_t n, int32_t low, int32_t high) {
    int32_t y;
    if (rounding == EW_ROUND_up) {
        const uint64_t m = (uint64_t)((const int32_t *)first)[n];
        const int32_t shift = ((const int32_t *)second)[n];
        const uint64_t half = (uint64_t)1 << (shift - 1);
        y = (int32_t)((int64_t)((uint64_t)acc * m + half) >> shift);
    } else {
        double x = (double)acc * ((const double *)first)[n], size = x < 0 ? -x : x;
        y = (int32_t)((size < 65536.0 ? size : 65536.0) + 0.5);
        if (x < 0) y = -y;
    }
    return (int16_t)ew_min_s32(ew_max_s32(y, low), high);
}
#endif
