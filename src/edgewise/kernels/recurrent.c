/* Recurrent layers in float32: what follows the products with the input, one time step after the
 * other. The state lies in two variables and is carried from run to run. */
#include "recurrent.h"

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

typedef struct {
    const float *recurrent, *projection;
} matrices;

static void add_hidden(const ew_recurrent *p, const void *layer, const float *h, float *g) {
    const float *w = ((const matrices *)layer)->recurrent;
    (p->is_diagonal ? add_diagonals : add_product)(g, h, w, p->outputs, p->gates * p->cells);
}

static void project(const ew_recurrent *p, const void *layer, const float *h, float *y) {
    const float *w = ((const matrices *)layer)->projection;
    const size_t panels = ew_divide_up(p->outputs, PANEL);
    ew_copy((uint8_t *)y, (const uint8_t *)(w + panels * PANEL * p->cells), p->outputs * sizeof *y);
    add_product(y, h, w, p->cells, p->outputs);
}

EW_DEFINE(recurrent_f32) {
    const ew_recurrent *p = params;
    float *gates = scratch;
    const matrices layer = {operand[1], operand[3]};
    const ew_sequence sequence = {
        .x = operand[0],
        .vectors = operand[2],
        .h = operand[4],
        .c = operand[5],
        .y = operand[6],
        .gates = gates,
        .projected = gates + p->gates * p->cells + PANEL,
    };
    if (tile_begin == tile_end) return;
    ew_run_steps(p, &sequence, &layer, add_hidden, project);
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
