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

/* The same bits for what is equal: one zero, one NaN. A zero is found without a jump: among few
 * numbers they are as good as random. */
EW_INLINE uint64_t key_of(uint64_t bits, const uint32_t bytes, uint32_t mantissa_bits) {
    if (!mantissa_bits) return bits;
    const uint64_t size = bits & ~(UINT64_C(1) << (8 * bytes - 1));
    const uint64_t infinity = (UINT64_C(1) << (8 * bytes - 1)) - (UINT64_C(1) << mantissa_bits);
    if (size > infinity) return infinity + 1;
    const uint64_t is_zero = (size - 1) >> 63;
    return bits & (is_zero - 1);
}

/* Multiplicative hashing: the golden ratio's bits, of which the highest choose. */
EW_INLINE uint32_t place_of(uint64_t key, uint32_t table_bits) {
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - table_bits));
}

/* The table of so many elements of y, in 2**table_bits places. */
EW_INLINE void fill_table(uint32_t *table, uint32_t table_bits, const uint8_t *y, uint32_t found,
                          const uint32_t bytes, uint32_t mantissa_bits) {
    const uint32_t mask = (UINT32_C(1) << table_bits) - 1;
    for (size_t i = 0; i <= mask; i++) table[i] = 0;
    for (uint32_t i = 0; i < found; i++) {
        uint32_t at = place_of(key_of(bits_at(y, i, bytes), bytes, mantissa_bits), table_bits);
        while (table[at]) at = (at + 1) & mask;
        table[at] = i + 1;
    }
}

/* A table of open addressing, at most half full: 1 + which element, 0 where there is none. It is
 * small as long as few elements differ: to clear one for 20,000 took a third of the time. */
EW_INLINE uint32_t distinct(const ew_unique *p, void *const *operand, uint32_t *table,
                            const uint32_t bytes, const uint32_t mantissa_bits) {
    enum { FEW = 8, GROWTH = 3 }; /* bits of the table */
    const size_t count = p->count;
    const int is_wide = p->index_bytes == 8;
    const void *x = operand[0];
    int32_t *index = operand[2];
    int64_t *wide = operand[2];
    uint8_t *y = operand[1];
    uint32_t found = 0, table_bits = ew_min_u32(p->table_bits, FEW);
    fill_table(table, table_bits, y, found, bytes, mantissa_bits);
    uint32_t mask = (UINT32_C(1) << table_bits) - 1;
    for (size_t i = 0; i < count; i++) {
        const uint64_t bits = bits_at(x, i, bytes);
        const uint64_t key = key_of(bits, bytes, mantissa_bits);
        uint32_t at = place_of(key, table_bits), which;
        for (; (which = table[at]); at = (at + 1) & mask)
            if (key_of(bits_at(y, which - 1, bytes), bytes, mantissa_bits) == key) break;
        if (!which) {
            __builtin_memcpy(y + found * (size_t)bytes, (const uint8_t *)x + i * bytes, bytes);
            which = table[at] = ++found;
            if (found > mask / 2 && table_bits < p->table_bits) {
                table_bits = ew_min_u32(p->table_bits, table_bits + GROWTH);
                mask = (UINT32_C(1) << table_bits) - 1;
                fill_table(table, table_bits, y, found, bytes, mantissa_bits);
            }
        }
        if (is_wide)
            wide[i] = which - 1;
        else
            index[i] = (int32_t)(which - 1);
    }
    return found;
}

EW_DEFINE(unique) {
    const ew_unique *p = params;
    uint32_t *found = operand[3];
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end);
    switch (p->element_bytes) {
    case 1: *found = distinct(p, operand, scratch, 1, 0); break;
    case 2: *found = distinct(p, operand, scratch, 2, p->mantissa_bits); break;
    case 4:
        *found = p->mantissa_bits ? distinct(p, operand, scratch, 4, 23)
                                  : distinct(p, operand, scratch, 4, 0);
        break;
    default:
        *found = p->mantissa_bits ? distinct(p, operand, scratch, 8, 52)
                                  : distinct(p, operand, scratch, 8, 0);
        break;
    }
}
