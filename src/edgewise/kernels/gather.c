/* Kernels that pick elements by computed places: GATHER, GATHER_ND, EMBEDDING_LOOKUP. */
#include "kernel.h"

/* Rows `first` to `first + n` of indices with `depth` numbers each, of one block x. */
EW_INLINE void pick(const ew_gather *p, uint32_t depth, uint8_t *y, const uint8_t *x,
                    const void *indices, size_t first, uint32_t n, uint32_t *is_outside) {
    size_t run = p->run_bytes;
    for (uint32_t i = 0; i < n; i++, y += run) {
        uint64_t at = 0;
        int is_inside = 1;
        for (uint32_t d = 0; d < depth; d++) {
            int64_t index = ew_index(indices, (first + i) * depth + d, p->index_bytes);
            is_inside &= (uint64_t)index < p->dims[d]; /* a negative one is large */
            at = at * p->dims[d] + (uint64_t)index;
        }
        if (is_inside) {
            ew_copy(y, x + at * run, run);
        } else {
            *is_outside = 1;
            for (size_t b = 0; b < run; b++) y[b] = 0;
        }
    }
}

EW_DEFINE(gather) {
    const ew_gather *p = params;
    uint32_t rows = p->batch * p->outer * p->count;
    uint32_t end = ew_min_u32(rows, tile_end * p->rows_per_tile);
    size_t run = p->run_bytes, block = run;
    for (uint32_t d = 0; d < p->depth; d++) block *= p->dims[d];
    for (uint32_t n, row = tile_begin * p->rows_per_tile; row < end; row += n) {
        uint32_t place = row / p->count, within = row % p->count; /* of [batch, outer] */
        n = ew_min_u32(end - row, p->count - within);
        size_t first = (size_t)(place / p->outer) * p->count + within;
        const uint8_t *x = (const uint8_t *)operand[0] + place * block;
        uint8_t *y = (uint8_t *)operand[2] + row * run;
        if (p->depth == 1)
            pick(p, 1, y, x, operand[1], first, n, scratch);
        else
            pick(p, p->depth, y, x, operand[1], first, n, scratch);
    }
}
