/* Attention in float32: y = softmax(scale * q k^T + mask) v, a block of rows of scores at a time,
 * which stay in the cache from the first product to the second. */
#include "exponentials.h"
#include "pack_f32.h"

/* Matrix [k, o] as all of its panels. */
static void pack_matrix(const float *from, size_t k_step, size_t column_step, uint32_t k,
                        uint32_t o, float *to) {
    for (uint32_t i = 0; i < ew_panels(o); i++) {
        const size_t column = (size_t)i * 2 * EW_LANES;
        const ew_panel panel = ew_panel_at(to, sizeof *to, to, k, o, i, 1);
        ew_pack_panel(from + column * column_step, k_step, column_step, k, panel.columns,
                      panel.vectors * EW_LANES, to + column * k);
    }
}

/* y [rows, o] = x [rows, k] by packed panels. */
static void multiply(const float *x, size_t x_row, const float *packed, const float *none,
                     uint32_t rows, uint32_t k, uint32_t o, float *y, size_t y_row) {
    const ew_patch patch = {.planes = 1, .rows = 1, .columns = 1, .length = k};
    for (uint32_t i = 0; i < ew_panels(o); i++) {
        ew_panel panel = ew_panel_at(packed, sizeof *packed, none, k, o, i, rows);
        panel.low = -__builtin_inff(), panel.high = __builtin_inff();
        EW_NAME(gemm_f32)(&patch, &panel, rows, x, x_row, y + (size_t)i * 2 * EW_LANES, y_row);
    }
}

/* A row of scores as what softmax exponentiates, less its largest; returns 1 / their sum. */
static float exponentiate(const ew_attention_f32 *p, float *scores, const float *mask) {
    float beta = p->scale;
    if (p->has_mask) {
        if (p->mask_column)
            for (uint32_t i = 0; i < p->s; i++) scores[i] = scores[i] * beta + mask[i];
        else
            for (uint32_t i = 0; i < p->s; i++) scores[i] = scores[i] * beta + mask[0];
        beta = 1.0f;
    }
    return 1.0f / exponentials_f32(scores, scores, p->s, largest_f32(scores, p->s), beta);
}

EW_DEFINE(attention_f32) {
    const ew_attention_f32 *p = params;
    const uint32_t parts = ew_divide_up(p->m, p->rows_per_tile);
    const size_t s_row = (size_t)ew_divide_up(p->s, EW_LANES) * EW_LANES;
    const size_t n_row = (size_t)ew_divide_up(p->n, EW_LANES) * EW_LANES;
    float *keys = scratch, *values = keys + s_row * p->d, *none = values + n_row * p->s;
    float *inverse = none + (s_row > n_row ? s_row : n_row), *scores = inverse + p->rows_at_once;
    for (size_t i = 0; none + i < inverse; i++) none[i] = 0.0f;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t batch = tile / parts, first = tile % parts * p->rows_per_tile;
        const uint32_t last = first + ew_min_u32(p->rows_per_tile, p->m - first);
        const float *q = (const float *)operand[0] + EW_MATRIX_AT(p, batch, q);
        const float *mask = (const float *)operand[3] + EW_MATRIX_AT(p, batch, mask);
        float *y = (float *)operand[4] + EW_MATRIX_AT(p, batch, y);
        if (tile == tile_begin || first == 0) {
            const float *k = (const float *)operand[1] + EW_MATRIX_AT(p, batch, k);
            const float *v = (const float *)operand[2] + EW_MATRIX_AT(p, batch, v);
            pack_matrix(k, p->k_column, p->k_row, p->d, p->s, keys);
            pack_matrix(v, p->v_row, p->v_column, p->s, p->n, values);
        }
        for (uint32_t row = first, rows; row < last; row += rows) {
            rows = ew_min_u32(p->rows_at_once, last - row);
            float *to = y + (size_t)row * p->y_row;
            multiply(q + (size_t)row * p->q_row, p->q_row, keys, none, rows, p->d, p->s, scores,
                     s_row);
            for (uint32_t r = 0; r < rows; r++)
                inverse[r] = exponentiate(p, scores + r * s_row,
                                          mask + (size_t)(row + r) * p->mask_row);
            multiply(scores, s_row, values, none, rows, p->s, p->n, to, p->y_row);
            for (uint32_t r = 0; r < rows; r++)
                scale_f32(to + (size_t)r * p->y_row, p->n, inverse[r]);
        }
    }
}
