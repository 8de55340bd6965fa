/* Runs that join those of y where indices say: SCATTER_ND, segments, SPARSE_TO_DENSE. One tile:
 * several may go to one place, and join in order. */
#include "combine.h"

/* What is the same for all runs is known to the compiler where runs are single sums. */
#define DEFINE_SCATTER(suffix, E)                                                                  \
    EW_INLINE uint32_t scatter_##suffix##_by(const ew_scatter *p, const E *x, const void *indices, \
                                             E *y, const uint32_t index_bytes,                     \
                                             const int is_single_sum) {                            \
        size_t next = 0; /* the first place behind the last one */                                 \
        uint32_t found = 0;                                                                        \
        for (uint32_t row = 0; row < p->count; row++, x += p->x_step) {                            \
            size_t at = 0;                                                                         \
            int is_inside = 1, is_left_out = 0;                                                    \
            for (uint32_t d = 0; d < p->depth; d++) {                                              \
                int64_t index = ew_index(indices, (size_t)row * p->depth + d, index_bytes);        \
                is_left_out |= index < 0 && p->may_be_negative;                                    \
                is_inside &= index >= 0 && index < (int64_t)p->dims[d];                            \
                at = at * p->dims[d] + (size_t)index;                                              \
            }                                                                                      \
            if (p->is_ascending) {                                                                 \
                is_inside &= at >= next;                                                           \
                next = at + 1;                                                                     \
            }                                                                                      \
            if (is_inside && is_single_sum)                                                        \
                y[at] = (E)(y[at] + *x);                                                           \
            else if (is_inside)                                                                    \
                ew_join_##suffix(p->op, y + at * p->run, x, p->run);                               \
            else                                                                                   \
                found |= !is_left_out;                                                             \
        }                                                                                          \
        return found;                                                                              \
    }                                                                                              \
    EW_DEFINE(scatter_##suffix) {                                                                  \
        const ew_scatter *p = params;                                                              \
        const int is_single_sum = p->run == 1 && p->op == EW_JOIN_add;                             \
        uint32_t *is_outside = scratch, found;                                                     \
        EW_UNUSED(tile_begin), EW_UNUSED(tile_end);                                                \
        if (is_single_sum && p->index_bytes == 4)                                                  \
            found = scatter_##suffix##_by(p, operand[0], operand[1], operand[2], 4, 1);            \
        else if (is_single_sum && p->index_bytes == 8)                                             \
            found = scatter_##suffix##_by(p, operand[0], operand[1], operand[2], 8, 1);            \
        else                                                                                       \
            found = scatter_##suffix##_by(p, operand[0], operand[1], operand[2], p->index_bytes,   \
                                          0);                                                      \
        if (found) *is_outside = 1;                                                                \
    }
EW_JOINED_TYPES(DEFINE_SCATTER)
