/* LSH_PROJECTION: FarmHash's 64-bit fingerprint (farmhashna) of a seed's bytes and an element's. */
#include "kernel.h"

static const uint64_t K0 = 0xC3A5C85C97CB3127, K1 = 0xB492B66FBE98F273, K2 = 0x9AE16A3B2F90404F;

typedef struct {
    uint64_t first, second;
} two_words;

static uint64_t word(const uint8_t *s) {
    uint64_t y;
    __builtin_memcpy(&y, s, sizeof y);
    return y;
}
static uint64_t half_word(const uint8_t *s) {
    uint32_t y;
    __builtin_memcpy(&y, s, sizeof y);
    return y;
}
static uint64_t turned(uint64_t x, int bits) { return x >> bits | x << (64 - bits); }
static uint64_t shifted(uint64_t x) { return x ^ x >> 47; }
static uint64_t mixed(uint64_t u, uint64_t v, uint64_t mul) {
    uint64_t a = shifted((u ^ v) * mul);
    return shifted((v ^ a) * mul) * mul;
}

/* Up to 16 bytes. */
static uint64_t of_short(const uint8_t *s, size_t size) {
    uint64_t mul = K2 + 2 * size;
    if (size >= 8) {
        uint64_t a = word(s) + K2, b = word(s + size - 8);
        return mixed(turned(b, 37) * mul + a, (turned(a, 25) + b) * mul, mul);
    }
    if (size >= 4) return mixed((half_word(s) << 3) + size, half_word(s + size - 4), mul);
    if (!size) return K2;
    uint64_t y = s[0] + ((uint64_t)s[size >> 1] << 8), z = size + ((uint64_t)s[size - 1] << 2);
    return shifted(y * K2 ^ z * K0) * K2;
}

/* 17 to 64 bytes. */
static uint64_t of_middle(const uint8_t *s, size_t size) {
    uint64_t mul = K2 + 2 * size, a = word(s) * (size <= 32 ? K1 : K2), b = word(s + 8);
    uint64_t c = word(s + size - 8) * mul, d = word(s + size - 16) * K2;
    uint64_t y = turned(a + b, 43) + turned(c, 30) + d;
    uint64_t z = mixed(y, a + turned(b + K2, 18) + c, mul);
    if (size <= 32) return z;
    uint64_t e = word(s + 16) * mul, f = word(s + 24);
    uint64_t g = (y + word(s + size - 32)) * mul, h = (z + word(s + size - 24)) * mul;
    return mixed(turned(e + f, 43) + turned(g, 30) + h, e + turned(f + a, 18) + g, mul);
}

/* 32 bytes and two words into two words. */
static two_words pair(const uint8_t *s, uint64_t a, uint64_t b) {
    a += word(s);
    b = turned(b + a + word(s + 24), 21);
    uint64_t c = a + word(s + 8) + word(s + 16);
    two_words y = {c + word(s + 24), b + turned(c, 44) + a};
    return y;
}

/* More than 64 bytes: blocks of 64, the last one once more from the end. */
static uint64_t of_long(const uint8_t *s, size_t size) {
    const uint8_t *end = s + (size - 1) / 64 * 64, *last = s + size - 64;
    uint64_t x = 81, y = x * K1 + 113, z = shifted(y * K2 + 113) * K2, mul = K1, nine = 1;
    two_words v = {0, 0}, w = {0, 0};
    x = x * K2 + word(s);
    for (int is_last = 0; !is_last;) {
        if (s == end) {
            is_last = 1, s = last, nine = 9;
            mul = K1 + ((z & 0xFF) << 1);
            w.first += (size - 1) & 63;
            v.first += w.first;
            w.first += v.first;
        }
        x = turned(x + y + v.first + word(s + 8), 37) * mul;
        y = turned(y + v.second + word(s + 48), 42) * mul;
        x ^= w.second * nine;
        y += v.first * nine + word(s + 40);
        z = turned(z + w.first, 33) * mul;
        v = pair(s, v.second * mul, x + w.first);
        w = pair(s + 32, z + w.second, y + word(s + 16));
        uint64_t other = z;
        z = x, x = other;
        s += 64;
    }
    uint64_t left = mixed(v.first, w.first, mul) + shifted(y) * K0 + z;
    return mixed(left, mixed(v.second, w.second, mul) + x, mul);
}

static uint64_t fingerprint(const uint8_t *s, size_t size) {
    if (size <= 16) return of_short(s, size);
    return size <= 64 ? of_middle(s, size) : of_long(s, size);
}

EW_DEFINE(lsh_projection) {
    const ew_lsh_projection *p = params;
    const float *seeds = operand[0], *weights = operand[2];
    int32_t *y = operand[3];
    uint8_t *key = scratch;
    for (uint32_t hash = tile_begin; hash < tile_end; hash++) {
        uint32_t signature = 0;
        for (uint32_t bit = 0; bit < p->bits; bit++) {
            const uint8_t *x = operand[1];
            size_t at = (size_t)hash * p->bits + bit;
            double sum = 0.0;
            __builtin_memcpy(key, seeds + at, 4);
            for (uint32_t i = 0; i < p->items; i++, x += p->item_bytes) {
                ew_copy(key + 4, x, p->item_bytes);
                sum += (double)(int64_t)fingerprint(key, 4 + (size_t)p->item_bytes) * weights[i];
            }
            if (p->is_sparse)
                signature = signature << 1 | (sum > 0.0);
            else
                y[at] = sum > 0.0;
        }
        if (p->is_sparse) y[hash] = (int32_t)(signature + (p->bits < 32 ? hash << p->bits : 0));
    }
}
