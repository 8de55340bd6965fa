/* Random numbers: Philox 4x32-10 and Threefry 2x32-20 (Salmon et al. 2011), and what is drawn with
 * them: uniform and normal numbers, classes of MULTINOMIAL, bits. */
#include "kernel.h"
#include "math.h"

static void philox(uint32_t c[4], const uint32_t key[2]) {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9, k1 += 0xBB67AE85) {
        uint64_t a = (uint64_t)0xD2511F53 * c[0], b = (uint64_t)0xCD9E8D57 * c[2];
        uint32_t first = (uint32_t)(b >> 32) ^ c[1] ^ k0, third = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[0] = first, c[1] = (uint32_t)b, c[2] = third, c[3] = (uint32_t)a;
    }
}

static void threefry(uint32_t c[2], const uint32_t key[2]) {
    static const uint8_t turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32_t keys[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA};
    uint32_t a = c[0] + keys[0], b = c[1] + keys[1];
    for (uint32_t turn = 0; turn < 5; turn++) {
        for (int i = 0; i < 4; i++) {
            uint32_t by = turns[turn % 2][i];
            a += b, b = (b << by | b >> (32 - by)) ^ a;
        }
        a += keys[(turn + 1) % 3], b += keys[(turn + 2) % 3] + turn + 1;
    }
    c[0] = a, c[1] = b;
}

/* What is drawn from: without a seed, a key that the walker has put into scratch. */
static ew_random seeded(const ew_random *p, const void *scratch) {
    ew_random found = *p;
    if (p->is_unseeded) __builtin_memcpy(found.key, scratch, sizeof found.key);
    return found;
}

/* The four words of block number `block` of a seeded sequence. */
static void block_of(const ew_random *p, uint64_t block, uint32_t words[4]) {
    words[0] = (uint32_t)block, words[1] = (uint32_t)(block >> 32);
    words[2] = p->counter[0], words[3] = p->counter[1];
    philox(words, p->key);
}

/* 23 bits as the mantissa of a number in [1, 2), less 1. */
static float uniform(uint32_t bits) {
    float x;
    bits = (bits & 0x7FFFFF) | 0x3F800000;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x - 1.0f;
}

enum { PER_TURN = 4 * EW_LANES }; /* numbers that are drawn at once */

/* Numbers [first, first + PER_TURN) of the sequence. */
static void draw(const ew_random *p, uint64_t first, float y[PER_TURN]) {
    for (uint32_t i = 0; i < EW_LANES; i++) {
        uint32_t words[4];
        block_of(p, first / 4 + i, words);
        for (uint32_t k = 0; k < 4; k++) y[4 * i + k] = uniform(words[k]);
    }
}

EW_DEFINE(random_uniform_f32) {
    const ew_random *p = params;
    const ew_random drawn_from = seeded(p, scratch);
    p = &drawn_from;
    float drawn[PER_TURN], *y = operand[0];
    uint32_t end = ew_min_u32(p->count, tile_end * p->per_tile);
    for (uint32_t i = tile_begin * p->per_tile; i < end; i += PER_TURN) {
        draw(p, i, drawn);
        ew_copy((uint8_t *)(y + i), (const uint8_t *)drawn, 4 * ew_min_u32(PER_TURN, end - i));
    }
}

/* Box and Muller: of numbers a, b the radius sqrt(-2 ln a), times the sine and cosine of 2 pi b. */
EW_DEFINE(random_normal_f32) {
    const ew_random *p = params;
    const ew_random drawn_from = seeded(p, scratch);
    p = &drawn_from;
    float drawn[PER_TURN], *y = operand[0];
    uint32_t end = ew_min_u32(p->count, tile_end * p->per_tile);
    for (uint32_t i = tile_begin * p->per_tile; i < end; i += PER_TURN) {
        draw(p, i, drawn);
        for (uint32_t from = 0; from < PER_TURN; from += 2 * EW_LANES) {
            float radius[EW_LANES], angle[EW_LANES], sine[EW_LANES], cosine[EW_LANES];
            for (uint32_t k = 0; k < EW_LANES; k++) {
                float a = drawn[from + 2 * k];
                radius[k] = a < 1e-7f ? 1e-7f : a;
                angle[k] = 6.28318530717958647692f * drawn[from + 2 * k + 1];
            }
            v_f32 turn = v_load_f32(angle);
            v_store_f32(radius, v_log(v_load_f32(radius)) * -2.0f);
            v_store_f32(sine, v_sin(turn, 0)), v_store_f32(cosine, v_sin(turn, 1));
            for (uint32_t k = 0; k < EW_LANES; k++) {
                float size = ew_sqrt_f32(radius[k]);
                drawn[from + 2 * k] = sine[k] * size, drawn[from + 2 * k + 1] = cosine[k] * size;
            }
        }
        ew_copy((uint8_t *)(y + i), (const uint8_t *)drawn, 4 * ew_min_u32(PER_TURN, end - i));
    }
}

/* 52 bits of words 2 i and 2 i + 1 as the mantissa of a number in [1, 2), less 1. */
static double uniform_f64(const ew_random *p, uint64_t i) {
    uint32_t words[4];
    block_of(p, i / 2, words);
    const uint32_t *pair = words + i % 2 * 2;
    uint64_t bits = (uint64_t)(pair[0] & 0xFFFFF) << 32 | pair[1] | (uint64_t)1023 << 52;
    double x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x - 1.0;
}

EW_DEFINE(multinomial_f32) {
    const ew_random *p = params;
    const ew_random drawn_from = seeded(p, scratch);
    p = &drawn_from;
    double *sums = scratch;
    uint32_t n = p->classes;
    for (uint32_t row = tile_begin; row < tile_end; row++) {
        const float *logits = (const float *)operand[0] + (size_t)row * n;
        float most = logits[0];
        double sum = 0.0;
        for (uint32_t i = 1; i < n; i++)
            if (!(logits[i] <= most) && most == most) most = logits[i];
        for (uint32_t i = 0; i < n; i++) {
            int is_finite = logits[i] - logits[i] == 0.0f;
            if (is_finite) sum += ew_exp_f64((double)(logits[i] - most));
            sums[i] = sum;
        }
        for (uint32_t i = 0; i < p->count; i++) {
            size_t at = (size_t)row * p->count + i;
            double drawn = uniform_f64(p, at) * sum;
            uint32_t low = 0, high = n; /* the first sum that is larger */
            while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (drawn < sums[middle])
                    high = middle;
                else
                    low = middle + 1;
            }
            if (p->index_bytes == 8)
                ((int64_t *)operand[1])[at] = low;
            else
                ((int32_t *)operand[1])[at] = (int32_t)low;
        }
    }
}

EW_DEFINE(random_bits) {
    const ew_random_bits *p = params;
    const uint32_t *state = operand[0];
    uint32_t *after = operand[1], *y = operand[2], each = p->is_threefry ? 2 : 4;
    const uint32_t *more = p->state_words > 4 ? state + 4 : state;
    uint64_t first = state[2] | (uint64_t)state[3] << 32, block = first;
    if (tile_begin == tile_end) return;
    EW_UNUSED(scratch);
    for (uint32_t i = 0; i < p->words; i += each, block++) {
        uint32_t drawn[4] = {(uint32_t)block, (uint32_t)(block >> 32), more[0], more[1]};
        p->is_threefry ? threefry(drawn, state) : philox(drawn, state);
        for (uint32_t k = 0; k < each && i + k < p->words; k++) y[i + k] = drawn[k];
    }
    for (uint32_t i = 0; i < p->state_words; i++) after[i] = state[i];
    after[2] = (uint32_t)block, after[3] = (uint32_t)(block >> 32);
}
