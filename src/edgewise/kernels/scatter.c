/* Runs that join those of y where indices say: SCATTER_ND, segments, SPARSE_TO_DENSE. One tile:
 * several may go to one place, and join in order. */
#include "combine.h"

#define DEFINE_SCATTER(suffix, E)                                                                  \
    EW_DEFINE(scatter_##suffix) {                                                                  \
        const ew_scatter *p = params;                                                              \
        const E *x = operand[0];                                                                   \
        E *y = operand[2];                                                                         \
        uint32_t *is_outside = scratch;                                                            \
        size_t next = 0; /* the first place behind the last one */                                 \
        EW_UNUSED(tile_begin), EW_UNUSED(tile_end);                                                \
        for (uint32_t row = 0; row < p->count; row++, x += p->x_step) {                            \
            size_t at = 0;                                                                         \
            int is_inside = 1, is_left_out = 0;                                                    \
            for (uint32_t d = 0; d < p->depth; d++) {                                              \
                int64_t index = ew_index(operand[1], (size_t)row * p->depth + d, p->index_bytes);  \
                is_left_out |= index < 0 && p->may_be_negative;                                    \
                is_inside &= index >= 0 && index < (int64_t)p->dims[d];                            \
                at = at * p->dims[d] + (size_t)index;                                              \
            }                                                                                      \
            if (p->is_ascending) {                                                                 \
                is_inside &= at >= next;                                                           \
                next = at + 1;                                                                     \
            }                                                                                      \
            if (is_inside)                                                                         \
                ew_join_##suffix(p->op, y + at * p->run, x, p->run);                               \
            else if (!is_left_out)                                                                 \
                *is_outside = 1;                                                                   \
        }                                                                                          \
    }
EW_JOINED_TYPES(DEFINE_SCATTER)
