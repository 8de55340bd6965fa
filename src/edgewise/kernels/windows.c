/* Windows of an array, read and written where an index says: STABLEHLO_GATHER, STABLEHLO_SCATTER.
 *
 * Both go through the windows run by run, in the order of the array that has them beside each other,
 * so that of several that go to one place the last one stays. */
#include "combine.h"

/* Where a run begins: its axis apart, whose elements may lie outside. */
typedef struct {
    size_t offset; /* elements of the other axes */
    int64_t along; /* its own axis */
    int is_inside; /* in the others */
} place;

static place place_of(const ew_windows *p, const void *indices, uint32_t row, const int is_moved) {
    int64_t at[EW_COPY_RANK] = {0}, coordinate[EW_COPY_RANK] = {0};
    size_t index = 0;
    place found = {0, 0, 1};
    for (uint32_t d = p->rank; d-- > 0; row /= p->sizes[d]) {
        coordinate[d] = row % p->sizes[d];
        index += (size_t)coordinate[d] * p->index_stride[d];
    }
    for (uint32_t k = 0; k < p->depth; k++) {
        uint32_t axis = p->into[k];
        int64_t start = ew_index(indices, index + (size_t)k * p->number_stride, p->index_bytes);
        if (is_moved) start = start < 0 ? 0 : start > p->last[axis] ? p->last[axis] : start;
        at[axis] = start;
    }
    for (uint32_t d = 0; d < p->rank; d++) /* a start is far enough from the ends of its type */
        if (p->axis[d] != EW_NO_AXIS && at[p->axis[d]] < INT32_MAX) at[p->axis[d]] += coordinate[d];
    for (uint32_t axis = 0; axis < p->x_rank; axis++) {
        if (axis == p->run_axis) {
            found.along = at[axis];
            continue;
        }
        found.is_inside &= at[axis] >= 0 && at[axis] < (int64_t)p->dims[axis];
        found.offset += (size_t)at[axis] * p->x_stride[axis];
    }
    return found;
}

EW_DEFINE(gather_windows) {
    const ew_windows *p = params;
    uint32_t rows = 1, bytes = p->element_bytes;
    for (uint32_t d = 0; d < p->rank; d++) rows *= p->sizes[d];
    uint32_t end = ew_min_u32(rows, tile_end * p->rows_per_tile);
    size_t stride = p->run_axis == EW_NO_AXIS ? 1 : p->x_stride[p->run_axis];
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        place at = place_of(p, operand[1], row, 1);
        uint8_t *y = (uint8_t *)operand[2] + (size_t)row * p->run * bytes;
        const uint8_t *x =
            (const uint8_t *)operand[0] + (at.offset + (size_t)at.along * stride) * bytes;
        if (stride == 1) {
            ew_copy(y, x, (size_t)p->run * bytes);
            continue;
        }
        for (uint32_t i = 0; i < p->run; i++) ew_copy(y + i * bytes, x + i * stride * bytes, bytes);
    }
}

#define DEFINE_SCATTER(suffix, E)                                                                  \
    EW_DEFINE(scatter_windows_##suffix) {                                                          \
        const ew_windows *p = params;                                                              \
        const E *x = operand[0];                                                                   \
        uint32_t rows = 1;                                                                         \
        int64_t run = p->run;                                                                      \
        EW_UNUSED(scratch), EW_UNUSED(tile_begin), EW_UNUSED(tile_end);                            \
        for (uint32_t d = 0; d < p->rank; d++) rows *= p->sizes[d];                                \
        for (uint32_t row = 0; row < rows; row++, x += run) {                                      \
            place at = place_of(p, operand[1], row, 0);                                            \
            if (!at.is_inside || at.along < -run) continue;                                        \
            E *y = (E *)operand[2] + at.offset;                                                    \
            if (p->run_axis == EW_NO_AXIS) {                                                       \
                ew_join_##suffix(p->op, y, x, 1);                                                  \
                continue;                                                                          \
            }                                                                                      \
            int64_t size = p->dims[p->run_axis], first = at.along < 0 ? -at.along : 0;             \
            int64_t end = at.along > size ? 0 : size - at.along;                                   \
            end = end < run ? end : run;                                                           \
            if (first >= end) continue;                                                            \
            size_t stride = p->x_stride[p->run_axis];                                              \
            y += (size_t)(at.along + first) * stride;                                              \
            if (stride == 1) {                                                                     \
                ew_join_##suffix(p->op, y, x + first, (size_t)(end - first));                      \
                continue;                                                                          \
            }                                                                                      \
            for (int64_t i = first; i < end; i++, y += stride)                                     \
                ew_join_##suffix(p->op, y, x + i, 1);                                              \
        }                                                                                          \
    }
EW_JOINED_TYPES(DEFINE_SCATTER)
