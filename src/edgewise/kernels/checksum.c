/* A checksum that finds damaged files; no protection against who wants to deceive. */
#include "kernel.h"

/* Of bytes, mixed into 4 lanes of 64 bits: every step is a bijection of its lane, so a single
 * changed word always changes the result. As fast as memory is read. */
EW_EXPORT uint64_t ew_checksum(const uint8_t *bytes, uint64_t count) {
    enum { LANES = 4 };
    static const uint64_t factor = 0x9E3779B97F4A7C15u; /* odd; 2**64 / golden ratio */
    uint64_t lane[LANES] = {1, 2, 3, 4}, words[LANES], result = count, i = 0;
    for (; count - i >= sizeof words; i += sizeof words) {
        __builtin_memcpy(words, bytes + i, sizeof words);
        for (uint32_t k = 0; k < LANES; k++) {
            lane[k] = (lane[k] ^ words[k]) * factor;
            lane[k] ^= lane[k] >> 29;
        }
    }
    for (; i < count; i++) result = (result ^ bytes[i]) * factor;
    for (uint32_t k = 0; k < LANES; k++) {
        result = (result ^ lane[k]) * factor;
        result ^= result >> 32;
    }
    return result;
}
