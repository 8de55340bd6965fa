/* Recurrent layers in float32 with int8 weights, which stay so: in every step the hidden value is
 * quantized as one row (rows_h8.h), multiplied, and added to the products of the input. */
#include "gemm_h8.h"
#include "recurrent.h"
#include "rows_h8.h"

/* Weights [N, K] as those of ew_conv_h8, with one block. */
typedef struct {
    const int8_t *w;
    const float *scale;
    const int32_t *sums;
    uint32_t k, n;
} matrix;

typedef struct {
    matrix recurrent, projection;
    const float *bias; /* of the projection */
    ew_staged *staged;
} matrices;

/* y[n] += x[k] w. */
static void add_product(const matrix *m, const float *x, float *y, ew_staged *staged) {
    ew_rows row;
    ew_rows_of(ew_range_alone(ew_range_of(ew_no_range(), x, m->k)), &row);
    ew_quantize_run(ew_row_at(&row, 0), x, m->k, staged);
#if EW_LANES == 1
    for (uint32_t i = 0; i < m->n; i++) {
        const int8_t *w = m->w + (size_t)i * m->k;
        int32_t acc = 0;
        for (uint32_t e = 0; e < m->k; e++) acc += staged[e] * w[e];
        y[i] = (float)acc * (row.scale[0] * m->scale[i]) + y[i];
    }
#else
    const uint32_t panels = ew_divide_up(m->n, EW_COLUMNS), segment = 0;
    const uint32_t steps = ew_divide_up(m->k, EW_PER_LANE);
    const float zero = (float)-row.zero[0];
    for (uint32_t panel = 0, after; panel < panels; panel = after) {
        const uint32_t column = panel * EW_COLUMNS;
        after = panel + EW_GEMV_B8;
        const int is_vector = after * EW_COLUMNS <= m->n;
        if (!is_vector) after = panel + 1;
        ew_gemm_h8 product = {
            .product = {
                .x = (const uint8_t *)staged,
                .segment = &segment,
                .segments = 1,
                .steps = steps,
                .w = m->w + (size_t)column * steps * EW_PER_LANE,
                .y = (uint8_t *)(y + column),
                .rows = 1,
                .columns = ew_min_u32(EW_COLUMNS, m->n - column),
            },
            .scale = m->scale + column,
            .bias = y + column,
            .sums = m->sums + (EW_PER_LANE == 4 ? column : 0),
            .row_scale = row.scale,
            .has_zeros = 1,
            .row_zero = &zero,
            .low = -__builtin_inff(),
            .high = __builtin_inff(),
        };
        if (is_vector)
            EW_NAME(gemv_h8)(&product);
        else
            EW_NAME(gemm_h8)(&product);
    }
#endif
}

static void add_hidden(const ew_recurrent *p, const void *layer, const float *h, float *g) {
    const matrices *l = layer;
    EW_UNUSED(p);
    add_product(&l->recurrent, h, g, l->staged);
}

static void project(const ew_recurrent *p, const void *layer, const float *h, float *y) {
    const matrices *l = layer;
    ew_copy((uint8_t *)y, (const uint8_t *)l->bias, p->outputs * sizeof *y);
    add_product(&l->projection, h, y, l->staged);
}

EW_DEFINE(recurrent_h8) {
    const ew_recurrent *p = params;
    const uint32_t columns = p->gates * p->cells;
    float *gates = scratch, *projected = gates + columns + EW_RECURRENT_PANEL;
    float *end = projected + (p->has_projection ? p->outputs + EW_RECURRENT_PANEL : 0);
    const matrices layer = {
        .recurrent = {operand[1], operand[2], operand[3], p->outputs, columns},
        .projection = {operand[5], operand[6], operand[7], p->cells, p->outputs},
        .bias = operand[8],
        .staged = (ew_staged *)(void *)end,
    };
    const ew_sequence sequence = {
        .x = operand[0],
        .vectors = operand[4],
        .h = operand[9],
        .c = operand[10],
        .y = operand[11],
        .gates = gates,
        .projected = projected,
    };
    if (tile_begin == tile_end) return;
    ew_run_steps(p, &sequence, &layer, add_hidden, project);
}
