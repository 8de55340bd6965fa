/* Kernels that move bytes: CONCATENATION as strided copies, and PAD. */
#include "kernel.h"

EW_DEFINE(copy_rows) {
    const ew_copy_rows *p = params;
    const uint8_t *x = (const uint8_t *)operand[0] + p->x_offset;
    uint8_t *y = (uint8_t *)operand[1] + p->y_offset;
    EW_UNUSED(scratch);
    if (tile_begin == tile_end) return;
    for (uint64_t row = 0; row < p->rows; row++, x += p->x_stride, y += p->y_stride)
        ew_copy(y, x, p->bytes);
}

EW_DEFINE(pad) {
    const ew_pad *p = params;
    const uint8_t *x = operand[0], *value = operand[1];
    uint8_t *y = operand[2];
    uint64_t y_bytes = 1, rows = 1;
    EW_UNUSED(scratch);
    if (tile_begin == tile_end) return;
    for (uint32_t d = 0; d < p->rank; d++) y_bytes *= p->y_dims[d];
    for (uint64_t i = 0; i < y_bytes; i += p->element_bytes)
        for (uint32_t e = 0; e < p->element_bytes; e++) y[i + e] = value[e];
    uint32_t last = p->rank - 1;
    for (uint32_t d = 0; d < last; d++) rows *= p->dims[d];
    for (uint64_t row = 0; row < rows; row++) {
        uint64_t rest = row, at = p->before[last], stride = p->y_dims[last];
        for (uint32_t d = last; d-- > 0; rest /= p->dims[d], stride *= p->y_dims[d])
            at += (rest % p->dims[d] + p->before[d]) * stride;
        ew_copy(y + at, x + row * p->dims[last], p->dims[last]);
    }
}
