/* Attention in float32: y = softmax(scale * q k^T + mask) v, a block of rows of scores at a time,
 * which stay in the cache from the first product to the second. Where the plan asks for it and the
 * build can, products are of bfloat16. */
#include "exponentials.h"
#define EW_ROWS EW_ROWS_B8 /* gemm_f32.h has its own */
#include "gemm_amx.h"
#include "gemm_dpbf16.h"
#undef EW_ROWS
#include "pack_f32.h"
#include "simd_half.h"

#if defined(EW_AMX) || defined(EW_AMD)
#define EW_BF16 1 /* this build has products of bfloat16 */
#else
#define EW_BF16 0
#endif

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
    const uint32_t blocks = ew_blocks(rows, x_row);
    for (uint32_t i = 0; i < ew_panels(o); i++) {
        ew_panel panel = ew_panel_at(packed, sizeof *packed, none, k, o, i, blocks);
        panel.low = -__builtin_inff(), panel.high = __builtin_inff();
        EW_NAME(gemm_f32)(&patch, &panel, rows, x, x_row, y + (size_t)i * 2 * EW_LANES, y_row);
    }
}

#if EW_BF16
enum { BLOCK = 32, PLACE = BLOCK * BLOCK }; /* a step along K of a panel has so many elements */

EW_INLINE size_t padded(uint32_t n) { return (size_t)ew_divide_up(n, BLOCK) * BLOCK; }

/* Matrix [k, o] of bfloat16 as gemm_amx.h reads it, zeros beyond. */
static void pack_narrow(const float *from, size_t k_step, size_t column_step, uint32_t k,
                        uint32_t o, uint16_t *to) {
    for (size_t c = 0; c < padded(o); c += BLOCK)
        for (size_t i = 0; i < padded(k); i += BLOCK, to += PLACE) {
            const float *block = from + c * column_step + i * k_step;
            const uint32_t columns = ew_min_u32(BLOCK, o - (uint32_t)c);
            const uint32_t steps = ew_min_u32(BLOCK, k - (uint32_t)i);
            if (columns < BLOCK || steps < BLOCK)
                for (uint32_t e = 0; e < PLACE; e++) to[e] = 0;
            for (uint32_t half = 0; half < columns; half += EW_LANES) {
                const uint32_t end = ew_min_u32(EW_LANES, columns - half);
                uint16_t *register_at = to + half * BLOCK;
                const float *x = block + half * column_step;
                if (column_step == 1)
                    for (uint32_t e = 0; e < steps; e++)
                        for (uint32_t n = 0; n < end; n++)
                            register_at[e / 2 * BLOCK + n * 2 + e % 2] =
                                ew_bfloat_of(x[e * k_step + n]);
                else
                    for (uint32_t n = 0; n < end; n++)
                        for (uint32_t e = 0; e < steps; e++)
                            register_at[e / 2 * BLOCK + n * 2 + e % 2] =
                                ew_bfloat_of(x[e * k_step + n * column_step]);
            }
        }
}

/* y [rows, o] = x [rows, k] by packed panels; x is rounded first. */
static void multiply_narrow(const float *x, size_t x_row, const uint16_t *packed, uint16_t *staged,
                            uint32_t rows, uint32_t k, uint32_t o, float *y, size_t y_row) {
    for (uint32_t r = 0; r < rows; r++, x += x_row) {
        uint16_t *to = staged + r * padded(k);
        uint32_t i = 0;
        for (; i + EW_LANES <= k; i += EW_LANES) v_store_bf16(to + i, v_load_f32(x + i));
        for (; i < k; i++) to[i] = ew_bfloat_of(x[i]);
        for (; i < padded(k); i++) to[i] = 0;
    }
#if defined(EW_AMD)
    const uint32_t segment = 0;
    ew_gemm_dpbf16 g = {.low = -__builtin_inff(), .high = __builtin_inff(), .ahead = ""};
    g.product = (ew_gemm){.x = (const uint8_t *)staged, .x_row = padded(k) * sizeof *staged,
                          .segment = &segment, .segments = 1, .steps = ew_divide_up(k, 2),
                          .y_row = y_row * sizeof *y, .rows = rows};
    for (uint32_t c = 0; c < o; c += BLOCK, packed += padded(k) * BLOCK) {
        g.product.w = (const int8_t *)packed, g.product.y = (uint8_t *)(y + c);
        g.product.columns = ew_min_u32(BLOCK, o - c);
        EW_NAME(gemm_dpbf16)(&g);
    }
#else
    enum { TILES = 2, VECTORS = 2 };
    int32_t *made = ew_aligned(staged + padded(rows) * padded(k)); /* [BLOCK][BLOCK] */
    for (uint32_t c = 0; c < o; c += BLOCK, packed += padded(k) * BLOCK)
        for (uint32_t r = 0; r < rows; r += BLOCK) {
            ew_amx_sums sums[sizeof(ew_amx_sums) == 1 ? 1 : BLOCK];
            const uint32_t columns = ew_min_u32(BLOCK, o - c), end = ew_min_u32(BLOCK, rows - r);
            ew_amx_clear(TILES, VECTORS, sums, NULL);
            for (uint32_t i = 0; i < padded(k); i += BLOCK)
                ew_amx_step(TILES, VECTORS, 1, sums, (uint8_t *)(staged + r * padded(k) + i),
                            padded(k) * sizeof *staged, (const int8_t *)(packed + i * BLOCK), 0);
            ew_amx_store(TILES, VECTORS, sums, made);
            for (uint32_t n = 0; n < end; n++) {
                float *to = y + (r + n) * y_row + c;
                ew_copy((uint8_t *)to, (uint8_t *)(made + n * BLOCK), columns * sizeof *to);
            }
        }
#endif
}
#endif

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
    float *inverse = scratch, *scores = inverse + p->rows_at_once;
    float *keys = scores + p->rows_at_once * s_row, *values = keys + s_row * p->d;
    float *none = values + n_row * p->s;
    const size_t zeros = p->is_bf16 && EW_BF16 ? 0 : s_row > n_row ? s_row : n_row;
#if EW_BF16
    uint16_t *narrow_keys = ew_aligned(keys);
    uint16_t *narrow_values = narrow_keys + padded(p->s) * padded(p->d);
    uint16_t *staged = narrow_values + padded(p->n) * padded(p->s);
    if (p->is_bf16) ew_amx_begin();
#endif
    for (size_t i = 0; i < zeros; i++) none[i] = 0.0f;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        const uint32_t batch = tile / parts, first = tile % parts * p->rows_per_tile;
        const uint32_t last = first + ew_min_u32(p->rows_per_tile, p->m - first);
        const float *q = (const float *)operand[0] + EW_MATRIX_AT(p, batch, q);
        const float *mask = (const float *)operand[3] + EW_MATRIX_AT(p, batch, mask);
        float *y = (float *)operand[4] + EW_MATRIX_AT(p, batch, y);
        if (tile == tile_begin || first == 0) {
            const float *k = (const float *)operand[1] + EW_MATRIX_AT(p, batch, k);
            const float *v = (const float *)operand[2] + EW_MATRIX_AT(p, batch, v);
#if EW_BF16
            if (p->is_bf16) {
                pack_narrow(k, p->k_column, p->k_row, p->d, p->s, narrow_keys);
                pack_narrow(v, p->v_row, p->v_column, p->s, p->n, narrow_values);
            } else
#endif
            {
                pack_matrix(k, p->k_column, p->k_row, p->d, p->s, keys);
                pack_matrix(v, p->v_row, p->v_column, p->s, p->n, values);
            }
        }
        for (uint32_t row = first, rows; row < last; row += rows) {
            rows = ew_min_u32(p->rows_at_once, last - row);
            float *to = y + (size_t)row * p->y_row;
            const float *from = q + (size_t)row * p->q_row;
#if EW_BF16
            if (p->is_bf16)
                multiply_narrow(from, p->q_row, narrow_keys, staged, rows, p->d, p->s, scores,
                                s_row);
            else
#endif
                multiply(from, p->q_row, keys, none, rows, p->d, p->s, scores, s_row);
            for (uint32_t r = 0; r < rows; r++)
                inverse[r] = exponentiate(p, scores + r * s_row,
                                          mask + (size_t)(row + r) * p->mask_row);
#if EW_BF16
            if (p->is_bf16)
                multiply_narrow(scores, s_row, narrow_values, staged, rows, p->s, p->n, to,
                                p->y_row);
            else
#endif
                multiply(scores, s_row, values, none, rows, p->s, p->n, to, p->y_row);
            for (uint32_t r = 0; r < rows; r++)
                scale_f32(to + (size_t)r * p->y_row, p->n, inverse[r]);
        }
    }
#if EW_BF16
    if (p->is_bf16) ew_amx_end();
#endif
}
