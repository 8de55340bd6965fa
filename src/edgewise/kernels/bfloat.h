/* bfloat16 numbers one by one: the upper half of a float32. */
#ifndef EW_BFLOAT_H
#define EW_BFLOAT_H
#include <stdint.h>

static inline float ew_of_bfloat(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float y;
    __builtin_memcpy(&y, &bits, sizeof y);
    return y;
}

/* Nearest, halves to even; NaN stays NaN. */
static inline uint16_t ew_bfloat_of(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)(bits >> 16 & 0x8000) | 0x7FC0;
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
#endif
