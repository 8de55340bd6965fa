/* Results whose size is in the data: places that are not 0 (WHERE), distinct elements (UNIQUE). */
#include "kernel.h"

/* Bits of element i. */
EW_INLINE uint64_t bits_at(const void *x, size_t i, const uint32_t bytes) {
    if (bytes == 8) return ((const uint64_t *)x)[i];
    if (bytes == 4) return ((const uint32_t *)x)[i];
    return bytes == 2 ? ((const uint16_t *)x)[i] : ((const uint8_t *)x)[i];
}

EW_INLINE uint32_t places(const ew_where *p, const void *x, int64_t *y, const uint32_t bytes) {
    uint32_t at[EW_COPY_RANK] = {0}, found = 0, last = p->rank ? p->dims[p->rank - 1] : 1;
    const uint64_t sign = p->is_float ? UINT64_C(1) << (8 * bytes - 1) : 0;
    for (size_t row = 0; row < p->count; row += last) {
        for (uint32_t i = 0; i < last; i++) {
            if (!(bits_at(x, row + i, bytes) & ~sign)) continue;
            for (uint32_t d = 0; d + 1 < p->rank; d++) *y++ = at[d];
            if (p->rank) *y++ = i;
            found++;
        }
        for (uint32_t d = p->rank ? p->rank - 1 : 0; d-- > 0; at[d] = 0)
            if (++at[d] < p->dims[d]) break;
    }
    return found;
}

EW_DEFINE(where) {
    const ew_where *p = params;
    uint32_t *found = operand[2];
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end), EW_UNUSED(scratch);
    switch (p->element_bytes) {
    case 1: *found = places(p, operand[0], operand[1], 1); break;
    case 2: *found = places(p, operand[0], operand[1], 2); break;
    case 4: *found = places(p, operand[0], operand[1], 4); break;
    default: *found = places(p, operand[0], operand[1], 8); break;
    }
}

/* The same bits for what is equal: one zero, one NaN. */
EW_INLINE uint64_t key_of(uint64_t bits, const uint32_t bytes, uint32_t mantissa_bits) {
    if (!mantissa_bits) return bits;
    const uint64_t size = bits & ~(UINT64_C(1) << (8 * bytes - 1));
    const uint64_t infinity = (UINT64_C(1) << (8 * bytes - 1)) - (UINT64_C(1) << mantissa_bits);
    if (!size) return 0;
    return size > infinity ? infinity + 1 : bits;
}

/* A table of open addressing, at most half full: 1 + which element, 0 where there is none. */
EW_INLINE uint32_t distinct(const ew_unique *p, void *const *operand, uint32_t *table,
                            const uint32_t bytes) {
    const uint32_t mask = (UINT32_C(1) << p->table_bits) - 1;
    uint8_t *y = operand[1];
    uint32_t found = 0;
    for (size_t i = 0; i <= mask; i++) table[i] = 0;
    for (size_t i = 0; i < p->count; i++) {
        const uint64_t bits = bits_at(operand[0], i, bytes);
        const uint64_t key = key_of(bits, bytes, p->mantissa_bits);
        uint32_t at = (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - p->table_bits)), which;
        for (; (which = table[at]); at = (at + 1) & mask)
            if (key_of(bits_at(y, which - 1, bytes), bytes, p->mantissa_bits) == key) break;
        if (!which) {
            __builtin_memcpy(y + found * (size_t)bytes, (const uint8_t *)operand[0] + i * bytes, bytes);
            which = table[at] = ++found;
        }
        if (p->index_bytes == 8)
            ((int64_t *)operand[2])[i] = which - 1;
        else
            ((int32_t *)operand[2])[i] = (int32_t)(which - 1);
    }
    return found;
}

EW_DEFINE(unique) {
    const ew_unique *p = params;
    uint32_t *found = operand[3];
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end);
    switch (p->element_bytes) {
    case 1: *found = distinct(p, operand, scratch, 1); break;
    case 2: *found = distinct(p, operand, scratch, 2); break;
    case 4: *found = distinct(p, operand, scratch, 4); break;
    default: *found = distinct(p, operand, scratch, 8); break;
    }
}
