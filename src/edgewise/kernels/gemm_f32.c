/* Micro-kernels of float32 products: rows of x by one, two or three vectors of columns. Two need
 * the fewest loads per multiplication; three serve an odd number of vectors without a panel that
 * is half empty. */
#include "gemm_f32.h"
#include "simd_low.h"

#if defined(EW_WEIGHTS) /* compiled as gemm_f16.c or gemm_bf16.c */
typedef uint16_t weight;
#else
#define EW_WEIGHTS f32
typedef float weight;
#endif
#define EW_BY_WEIGHTS(name) EW_JOIN(EW_JOIN(EW_JOIN(ew, name), EW_WEIGHTS), EW_SUFFIX)
#define v_load_weight EW_JOIN(v_load, EW_WEIGHTS)

#define UP_TO_3(DO, v) DO(1, v) DO(2, v) DO(3, v)
#define UP_TO_4(DO, v) UP_TO_3(DO, v) DO(4, v)
#define UP_TO_6(DO, v) UP_TO_4(DO, v) DO(5, v) DO(6, v)
#define UP_TO_8(DO, v) UP_TO_6(DO, v) DO(7, v) DO(8, v)
#define UP_TO_9(DO, v) UP_TO_8(DO, v) DO(9, v)
#define UP_TO_10(DO, v) UP_TO_9(DO, v) DO(10, v)
#define UP_TO_12(DO, v) UP_TO_10(DO, v) DO(11, v) DO(12, v)
#define UP_TO_14(DO, v) UP_TO_12(DO, v) DO(13, v) DO(14, v)

/* The most rows for each number of vectors. */
#if defined(EW_AMD)
enum { ROWS1 = 14, ROWS2 = EW_ROWS, ROWS3 = 6 };
#define TILES(DO) UP_TO_14(DO, 1) UP_TO_10(DO, 2) UP_TO_6(DO, 3)
#define NAMES(DO) {UP_TO_14(DO, 1)}, {UP_TO_10(DO, 2)}, {UP_TO_6(DO, 3)}
#elif EW_LANES == 16
enum { ROWS1 = 14, ROWS2 = EW_ROWS, ROWS3 = 9 };
#define TILES(DO) UP_TO_14(DO, 1) UP_TO_14(DO, 2) UP_TO_9(DO, 3)
#define NAMES(DO) {UP_TO_14(DO, 1)}, {UP_TO_14(DO, 2)}, {UP_TO_9(DO, 3)}
#elif EW_LANES == 8
enum { ROWS1 = 12, ROWS2 = EW_ROWS, ROWS3 = 3 };
#define TILES(DO) UP_TO_12(DO, 1) UP_TO_6(DO, 2) UP_TO_3(DO, 3)
#define NAMES(DO) {UP_TO_12(DO, 1)}, {UP_TO_6(DO, 2)}, {UP_TO_3(DO, 3)}
#elif EW_LANES == 4 && defined(__aarch64__)
enum { ROWS1 = 8, ROWS2 = EW_ROWS, ROWS3 = 6 };
#define TILES(DO) UP_TO_8(DO, 1) UP_TO_8(DO, 2) UP_TO_6(DO, 3)
#define NAMES(DO) {UP_TO_8(DO, 1)}, {UP_TO_8(DO, 2)}, {UP_TO_6(DO, 3)}
#else
enum { ROWS1 = 8, ROWS2 = EW_ROWS, ROWS3 = 3 };
#define TILES(DO) UP_TO_8(DO, 1) UP_TO_4(DO, 2) UP_TO_3(DO, 3)
#define NAMES(DO) {UP_TO_8(DO, 1)}, {UP_TO_4(DO, 2)}, {UP_TO_3(DO, 3)}
#endif
enum { MOST_ROWS = ROWS1, MOST_VECTORS = 8 };

typedef void micro_kernel(const ew_patch *patch, ew_panel *panel, uint32_t blocks,
                          const float *x, size_t x_stride, float *y, size_t y_stride);

/* Vector `v` of a step along K of all panels. */
#define WEIGHTS(v) v_load_weight(b + (v) / vectors * next + (v) % vectors * EW_LANES)

/* One step along K: an element of each row of x by a row of each panel. */
EW_INLINE void step(const uint32_t rows, const uint32_t vectors, const int is_low,
                    const uint32_t panels, const float *a, size_t s, const weight *b, size_t next,
                    v_f32 acc[MOST_ROWS][MOST_VECTORS]) {
    const uint32_t all = panels * vectors;
    /* Rows whose elements are addressed from the first of them: with AVX-512, one vector has hardly
     * more multiplications than rows have addresses (112 pixels of 32 channels by 16: 0.9 of the
     * time). AVX2 loses no time by these, and is short of registers. */
    const uint32_t near = EW_LANES == 16 && vectors == 1 ? 2 : MOST_ROWS;
    v_f32 w[MOST_VECTORS], from[MOST_ROWS];
    if (panels > 1) { /* in turn: so many weights are no registers */
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) from[r] = v_splat_f32(a[r * s]);
        EW_UNROLL
        for (uint32_t v = 0; v < all; v++) {
            w[v] = WEIGHTS(v);
            EW_UNROLL
            for (uint32_t r = 0; r < rows; r++) acc[r][v] = v_fma(from[r], w[v], acc[r][v]);
        }
        return;
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) w[v] = WEIGHTS(v);
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        if (r && r % near == 0) {
            a += near * s;
            EW_HIDE(a);
        }
        from[r] = v_splat_f32(a[r % near * s]);
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++)
            acc[r][v] = v_fma_part(is_low && v + 1 == vectors, from[r], w[v], acc[r][v]);
    }
}

/* Of `rows` vectors, the first n elements. */
static __attribute__((noinline)) void store_first(uint32_t rows, uint32_t n, const float *from,
                                                  float *y, size_t y_stride) {
    for (uint32_t r = 0; r < rows; r++, from += EW_LANES, y += y_stride)
        v_store_first_f32(y, v_load_f32(from), n);
}

/* `rows` rows by `panels` neighbouring panels, of which w and bias are the first one's. Returns what
 * is fetched next. */
EW_INLINE const char *block(const uint32_t rows, const uint32_t vectors, const int is_low,
                            const uint32_t panels, const ew_patch *patch, const ew_panel *panel,
                            const weight *w, const float *bias, const char *ahead, const float *x,
                            size_t x_stride, float *y, size_t y_stride) {
    const uint32_t width = vectors * EW_LANES, all = panels * vectors;
    const size_t next = panel->next;
    const char *x_ahead = (const char *)(x + rows * x_stride);
    const size_t x_step = rows * panel->x_pace;
    /* half a vector has hardly more multiplications than loads, and little that follows */
    const int fetches = panels == 1 && !(is_low && vectors == 1);
    v_f32 acc[MOST_ROWS][MOST_VECTORS];
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < all; v++) acc[r][v] = v_load_f32(bias + v * EW_LANES);
    /* sums of addresses, no products: what precedes a run delays all of its multiplications */
    for (uint32_t h = patch->planes; h > 0; h--) {
        const float *a_row = x;
        const weight *b_row = w;
        x += patch->x_plane, w += patch->k_plane * width;
        for (uint32_t i = patch->rows; i > 0; i--) {
            const float *a_run = a_row;
            const weight *b_run = b_row;
            a_row += patch->x_row, b_row += patch->k_row * width;
            for (uint32_t j = patch->columns; j > 0; j--) {
                const float *a = a_run;
                const weight *b = b_run;
                a_run += patch->x_column, b_run += patch->k_column * width;
                size_t s = x_stride;
                EW_HIDE(s); /* else clang keeps every row's address, most of them in memory */
                uint32_t n = patch->length;
                for (; fetches && x_step && n > 0; n--, a++, b += width) {
                    v_fetch(ahead);
                    v_fetch(x_ahead);
                    ahead += panel->pace;
                    x_ahead += x_step;
                    step(rows, vectors, is_low, panels, a, s, b, next, acc);
                }
                for (; n > 0; n--, a++, b += width) { /* small convolutions feel each load */
                    if (fetches) {
                        v_fetch(ahead);
                        ahead += panel->pace;
                    }
                    step(rows, vectors, is_low, panels, a, s, b, next, acc);
                }
            }
        }
    }
    const v_f32 low = v_splat_f32(panel->low), high = v_splat_f32(panel->high);
    /* of the last vector, y has less */
    const int is_part = !is_low && panels == 1 && panel->columns < width;
    const uint32_t part = panel->columns - (all - 1) * EW_LANES;
    float edge[MOST_ROWS * EW_LANES], *last = y + (all - 1) * EW_LANES;
    float *to = is_part ? edge : last;
    const size_t stride = is_part ? EW_LANES : y_stride;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < all; v++) {
            const v_f32 sum = v_min(high, v_max(low, acc[r][v]));
            if (v + 1 < all)
                v_store_f32(y + r * y_stride + v * EW_LANES, sum);
            else if (is_low)
                v_store_first_part_f32(is_low, last + r * y_stride, sum, part);
            else
                v_store_f32(to + r * stride, sum);
        }
    if (is_part) store_first(rows, part, edge, last, y_stride);
    return ahead;
}

/* `blocks` times `rows` rows, each by `panel->count` panels, `panels` at a time. */
EW_INLINE void gemm(const uint32_t rows, const uint32_t vectors, const int is_low,
                    const uint32_t panels, const ew_patch *patch, ew_panel *panel, uint32_t blocks,
                    const float *x, size_t x_stride, float *y, size_t y_stride) {
    const uint32_t width = vectors * EW_LANES;
    const weight *first = (const weight *)panel->w + patch->k_first * width;
    const char *ahead = panel->ahead;
    for (; blocks > 0; blocks--, x += rows * x_stride, y += rows * y_stride) {
        const weight *w = first;
        const float *bias = panel->bias;
        float *to = y;
        for (uint32_t n = panel->count; n > 0; n--, w += panel->next, bias += width, to += width)
            ahead = block(rows, vectors, is_low, panels, patch, panel, w, bias, ahead, x, x_stride,
                          to, y_stride);
    }
    panel->ahead = ahead;
}

/* Functions of their own: inlined into the loops around them, clang 22 spills accumulators. */
#define DEFINE_TILE(name, rows, vectors, is_low)                                                   \
    static __attribute__((noinline)) void name(const ew_patch *patch, ew_panel *panel,             \
                                               uint32_t blocks, const float *x, size_t x_stride,   \
                                               float *y, size_t y_stride) {                        \
        gemm(rows, vectors, is_low, 1, patch, panel, blocks, x, x_stride, y, y_stride);            \
    }
#define TILE(rows, vectors) DEFINE_TILE(gemm_f32_##rows##x##vectors, rows, vectors, 0)
#define NAME(rows, vectors) gemm_f32_##rows##x##vectors,
TILES(TILE)

/* Where the columns of a tile fill no more than half of its last vector. AMX's processors multiply
 * halves no faster. */
#if EW_LANES == 16 && !defined(EW_AMX)
enum { HAS_LOW = 1 };
#define TILE_LOW(rows, vectors) DEFINE_TILE(gemm_f32_##rows##x##vectors##_low, rows, vectors, 1)
#define NAME_LOW(rows, vectors) gemm_f32_##rows##x##vectors##_low,
TILES(TILE_LOW)
#else
enum { HAS_LOW = 0 };
#define NAME_LOW NAME
#endif

void EW_BY_WEIGHTS(gemm)(const ew_patch *patch, ew_panel *panel, uint32_t n, const float *x,
                         size_t x_stride, float *y, size_t y_stride) {
    static const uint32_t most_rows[] = {ROWS1, ROWS2, ROWS3};
    static micro_kernel *const all[][3][MOST_ROWS] = {{NAMES(NAME)}, {NAMES(NAME_LOW)}};
    const uint32_t last = panel->vectors - 1, spare = panel->vectors * EW_LANES - panel->columns;
    const int is_low = HAS_LOW && spare >= EW_LANES / 2;
    micro_kernel *const *kernels = all[is_low][last];
    const uint32_t most = ew_block_rows(most_rows[last], x_stride);
    if (n <= most) {
        kernels[n - 1](patch, panel, 1, x, x_stride, y, y_stride);
        return;
    }
    uint32_t blocks = ew_divide_up(n, most);
    uint32_t rows = n / blocks + 1, longer = n % blocks; /* so many blocks have a row more */
    for (uint32_t part = longer; blocks > 0; rows--, blocks -= part, part = blocks) {
        if (!part) continue; /* and there may be no kernel for so many rows */
        kernels[rows - 1](patch, panel, part, x, x_stride, y, y_stride);
        x += part * rows * x_stride;
        y += part * rows * y_stride;
    }
}

/* One row or two, which have too few sums for a panel alone: an addition waits for its predecessor. */
#define FEW(rows, panels)                                                                          \
    static __attribute__((noinline)) void few_f32_##rows##x##panels(                               \
        const ew_patch *patch, ew_panel *panel, const float *x, size_t x_stride, float *y,         \
        size_t y_stride) {                                                                         \
        gemm(rows, 2, 0, panels, patch, panel, 1, x, x_stride, y, y_stride);                       \
    }
_Static_assert(EW_GEMV == 4, "few_f32_1x4 multiplies one row by EW_GEMV panels");
FEW(1, 4)
FEW(1, 2)
FEW(2, 2)

uint32_t EW_BY_WEIGHTS(gemm_few)(const ew_patch *patch, ew_panel *panel, uint32_t panels,
                                 uint32_t n, const float *x, size_t x_stride, float *y,
                                 size_t y_stride) {
    if (panels < 2) return 0;
    if (n == 1 && panels >= EW_GEMV) {
        few_f32_1x4(patch, panel, x, x_stride, y, y_stride);
        return EW_GEMV;
    }
    if (n == 1)
        few_f32_1x2(patch, panel, x, x_stride, y, y_stride);
    else
        few_f32_2x2(patch, panel, x, x_stride, y, y_stride);
    return 2;
}
