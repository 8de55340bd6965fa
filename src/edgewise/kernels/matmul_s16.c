/* BATCH_MATMUL of int16 by int8 or int16: a tile stages its rows of x and packs one panel of y after
 * the other, as gemm_s16.h wants them. An int16 of y is 256 * high + low + 128, two bytes with a
 * sign each, of which a panel is made; sums are taken in parts that do not leave s32. */
#include "gemm_s16.h"
#include "round_s16.h"

EW_INLINE int32_t element_of(const ew_matmul_s16 *p, const uint8_t *y, size_t at) {
    if (!p->is_y_wide) return (int8_t)y[at];
    int16_t v;
    __builtin_memcpy(&v, y + 2 * at, sizeof v);
    return v;
}

static int16_t finish(const ew_matmul_s16 *p, int64_t sum) {
    return ew_round_s16(sum, EW_ROUND_up, &p->multiplier, &p->shift, 0, INT16_MIN, INT16_MAX);
}

#if EW_LANES == 1

EW_DEFINE(matmul_s16) {
    const ew_matmul_s16 *p = params;
    const uint32_t blocks = ew_divide_up(p->m, p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t batch = tile / blocks, first = tile % blocks * p->rows_per_tile;
        const uint32_t last = ew_min_u32(first + p->rows_per_tile, p->m);
        const int16_t *x = (const int16_t *)operand[0] + EW_MATRIX_AT(p, batch, x);
        const size_t y = EW_MATRIX_AT(p, batch, y);
        for (uint32_t i = first; i < last; i++)
            for (uint32_t j = 0; j < p->n; j++) {
                int64_t sum = 0;
                for (uint32_t l = 0; l < p->k; l++) {
                    const size_t at = y + (size_t)l * p->y_k + (size_t)j * p->y_column;
                    sum += x[(size_t)i * p->x_row + (size_t)l * p->x_k] *
                           element_of(p, operand[1], at);
                }
                int16_t *z = operand[2];
                z[((size_t)batch * p->m + i) * p->n + j] = finish(p, sum);
            }
    }
}

#else

enum { LANE = 2, STEPS = 255 }; /* elements of K, and steps of which no sum leaves s32 */

typedef struct {
    int64_t *sum, *of_row; /* [rows, EW_COLUMNS]; 128 times the sums of x [rows] */
    int32_t *part, *zeros; /* [rows, EW_COLUMNS]; [EW_COLUMNS] */
    int16_t *x;            /* [rows, pitch] */
    int8_t *panel;
    size_t pitch;
} memory;

static void stage_rows(const ew_matmul_s16 *p, const int16_t *x, uint32_t rows, const memory *m) {
    for (uint32_t i = 0; i < rows; i++) {
        int16_t *to = m->x + i * m->pitch;
        int64_t sum = 0;
        for (uint32_t l = 0; l < p->k; l++)
            sum += to[l] = x[(size_t)i * p->x_row + (size_t)l * p->x_k];
        for (size_t l = p->k; l < m->pitch; l++) to[l] = 0;
        m->of_row[i] = p->is_y_wide ? 128 * sum : 0;
    }
}

/* Columns [0, columns) from element `y` on: bytes, or the high or low ones of two. */
static void pack_panel(const ew_matmul_s16 *p, const uint8_t *from, size_t y, uint32_t columns,
                       uint32_t is_low, int8_t *to) {
    for (uint32_t l = 0; l < p->k; l += LANE, to += EW_COLUMNS * LANE)
        for (uint32_t j = 0; j < EW_COLUMNS; j++)
            for (uint32_t i = 0; i < LANE; i++) {
                int32_t v = 0;
                if (j < columns && l + i < p->k) {
                    v = element_of(p, from, y + (l + i) * (size_t)p->y_k + j * (size_t)p->y_column);
                    if (p->is_y_wide) v = is_low ? (v & 255) - 128 : v >> 8;
                }
                to[j * LANE + i] = (int8_t)v;
            }
}

/* m->sum += `times` the staged rows by the packed panel. */
static void add_product(const ew_matmul_s16 *p, uint32_t rows, int32_t times, const memory *m) {
    const uint32_t start = 0, steps = ew_divide_up(p->k, LANE);
    const size_t sums = (size_t)rows * EW_COLUMNS;
    for (uint32_t step = 0; step < steps; step += STEPS) {
        const ew_gemm_s16 g = {.product = {
            .x = (const uint8_t *)(m->x + (size_t)step * LANE),
            .x_row = m->pitch * sizeof *m->x,
            .segment = &start,
            .segments = 1,
            .steps = ew_min_u32(STEPS, steps - step),
            .w = m->panel + (size_t)step * EW_COLUMNS * LANE,
            .bias = m->zeros,
            .y = (uint8_t *)m->part,
            .y_row = EW_COLUMNS * sizeof *m->part,
            .rows = rows,
            .columns = EW_COLUMNS,
        }};
        EW_NAME(gemm_s16)(&g);
        for (size_t i = 0; i < sums; i++) m->sum[i] += (int64_t)m->part[i] * times;
    }
}

EW_DEFINE(matmul_s16) {
    const ew_matmul_s16 *p = params;
    const uint32_t blocks = ew_divide_up(p->m, p->rows_per_tile);
    const size_t sums = (size_t)p->rows_per_tile * EW_COLUMNS;
    memory m = {.sum = scratch, .pitch = (size_t)ew_divide_up(p->k, LANE) * LANE};
    m.of_row = m.sum + sums;
    m.part = (int32_t *)(m.of_row + p->rows_per_tile);
    m.zeros = m.part + sums;
    m.x = (int16_t *)(m.zeros + EW_COLUMNS);
    m.panel = (int8_t *)(m.x + p->rows_per_tile * m.pitch);
    for (uint32_t n = 0; n < EW_COLUMNS; n++) m.zeros[n] = 0;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t batch = tile / blocks, first = tile % blocks * p->rows_per_tile;
        const uint32_t rows = ew_min_u32(p->rows_per_tile, p->m - first);
        const int16_t *x = (const int16_t *)operand[0] + EW_MATRIX_AT(p, batch, x);
        const size_t y = EW_MATRIX_AT(p, batch, y);
        stage_rows(p, x + (size_t)first * p->x_row, rows, &m);
        for (uint32_t j = 0; j < p->n; j += EW_COLUMNS) {
            const uint32_t columns = ew_min_u32(EW_COLUMNS, p->n - j);
            for (size_t i = 0; i < (size_t)rows * EW_COLUMNS; i++)
                m.sum[i] = m.of_row[i / EW_COLUMNS];
            for (uint32_t is_low = 0; is_low <= p->is_y_wide; is_low++) {
                pack_panel(p, operand[1], y + (size_t)j * p->y_column, columns, is_low, m.panel);
                add_product(p, rows, p->is_y_wide && !is_low ? 256 : 1, &m);
            }
            for (uint32_t i = 0; i < rows; i++) {
                int16_t *z = (int16_t *)operand[2] + ((size_t)batch * p->m + first + i) * p->n + j;
                for (uint32_t n = 0; n < columns; n++)
                    z[n] = finish(p, m.sum[(size_t)i * EW_COLUMNS + n]);
            }
        }
    }
}
#endif
