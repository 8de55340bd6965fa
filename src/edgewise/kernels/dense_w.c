/* FULLY_CONNECTED of few rows of floats by weights of 8 or 4 bits, which become floats in
 * registers: such a layer takes its time for reading weights, and reads a quarter or an eighth of
 * those of float32. Sums of a block are multiplied with its scale once. */
#include "few_rows.h"

#if EW_LANES == 1

EW_DEFINE(dense_w) {
    const ew_dense_w *p = params;
    const uint32_t pitch = p->bits == 4 ? ew_divide_up(p->k, 2) : p->k;
    EW_UNUSED(scratch);
    for (uint32_t n = tile_begin; n < tile_end; n++) {
        const uint8_t *w = (const uint8_t *)operand[1] + (size_t)n * pitch;
        for (uint32_t r = 0; r < p->rows; r++) {
            const float *x = (const float *)operand[0] + (size_t)r * p->k;
            float sum = ((const float *)operand[3])[n];
            for (uint32_t from = 0, b = 0; from < p->k; from += p->block, b++) {
                const uint32_t end = from + ew_min_u32(p->block, p->k - from);
                float part = 0;
                for (uint32_t e = from; e < end; e++) {
                    const int32_t nibble = w[e / 2] >> e % 2 * 4 & 15;
                    part += x[e] * (float)(p->bits == 4 ? nibble - 8 : (int8_t)w[e]);
                }
                sum += part * ((const float *)operand[2])[(size_t)b * p->o + n];
            }
            ((float *)operand[4])[(size_t)r * p->o + n] = ew_clamp_f32(sum, p->low, p->high);
        }
    }
}

#else

/* acc += x[k] w[k] for element `e` of eight that stand at x and w. */
EW_INLINE void step(const uint32_t bits, const uint32_t rows, const uint32_t vectors,
                    const ew_few_rows *g, const uint8_t *x, const uint8_t *w, const uint32_t e,
                    v_f32 acc[EW_FEW_SUMS]) {
    v_f32 by[EW_FEW_ROWS];
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        float element;
        __builtin_memcpy(&element, x + r * g->x_row + e * sizeof element, sizeof element);
        by[r] = v_splat_f32(element);
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        const uint8_t *at = w + v / 2 * g->panel + v % 2 * EW_LANES * (bits == 4 ? 4 : 1);
        v_f32 weights;
        if (bits == 4)
            weights = v_float((v_load_s32(at) << (28 - 4 * (int32_t)e)) >> 28);
        else
            weights = v_float(v_load_b8(at + e * EW_FEW_COLUMNS, 1));
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            acc[r * vectors + v] = v_fma(by[r], weights, acc[r * vectors + v]);
    }
}

/* `rows` rows by `vectors` vectors of columns. */
EW_INLINE void tile(const uint32_t bits, const uint32_t rows, const uint32_t vectors,
                    const ew_few_rows *g) {
    const uint32_t bytes = EW_FEW_COLUMNS * (bits == 4 ? 4 : EW_EIGHT); /* of eight elements */
    ew_few_results sum;
    ew_few_begin(rows, vectors, g, sum);
    const uint8_t *x = g->x, *w = g->w;
    for (uint32_t from = 0, b = 0; from < g->k; from += g->block, b++) {
        const uint32_t count = ew_min_u32(g->block, g->k - from);
        v_f32 acc[EW_FEW_SUMS];
        EW_UNROLL
        for (uint32_t i = 0; i < rows * vectors; i++) acc[i] = v_splat_f32(0.0f);
        for (uint32_t i = count / EW_EIGHT; i; i--, x += EW_EIGHT * sizeof(float), w += bytes)
            EW_UNROLL
            for (uint32_t e = 0; e < EW_EIGHT; e++) step(bits, rows, vectors, g, x, w, e, acc);
        EW_UNROLL /* the rest: shifts are constants */
        for (uint32_t e = 0; e < EW_EIGHT - 1; e++)
            if (e < count % EW_EIGHT) step(bits, rows, vectors, g, x, w, e, acc);
        EW_UNROLL
        for (uint32_t i = 0; i < rows * vectors; i++) {
            const v_f32 by = v_load_f32(g->scale + b * g->of_block + i % vectors * EW_LANES);
            v_store_f32(sum[i], v_fma(acc[i], by, v_load_f32(sum[i])));
        }
    }
    ew_few_end(rows, vectors, g, sum);
}

EW_DEFINE_FEW_BODIES(dense_w8, 8)
EW_DEFINE_FEW_BODIES(dense_w4, 4)
static ew_few_body *const bodies[2][1 + EW_FEW_ROWS] = {EW_FEW_BODIES(dense_w8),
                                                        EW_FEW_BODIES(dense_w4)};

EW_DEFINE(dense_w) {
    const ew_dense_w *p = params;
    const uint32_t panels = ew_divide_up(p->o, EW_FEW_COLUMNS), is_narrow = p->bits == 4;
    const size_t bytes = is_narrow ? 4 * ew_divide_up(p->k, EW_EIGHT) : p->k; /* of a column */
    const ew_few_rows g = {
        .x = operand[0],
        .w = operand[1],
        .x_row = p->k * sizeof(float),
        .panel = bytes * EW_FEW_COLUMNS,
        .scale = operand[2],
        .bias = operand[3],
        .of_block = (size_t)panels * EW_FEW_COLUMNS,
        .y = operand[4],
        .y_row = p->o,
        .k = p->k,
        .block = p->block,
        .low = p->low,
        .high = p->high,
    };
    EW_UNUSED(scratch);
    ew_run_few_rows(g, bodies[is_narrow], p->rows, p->o, tile_begin * p->panels_per_tile,
                    ew_min_u32(tile_end * p->panels_per_tile, panels));
}
#endif
