/* Products of s8 weights: what all of them take (`ew_gemm`), and the body of their micro-kernels.
 *
 * AVX2: 6 rows x 2 vectors; weights are widened as they are loaded, which costs 4 % of the
 * multiplications' rate and halves their bytes. Fewer rows run at nearly the full rate, too (the
 * additions have a latency of one cycle), so rows are split evenly. AVX-512: 14 rows x 2 vectors;
 * a product waits for its predecessor, but 7 rows suffice to hide that. */
#ifndef EW_GEMM_H
#define EW_GEMM_H
#include "kernel.h"
#include "simd_b8.h"
#if EW_LANES > 1

enum {
    EW_COLUMNS = 2 * EW_LANES, /* of a panel of weights */
    EW_ROWS = EW_LANES == 16 ? 14 : 6,
    EW_VECTORS = 2,
};

/* Rows of x times one panel. A row is the concatenation of `segments` runs of `steps` times `lane`
 * elements, run s of row r at x + segment[s] + r * x_row (bytes). A panel is
 * [segments][steps][EW_COLUMNS][lane] s8. Elements that pad a run may hold anything: their weights
 * are 0. Row r of y starts at y + r * y_row and has `columns` <= EW_COLUMNS elements, or where the
 * product has no scales, EW_COLUMNS accumulators s32. */
typedef struct {
    const uint8_t *x;
    size_t x_row;
    const uint32_t *segment;
    uint32_t segments, steps;
    const int8_t *w;
    const int32_t *bias;     /* may be 0, as may row_bias */
    const int32_t *row_bias; /* one more summand per row */
    uint8_t *y;
    size_t y_row;
    uint32_t rows, columns;
    uint32_t is_tiled; /* may be multiplied as gemm_amx.h does, which has begun */
} ew_gemm;

/* Row r is reached as base[r / 3] + (r % 3) * stride, which addressing modes hold. The compiler may
 * not know how the bases are related: it would compute each row's address from its predecessor. */
enum { EW_BASES = (EW_ROWS + 2) / 3 };
#define EW_OPAQUE(pointer) __asm__("" : "+r"(pointer))

/* acc = bias + the products of rows [first, first + rows) and `vectors` vectors of the panel. */
EW_INLINE void ew_multiply(const uint32_t rows, const uint32_t vectors, const uint32_t lane,
                           const ew_gemm *g, uint32_t first, v_s32 acc[EW_ROWS][EW_VECTORS]) {
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_s32 bias = g->bias ? v_load_s32(g->bias + v * EW_LANES) : v_splat_s32(0);
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
        const uint8_t *base[EW_BASES];
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r += 3) base[r / 3] = x + g->segment[s] + r * stride;
        for (uint32_t i = g->steps; i; i--) {
            v_s32 weights[EW_VECTORS];
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                weights[v] = v_load_weights(lane, w + v * EW_LANES * lane);
            w += EW_COLUMNS * lane;
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                int32_t elements;
                __builtin_memcpy(&elements, base[r / 3] + r % 3 * stride, sizeof elements);
                v_s32 from = v_splat_s32(elements);
                EW_UNROLL
                for (uint32_t v = 0; v < vectors; v++)
                    acc[r][v] = v_dot_lane(lane, from, weights[v], acc[r][v]);
            }
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r += 3) {
                base[r / 3] += sizeof(int32_t);
                EW_OPAQUE(base[r / 3]);
            }
        }
    }
}

/* One row of one segment by EW_GEMV_B8 panels: each broadcast of x serves 8 vectors, where a panel
 * alone has 2. */
enum { EW_SUMS = EW_GEMV_B8 * EW_VECTORS };
EW_INLINE void ew_multiply_row(const uint32_t lane, const int is_narrow, const ew_gemm *g,
                               v_s32 acc[EW_SUMS]) {
    const size_t bytes = EW_LANES * lane; /* of a vector of weights */
    const size_t step = (is_narrow ? 1 : EW_VECTORS) * bytes, panel = g->steps * step;
    const uint8_t *x = g->x + g->segment[0];
    const int8_t *w = g->w;
    const v_s32 more = v_splat_s32(g->row_bias ? g->row_bias[0] : 0);
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v++)
        acc[v] = g->bias ? v_load_s32(g->bias + v * EW_LANES) + more : more;
    for (uint32_t i = g->steps; i; i--, x += sizeof(int32_t), w += step) {
        int32_t elements;
        __builtin_memcpy(&elements, x, sizeof elements);
        v_s32 from = v_splat_s32(elements);
        EW_UNROLL
        for (uint32_t v = 0; v < EW_SUMS; v++) {
            const int8_t *at = w + v / EW_VECTORS * panel;
            v_s32 weights;
            if (is_narrow)
                weights = v_narrow_weights(v_load_weights(lane, at), v % EW_VECTORS);
            else
                weights = v_load_weights(lane, at + v % EW_VECTORS * bytes);
            acc[v] = v_dot_lane(lane, from, weights, acc[v]);
        }
    }
}

/* The accumulators as they are. */
EW_INLINE void ew_store_sums(const uint32_t rows, const uint32_t vectors, const ew_gemm *g,
                             uint32_t first, v_s32 acc[EW_ROWS][EW_VECTORS]) {
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++)
            __builtin_memcpy(g->y + (first + r) * g->y_row + v * sizeof(v_s32), &acc[r][v],
                             sizeof(v_s32));
}

/* A micro-kernel for each number of rows and vectors: EW_DEFINE_TILES(gemm_b8, ew_gemm_b8) defines
 * gemm_b8_1x1 ... from `tile` and a table of them, `tiles`. Functions of their own: inlined into
 * the loops around them, clang 22 spills an accumulator, which halves the speed. */
#define EW_TILE(name, type, rows, vectors)                                                         \
    static __attribute__((noinline)) void name##_##rows##x##vectors(const type *g, uint32_t first, \
                                                                    uint32_t count) {              \
        for (; count; count--, first += rows) tile(rows, vectors, g, first);                       \
    }
#define EW_TO_6(f, name, type)                                                                     \
    f(name, type, 1) f(name, type, 2) f(name, type, 3) f(name, type, 4) f(name, type, 5)           \
        f(name, type, 6)
#if EW_LANES == 16
#define EW_TO_MOST(f, name, type)                                                                  \
    EW_TO_6(f, name, type)                                                                         \
    f(name, type, 7) f(name, type, 8) f(name, type, 9) f(name, type, 10) f(name, type, 11)         \
        f(name, type, 12) f(name, type, 13) f(name, type, 14)
#else
#define EW_TO_MOST EW_TO_6
#endif
#define EW_TILES_OF(name, type, rows) EW_TILE(name, type, rows, 1) EW_TILE(name, type, rows, 2)
#define EW_TILE_ENTRY(name, type, rows) {name##_##rows##x1, name##_##rows##x2},
#define EW_DEFINE_TILES(name, type)                                                                \
    EW_TO_MOST(EW_TILES_OF, name, type)                                                            \
    typedef void blocks(const type *g, uint32_t first, uint32_t count);                            \
    static blocks *const tiles[EW_ROWS][EW_VECTORS] = {EW_TO_MOST(EW_TILE_ENTRY, name, type)};

/* All rows, split evenly among tiles, of up to EW_ROWS, or so many where they have two vectors. */
#define EW_RUN_TILES(g, product) EW_RUN_TILES_OF(EW_ROWS, g, product)
#define EW_RUN_TILES_OF(most, g, product)                                                          \
    do {                                                                                           \
        uint32_t wide = (product)->columns > EW_LANES;                                             \
        uint32_t count = ew_divide_up((product)->rows, wide ? (most) : EW_ROWS);                   \
        uint32_t rows = (product)->rows / count, longer = (product)->rows % count;                 \
        if (longer) tiles[rows][wide](g, 0, longer);                                               \
        tiles[rows - 1][wide](g, longer * (rows + 1), count - longer);                             \
    } while (0)
#endif
#endif
