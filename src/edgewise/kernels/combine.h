/* Elements that join what is there: what scatters and windows do (EW_JOIN_...). */
#ifndef EW_COMBINE_H
#define EW_COMBINE_H
#include "broadcast.h"

#define EW_JOIN_EACH(E, formula)                                                                   \
    EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = (E)(formula);                             \
    break

/* y[i] joined by x[i]; x and y do not overlap. Integers wrap around. */
#define EW_DEFINE_JOIN(suffix, E)                                                                  \
    static void ew_join_##suffix(uint32_t op, E *y, const E *x, size_t n) {                        \
        switch (op) {                                                                              \
        case EW_JOIN_set: EW_JOIN_EACH(E, x[i]);                                                   \
        case EW_JOIN_add: EW_JOIN_EACH(E, y[i] + x[i]);                                            \
        case EW_JOIN_mul: EW_JOIN_EACH(E, y[i] * x[i]);                                            \
        case EW_JOIN_max: EW_JOIN_EACH(E, ((x[i] > y[i]) | (x[i] != x[i])) ? x[i] : y[i]);         \
        case EW_JOIN_min: EW_JOIN_EACH(E, ((x[i] < y[i]) | (x[i] != x[i])) ? x[i] : y[i]);         \
        case EW_JOIN_more: EW_JOIN_EACH(E, x[i] > y[i] ? x[i] : y[i]);                             \
        case EW_JOIN_less: EW_JOIN_EACH(E, x[i] < y[i] ? x[i] : y[i]);                             \
        case EW_JOIN_most: EW_JOIN_EACH(E, y[i] >= x[i] ? y[i] : x[i]);                            \
        case EW_JOIN_least: EW_JOIN_EACH(E, y[i] <= x[i] ? y[i] : x[i]);                           \
        case EW_JOIN_all: EW_JOIN_EACH(E, (y[i] != 0) & (x[i] != 0));                              \
        default: EW_JOIN_EACH(E, (y[i] != 0) | (x[i] != 0));                                       \
        }                                                                                          \
    }

/* DEFINE(suffix, type) for every type that joins. */
#define EW_JOINED_TYPES(DEFINE)                                                                    \
    DEFINE(f32, float)                                                                             \
    DEFINE(f64, double)                                                                            \
    DEFINE(s8, int8_t)                                                                             \
    DEFINE(u8, uint8_t)                                                                            \
    DEFINE(s16, int16_t)                                                                           \
    DEFINE(u16, uint16_t)                                                                          \
    DEFINE(s32, int32_t)                                                                           \
    DEFINE(u32, uint32_t)                                                                          \
    DEFINE(s64, int64_t)                                                                           \
    DEFINE(u64, uint64_t)
EW_JOINED_TYPES(EW_DEFINE_JOIN)
#endif
