/* Products of float32 patches and packed panels of weights: what convolutions, fully connected
 * layers and batch matrix products share.
 *
 * The columns of weights [K, O] are packed by vectors of EW_LANES: panels of two vectors each,
 * [K][2 * EW_LANES]. The last panel has three vectors where O needs an odd number of them, and one
 * where O fits in one; columns beyond O are 0. */
#ifndef EW_GEMM_F32_H
#define EW_GEMM_F32_H
#include "kernel.h"

/* Rows of the micro-kernels of two vectors: accumulators, a row of weights and an element of x fill
 * the registers. Zen 4 stores a vector in two cycles, and multiplies meanwhile what is left of a
 * block: it loses less time behind shorter ones (14 rows took 1.01 to 1.02 times as long). */
#if defined(EW_AMD)
enum { EW_ROWS = 10 };
#elif EW_LANES == 16
enum { EW_ROWS = 14 };
#elif EW_LANES == 8
enum { EW_ROWS = 6 };
#elif EW_LANES == 4 && defined(__aarch64__)
enum { EW_ROWS = 8 };
#else
enum { EW_ROWS = 4 };
#endif

/* Rows that lie a multiple of so many bytes apart have an element each in one set of the first-level
 * cache, which keeps so many lines: those of a block, of weights and of what is fetched. With more
 * rows, all come from the second level (Zen 4, 8 lines: 196 pixels of 1024 channels by 256 took 1.3
 * to 1.9 times as long by 14 rows as by 6, and 49 of 1024 by 1024 1.06 times by 7). */
#if defined(EW_AMX)
enum { EW_SET_BYTES = 4096, EW_SET_LINES = 12 };
#else
enum { EW_SET_BYTES = 4096, EW_SET_LINES = 8 };
#endif

/* Rows of a block, of `most` that have a micro-kernel. Others than AVX-512's are few anyway. */
static inline uint32_t ew_block_rows(uint32_t most, size_t x_stride) {
    const int is_one_set = EW_LANES == 16 && x_stride * sizeof(float) % EW_SET_BYTES == 0;
    return is_one_set ? ew_min_u32(most, EW_SET_LINES - 2) : most;
}

/* Blocks that n rows are multiplied in. */
static inline uint32_t ew_blocks(uint32_t n, size_t x_stride) {
    return ew_divide_up(n, ew_block_rows(EW_ROWS, x_stride));
}

/* How K lies in x: planes x rows x columns runs of `length` neighbouring elements; columns are
 * cheapest to walk along. The strides count elements of x, and steps along K in the weights, where
 * the first run begins at `k_first`. */
typedef struct {
    uint32_t planes, rows, columns, length;
    size_t x_plane, x_row, x_column;
    size_t k_first, k_plane, k_row, k_column;
} ew_patch;

/* A panel of `vectors` vectors, of which `columns` columns are results; y is clamped. The next one
 * begins `next` weights after it; `count` of them, all of whole vectors where there are several, are
 * multiplied with the same rows. Meanwhile what follows in memory is fetched from the third-level
 * cache: `ahead` moves on by `pace` bytes with every step along K. So does a place that begins
 * `rows` rows after those being multiplied, by `x_pace` * `rows`: 0 where x has been read before. */
typedef struct {
    const void *w; /* float32; float16 for gemm_f16, bfloat16 for gemm_bf16 */
    const float *bias;
    uint32_t vectors, columns;
    uint32_t count;
    size_t next;
    float low, high;
    const char *ahead;
    size_t pace, x_pace;
} ew_panel;

static inline uint32_t ew_panels(uint32_t o) {
    uint32_t vectors = ew_divide_up(o, EW_LANES);
    return vectors < 2 ? vectors : vectors / 2;
}

/* Panel number `index` of weights [k, o] of `bytes` each, with which `blocks` blocks of rows are
 * going to be multiplied. */
static inline ew_panel ew_panel_at(const void *w, uint32_t bytes, const float *bias, uint32_t k,
                                   uint32_t o, uint32_t index, uint32_t blocks) {
    uint32_t first = 2 * EW_LANES * index, left = o - first;
    uint32_t vectors = index + 1 < ew_panels(o) ? 2 : ew_divide_up(left, EW_LANES);
    uint32_t width = vectors * EW_LANES;
    const char *packed = (const char *)w + (size_t)first * k * bytes;
    ew_panel panel = {.w = packed,
                      .bias = bias + first,
                      .vectors = vectors,
                      .columns = ew_min_u32(left, width),
                      .count = 1,
                      .next = (size_t)width * k,
                      .ahead = packed + (size_t)width * k * bytes,
                      .pace = ew_divide_up(width * bytes, blocks)};
    return panel;
}

/* y[r][c] = clamp(bias[c] + sum over the patch at x + r * x_stride of x * w[.][c]) for n rows;
 * sums run along K in order, whatever n is. */
void EW_NAME(gemm_f32)(const ew_patch *patch, ew_panel *panel, uint32_t n, const float *x,
                       size_t x_stride, float *y, size_t y_stride);

/* The same for n <= EW_FEW rows and the first of `panels` panels of two whole vectors; returns how
 * many of these were multiplied, 0 where there are too few to gain from. */
enum { EW_FEW = 2 };
uint32_t EW_NAME(gemm_few_f32)(const ew_patch *patch, ew_panel *panel, uint32_t panels, uint32_t n,
                               const float *x, size_t x_stride, float *y, size_t y_stride);

/* Both by weights of 16 bits, widened as they are loaded: the same numbers, half the bytes. */
void EW_NAME(gemm_f16)(const ew_patch *patch, ew_panel *panel, uint32_t n, const float *x,
                       size_t x_stride, float *y, size_t y_stride);
uint32_t EW_NAME(gemm_few_f16)(const ew_patch *patch, ew_panel *panel, uint32_t panels, uint32_t n,
                               const float *x, size_t x_stride, float *y, size_t y_stride);
void EW_NAME(gemm_bf16)(const ew_patch *patch, ew_panel *panel, uint32_t n, const float *x,
                        size_t x_stride, float *y, size_t y_stride);
uint32_t EW_NAME(gemm_few_bf16)(const ew_patch *patch, ew_panel *panel, uint32_t panels, uint32_t n,
                                const float *x, size_t x_stride, float *y, size_t y_stride);
#endif
