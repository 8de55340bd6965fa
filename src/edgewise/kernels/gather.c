/* Kernels that pick elements by computed places: GATHER, GATHER_ND, EMBEDDING_LOOKUP. */
#include "kernel.h"

EW_DEFINE(gather) {
    const ew_gather *p = params;
    uint32_t rows = p->batch * p->outer * p->count;
    uint32_t end = ew_min_u32(rows, tile_end * p->rows_per_tile);
    size_t run = p->run_bytes, block = run;
    uint32_t *is_outside = scratch;
    for (uint32_t d = 0; d < p->depth; d++) block *= p->dims[d];
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        uint32_t place = row / p->count; /* of [batch, outer] */
        size_t first = ((size_t)(place / p->outer) * p->count + row % p->count) * p->depth;
        const uint8_t *x = (const uint8_t *)operand[0] + place * block;
        uint8_t *y = (uint8_t *)operand[2] + row * run;
        size_t at = 0;
        int is_inside = 1;
        for (uint32_t d = 0; d < p->depth; d++) {
            int64_t index = ew_index(operand[1], first + d, p->index_bytes);
            is_inside &= index >= 0 && index < (int64_t)p->dims[d];
            at = at * p->dims[d] + (size_t)index;
        }
        if (is_inside) {
            ew_copy(y, x + at * run, run);
        } else {
            *is_outside = 1;
            for (size_t i = 0; i < run; i++) y[i] = 0;
        }
    }
}
