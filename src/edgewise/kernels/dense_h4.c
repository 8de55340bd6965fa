/* FULLY_CONNECTED of few rows of floats by 4-bit weights. Rows are quantized as conv_h8.c does it;
 * weights stay 4 bits in memory, for reading them is what such a layer takes its time for. They are
 * unpacked in registers: a lane of a panel holds eight elements of K of its column, moved by 8, so
 * that a shift and a mask leave what one product takes, EW_PER_LANE elements. */
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
        ew_rows_of(ew_ranges_of(range), &found);
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
    EIGHT = 8,                    /* elements of K in a lane */
    PARTS = EIGHT / EW_PER_LANE,  /* products that they are of */
    PITCH = EW_COLUMNS * 4,       /* bytes from lanes of eight elements to the next */
    ELEMENT = sizeof(ew_staged),
    ROWS = 4,                     /* at once by one panel; one row by EW_GEMV_B8 of them */
    SUMS = 8,                     /* accumulators: with x, the mask and weights 15 registers */
};

/* Some rows by the panels from w on, which are `panel` bytes apart. */
typedef struct {
    const uint8_t *x, *w;
    size_t x_row, panel;
    const float *scale, *bias;
    const int32_t *sums;
    size_t of_block; /* scales and sums of a block */
    const float *row_scale;
    const int32_t *row_zero;
    float *y;
    size_t y_row;
    uint32_t columns, eights, per_block;
    float low, high;
} product;

/* The elements of K that part number `part` of a lane multiplies. */
EW_INLINE v_s32 unpacked(v_s32 eight, const uint32_t part) {
    const v_s32 mask = v_splat_s32(EW_PER_LANE == 4 ? 0x0F0F0F0F : 0x000F000F);
    const v_s32 moved = (eight >> (int32_t)(4 * part)) & mask;
    if (EW_PER_LANE == 4) return (v_s32)((v_bytes)moved - v_splat_bytes(8));
    return (v_s32)((v_s16)moved - (int16_t)8);
}

/* The sums of one block. */
EW_INLINE void multiply(const uint32_t rows, const uint32_t vectors, const product *g,
                        const uint8_t *x, const uint8_t *w, uint32_t eights, v_s32 acc[SUMS]) {
    const size_t x_row = g->x_row, panel = g->panel;
    EW_UNROLL
    for (uint32_t i = 0; i < rows * vectors; i++) acc[i] = v_splat_s32(0);
    for (; eights; eights--, x += EIGHT * ELEMENT, w += PITCH)
        EW_UNROLL
        for (uint32_t part = 0; part < PARTS; part++) {
            v_s32 by[ROWS];
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
                const v_s32 weights = unpacked(eight, part);
                EW_UNROLL
                for (uint32_t r = 0; r < rows; r++)
                    acc[r * vectors + v] =
                        v_dot_lane(EW_PER_LANE, by[r], weights, acc[r * vectors + v]);
            }
        }
}

/* `rows` rows by `vectors` vectors of columns. */
EW_INLINE void tile(const uint32_t rows, const uint32_t vectors, const product *g) {
    float sum[SUMS][EW_LANES];
    for (uint32_t i = 0; i < rows * vectors; i++)
        v_store_f32(sum[i], v_load_f32(g->bias + i % vectors * EW_LANES));
    for (uint32_t from = 0, b = 0; from < g->eights; from += g->per_block, b++) {
        const uint32_t count = ew_min_u32(g->per_block, g->eights - from);
        v_s32 acc[SUMS];
        multiply(rows, vectors, g, g->x + (size_t)from * EIGHT * ELEMENT,
                 g->w + (size_t)from * PITCH, count, acc);
        EW_UNROLL
        for (uint32_t i = 0; i < rows * vectors; i++) {
            const size_t at = b * g->of_block + i % vectors * EW_LANES, r = i / vectors;
            if (EW_PER_LANE == 4) acc[i] += v_load_s32(g->sums + at) * v_splat_s32(g->row_zero[r]);
            const v_f32 by = v_load_f32(g->scale + at) * v_splat_f32(g->row_scale[r]);
            v_store_f32(sum[i], v_fma(v_float(acc[i]), by, v_load_f32(sum[i])));
        }
    }
    const v_f32 low = v_splat_f32(g->low), high = v_splat_f32(g->high);
    for (uint32_t i = 0; i < rows * vectors; i++) {
        const uint32_t first = i % vectors * EW_LANES;
        v_store_f32(sum[i], v_min(high, v_max(low, v_load_f32(sum[i]))));
        for (uint32_t n = 0; n < EW_LANES && first + n < g->columns; n++)
            g->y[i / vectors * g->y_row + first + n] = sum[i][n];
    }
}

/* Functions of their own, as in gemm.h. */
#define DEFINE_TILE(rows, vectors)                                                                 \
    static __attribute__((noinline)) void dense_h4_##rows##x##vectors(const product *g) {          \
        tile(rows, vectors, g);                                                                    \
    }
DEFINE_TILE(1, 8)
DEFINE_TILE(1, 2)
DEFINE_TILE(2, 2)
DEFINE_TILE(3, 2)
DEFINE_TILE(4, 2)
static void (*const tiles[ROWS])(const product *) = {dense_h4_1x2, dense_h4_2x2, dense_h4_3x2,
                                                     dense_h4_4x2};

EW_DEFINE(dense_h4) {
    const ew_dense_h4 *p = params;
    const uint32_t panels = ew_divide_up(p->o, EW_COLUMNS), eights = ew_divide_up(p->k, EIGHT);
    float *row_scale = scratch;
    int32_t *row_zero = (int32_t *)(row_scale + p->rows);
    ew_staged *staged = (ew_staged *)(row_zero + p->rows);
    product g = {
        .x_row = (size_t)eights * EIGHT * ELEMENT,
        .panel = (size_t)eights * PITCH,
        .of_block = (size_t)panels * EW_COLUMNS,
        .y_row = p->o,
        .eights = eights,
        .per_block = ew_min_u32(ew_divide_up(p->block, EIGHT), eights),
        .low = p->low,
        .high = p->high,
    };
    if (tile_begin < tile_end)
        stage_rows(p, operand[0], row_scale, row_zero, staged, (size_t)eights * EIGHT);
    const uint32_t end = ew_min_u32(tile_end * p->panels_per_tile, panels);
    for (uint32_t panel = tile_begin * p->panels_per_tile, next; panel < end; panel = next) {
        const int is_row = p->rows == 1 && panel + EW_GEMV_B8 <= end;
        const size_t at = (size_t)panel * EW_COLUMNS;
        next = panel + (is_row ? EW_GEMV_B8 : 1);
        g.w = (const uint8_t *)operand[1] + panel * g.panel;
        g.scale = (const float *)operand[2] + at;
        g.bias = (const float *)operand[3] + at;
        g.sums = (const int32_t *)operand[4] + (EW_PER_LANE == 4 ? at : 0);
        g.columns = p->o - panel * EW_COLUMNS;
        if (!is_row) g.columns = ew_min_u32(g.columns, EW_COLUMNS);
        for (uint32_t r = 0, rows; r < p->rows; r += rows) {
            rows = ew_min_u32(ROWS, p->rows - r);
            g.x = (const uint8_t *)staged + r * g.x_row;
            g.row_scale = row_scale + r;
            g.row_zero = row_zero + r;
            g.y = (float *)operand[5] + (size_t)r * p->o + at;
            if (is_row)
                dense_h4_1x8(&g);
            else
                tiles[rows - 1](&g);
        }
    }
}
#endif
