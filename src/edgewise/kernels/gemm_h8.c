/* The micro-kernels of products of quantized rows with float results (gemm.h). What is read of g
 * stands in locals: y may be anything. */
#include "gemm_amx.h"
#include "gemm_h8.h"
#if EW_LANES > 1

/* Bytes of K up to which a float holds each sum of u8 by s8: there zero points are multiplied in
 * float, which takes a third of the instructions of integers. */
enum { EXACT = 512 };

static int is_exact(const ew_gemm *p) {
    return p->segments * p->steps * EW_PER_LANE <= EXACT;
}

/* A sum as it is where x is u8, less its zero point where it has one, as a float. `sums` are
 * floats. */
EW_INLINE v_f32 exact(const int has_zero, v_s32 acc, v_f32 sums, float row_zero) {
    return has_zero ? v_fma(sums, v_splat_f32(row_zero), v_float(acc)) : v_float(acc);
}

/* The same where only integers hold it. */
EW_INLINE v_s32 shifted(v_s32 acc, v_s32 sums, float row_zero) {
    return acc + sums * v_splat_s32((int32_t)row_zero);
}

/* Results of accumulators. `has_zeros`: some row has a zero point; without, as behind a RELU, they
 * take a sixth fewer instructions. */
EW_INLINE void store(const uint32_t rows, const uint32_t vectors, const int has_zeros,
                     const ew_gemm_h8 *g, uint32_t first, v_s32 acc[EW_ROWS][EW_VECTORS]) {
    const ew_gemm *product = &g->product;
    const v_f32 low = v_splat_f32(g->low), high = v_splat_f32(g->high);
    const float *const row_scale = g->row_scale + first;
    const float *const row_zero = g->row_zero + first;
    const size_t y_row = product->y_row / sizeof(float);
    const uint32_t columns = product->columns, is_added = g->is_added;
    float *y = (float *)(void *)product->y + first * y_row;
    v_f32 scale[EW_VECTORS], bias[EW_VECTORS];
    v_f32 sums[EW_VECTORS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        scale[v] = v_load_f32(g->scale + v * EW_LANES);
        bias[v] = v_load_f32(g->bias + v * EW_LANES);
        sums[v] = v_splat_f32(0.0f);
        if (!has_zeros) continue;
        const v_s32 whole = v_load_s32(g->sums + v * EW_LANES);
        if (is_exact(product)) {
            sums[v] = v_float(whole);
            continue;
        }
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r][v] = shifted(acc[r][v], whole, row_zero[r]);
    }
    if (columns >= vectors * EW_LANES && !is_added) {
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++, y += y_row)
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) {
                const v_f32 by = scale[v] * v_splat_f32(row_scale[r]);
                const v_f32 whole = exact(has_zeros, acc[r][v], sums[v], row_zero[r]);
                const v_f32 sum = v_fma(whole, by, bias[v]);
                v_store_f32(y + v * EW_LANES, v_min(high, v_max(low, sum)));
            }
        return;
    }
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++, y += y_row)
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            const v_f32 by = scale[v] * v_splat_f32(row_scale[r]);
            const uint32_t left = columns - v * EW_LANES;
            float *to = y + v * EW_LANES;
            const v_f32 more = is_added ? v_load_first_f32(to, left) : bias[v];
            const v_f32 whole = exact(has_zeros, acc[r][v], sums[v], row_zero[r]);
            const v_f32 sum = v_fma(whole, by, more);
            v_store_first_f32(to, v_min(high, v_max(low, sum)), left);
        }
}

EW_INLINE void tile(const uint32_t rows, const uint32_t vectors, const ew_gemm_h8 *g,
                    uint32_t first) {
    v_s32 acc[EW_ROWS][EW_VECTORS];
    ew_multiply(rows, vectors, EW_PER_LANE, &g->product, first, acc);
    if (EW_PER_LANE == 4 && g->has_zeros)
        store(rows, vectors, 1, g, first, acc);
    else
        store(rows, vectors, 0, g, first, acc);
}

EW_DEFINE_TILES(gemm_h8, ew_gemm_h8)

#if defined(EW_AMX)
/* What goes with some columns. */
typedef struct {
    v_f32 scale[2], bias[2], sums[2], low, high;
    int has_zeros, is_exact;
} columns;

EW_INLINE columns columns_at(const uint32_t vectors, const ew_gemm_h8 *g, uint32_t column) {
    columns found = {.low = v_splat_f32(g->low),
                     .high = v_splat_f32(g->high),
                     .has_zeros = g->has_zeros != 0,
                     .is_exact = is_exact(&g->product)};
    EW_UNROLL
    for (uint32_t v = 0; v < (vectors < 2 ? vectors : 2); v++, column += EW_LANES) {
        found.scale[v] = v_load_f32(g->scale + column);
        found.bias[v] = v_load_f32(g->bias + column);
        found.sums[v] = v_float(v_load_s32(g->sums + column));
    }
    return found;
}

/* Results of the sums of four vectors: of rows from `row` on with so many each, one or two. */
EW_INLINE void finish(const uint32_t vectors, const int is_plain, const ew_gemm_h8 *g,
                      const columns *around, uint32_t row, uint32_t end, uint32_t column,
                      const int32_t *sums, uint8_t *y) {
    const ew_gemm *p = &g->product;
    EW_UNROLL
    for (uint32_t k = 0; k < 4 / vectors; k++, row++, y += p->y_row) {
        if (!is_plain && row >= end) continue;
        const int32_t *from = sums + k * EW_AMX_PITCH(vectors);
        const v_f32 row_scale = v_splat_f32(g->row_scale[row]);
        const float row_zero = g->row_zero[row];
        v_f32 sum[4];
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            const v_s32 acc = v_load_s32(from + v * EW_LANES);
            sum[v] = v_float(acc);
            if (!around->has_zeros) continue;
            if (around->is_exact)
                sum[v] = exact(1, acc, around->sums[v % 2], row_zero);
            else
                sum[v] = v_float(
                    shifted(acc, v_load_s32(g->sums + column + v * EW_LANES), row_zero));
        }
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) {
            const uint32_t left = p->columns - column - v * EW_LANES;
            float *to = (float *)(void *)y + v * EW_LANES, more[EW_LANES];
            v_f32 added = around->bias[v % 2];
            if (!is_plain && g->is_added) {
                for (uint32_t i = 0; i < ew_min_u32(left, EW_LANES); i++) more[i] = to[i];
                added = v_load_f32(more);
            }
            sum[v] = v_fma(sum[v], around->scale[v % 2] * row_scale, added);
            sum[v] = v_min(around->high, v_max(around->low, sum[v]));
            if (is_plain)
                v_store_f32(to, sum[v]);
            else
                v_store_first_f32(to, sum[v], left);
        }
    }
}

static int is_plain(const ew_gemm_h8 *g) { return !g->is_added; }

EW_DEFINE_AMX(amx, ew_gemm_h8, columns, 0, 4, finish, is_plain)
#endif

void EW_NAME(gemm_h8)(ew_gemm_h8 *g) {
#if defined(EW_AMX)
    if (ew_amx_fits(&g->product)) {
        amx(g, 1);
        return;
    }
#endif
    ew_gemm *const p = &g->product;
    for (uint32_t left = p->columns; left; left -= p->columns) {
        p->columns = ew_min_u32(left, EW_COLUMNS);
        EW_RUN_TILES(g, p);
        p->w += (size_t)p->segments * p->steps * EW_PER_LANE * EW_COLUMNS;
        p->y += EW_COLUMNS * sizeof(float);
        g->scale += EW_COLUMNS;
        g->bias += EW_COLUMNS;
        g->sums += EW_PER_LANE == 4 ? EW_COLUMNS : 0;
    }
}

static __attribute__((noinline)) void gemv_h8_1x8(const ew_gemm_h8 *g) {
    v_s32 acc[EW_SUMS];
    ew_multiply_row(EW_PER_LANE, 0, &g->product, acc);
    const v_f32 low = v_splat_f32(g->low), high = v_splat_f32(g->high);
    const v_f32 row_scale = v_splat_f32(g->row_scale[0]);
    const float row_zero = g->row_zero[0];
    float *y = (float *)(void *)g->product.y;
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v++) {
        if (EW_PER_LANE == 4)
            acc[v] = shifted(acc[v], v_load_s32(g->sums + v * EW_LANES), row_zero);
        const v_f32 by = v_load_f32(g->scale + v * EW_LANES) * row_scale;
        const v_f32 bias = v_load_f32(g->bias + v * EW_LANES);
        const v_f32 sum = v_fma(v_float(acc[v]), by, bias);
        v_store_f32(y + v * EW_LANES, v_min(high, v_max(low, sum)));
    }
}

void EW_NAME(gemv_h8)(const ew_gemm_h8 *g) {
    gemv_h8_1x8(g);
}
#endif
