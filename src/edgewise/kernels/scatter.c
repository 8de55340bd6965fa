/* SCATTER_ND: runs of updates added where their indices say. One tile: several may go to one place,
 * and are added in order. */
#include "kernel.h"

static int64_t index_at(const void *indices, size_t i, uint32_t bytes) {
    return bytes == 8 ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

#define DEFINE_SCATTER(name, E)                                                                    \
    EW_DEFINE(name) {                                                                              \
        const ew_scatter *p = params;                                                              \
        const E *x = operand[0];                                                                   \
        E *y = operand[2];                                                                         \
        uint32_t *is_outside = scratch;                                                            \
        EW_UNUSED(tile_begin), EW_UNUSED(tile_end);                                                \
        for (size_t i = 0; i < p->total; i++) y[i] = 0;                                            \
        for (uint32_t row = 0; row < p->count; row++, x += p->run) {                               \
            size_t at = 0;                                                                         \
            int is_inside = 1;                                                                     \
            for (uint32_t d = 0; d < p->depth; d++) {                                              \
                int64_t index = index_at(operand[1], (size_t)row * p->depth + d, p->index_bytes);  \
                is_inside &= index >= 0 && index < (int64_t)p->dims[d];                            \
                at = at * p->dims[d] + (size_t)index;                                              \
            }                                                                                      \
            if (!is_inside) *is_outside = 1;                                                       \
            for (uint32_t i = 0; is_inside && i < p->run; i++)                                     \
                y[at * p->run + i] = (E)(y[at * p->run + i] + x[i]);                               \
        }                                                                                          \
    }
DEFINE_SCATTER(scatter_nd_f32, float)
DEFINE_SCATTER(scatter_nd_s8, uint8_t)
DEFINE_SCATTER(scatter_nd_s16, uint16_t)
DEFINE_SCATTER(scatter_nd_s32, uint32_t)
DEFINE_SCATTER(scatter_nd_s64, uint64_t)
