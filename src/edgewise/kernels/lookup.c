/* Rows by key, by number and by length: HASHTABLE_LOOKUP, EMBEDDING_LOOKUP_SPARSE, ONE_HOT,
 * REVERSE_SEQUENCE. */
#include "broadcast.h"
#include "math.h"

EW_DEFINE(hashtable_lookup) {
    const ew_lookup *p = params;
    const int32_t *wanted = operand[0], *keys = operand[1];
    const uint8_t *values = operand[2];
    uint8_t *hits = operand[4];
    uint32_t end = ew_min_u32(p->count, tile_end * p->rows_per_tile);
    size_t run = p->run_bytes;
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        uint8_t *y = (uint8_t *)operand[3] + row * run;
        uint32_t low = 0, high = p->keys, middle = 0;
        hits[row] = 0;
        while (low < high && !hits[row]) {
            middle = (low + high) / 2;
            if (keys[middle] == wanted[row])
                hits[row] = 1;
            else if (wanted[row] < keys[middle])
                high = middle;
            else
                low = middle + 1;
        }
        if (hits[row])
            ew_copy(y, values + middle * run, run);
        else
            for (size_t i = 0; i < run; i++) y[i] = 0;
    }
}

/* The number of the row of y that index `i` means; -1 outside. */
static int64_t bucket_of(const ew_lookup_sparse *p, const int32_t *indices, uint32_t i) {
    int64_t bucket = 0;
    for (uint32_t d = 0; d + 1 < p->columns; d++) {
        int32_t at = indices[(size_t)i * p->columns + d];
        if (at < 0 || (uint32_t)at >= p->sizes[d]) return -1;
        bucket = bucket * p->sizes[d] + at;
    }
    return bucket;
}

EW_DEFINE(embedding_lookup_sparse_f32) {
    const ew_lookup_sparse *p = params;
    const int32_t *indices = operand[0], *ids = operand[1];
    const float *weights = operand[2], *table = operand[3];
    uint32_t *is_outside = scratch;
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end);
    for (uint32_t i = 0; i < p->count; i++) {
        is_outside[0] |= ids[i] < 0 || (uint32_t)ids[i] >= p->dims[0];
        is_outside[0] |= bucket_of(p, indices, i) < 0;
    }
    if (*is_outside) return;
    for (uint32_t i = 0; i < p->count;) {
        int64_t bucket = bucket_of(p, indices, i);
        float *y = (float *)operand[4] + (size_t)bucket * p->run, total = 0.0f;
        do {
            const float *x = table + (size_t)ids[i] * p->run, w = weights[i];
            total += p->combiner == 2 ? w * w : w;
            EW_INDEPENDENT for (uint32_t k = 0; k < p->run; k++) y[k] += x[k] * w;
        } while (++i < p->count && bucket_of(p, indices, i) == bucket);
        if (!p->combiner) continue;
        if (p->combiner == 2) total = ew_sqrt_f32(total);
        EW_INDEPENDENT for (uint32_t k = 0; k < p->run; k++) y[k] /= total;
    }
}

EW_DEFINE(one_hot) {
    const ew_one_hot *p = params;
    size_t bytes = p->element_bytes, block = (size_t)p->depth * p->inner;
    uint32_t end = ew_min_u32(p->outer, tile_end * p->rows_per_tile);
    const uint8_t *on = operand[1], *off = operand[2];
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        uint8_t *y = (uint8_t *)operand[3] + row * block * bytes;
        ew_repeat(y, off, bytes, block * bytes);
        for (uint32_t i = 0; i < p->inner; i++) {
            int64_t index = ew_index(operand[0], (size_t)row * p->inner + i, p->index_bytes);
            if (index >= 0 && index < p->depth)
                ew_copy(y + ((size_t)index * p->inner + i) * bytes, on, bytes);
        }
    }
}

EW_DEFINE(reverse_sequence) {
    const ew_reverse_sequence *p = params;
    uint32_t first = p->is_batch_first ? p->batch : p->steps;
    uint32_t second = p->is_batch_first ? p->steps : p->batch;
    uint32_t end = ew_min_u32(p->outer * first * p->middle, tile_end * p->rows_per_tile);
    uint32_t *is_outside = scratch;
    size_t run = p->run_bytes, line = second * run;
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        uint32_t at = row / p->middle % first, rest = row - at * p->middle; /* as if at were 0 */
        const uint8_t *x = operand[0];
        uint8_t *y = (uint8_t *)operand[2] + row * line;
        for (uint32_t i = 0; i < second; i++, y += run) {
            uint32_t step = p->is_batch_first ? i : at;
            int64_t n = ew_index(operand[1], p->is_batch_first ? at : i, p->index_bytes);
            if (n < 0 || n > p->steps) {
                *is_outside = 1;
                n = 0;
            }
            if (step < n) step = (uint32_t)n - 1 - step;
            size_t from = p->is_batch_first ? row * line + step * run
                                            : (rest + (size_t)step * p->middle) * line + i * run;
            ew_copy(y, x + from, run);
        }
    }
}
