/* BATCH_MATMUL and FULLY_CONNECTED of float32 where both operands are computed at run time: every
 * tile packs its panels of y, one after the other, and multiplies its rows of x by each. */
#include "pack_f32.h"

/* x [rows, k] of any strides, made dense; K in pieces, so that what is read stays in the cache. */
static void stage_rows(const ew_matmul_f32 *p, const float *x, uint32_t rows, float *to) {
    enum { STEPS = 16 };
    for (uint32_t i = 0; i < p->k; i += STEPS) {
        uint32_t end = ew_min_u32(p->k, i + STEPS);
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t j = i; j < end; j++)
                to[(size_t)r * p->k + j] = x[(size_t)r * p->x_row + (size_t)j * p->x_k];
    }
}

EW_DEFINE(matmul_f32) {
    const ew_matmul_f32 *p = params;
    const float *bias = operand[2];
    float *z = operand[3], *panel_w = scratch, *panel_bias = panel_w + (size_t)p->k * 3 * EW_LANES;
    float *staged = panel_bias + 3 * EW_LANES;
    uint32_t panels = ew_panels(p->n), parts = ew_divide_up(panels, p->panels_per_tile);
    uint32_t blocks = ew_divide_up(p->m, p->rows_per_tile);
    ew_patch patch = {.planes = 1, .rows = 1, .columns = 1, .length = p->k};
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        uint32_t batch = tile / parts / blocks, first = tile % parts * p->panels_per_tile;
        uint32_t row = tile / parts % blocks * p->rows_per_tile;
        uint32_t rows = ew_min_u32(p->rows_per_tile, p->m - row);
        uint32_t end = ew_min_u32(panels, first + p->panels_per_tile);
        const float *x = (const float *)operand[0] + EW_MATRIX_AT(p, batch, x);
        const float *y = (const float *)operand[1] + EW_MATRIX_AT(p, batch, y);
        size_t x_row = p->x_row;
        x += (size_t)row * x_row;
        if (p->x_k != 1) {
            stage_rows(p, x, rows, staged);
            x = staged;
            x_row = p->k;
        }
        for (uint32_t i = first; i < end; i++) {
            uint32_t column = i * 2 * EW_LANES;
            ew_panel panel = ew_panel_at(panel_w, sizeof *panel_w, panel_bias, p->k, p->n, i,
                                         ew_blocks(rows, x_row));
            uint32_t width = panel.vectors * EW_LANES;
            panel.w = panel_w;
            panel.bias = panel_bias;
            panel.low = p->low;
            panel.high = p->high;
            ew_pack_panel(y + (size_t)column * p->y_column, p->y_k, p->y_column, p->k,
                          panel.columns, width, panel_w);
            for (uint32_t c = 0; c < width; c++)
                panel_bias[c] = c < panel.columns ? bias[column + c] : 0.0f;
            panel.ahead = (const char *)(y + (size_t)(column + width) * p->y_column);
            EW_NAME(gemm_f32)(&patch, &panel, rows, x, x_row,
                              z + ((size_t)batch * p->m + row) * p->n + column, p->n);
        }
    }
}
