/* Recurrent layers in float32: what follows the products with the input, one time step after the
 * other. The state lies in two variables and is carried from run to run. */
#include "kernel.h"
#include "math.h"

enum {
    PANEL = EW_RECURRENT_PANEL, /* columns of a packed matrix that are computed at once */
    VECTORS = PANEL / EW_LANES,
    CHAINS = EW_LANES >= 8 ? 2 : 1, /* of additions per column; fewer registers allow one */
};

/* y[n] = x[k] w + y, w packed as [n / PANEL rounded up][k][PANEL]; n may be odd, y then has room
 * for the whole panel. */
static void add_product(float *y, const float *x, const float *w, uint32_t k, uint32_t n) {
    for (uint32_t column = 0; column < n; column += PANEL, w += (size_t)k * PANEL) {
        v_f32 sum[CHAINS][VECTORS];
        EW_UNROLL for (int v = 0; v < VECTORS; v++) {
            sum[0][v] = v_load_f32(y + column + v * EW_LANES);
            EW_UNROLL for (int c = 1; c < CHAINS; c++) sum[c][v] = v_splat_f32(0.0f);
        }
        uint32_t j = 0;
        for (; j + CHAINS <= k; j += CHAINS) {
            EW_UNROLL for (int c = 0; c < CHAINS; c++) {
                const float *at = w + (size_t)(j + c) * PANEL;
                v_f32 factor = v_splat_f32(x[j + c]);
                EW_UNROLL for (int v = 0; v < VECTORS; v++)
                    sum[c][v] = v_fma(factor, v_load_f32(at + v * EW_LANES), sum[c][v]);
            }
        }
        for (; j < k; j++) {
            v_f32 factor = v_splat_f32(x[j]);
            EW_UNROLL for (int v = 0; v < VECTORS; v++)
                sum[0][v] = v_fma(factor, v_load_f32(w + (size_t)j * PANEL + v * EW_LANES), sum[0][v]);
        }
        EW_UNROLL for (int v = 0; v < VECTORS; v++) {
            EW_UNROLL for (int c = 1; c < CHAINS; c++) sum[0][v] += sum[c][v];
            v_store_f32(y + column + v * EW_LANES, sum[0][v]);
        }
    }
}

/* y[n] = x[k] w + y of diagonal matrices, one gate after the other: w [n]. */
static void add_diagonals(float *y, const float *x, const float *w, uint32_t k, uint32_t n) {
    for (uint32_t gate = 0; gate < n; gate += k)
        for (uint32_t i = 0; i < k; i++) y[gate + i] += x[i] * w[gate + i];
}

/* y = function(y), the tail through a vector of its own. */
#define DEFINE_MAP(name, function)                                                                 \
    static void name(float *y, uint32_t n) {                                                       \
        float rest[EW_LANES] = {0};                                                                \
        uint32_t i = 0;                                                                            \
        for (; i + EW_LANES <= n; i += EW_LANES) v_store_f32(y + i, function(v_load_f32(y + i)));  \
        for (uint32_t k = i; k < n; k++) rest[k - i] = y[k];                                       \
        v_store_f32(rest, function(v_load_f32(rest)));                                             \
        for (uint32_t k = i; k < n; k++) y[k] = rest[k - i];                                       \
    }
DEFINE_MAP(logistic, v_logistic)
DEFINE_MAP(hyperbolic_tangent, v_tanh)

static void activate(const ew_recurrent *p, float *y, uint32_t n) {
    if (p->is_tanh)
        hyperbolic_tangent(y, n);
    else
        for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(y[i], p->low_f32, p->high_f32);
}

static void clip(float *y, uint32_t n, float limit) {
    if (limit > 0.0f)
        for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(y[i], -limit, limit);
}

/* Layer normalisation of one gate: (g - mean) / sqrt(variance + 1e-8) * norm. */
static void normalize(float *g, const float *norm, uint32_t n) {
    float mean = 0.0f, variance = 0.0f;
    for (uint32_t i = 0; i < n; i++) mean += g[i];
    mean /= (float)n;
    for (uint32_t i = 0; i < n; i++) variance += (g[i] - mean) * (g[i] - mean);
    float scale = 1.0f / ew_sqrt_f32(variance / (float)n + 1e-8f);
    for (uint32_t i = 0; i < n; i++) g[i] = norm[i] * ((g[i] - mean) * scale);
}

/* The constant vectors of a cell, and where they stand (see params.h). 0: none. */
typedef struct {
    const float *bias, *peephole, *norm;
} cell_vectors;

static cell_vectors vectors_of(const ew_recurrent *p, const float *vectors) {
    cell_vectors v = {.bias = vectors};
    vectors += (size_t)p->gates * p->cells;
    if (p->has_peephole) {
        v.peephole = vectors;
        vectors += (size_t)3 * p->cells;
    }
    if (p->has_norm) v.norm = vectors;
    return v;
}

/* What stands between the products of gate `gate` and its activation. `peephole` is the number of
 * the gate's vector there, or NO_PEEPHOLE. */
enum { PEEPHOLE_INPUT, PEEPHOLE_FORGET, PEEPHOLE_OUTPUT, NO_PEEPHOLE };
static void finish_gate(const ew_recurrent *p, const cell_vectors *v, float *g, uint32_t gate,
                        uint32_t peephole, const float *c) {
    uint32_t n = p->cells;
    const float *bias = v->bias + (size_t)gate * n;
    if (v->peephole && peephole != NO_PEEPHOLE) {
        const float *factor = v->peephole + (size_t)peephole * n;
        for (uint32_t i = 0; i < n; i++) g[i] += factor[i] * c[i];
    }
    if (v->norm) normalize(g, v->norm + (size_t)gate * n, n);
    for (uint32_t i = 0; i < n; i++) g[i] += bias[i];
}

/* One step of one sequence: from the products of the gates, g, to the hidden value, in the place of
 * the output gate. */
static float *step_cell(const ew_recurrent *p, float *g, const float *vectors, float *c) {
    uint32_t n = p->cells, forget = p->gates - 3;
    float *f = g + (size_t)forget * n, *z = f + n, *o = z + n;
    cell_vectors v = vectors_of(p, vectors);
    finish_gate(p, &v, f, forget, PEEPHOLE_FORGET, c);
    logistic(f, n);
    finish_gate(p, &v, z, forget + 1, NO_PEEPHOLE, c);
    activate(p, z, n);
    if (forget) {
        finish_gate(p, &v, g, 0, PEEPHOLE_INPUT, c);
        logistic(g, n);
        for (uint32_t i = 0; i < n; i++) c[i] = f[i] * c[i] + g[i] * z[i];
    } else {
        for (uint32_t i = 0; i < n; i++) c[i] = f[i] * c[i] + (1.0f - f[i]) * z[i];
    }
    clip(c, n, p->cell_clip);
    finish_gate(p, &v, o, forget + 2, PEEPHOLE_OUTPUT, c);
    logistic(o, n);
    for (uint32_t i = 0; i < n; i++) z[i] = c[i];
    activate(p, z, n);
    for (uint32_t i = 0; i < n; i++) o[i] *= z[i];
    return o;
}

/* h, projected and clipped: y [outputs]. */
static void project(const ew_recurrent *p, float *y, const float *h, const float *w) {
    size_t panels = ew_divide_up(p->outputs, PANEL);
    ew_copy((uint8_t *)y, (const uint8_t *)(w + panels * PANEL * p->cells), p->outputs * sizeof *y);
    add_product(y, h, w, p->cells, p->outputs);
    clip(y, p->outputs, p->proj_clip);
}

EW_DEFINE(recurrent_f32) {
    const ew_recurrent *p = params;
    const float *x = operand[0], *w = operand[1], *vectors = operand[2], *projection = operand[3];
    uint32_t columns = p->gates * p->cells;
    size_t bytes = p->outputs * sizeof(float);
    float *g = scratch, *projected = g + columns + PANEL;
    if (tile_begin == tile_end) return;
    for (uint32_t i = 0; i < p->time * p->batch; i++) {
        uint32_t b = i % p->batch, t = i / p->batch;
        if (p->is_backward) t = p->time - 1 - t;
        size_t row = p->is_time_major ? (size_t)t * p->batch + b : (size_t)b * p->time + t;
        float *h = (float *)operand[4] + (size_t)b * p->outputs, *found = g;
        float *y = (float *)operand[6] + row * p->y_stride + p->y_offset;
        ew_copy((uint8_t *)g, (const uint8_t *)(x + row * columns), columns * sizeof *g);
        (p->is_diagonal ? add_diagonals : add_product)(g, h, w, p->outputs, columns);
        if (p->gates == 1) {
            for (uint32_t k = 0; k < columns; k++) g[k] += vectors[k];
            activate(p, g, columns);
        } else {
            found = step_cell(p, g, vectors, (float *)operand[5] + (size_t)b * p->cells);
        }
        if (p->has_projection) {
            project(p, projected, found, projection);
            found = projected;
        }
        ew_copy((uint8_t *)h, (const uint8_t *)found, bytes);
        ew_copy((uint8_t *)y, (const uint8_t *)found, bytes);
    }
}

/* The cell of BasicLSTMCell: gates in the order input, cell, forget, output. */
EW_DEFINE(basic_lstm_f32) {
    const ew_basic_lstm *p = params;
    uint32_t n = p->cells;
    float *g = scratch;
    for (size_t row = tile_begin; row < tile_end; row++) {
        const float *before = (const float *)operand[1] + row * n;
        float *h = (float *)operand[2] + row * n, *c = (float *)operand[3] + row * n;
        ew_copy((uint8_t *)g, (const uint8_t *)operand[0] + row * n * 16, (size_t)n * 16);
        logistic(g, n), hyperbolic_tangent(g + n, n), logistic(g + (size_t)2 * n, 2 * n);
        for (uint32_t i = 0; i < n; i++) h[i] = c[i] = g[i] * g[n + i] + g[2 * n + i] * before[i];
        hyperbolic_tangent(h, n);
        for (uint32_t i = 0; i < n; i++) h[i] *= g[3 * n + i];
    }
}
