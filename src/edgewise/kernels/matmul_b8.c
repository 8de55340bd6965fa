/* BATCH_MATMUL, and FULLY_CONNECTED with weights that are computed, in 8 bits: a tile stages its
 * rows of x, and packs one panel of y after the other as gemm_b8.h wants them. */
#include "fixed.h"
#include "gemm_b8.h"

#if EW_LANES == 1

EW_INLINE uint8_t finish(const ew_matmul_b8 *p, int32_t acc) {
    int32_t z = ew_multiply_fixed(acc, p->multiplier, p->shift) + p->z_zero;
    return (uint8_t)ew_min_s32(ew_max_s32(z, p->low), p->high);
}

EW_DEFINE(matmul_b8) {
    const ew_matmul_b8 *p = params;
    const int32_t *bias = operand[2];
    const float *scale = operand[3];
    uint32_t blocks = ew_divide_up(p->m, p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        uint32_t batch = tile / blocks, first = tile % blocks * p->rows_per_tile;
        uint32_t last = ew_min_u32(first + p->rows_per_tile, p->m);
        const uint8_t *x = (const uint8_t *)operand[0] + EW_MATRIX_AT(p, batch, x);
        const uint8_t *y = (const uint8_t *)operand[1] + EW_MATRIX_AT(p, batch, y);
        int32_t moved = p->y_zero + (p->is_y_signed ? 0 : 128);
        for (uint32_t i = first; i < last; i++)
            for (uint32_t j = 0; j < p->n; j++) {
                int32_t acc = bias[j];
                for (uint32_t l = 0; l < p->k; l++)
                    acc += (ew_stored(x, i * p->x_row + l * p->x_k, p->is_signed) - p->x_zero) *
                           (ew_stored(y, l * p->y_k + j * p->y_column, p->is_y_signed) - moved);
                uint8_t *z = (uint8_t *)operand[4] + ((size_t)batch * p->m + i) * p->n + j;
                *z = p->is_fixed ? finish(p, acc)
                                 : (uint8_t)v_requantize(acc, scale[j], (float)(p->low - p->z_zero),
                                                         (float)(p->high - p->z_zero), p->z_zero);
            }
    }
}

#else

/* What `finish` does in the plain build: EW_COLUMNS accumulators of a row of z, of which n are stored. */
static void finish_row(const ew_matmul_b8 *p, const int32_t *acc, uint8_t *z, uint32_t n) {
    typedef int64_t v_s64 __attribute__((vector_size(8 * EW_LANES)));
    typedef uint64_t v_u64 __attribute__((vector_size(8 * EW_LANES)));
    const int32_t left = p->shift > 0 ? p->shift : 0, right = p->shift > 0 ? 0 : -p->shift;
    const int32_t mask = (int32_t)((1u << right) - 1);
    uint8_t bytes[EW_COLUMNS];
    EW_UNROLL
    for (uint32_t v = 0; v < EW_COLUMNS; v += EW_LANES) {
        v_s64 product = __builtin_convertvector(v_load_s32(acc + v) << left, v_s64) * p->multiplier;
        /* of a shift that keeps the sign, the same 32 bits */
        v_s32 high = __builtin_convertvector((v_u64)(product + (1 << 30)) >> 31, v_s32);
        v_s32 is_up = (high & mask) > (mask >> 1) - (v_s32)(high < 0);
        v_s32 y = (high >> right) - is_up + p->z_zero;
        y = v_min_s32(v_max_s32(y, v_splat_s32(p->low)), v_splat_s32(p->high));
        v_store_b8(bytes + v, y);
    }
    if (n == EW_COLUMNS)
        __builtin_memcpy(z, bytes, EW_COLUMNS);
    else
        for (uint32_t e = 0; e < n; e++) z[e] = bytes[e];
}

/* Row l of y [k, EW_COLUMNS] and those behind it as one step of a panel, inverted with `flip`. */
static inline void pack_step(const uint8_t *y, size_t y_k, uint8_t flip, int8_t *to) {
#if EW_QUADS
    EW_UNROLL
    for (uint32_t v = 0; v < EW_COLUMNS; v += EW_LANES) {
        v_s32 quads = v_load_b8(y + v, 0) | v_load_b8(y + y_k + v, 0) << 8 |
                      v_load_b8(y + 2 * y_k + v, 0) << 16 | v_load_b8(y + 3 * y_k + v, 0) << 24;
        quads ^= v_splat_s32(flip * 0x01010101);
        __builtin_memcpy(to + v * EW_PER_LANE, &quads, sizeof quads);
    }
#else
    v_s16 pairs = v_load_pairs_block_b8(y, y + y_k) ^ (int16_t)(flip * 0x0101);
    __builtin_memcpy(to, &pairs, sizeof pairs);
#endif
}

/* Rows [0, rows) of x, `pitch` elements apart in `to`, and -y_zero times their sums. */
static void stage_rows(const ew_matmul_b8 *p, const uint8_t *x, uint32_t rows, size_t pitch,
                       ew_staged *to, int32_t *sums) {
    for (uint32_t i = 0; i < rows; i++, x += p->x_row, to += pitch) {
        if (p->x_k == 1)
            ew_stage(to, x, p->k, p->x_zero, p->is_signed, 0);
        else
            for (uint32_t l = 0; l < p->k; l++)
                ew_stage(to + l, x + (size_t)l * p->x_k, 1, p->x_zero, p->is_signed, 0);
        int32_t sum = 0;
        for (uint32_t l = 0; l < p->k; l++) sum += to[l];
        sums[i] = -p->y_zero * sum;
    }
}

/* Columns [0, columns) of y as a panel; and what its products are less than those of y - y_zero
 * with x - x_zero, where x is staged with its zero point. */
static void pack_panel(const ew_matmul_b8 *p, const uint8_t *y, uint32_t columns,
                       const int32_t *bias, int8_t *to, int32_t *biases) {
    const uint8_t flip = p->is_y_signed ? 0 : 0x80;
    const int32_t zero = EW_QUADS ? p->x_zero + (p->is_signed ? 128 : 0) : 0;
    int32_t sums[EW_COLUMNS] = {0};
    for (uint32_t l = 0; l < p->k; l += EW_PER_LANE, to += EW_COLUMNS * EW_PER_LANE) {
        const uint8_t *rows = y + (size_t)l * p->y_k;
        if (p->y_column == 1 && columns == EW_COLUMNS && l + EW_PER_LANE <= p->k) {
            pack_step(rows, p->y_k, flip, to);
        } else {
            for (uint32_t j = 0; j < EW_COLUMNS; j++)
                for (uint32_t i = 0; i < EW_PER_LANE; i++) {
                    int is_inside = j < columns && l + i < p->k;
                    size_t at = (size_t)i * p->y_k + (size_t)j * p->y_column;
                    to[j * EW_PER_LANE + i] = is_inside ? (int8_t)(rows[at] ^ flip) : 0;
                }
        }
        for (uint32_t j = 0; zero && j < EW_COLUMNS; j++)
            for (uint32_t i = 0; i < EW_PER_LANE; i++) sums[j] += to[j * EW_PER_LANE + i];
    }
    for (uint32_t j = 0; j < EW_COLUMNS; j++)
        biases[j] = bias[j] - zero * (sums[j] - (int32_t)p->k * p->y_zero);
}

EW_DEFINE(matmul_b8) {
    const ew_matmul_b8 *p = params;
    const v_output output = v_output_of(p->low, p->high, p->z_zero, p->is_signed);
    const uint32_t blocks = ew_divide_up(p->m, p->rows_per_tile), start = 0;
    const size_t pitch = p->k + EW_CHUNK;
    int32_t *sums = scratch, *biases = sums + p->rows_per_tile, *acc = biases + EW_COLUMNS;
    ew_staged *staged = (ew_staged *)(void *)(acc + (size_t)p->rows_per_tile * EW_COLUMNS);
    int8_t *panel = (int8_t *)(staged + p->rows_per_tile * pitch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        uint32_t batch = tile / blocks, first = tile % blocks * p->rows_per_tile;
        uint32_t rows = ew_min_u32(p->rows_per_tile, p->m - first);
        const uint8_t *x = (const uint8_t *)operand[0] + EW_MATRIX_AT(p, batch, x);
        const uint8_t *y = (const uint8_t *)operand[1] + EW_MATRIX_AT(p, batch, y);
        uint8_t *z = (uint8_t *)operand[4] + ((size_t)batch * p->m + first) * p->n;
        stage_rows(p, x + (size_t)first * p->x_row, rows, pitch, staged, sums);
        ew_gemm_b8 g = {
            .product = {
                .x = (const uint8_t *)staged, .x_row = pitch * sizeof *staged,
                .segment = &start, .segments = 1, .steps = ew_divide_up(p->k, EW_PER_LANE),
                .w = panel, .bias = biases, .row_bias = p->y_zero ? sums : NULL, .rows = rows,
            },
            .is_bounded = p->is_bounded, .output = &output,
        };
        for (uint32_t j = 0; j < p->n; j += EW_COLUMNS) {
            g.product.columns = ew_min_u32(EW_COLUMNS, p->n - j);
            pack_panel(p, y + (size_t)j * p->y_column, g.product.columns,
                       (const int32_t *)operand[2] + j, panel, biases);
            g.scale = p->is_fixed ? NULL : (const float *)operand[3] + j;
            g.product.y = p->is_fixed ? (uint8_t *)acc : z + j;
            g.product.y_row = p->is_fixed ? EW_COLUMNS * sizeof *acc : p->n;
            EW_NAME(gemm_b8)(&g);
            for (uint32_t i = 0; p->is_fixed && i < rows; i++)
                finish_row(p, acc + i * EW_COLUMNS, z + (size_t)i * p->n + j, g.product.columns);
        }
    }
}
#endif
