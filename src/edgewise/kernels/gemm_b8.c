/* The micro-kernels of 8-bit products (gemm.h), one for each number of rows and vectors. */
#include "gemm_amx.h"
#include "gemm_b8.h"
#if EW_LANES > 1

/* Of a tile of two vectors. Zen 4 multiplies one vector of 64 bytes per cycle and has the sum four
 * cycles later: 8 accumulators do, and what becomes of a tile's sums runs beside the products of
 * the next. 4 rows take 0.96 to 0.99 of the time that 14 take, from K = 16 to K = 960. */
#if defined(EW_AMD)
enum { MOST_ROWS = 4 };
#else
enum { MOST_ROWS = EW_ROWS };
#endif

/* Bytes of the sums of some rows. */
EW_INLINE void finish_rows(const uint32_t bounds, const ew_gemm_b8 *g, const uint32_t rows,
                           const uint32_t vectors, uint32_t first,
                           v_s32 acc[EW_ROWS][EW_VECTORS]) {
    v_f32 scale[EW_VECTORS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) scale[v] = v_load_f32(g->scale + v * EW_LANES);
    const uint32_t share = 4 / vectors, width = vectors * EW_LANES; /* rows packed at once */
    const uint32_t columns = g->product.columns;
    const size_t y_row = g->product.y_row;
    const int is_one_run = y_row == width && columns == width; /* all rows */
    uint8_t *y = g->product.y + first * y_row;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r += share) {
#define EW_AT(i) acc[ew_min_u32(r + (i) / vectors, rows - 1)][(i) % vectors]
#define EW_BY(i) scale[(i) % vectors]
        v_bytes bytes = v_requantize_x4(bounds, EW_AT(0), EW_AT(1), EW_AT(2), EW_AT(3), EW_BY(0),
                                        EW_BY(1), EW_BY(2), EW_BY(3), g->output);
#undef EW_AT
#undef EW_BY
        if (is_one_run && r + share <= rows) {
            v_store_run(y + r * width, bytes, 0, share * width);
            continue;
        }
        EW_UNROLL
        for (uint32_t k = 0; k < share && r + k < rows; k++) {
            uint8_t *to = y + (r + k) * y_row;
            if (columns >= width)
                v_store_run(to, bytes, k * width, width);
            else
                v_store_part(to, bytes, k * width, width, columns);
        }
    }
}

/* The bounds that v_requantize_x4 may know. With those of int8, K = 16 takes 0.8 of the time that
 * it takes with others (Zen 4). */
EW_INLINE uint32_t bounds_of(const ew_gemm_b8 *g) {
    return EW_LANES == 16 && g->is_bounded ? g->output->bounds : EW_BOUNDS_OTHER;
}

/* f with the bounds as a constant. */
#define BY_BOUNDS(f, g, ...)                                                                       \
    do {                                                                                           \
        if (bounds_of(g) == EW_BOUNDS_S8)                                                          \
            f(EW_BOUNDS_S8, g, __VA_ARGS__);                                                       \
        else if (bounds_of(g) == EW_BOUNDS_U8)                                                     \
            f(EW_BOUNDS_U8, g, __VA_ARGS__);                                                       \
        else                                                                                       \
            f(EW_BOUNDS_OTHER, g, __VA_ARGS__);                                                    \
    } while (0)

EW_INLINE void tile(const uint32_t rows, const uint32_t vectors, const ew_gemm_b8 *g,
                    uint32_t first) {
    v_s32 acc[EW_ROWS][EW_VECTORS];
    ew_multiply(rows, vectors, EW_PER_LANE, &g->product, first, acc);
    if (!g->scale)
        ew_store_sums(rows, vectors, &g->product, first, acc);
    else
        BY_BOUNDS(finish_rows, g, rows, vectors, first, acc);
}

EW_DEFINE_TILES(gemm_b8, ew_gemm_b8)

#if defined(EW_AMD)
/* Up to 8 columns of rows that lie close together, as those of a first convolution do: lanes are
 * rows, so that none of them is idle. The bytes that 16 rows have at a step are picked out of two
 * vectors. The first convolution of tiny_vww, 3 -> 8 channels, takes 4.6 us instead of 6.7; with
 * halves of vectors, of which a Zen 4 multiplies two per cycle, it took 5.6. Where segments' last
 * steps have one byte each, as those of 3 pixels of 3 channels, they are one step of them all: 7
 * steps instead of 9, and another 0.6 us. */
enum { FEW = EW_FEW, MOST_APART = 8, /* bytes from a row to the next */ MOST_JOINED = 4 };

EW_INLINE void finish_lanes(const uint32_t bounds, const ew_gemm_b8 *g, const v_s32 acc[FEW],
                            v_bytes to[2]) {
    v_bytes half[2];
    EW_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const float *scale = g->scale + 4 * i;
        half[i] = v_requantize_x4(bounds, acc[4 * i], acc[4 * i + 1], acc[4 * i + 2],
                                  acc[4 * i + 3], v_splat_f32(scale[0]), v_splat_f32(scale[1]),
                                  v_splat_f32(scale[2]), v_splat_f32(scale[3]), g->output);
    }
#define ROW(r) r, 16 + r, 32 + r, 48 + r, 64 + r, 80 + r, 96 + r, 112 + r
    const v_bytes order[2] = {{ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7)},
                              {ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14),
                               ROW(15)}};
#undef ROW
    EW_UNROLL
    for (uint32_t i = 0; i < 2; i++)
        to[i] = (v_bytes)_mm512_permutex2var_epi8((__m512i)half[0], (__m512i)order[i],
                                                  (__m512i)half[1]);
}

EW_INLINE void add_lanes(v_s32 elements, const void *weights, v_s32 acc[FEW]) {
    EW_UNROLL
    for (uint32_t n = 0; n < FEW; n++) {
        int32_t by;
        __builtin_memcpy(&by, (const int32_t *)weights + n, sizeof by);
        acc[n] = v_dot_u8_s8(elements, v_splat_s32(by), acc[n]);
    }
}

/* Rows from `first` on, one for each lane. */
EW_INLINE void lanes(const int is_joined, const ew_gemm_b8 *g, uint32_t first) {
    const ew_gemm *p = &g->product;
    const v_s32 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const v_s32 begin = lane * ((int32_t)p->x_row * 0x01010101), at = begin + 0x03020100;
    const uint32_t bytes = (uint32_t)p->x_row * (EW_LANES - 1) + 4; /* at a step */
    const __mmask64 low = bytes < 64 ? ((uint64_t)1 << bytes) - 1 : ~(uint64_t)0;
    const __mmask64 high = bytes > 64 ? ((uint64_t)1 << (bytes - 64)) - 1 : 0;
    v_s32 acc[FEW];
    EW_UNROLL
    for (uint32_t n = 0; n < FEW; n++) acc[n] = v_splat_s32(p->bias ? p->bias[n] : 0);
    const uint8_t *x = p->x + first * p->x_row;
    const int8_t *w = p->w;
    __m512i last = _mm512_setzero_si512();
    for (uint32_t s = 0; s < p->segments; s++) {
        const uint8_t *from = x + p->segment[s];
        for (uint32_t i = p->steps - (uint32_t)is_joined; i; i--, w += EW_COLUMNS * 4) {
            const __m512i a = _mm512_maskz_loadu_epi8(low, from);
            const __m512i b = _mm512_maskz_loadu_epi8(high, from + 64);
            add_lanes((v_s32)_mm512_permutex2var_epi8(a, (__m512i)at, b), w, acc);
            from += 4;
        }
        if (!is_joined) continue;
        const __m512i a = _mm512_maskz_loadu_epi8(low, from);
        const __m512i b = _mm512_maskz_loadu_epi8(high, from + 64);
        const __mmask64 ours = UINT64_C(0x1111111111111111) << s; /* byte s of each lane */
        last |= _mm512_maskz_permutex2var_epi8(ours, a, (__m512i)begin, b);
        w += EW_COLUMNS * 4;
    }
    if (is_joined) add_lanes((v_s32)last, g->joined, acc);
    v_bytes found[2];
    BY_BOUNDS(finish_lanes, g, acc, found);
    uint8_t *y = p->y + first * p->y_row;
    if (p->columns == FEW && p->y_row == FEW) { /* without a way through memory */
        v_store_run(y, found[0], 0, EW_BYTES);
        v_store_run(y + EW_BYTES, found[1], 0, EW_BYTES);
        return;
    }
    uint8_t rows[EW_LANES * FEW];
    __builtin_memcpy(rows, found, sizeof rows);
    for (uint32_t r = 0; r < EW_LANES; r++, y += p->y_row)
        ew_copy(y, rows + r * FEW, p->columns);
}

static __attribute__((noinline)) void gemm_b8_lanes(const ew_gemm_b8 *g) {
    const uint32_t rows = g->product.rows, last = rows - EW_LANES;
    for (uint32_t r = 0; r < rows; r += EW_LANES) /* some rows may be computed twice */
        if (g->joined)
            lanes(1, g, ew_min_u32(r, last));
        else
            lanes(0, g, ew_min_u32(r, last));
}

static int is_of_lanes(const ew_gemm_b8 *g) {
    const ew_gemm *p = &g->product;
    if (p->columns > FEW || p->x_row > MOST_APART || p->rows < EW_LANES) return 0;
    return g->scale && !p->row_bias;
}

int EW_NAME(joins_b8)(const ew_gemm_b8 *g, int32_t weights[EW_FEW]) {
    const ew_gemm *p = &g->product;
    int32_t others = 0;
    if (!is_of_lanes(g) || p->segments < 2 || p->segments > MOST_JOINED || !p->steps) return 0;
    for (uint32_t n = 0; n < FEW; n++) weights[n] = 0;
    for (uint32_t s = 0; s < p->segments; s++) {
        const int8_t *w = p->w + ((size_t)s * p->steps + p->steps - 1) * EW_COLUMNS * 4;
        for (uint32_t n = 0; n < FEW; n++) {
            int32_t last;
            __builtin_memcpy(&last, w + 4 * n, sizeof last);
            others |= last & ~0xFF;
            weights[n] |= (int32_t)((uint32_t)last << (8 * s));
        }
    }
    return !others;
}
#endif

#if defined(EW_AMX)
/* The scales of some columns, if there are any. */
typedef struct {
    v_f32 scale[4];
} columns;

EW_INLINE columns columns_at(const uint32_t vectors, const ew_gemm_b8 *g, uint32_t column) {
    columns found;
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++)
        found.scale[v] =
            g->scale ? v_load_f32(g->scale + column + v * EW_LANES) : v_splat_f32(0.0f);
    return found;
}

/* Bytes of the sums of four vectors: of rows from `row` on with so many each. */
EW_INLINE void finish(const uint32_t vectors, const int is_plain, const ew_gemm_b8 *g,
                      const columns *around, uint32_t row, uint32_t end, uint32_t column,
                      const int32_t *sums, uint8_t *y) {
    const ew_gemm *p = &g->product;
    const uint32_t at_once = 4 / vectors, width = vectors * EW_LANES;
    v_s32 acc[4];
    EW_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        acc[i] = v_load_s32(sums + i / vectors * EW_AMX_PITCH(vectors) + i % vectors * EW_LANES);
        if (!is_plain && p->row_bias)
            acc[i] += v_splat_s32(p->row_bias[ew_min_u32(row + i / vectors, end - 1)]);
    }
    if (!is_plain && !g->scale) {
        EW_UNROLL
        for (uint32_t i = 0; i < 4; i++)
            if (row + i / vectors < end)
                __builtin_memcpy(y + i / vectors * p->y_row + i % vectors * sizeof(v_s32), &acc[i],
                                 sizeof(v_s32));
        return;
    }
    EW_UNROLL
    for (uint32_t i = 0; i < 4; i++)
        acc[i] = v_nearest(v_float(acc[i]) * around->scale[i % vectors]);
    v_bytes bytes = v_narrow_all_x4(is_plain, acc[0], acc[1], acc[2], acc[3], g->output);
    EW_UNROLL
    for (uint32_t k = 0; k < at_once; k++, y += p->y_row)
        if (is_plain || (row + k < end && p->columns - column >= width))
            v_store_run(y, bytes, k * width, width);
        else if (row + k < end)
            v_store_part(y, bytes, k * width, width, p->columns - column);
}

static int is_plain(const ew_gemm_b8 *g) {
    return g->scale && !g->product.row_bias && bounds_of(g) != EW_BOUNDS_OTHER;
}

EW_DEFINE_AMX(amx, ew_gemm_b8, columns, 0, 1, finish, is_plain)
#endif

void EW_NAME(gemm_pair_b8)(const ew_gemm_b8 *g) {
#if defined(EW_AMX)
    if (g->is_bounded) {
        amx(g, 2);
        return;
    }
#endif
    ew_gemm_b8 one = *g;
    const uint32_t columns = g->product.columns;
    one.product.columns = EW_COLUMNS;
    EW_NAME(gemm_b8)(&one);
    one.product.columns = columns - EW_COLUMNS;
    one.product.w += g->product.segments * g->product.steps * sizeof(int32_t) * EW_COLUMNS;
    one.product.bias += EW_COLUMNS;
    one.product.y += EW_COLUMNS;
    one.scale += EW_COLUMNS;
    EW_NAME(gemm_b8)(&one);
}

void EW_NAME(gemm_b8)(const ew_gemm_b8 *g) {
#if defined(EW_AMX)
    if (ew_amx_fits(&g->product) && (!g->scale || g->is_bounded)) {
        amx(g, 1);
        return;
    }
#endif
#if defined(EW_AMD)
    if (is_of_lanes(g)) {
        gemm_b8_lanes(g);
        return;
    }
#endif
    EW_RUN_TILES_OF(MOST_ROWS, g, &g->product);
}

EW_INLINE void finish_row(const uint32_t bounds, const ew_gemm_b8 *g, const v_s32 acc[EW_SUMS]) {
    EW_UNROLL
    for (uint32_t v = 0; v < EW_SUMS; v += 4) {
        const float *scale = g->scale + v * EW_LANES;
        v_bytes bytes = v_requantize_x4(bounds, acc[v], acc[v + 1], acc[v + 2], acc[v + 3],
                                        v_load_f32(scale), v_load_f32(scale + EW_LANES),
                                        v_load_f32(scale + 2 * EW_LANES),
                                        v_load_f32(scale + 3 * EW_LANES), g->output);
        v_store_run(g->product.y + v * EW_LANES, bytes, 0, 4 * EW_LANES);
    }
}

EW_INLINE void row(const int is_narrow, const ew_gemm_b8 *g) {
    v_s32 acc[EW_SUMS];
    ew_multiply_row(EW_PER_LANE, is_narrow, &g->product, acc);
    BY_BOUNDS(finish_row, g, acc);
}

static __attribute__((noinline)) void gemv_b8_1x8(const ew_gemm_b8 *g) { row(0, g); }
static __attribute__((noinline)) void gemv_b4_1x8(const ew_gemm_b8 *g) { row(1, g); }

void EW_NAME(gemv_b8)(const ew_gemm_b8 *g, int is_narrow) {
    (is_narrow ? gemv_b4_1x8 : gemv_b8_1x8)(g);
}
#endif
