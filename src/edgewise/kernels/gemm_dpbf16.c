/* The micro-kernels of products of bfloat16 (gemm_dpbf16.h), one for each number of rows and halves
 * of vectors: sums stay in registers for all of K.
 *
 * Zen 4 multiplies one vector per cycle and has the sum six cycles later. Up to 14 rows run at its
 * peak from K = 256 on; 14 rows 4096 bytes apart, which share one set of 8 lines in the first-level
 * cache, at 0.90 of it (K = 2048), 10 at 0.985, and 4 to 10 rows nowhere at less than 0.95 of 14.
 * What costs most beside the products: bounds (0.90 of the peak with both of them at K = 32, 0.95
 * with none); columns beyond the last (24 took a seventh longer in two vectors than in one and a
 * half); weights from the third level (7x7x1024 by 1024 took 611 us, and takes 450 with those of
 * the next panel fetched). */
#include "gemm_dpbf16.h"
#include "simd_half.h"
#if defined(EW_AMD)

enum {
    AT_ONCE = 16,                       /* steps along K of a register of weights */
    REGISTER = AT_ONCE * sizeof(v_s32), /* bytes; a panel's two lie side by side */
    MOST_ROWS = 10,                     /* by more than a vector */
};

EW_INLINE void store(uint8_t *y, const uint32_t vectors, const __m512 v[EW_VECTORS],
                     const int is_narrow) {
    if (is_narrow && vectors == 2)
        _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]));
    else if (is_narrow)
        _mm256_storeu_si256((__m256i *)(void *)y, (__m256i)_mm512_cvtneps_pbh(v[0]));
    else
        EW_UNROLL
        for (uint32_t i = 0; i < vectors; i++) _mm512_storeu_ps(y + i * sizeof(v_f32), v[i]);
}

/* Row by row: the multiplications go on beside what follows them. */
EW_INLINE void finish(const uint32_t rows, const uint32_t vectors, const int is_narrow,
                      const int is_bounded, const ew_gemm_dpbf16 *g, uint32_t first,
                      __m512 acc[EW_ROWS][EW_VECTORS]) {
    const ew_gemm *p = &g->product;
    const __m512 low = _mm512_set1_ps(g->low), high = _mm512_set1_ps(g->high);
    const uint32_t bytes = is_narrow ? 2 : 4, columns = p->columns;
    const int is_whole = columns >= vectors * EW_LANES;
    const size_t y_row = p->y_row;
    uint8_t *y = p->y + first * y_row;
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++, y += y_row) {
        EW_UNROLL
        for (uint32_t v = 0; v < vectors && is_bounded; v++)
            acc[r][v] = _mm512_min_ps(high, _mm512_max_ps(low, acc[r][v]));
        if (is_whole)
            store(y, vectors, acc[r], is_narrow);
        else
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                v_store_first(y + v * EW_LANES * bytes, (v_f32)acc[r][v], columns - v * EW_LANES,
                              is_narrow);
    }
}

/* acc + the products of pairs: of half a vector, which takes half the time, in its lower half. */
EW_INLINE __m512 dot(const int is_half, __m512 acc, __m512bh x, __m512bh w) {
    if (!is_half) return _mm512_dpbf16_ps(acc, x, w);
    return _mm512_castps256_ps512(_mm256_dpbf16_ps(_mm512_castps512_ps256(acc),
                                                   (__m256bh)_mm512_castsi512_si256((__m512i)x),
                                                   (__m256bh)_mm512_castsi512_si256((__m512i)w)));
}

/* Some rows by so many halves of vectors. */
EW_INLINE void tile(const uint32_t rows, const uint32_t halves, const ew_gemm_dpbf16 *g,
                    uint32_t first) {
    const uint32_t vectors = (halves + 1) / 2;
    const ew_gemm *p = &g->product;
    const size_t stride = p->x_row;
    const size_t run = ew_divide_up(p->steps, AT_ONCE) * EW_VECTORS * REGISTER;
    const uint8_t *x = p->x + first * stride;
    const int8_t *w = p->w;
    const size_t pace = rows * g->pace;
    const char *ahead = g->ahead + (size_t)first * g->pace * p->segments * p->steps;
    __m512 acc[EW_ROWS][EW_VECTORS];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        const __m512 bias = p->bias ? _mm512_loadu_ps(p->bias + v * EW_LANES) : _mm512_setzero_ps();
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r][v] = bias;
    }
    for (uint32_t s = 0; s < p->segments; s++, w += run) {
        const int8_t *by = w;
        const uint8_t *base[EW_BASES];
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r += 3) base[r / 3] = x + p->segment[s] + r * stride;
        for (uint32_t left = p->steps, n; left; left -= n, by += REGISTER) {
            n = ew_min_u32(left, AT_ONCE);
            for (uint32_t i = n; i; i--, by += sizeof(v_s32)) {
                __m512bh weights[EW_VECTORS];
                v_fetch(ahead);
                ahead += pace;
                EW_UNROLL
                for (uint32_t v = 0; v < vectors; v++)
                    weights[v] = (__m512bh)_mm512_loadu_si512(by + v * REGISTER);
                EW_UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                    int32_t pair;
                    __builtin_memcpy(&pair, base[r / 3] + r % 3 * stride, sizeof pair);
                    __m512bh two = (__m512bh)_mm512_set1_epi32(pair);
                    if (halves == 3) __asm__("" : "+v"(two)); /* or clang makes its half anew */
                    EW_UNROLL
                    for (uint32_t v = 0; v < vectors; v++)
                        acc[r][v] = dot(2 * v + 1 == halves, acc[r][v], two, weights[v]);
                }
                EW_UNROLL
                for (uint32_t r = 0; r < rows; r += 3) {
                    base[r / 3] += sizeof(int32_t);
                    EW_OPAQUE(base[r / 3]);
                }
            }
        }
    }
    const int is_bounded = g->low > -__builtin_inff() || g->high < __builtin_inff();
    if (g->is_narrow && is_bounded)
        finish(rows, vectors, 1, 1, g, first, acc);
    else if (g->is_narrow)
        finish(rows, vectors, 1, 0, g, first, acc);
    else
        finish(rows, vectors, 0, 1, g, first, acc);
}

#define TILES(name, type, rows)                                                                    \
    EW_TILE(name, type, rows, 1)                                                                   \
    EW_TILE(name, type, rows, 2)                                                                   \
    EW_TILE(name, type, rows, 3)                                                                   \
    EW_TILE(name, type, rows, 4)
#define ENTRY(name, type, rows)                                                                    \
    {name##_##rows##x1, name##_##rows##x2, name##_##rows##x3, name##_##rows##x4},
EW_TO_MOST(TILES, gemm_dpbf16, ew_gemm_dpbf16)

void EW_NAME(gemm_dpbf16)(const ew_gemm_dpbf16 *g) {
    static void (*const tiles[][4])(const ew_gemm_dpbf16 *g, uint32_t first, uint32_t count) = {
        EW_TO_MOST(ENTRY, gemm_dpbf16, ew_gemm_dpbf16)};
    const uint32_t width = ew_divide_up(g->product.columns, EW_LANES / 2) - 1;
    const uint32_t count = ew_divide_up(g->product.rows, width > 1 ? MOST_ROWS : EW_ROWS);
    const uint32_t rows = g->product.rows / count, longer = g->product.rows % count;
    if (longer) tiles[rows][width](g, 0, longer);
    tiles[rows - 1][width](g, longer * (rows + 1), count - longer);
}
#endif
