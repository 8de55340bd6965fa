/* FULLY_CONNECTED of few rows of floats by 4-bit weights. Rows are quantized as conv_h8.c does it;
 * weights stay 4 bits in memory, for reading them is what such a layer takes its time for. They are
 * unpacked in registers: a lane of a panel holds eight elements of K of its column, moved by 8, so
 * that a shift and a mask leave what one product takes, EW_PER_LANE elements. */
#include "few_rows.h"
#include "rows_h8.h"

static void stage_rows(const ew_dense_h4 *p, const float *x, float *scale, int32_t *zero,
                       ew_staged *staged, size_t pitch) {
    for (uint32_t row = 0; row < p->rows; row += EW_LANES) {
        ew_range range[EW_LANES];
        ew_rows found;
        const uint32_t count = ew_min_u32(EW_LANES, p->rows - row);
        for (uint32_t i = 0; i < EW_LANES; i++) {
            range[i] = ew_no_range();
            if (i < count) range[i] = ew_range_of(range[i], x + (size_t)(row + i) * p->k, p->k);
        }
        ew_rows_of(count == 1 ? ew_range_alone(range[0]) : ew_ranges_of(range), &found);
        for (uint32_t i = 0; i < count; i++) {
            const size_t at = row + i;
            ew_quantize_run(ew_row_at(&found, i), x + at * p->k, p->k, staged + at * pitch);
            scale[at] = found.scale[i];
            zero[at] = -found.zero[i];
        }
    }
}

#if EW_LANES == 1

EW_DEFINE(dense_h4) {
    const ew_dense_h4 *p = params;
    float *scale = scratch;
    int32_t *zero = (int32_t *)(scale + p->rows);
    ew_staged *staged = (ew_staged *)(zero + p->rows);
    if (tile_begin < tile_end) stage_rows(p, operand[0], scale, zero, staged, p->k);
    for (uint32_t n = tile_begin; n < tile_end; n++) {
        const uint8_t *w = (const uint8_t *)operand[1] + (size_t)n * ew_divide_up(p->k, 2);
        for (uint32_t r = 0; r < p->rows; r++) {
            const ew_staged *x = staged + (size_t)r * p->k;
            float sum = ((const float *)operand[3])[n];
            for (uint32_t from = 0, b = 0; from < p->k; from += p->block, b++) {
                const uint32_t end = from + ew_min_u32(p->block, p->k - from);
                int32_t acc = 0;
                for (uint32_t e = from; e < end; e++)
                    acc += x[e] * ((w[e / 2] >> e % 2 * 4 & 15) - 8);
                const float by = ((const float *)operand[2])[(size_t)b * p->o + n];
                sum = (float)acc * (scale[r] * by) + sum;
            }
            ((float *)operand[5])[(size_t)r * p->o + n] = ew_clamp_f32(sum, p->low, p->high);
        }
    }
}

#else

enum {
    PARTS = EW_EIGHT / EW_PER_LANE, /* products that a lane is of */
    PITCH = EW_FEW_COLUMNS * 4,     /* bytes from lanes of eight elements to the next */
    ELEMENT = sizeof(ew_staged),
};

/* The sums of one block. With x, the mask and the weights, 15 registers. */
EW_INLINE void multiply(const uint32_t rows, const uint32_t vectors, const ew_few_rows *g,
                        const uint8_t *x, const uint8_t *w, uint32_t eights,
                        v_s32 acc[EW_FEW_SUMS]) {
    const size_t x_row = g->x_row, panel = g->panel;
    EW_UNROLL
    for (uint32_t i = 0; i < rows * vectors; i++) acc[i] = v_splat_s32(0);
    for (; eights; eights--, x += EW_EIGHT * ELEMENT, w += PITCH)
        EW_UNROLL
        for (uint32_t part = 0; part < PARTS; part++) {
            v_s32 by[EW_FEW_ROWS];
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                int32_t elements;
                __builtin_memcpy(&elements, x + r * x_row + part * sizeof elements,
                                 sizeof elements);
                by[r] = v_splat_s32(elements);
            }
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) {
                const v_s32 eight = v_load_s32(w + v / 2 * panel + v % 2 * 4 * EW_LANES);
                const v_s32 weights = v_narrow_weights(eight, part);
                EW_UNROLL
                for (uint32_t r = 0; r < rows; r++)
                    acc[r * vectors + v] =
                        v_dot_lane(EW_PER_LANE, by[r], weights, acc[r * vectors + v]);
            }
        }
}

/* `rows` rows by `vectors` vectors of columns; of the bits there is one number. */
EW_INLINE void tile(const uint32_t bits, const uint32_t rows, const uint32_t vectors,
                    const ew_few_rows *g) {
    ew_few_results sum;
    EW_UNUSED(bits);
    ew_few_begin(rows, vectors, g, sum);
    for (uint32_t from = 0, b = 0; from < g->k; from += g->block, b++) {
        const uint32_t eights = ew_divide_up(ew_min_u32(g->block, g->k - from), EW_EIGHT);
        v_s32 acc[EW_FEW_SUMS];
        multiply(rows, vectors, g, g->x + (size_t)from * ELEMENT,
                 g->w + (size_t)from / EW_EIGHT * PITCH, eights, acc);
        EW_UNROLL
        for (uint32_t i = 0; i < rows * vectors; i++) {
            const size_t at = b * g->of_block + i % vectors * EW_LANES, r = i / vectors;
            if (EW_PER_LANE == 4) acc[i] += v_load_s32(g->sums + at) * v_splat_s32(g->row_zero[r]);
            const v_f32 by = v_load_f32(g->scale + at) * v_splat_f32(g->row_scale[r]);
            v_store_f32(sum[i], v_fma(v_float(acc[i]), by, v_load_f32(sum[i])));
        }
    }
    ew_few_end(rows, vectors, g, sum);
}

EW_DEFINE_FEW_BODIES(dense_h4, 4)
static ew_few_body *const bodies[] = EW_FEW_BODIES(dense_h4);

EW_DEFINE(dense_h4) {
    const ew_dense_h4 *p = params;
    const uint32_t panels = ew_divide_up(p->o, EW_FEW_COLUMNS);
    const size_t eights = ew_divide_up(p->k, EW_EIGHT);
    float *row_scale = scratch;
    int32_t *row_zero = (int32_t *)(row_scale + p->rows);
    ew_staged *staged = (ew_staged *)(row_zero + p->rows);
    const ew_few_rows g = {
        .x = (const uint8_t *)staged,
        .w = operand[1],
        .x_row = eights * EW_EIGHT * ELEMENT,
        .panel = eights * PITCH,
        .scale = operand[2],
        .bias = operand[3],
        .sums = EW_PER_LANE == 4 ? operand[4] : NULL,
        .of_block = (size_t)panels * EW_FEW_COLUMNS,
        .row_scale = row_scale,
        .row_zero = row_zero,
        .y = operand[5],
        .y_row = p->o,
        .k = p->k,
        .block = p->block,
        .low = p->low,
        .high = p->high,
    };
    if (tile_begin < tile_end)
        stage_rows(p, operand[0], row_scale, row_zero, staged, eights * EW_EIGHT);
    ew_run_few_rows(g, bodies, p->rows, p->o, tile_begin * p->panels_per_tile,
                    ew_min_u32(tile_end * p->panels_per_tile, panels));
}
#endif
