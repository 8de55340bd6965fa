/* Functions of int16 by 513 knots, straight lines between them (ops/table.py: interpolate). */
#ifndef EW_KNOTS_H
#define EW_KNOTS_H
#include "kernel.h"

/* At the stored operand x, which has 16 bits: 128 steps per line, halves up. */
EW_INLINE int16_t ew_between_knots(const int16_t *knot, int32_t x) {
    const int16_t *k = knot + 256 + (x >> 7);
    int32_t slope = (int16_t)(k[1] - k[0]);
    return (int16_t)(k[0] + ((slope * (x & 127) + 64) >> 7));
}
#endif
