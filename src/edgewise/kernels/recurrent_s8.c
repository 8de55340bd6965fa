/* The integer LSTM (8x8_16): int8 sequences and weights, 16-bit gates with 12 fractional bits and
 * cell state. Every addend of a gate is scaled and saturated by itself (ops/lstm_integer.py). Gates
 * have P cells in scratch, whole panels, so that no loop over them has a rest. */
#include "fixed.h"
#include "gemmlowp.h"

enum {
    PANEL = EW_RECURRENT_PANEL,
    VECTORS = PANEL / EW_LANES,
    CHAINS = EW_LANES >= 16 ? 2 : 1, /* of additions per column */
    FRACTION = 10,                   /* extra bits of a normalised gate */
};

static v_s32 load_pairs(const int8_t *w) {
#if EW_LANES == 1
    return (w[0] & 0xFFFF) | w[1] << 16;
#else
    v_s16 pairs = v_load_block_b8((const uint8_t *)w, 1);
    v_s32 lanes;
    __builtin_memcpy(&lanes, &pairs, sizeof lanes);
    return lanes;
#endif
}

/* y[n] = x[k] w modulo 2**32, w packed as [n / PANEL][k / 2 rounded up][PANEL][2]. */
static void multiply(int32_t *y, const int8_t *x, const int8_t *w, uint32_t k, uint32_t n) {
    for (uint32_t column = 0; column < n; column += PANEL) {
        v_s32 sum[CHAINS][VECTORS];
        EW_UNROLL for (int c = 0; c < CHAINS; c++) {
            EW_UNROLL for (int v = 0; v < VECTORS; v++) sum[c][v] = v_splat_s32(0);
        }
        uint32_t j = 0;
        for (; j + 2 * CHAINS <= k; j += 2 * CHAINS) {
            EW_UNROLL for (int c = 0; c < CHAINS; c++, w += 2 * PANEL) {
                int32_t pair = (x[j + 2 * c] & 0xFFFF) | x[j + 2 * c + 1] << 16;
                v_s32 factor = v_splat_s32(pair);
                EW_UNROLL for (int v = 0; v < VECTORS; v++)
                    sum[c][v] = v_dot_s16(load_pairs(w + 2 * v * EW_LANES), factor, sum[c][v]);
            }
        }
        for (; j < k; j += 2, w += 2 * PANEL) {
            int32_t next = j + 1 < k ? x[j + 1] : 0;
            v_s32 factor = v_splat_s32((x[j] & 0xFFFF) | next << 16);
            EW_UNROLL for (int v = 0; v < VECTORS; v++)
                sum[0][v] = v_dot_s16(load_pairs(w + 2 * v * EW_LANES), factor, sum[0][v]);
        }
        EW_UNROLL for (int v = 0; v < VECTORS; v++) {
            EW_UNROLL for (int c = 1; c < CHAINS; c++) sum[0][v] += sum[c][v];
            __builtin_memcpy(y + column + v * EW_LANES, &sum[0][v], sizeof sum[0][v]);
        }
    }
}

static int32_t within(int64_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : (int32_t)x;
}

/* g += x + bias, scaled, saturated to 16 bits. */
static void add_scaled(int32_t *g, const int32_t *x, const int32_t *bias, uint32_t n, int32_t m,
                       int32_t shift) {
    for (uint32_t i = 0; i < n; i++) {
        int32_t added = ew_multiply_fixed((int32_t)((uint32_t)x[i] + (uint32_t)bias[i]), m, shift);
        added = ew_min_s32(ew_max_s32(added, -(1 << 20)), 1 << 20);
        g[i] = ew_min_s32(ew_max_s32(g[i] + added, -32768), 32767);
    }
}

static int32_t high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}
static int32_t saturated(int64_t x) { return within(x, INT32_MIN, INT32_MAX); }

/* 1 / sqrt(number) = *m * 2**(shift - 31); returns the shift (gemmlowp.inverse_sqrt). */
static int32_t inverse_sqrt(int32_t number, int32_t *m) {
    if (number <= 1) {
        *m = INT32_MAX;
        return 0;
    }
    int32_t shift = 11;
    for (; number >= 1 << 29; shift++) number /= 4;
    int32_t pairs = (__builtin_clz((uint32_t)number) - 1) / 2 - 1;
    shift -= pairs;
    number <<= 2 * pairs;
    int32_t half = ew_divide_by_power(number >> 1, 1), x = 1 << 28;
    for (int i = 0; i < 5; i++) {
        int64_t cube = (int64_t)high_mul(high_mul(x, x), x) * 64;
        int64_t more = (int64_t)high_mul(3 << 27, x) - high_mul(half, saturated(cube));
        x = saturated(more * 8);
    }
    *m = high_mul(x, 1518500250); /* sqrt(2) / 2 */
    if (shift >= 0) return -shift;
    *m = (int32_t)((uint32_t)*m << -shift);
    return 0;
}

/* Layer normalisation: (g - mean) / deviation * coefficients + bias. */
static void normalize(int32_t *g, uint32_t n, const int32_t *norm, const int32_t *bias, int32_t m,
                      int32_t shift, int32_t guard) {
    int64_t sum = 0, squares = 0;
    for (uint32_t i = 0; i < n; i++) sum += g[i], squares += (int64_t)g[i] * g[i];
    int64_t mean = sum * (1 << FRACTION) / (int64_t)n;
    int64_t variance = squares * (int64_t)((1u << 20) / n) - mean * mean;
    int32_t spread = (int32_t)(variance >> 20), factor;
    int32_t deviation = inverse_sqrt(spread < 1 ? guard : spread, &factor);
    for (uint32_t i = 0; i < n; i++) {
        int32_t centred = (int32_t)(g[i] * (1 << FRACTION) - mean);
        centred = ew_multiply_fixed(centred, factor, deviation);
        int64_t scaled = (int64_t)centred * norm[i] + bias[i];
        int64_t size = ((scaled < 0 ? -scaled : scaled) + 512) >> FRACTION;
        int32_t y = ew_multiply_fixed((int32_t)(scaled < 0 ? -size : size), m, shift);
        g[i] = ew_min_s32(ew_max_s32(y, -32768), 32767);
    }
}

/* Where the vectors of the gates stand. 0: none. */
typedef struct {
    const int32_t *peephole, *norm, *norm_bias;
} constants;

static constants constants_of(const ew_recurrent_s8 *p, const int32_t *vectors, uint32_t padded) {
    constants k = {0};
    if (p->has_peephole) {
        k.peephole = vectors;
        vectors += (size_t)3 * padded;
    }
    if (p->has_norm) {
        k.norm = vectors;
        k.norm_bias = vectors + (size_t)p->gates * padded;
    }
    return k;
}

/* What follows the products of a gate. `peephole`: the number of its vector there, or none. */
enum { PEEPHOLE_INPUT, PEEPHOLE_FORGET, PEEPHOLE_OUTPUT, NO_PEEPHOLE };
static void finish_gate(const ew_recurrent_s8 *p, const constants *k, int32_t *g, uint32_t padded,
                        uint32_t gate, uint32_t peephole, const int32_t *c) {
    g += (size_t)gate * padded;
    if (k->peephole && peephole != NO_PEEPHOLE) {
        const int32_t *factor = k->peephole + (size_t)peephole * padded;
        for (uint32_t i = 0; i < p->cells; i++) {
            int32_t seen = ew_multiply_fixed(factor[i] * c[i], p->peephole_multiplier[gate],
                                             p->peephole_shift[gate]);
            seen = ew_min_s32(ew_max_s32(seen, -(1 << 20)), 1 << 20);
            g[i] = ew_min_s32(ew_max_s32(g[i] + seen, -32768), 32767);
        }
    }
    if (k->norm)
        normalize(g, p->cells, k->norm + (size_t)gate * padded,
                  k->norm_bias + (size_t)gate * padded, p->norm_multiplier[gate],
                  p->norm_shift[gate], p->variance_guard[gate]);
}

static void store_lanes(int32_t *y, v_s32 v) { __builtin_memcpy(y, &v, sizeof v); }
static void logistic(int32_t *g, uint32_t padded) {
    for (uint32_t i = 0; i < padded; i += EW_LANES)
        store_lanes(g + i, v_fixed_logistic(v_load_s32(g + i)));
}
static void hyperbolic_tangent(int32_t *y, const int32_t *g, uint32_t padded, int32_t bits) {
    for (uint32_t i = 0; i < padded; i += EW_LANES)
        store_lanes(y + i, v_fixed_tanh(v_load_s32(g + i), bits));
}

/* One step of one sequence: from the products of the gates, g, to output * tanh(c) in the place of
 * the output gate; c is the cell state in 32 bits. */
static int32_t *step_cell(const ew_recurrent_s8 *p, const constants *k, int32_t *g, int32_t *c,
                          uint32_t padded) {
    uint32_t forget = p->gates - 3;
    int32_t *f = g + (size_t)forget * padded, *z = f + padded, *o = z + padded;
    int32_t most = p->cell_clip ? p->cell_clip : 32767, least = p->cell_clip ? -most : -32768;
    finish_gate(p, k, g, padded, forget, PEEPHOLE_FORGET, c);
    logistic(f, padded);
    finish_gate(p, k, g, padded, forget + 1, NO_PEEPHOLE, c);
    hyperbolic_tangent(z, z, padded, 3);
    if (forget) {
        finish_gate(p, k, g, padded, 0, PEEPHOLE_INPUT, c);
        logistic(g, padded);
    }
    for (uint32_t i = 0; i < padded; i += EW_LANES) {
        v_s32 kept = v_load_s32(f + i), added = v_load_s32(z + i);
        v_s32 admit = forget ? v_load_s32(g + i) : 32767 - kept;
        kept = v_fixed_halved(kept * v_load_s32(c + i), 15);
        added = v_fixed_halved(admit * added, 30 + p->cell_log2);
        v_s32 total = v_min_s32(v_max_s32(kept + added, v_splat_s32(least)), v_splat_s32(most));
        store_lanes(c + i, total);
    }
    finish_gate(p, k, g, padded, forget + 2, PEEPHOLE_OUTPUT, c);
    logistic(o, padded);
    hyperbolic_tangent(z, c, padded, 15 + p->cell_log2);
    for (uint32_t i = 0; i < padded; i++) o[i] *= z[i];
    return o;
}

/* y[n] of the hidden values, which `products` takes the place of. */
static void project(const ew_recurrent_s8 *p, int8_t *y, const int8_t *hidden, const int8_t *w,
                    const int32_t *bias, int32_t *products) {
    int32_t most = p->proj_clip ? p->proj_clip : 127, least = p->proj_clip ? -most : -128;
    multiply(products, hidden, w, p->cells, p->outputs);
    for (uint32_t i = 0; i < p->outputs; i++) {
        int32_t total = (int32_t)((uint32_t)products[i] + (uint32_t)bias[i]);
        total = ew_multiply_fixed(total, p->projection_multiplier, p->projection_shift);
        total = within((int64_t)total + p->y_zero, -128, 127);
        y[i] = (int8_t)within(total, least, most);
    }
}

EW_DEFINE(recurrent_s8) {
    const ew_recurrent_s8 *p = params;
    uint32_t padded = ew_divide_up(p->cells, PANEL) * PANEL, all = p->gates * padded;
    const int32_t *input_bias = operand[3], *recurrent_bias = operand[4];
    constants k = constants_of(p, operand[5], padded);
    int32_t *g = scratch, *products = g + all;
    int32_t *c = products + ew_max_s32((int32_t)all, (int32_t)p->outputs + PANEL);
    int8_t *hidden = (int8_t *)(c + padded);
    if (tile_begin == tile_end) return;
    for (uint32_t i = padded; i-- > p->cells;) c[i] = 0;
    for (uint32_t step = 0; step < p->time * p->batch; step++) {
        uint32_t b = step % p->batch, t = step / p->batch;
        size_t row = p->is_time_major ? (size_t)t * p->batch + b : (size_t)b * p->time + t;
        int8_t *h = (int8_t *)operand[8] + (size_t)b * p->outputs;
        int16_t *state = (int16_t *)operand[9] + (size_t)b * p->cells;
        int8_t *y = (int8_t *)operand[10] + row * p->outputs;
        for (uint32_t i = 0; i < p->cells; i++) c[i] = state[i];
        for (uint32_t i = 0; i < all; i++) g[i] = 0;
        multiply(products, (const int8_t *)operand[0] + row * p->inputs, operand[1], p->inputs, all);
        for (uint32_t a = 0; a < p->gates; a++)
            add_scaled(g + a * padded, products + a * padded, input_bias + a * padded, padded,
                       p->input_multiplier[a], p->input_shift[a]);
        multiply(products, h, operand[2], p->outputs, all);
        for (uint32_t a = 0; a < p->gates; a++)
            add_scaled(g + a * padded, products + a * padded, recurrent_bias + a * padded, padded,
                       p->recurrent_multiplier[a], p->recurrent_shift[a]);
        int32_t *found = step_cell(p, &k, g, c, padded);
        int32_t zero = p->has_projection ? -p->hidden_zero : p->hidden_zero;
        for (uint32_t i = 0; i < p->cells; i++) {
            int32_t seen = ew_multiply_fixed(found[i], p->hidden_multiplier, p->hidden_shift);
            hidden[i] = (int8_t)within((int64_t)seen + zero, -128, 127);
            state[i] = (int16_t)c[i];
        }
        if (p->has_projection)
            project(p, h, hidden, operand[6], operand[7], products);
        else
            ew_copy((uint8_t *)h, (const uint8_t *)hidden, p->outputs);
        ew_copy((uint8_t *)y, (const uint8_t *)h, p->outputs);
    }
}
