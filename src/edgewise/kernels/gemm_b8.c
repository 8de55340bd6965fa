/* The micro-kernels of 8-bit products, one for each number of rows and vectors.
 *
 * AVX2: 6 rows x 2 vectors; weights are widened as they are loaded, which costs 4 % of the
 * multiplications' rate and halves their bytes. Fewer rows run at nearly the full rate, too (the
 * additions have a latency of one cycle), so rows are split evenly. AVX-512: 14 rows x 2 vectors;
 * a vpdpbusd waits for its predecessor, but 7 rows suffice to hide that. */
#include "gemm_b8.h"
#if EW_LANES > 1

enum { ROWS = EW_LANES == 16 ? 14 : 6, VECTORS = 2 };

/* Row r is reached as base[r / 3] + (r % 3) * stride, which addressing modes hold. The compiler may
 * not know how the bases are related: it would compute each row's address from its predecessor. */
enum { BASES = (ROWS + 2) / 3 };
#define EW_OPAQUE(pointer) __asm__("" : "+r"(pointer))

EW_INLINE void tile(const uint32_t rows, const uint32_t vectors, const ew_gemm_b8 *g,
                    uint32_t first) {
    v_s32 acc[ROWS][VECTORS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_s32 bias = v_load_s32(g->bias + v * EW_LANES);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r][v] = bias;
    }
    if (g->row_bias) {
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) acc[r][v] += v_splat_s32(g->row_bias[first + r]);
    }
    const size_t stride = g->x_row;
    const uint8_t *x = g->x + first * stride;
    const int8_t *w = g->w;
    for (uint32_t s = 0; s < g->segments; s++) {
        const uint8_t *base[BASES];
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r += 3) base[r / 3] = x + g->segment[s] + r * stride;
        for (uint32_t i = g->steps; i; i--) {
            v_s32 weights[VECTORS];
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                weights[v] = v_load_weights(w + v * EW_LANES * EW_PER_LANE);
            w += EW_COLUMNS * EW_PER_LANE;
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                int32_t elements;
                __builtin_memcpy(&elements, base[r / 3] + r % 3 * stride, sizeof elements);
                v_s32 from = v_splat_s32(elements);
                EW_UNROLL
                for (uint32_t v = 0; v < vectors; v++)
                    acc[r][v] = v_dot_b8(from, weights[v], acc[r][v]);
            }
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r += 3) {
                base[r / 3] += sizeof(int32_t);
                EW_OPAQUE(base[r / 3]);
            }
        }
    }
    if (!g->scale) {
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                __builtin_memcpy(g->y + (first + r) * g->y_row + v * sizeof(v_s32), &acc[r][v],
                                 sizeof(v_s32));
        return;
    }
    v_f32 scale[VECTORS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) scale[v] = v_load_f32(g->scale + v * EW_LANES);
    const uint32_t share = 4 / vectors, width = vectors * EW_LANES; /* rows packed at once */
    uint8_t *y = g->y + first * g->y_row;
    int is_whole = g->columns >= width;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r += share) {
#define EW_AT(i) acc[ew_min_u32(r + (i) / vectors, rows - 1)][(i) % vectors]
#define EW_BY(i) scale[(i) % vectors]
        v_bytes bytes = v_requantize_x4(EW_AT(0), EW_AT(1), EW_AT(2), EW_AT(3), EW_BY(0), EW_BY(1),
                                        EW_BY(2), EW_BY(3), g->output);
#undef EW_AT
#undef EW_BY
        EW_UNROLL
        for (uint32_t k = 0; k < share && r + k < rows; k++) {
            if (is_whole)
                v_store_run(y + (r + k) * g->y_row, bytes, k * width, width);
            else
                v_store_part(y + (r + k) * g->y_row, bytes, k * width, g->columns);
        }
    }
}

/* Blocks of so many rows, from row `first` on. Functions of their own: inlined into the loops
 * around them, clang 22 spills an accumulator, which halves the speed. */
typedef void blocks(const ew_gemm_b8 *g, uint32_t first, uint32_t count);
#define DEFINE_TILE(rows, vectors)                                                                 \
    static __attribute__((noinline)) void gemm_b8_##rows##x##vectors(                              \
        const ew_gemm_b8 *g, uint32_t first, uint32_t count) {                                     \
        for (; count; count--, first += rows) tile(rows, vectors, g, first);                       \
    }
#define FOR_ROWS_TO_6(f) f(1) f(2) f(3) f(4) f(5) f(6)
#if EW_LANES == 16
#define FOR_ROWS(f) FOR_ROWS_TO_6(f) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14)
#else
#define FOR_ROWS FOR_ROWS_TO_6
#endif
#define DEFINE_ROWS(rows) DEFINE_TILE(rows, 1) DEFINE_TILE(rows, 2)
FOR_ROWS(DEFINE_ROWS)

#define ENTRY(rows) {gemm_b8_##rows##x1, gemm_b8_##rows##x2},
static blocks *const tiles[ROWS][VECTORS] = {FOR_ROWS(ENTRY)};

void EW_NAME(gemm_b8)(const ew_gemm_b8 *g) {
    uint32_t wide = g->columns > EW_LANES, count = ew_divide_up(g->rows, ROWS);
    uint32_t rows = g->rows / count, longer = g->rows % count;
    if (longer) tiles[rows][wide](g, 0, longer);
    tiles[rows - 1][wide](g, longer * (rows + 1), count - longer);
}

/* One row by 4 panels: each broadcast of x serves 8 vectors, where a panel alone has 2. */
static __attribute__((noinline)) void gemv_b8_1x8(const ew_gemm_b8 *g) {
    enum { SUMS = EW_GEMV_B8 * VECTORS, BYTES = EW_LANES * EW_PER_LANE }; /* of a vector of weights */
    const size_t panel = (size_t)g->steps * VECTORS * BYTES;
    const uint8_t *x = g->x + g->segment[0];
    const int8_t *w = g->w;
    const v_s32 more = v_splat_s32(g->row_bias ? g->row_bias[0] : 0);
    v_s32 acc[SUMS];
    EW_UNROLL
    for (uint32_t v = 0; v < SUMS; v++) acc[v] = v_load_s32(g->bias + v * EW_LANES) + more;
    for (uint32_t i = g->steps; i; i--, x += sizeof(int32_t), w += VECTORS * BYTES) {
        int32_t elements;
        __builtin_memcpy(&elements, x, sizeof elements);
        v_s32 from = v_splat_s32(elements);
        EW_UNROLL
        for (uint32_t v = 0; v < SUMS; v++) {
            v_s32 weights = v_load_weights(w + v / VECTORS * panel + v % VECTORS * BYTES);
            acc[v] = v_dot_b8(from, weights, acc[v]);
        }
    }
    EW_UNROLL
    for (uint32_t v = 0; v < SUMS; v += 4) {
        const float *scale = g->scale + v * EW_LANES;
        v_bytes bytes = v_requantize_x4(acc[v], acc[v + 1], acc[v + 2], acc[v + 3],
                                        v_load_f32(scale), v_load_f32(scale + EW_LANES),
                                        v_load_f32(scale + 2 * EW_LANES),
                                        v_load_f32(scale + 3 * EW_LANES), g->output);
        v_store_run(g->y + v * EW_LANES, bytes, 0, 4 * EW_LANES);
    }
}

void EW_NAME(gemv_b8)(const ew_gemm_b8 *g) {
    gemv_b8_1x8(g);
}
#endif
