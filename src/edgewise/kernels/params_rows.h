/* Parameters of kernels that look at windows or rows: pools, reductions, softmax, norms,
 * sorting. Part of params.h, which says how to read it. */
#ifndef EW_PARAMS_ROWS_H
#define EW_PARAMS_ROWS_H

/* Pools. Operands: x, y. Tiles: output rows (N * OH). b8: windows of fewer than 2**23 taps,
 * s16: of fewer than 2**15. */
typedef struct {
    ew_window window;
    uint32_t y_stride; /* elements between the pixels of y */
    uint32_t is_signed;
    int32_t low, high;
    float low_f32, high_f32;
} ew_pool_2d;

/* Reductions of x over some of its dimensions, neighbours of one kind merged. y has a row for every
 * position in the `kept` dimensions, of `columns` elements: the last dimension of x where that is
 * kept, which `kept` does not count; else columns is 0, a row is one element, and the last of the
 * `reduced` dimensions has stride 1. b8 sums (a MEAN is one): y = rne(f32(sum + bias) * scale +
 * y_zero), saturated. f32: y = found * scale. bool is u8. s16 sums (zero points 0): where is_fixed
 * times multiplier * 2**(shift - 31) (fixed.h), else times scale, halves away from zero.
 * Operands: x, y. Tiles: (block of rows_per_tile rows, block of columns_per_tile columns).
 * Scratch: b8, s16: columns_per_tile (at least 1) s32; mean_s32: s64. */
enum { EW_REDUCE_sum, EW_REDUCE_max, EW_REDUCE_min, EW_REDUCE_prod };
typedef struct {
    uint32_t op; /* EW_REDUCE_... */
    uint32_t rows, rows_per_tile;
    uint32_t columns, columns_per_tile;
    uint32_t kept_rank, reduced_rank;
    uint32_t kept[EW_MAX_RANK], reduced[EW_MAX_RANK];
    uint32_t kept_stride[EW_MAX_RANK], reduced_stride[EW_MAX_RANK];
    uint32_t is_signed;
    int32_t bias, y_zero;
    int32_t low, high;
    float scale;
    uint32_t divisor;          /* of whole sums, towards zero; 0: none */
    uint32_t is_fixed;         /* reduce_s16 */
    int32_t multiplier, shift; /* prod_b8: of every product; reduce_s16 */
} ew_reduce;

/* One number of every window of x, which is spread by `base` and padded: y = init, joined by the
 * elements of the window in order. Operands: x, init, y. Tiles: rows_per_tile rows, which are all
 * dimensions but the last. */
typedef struct {
    uint32_t rank, op; /* EW_JOIN_... */
    uint32_t x_dims[EW_MAX_RANK], y_dims[EW_MAX_RANK];
    uint32_t window[EW_MAX_RANK], stride[EW_MAX_RANK], dilation[EW_MAX_RANK];
    uint32_t base[EW_MAX_RANK];
    int32_t low[EW_MAX_RANK]; /* padding before x; negative: so much is cut off */
    uint32_t rows_per_tile;
} ew_reduce_window;

/* Softmax and its logarithm over rows of `depth`. Tiles: rows_per_tile rows.
 * f32 operands: x, y. b8 operands: x, table f32 [256] of exp(-scale * distance), y.
 * softmax_s16: x, knots s16 [513] of exp on [-10, 0], of 1 / (1 + x) on [0, 1], y; depth < 2**16;
 *   distances times multiplier * 2**(shift - 31) are 65535ths of [-10, 0].
 * log_softmax_s16: x, tables f32 [256] of exp(-scale * 256 * d) and of exp(-scale * d), y.
 * Scratch: log_softmax_f32: depth f32; b8: 4 * depth f32; s16: depth s16. */
typedef struct {
    uint32_t rows, depth, rows_per_tile;
    uint32_t is_signed;
    int32_t multiplier, shift;
    int32_t y_zero;
    int32_t low, high;
    float beta;             /* f32 */
    float x_scale, y_scale; /* b8, log_softmax_s16; x_scale of log_softmax only */
} ew_softmax;

/* The index of the largest or smallest element along the middle of x [outer, n, inner].
 * Operands: x, y (of index_bytes bytes: 4 or 8). Tiles: rows_per_tile of outer. */
typedef struct {
    uint32_t outer, n, inner;
    uint32_t is_min;
    uint32_t index_bytes;
    uint32_t rows_per_tile;
} ew_arg;

/* The k largest elements of rows of n, 0 < k <= n, and their indices of index_bytes (2, 4 or 8).
 * Operands: x, y, indices. Tiles: rows_per_tile rows. Scratch: k u32. */
typedef struct {
    uint32_t rows, n, k;
    uint32_t index_bytes;
    uint32_t rows_per_tile;
} ew_topk;

/* Running sums along the middle of x [outer, n, inner]. Operands: x, y. Tiles: outer. */
typedef struct {
    uint32_t n, inner;
    uint32_t is_exclusive, is_reverse;
} ew_cumsum;

/* Normalised rows. layer_norm_f32 operands: x, gamma [depth], beta [depth], y; others: x, y.
 * epsilon: of layer norm, added to the variance; of L2_NORMALIZATION, the least norm.
 * Tiles: rows_per_tile rows. */
typedef struct {
    uint32_t rows, depth, rows_per_tile;
    float epsilon;
} ew_norm;

/* L2_NORMALIZATION on 8 bits: y has a scale of 1/128 and the zero point y_zero. Operands: x, y.
 * Tiles: rows_per_tile rows. */
typedef struct {
    uint32_t rows, depth, rows_per_tile;
    uint32_t is_signed;
    int32_t x_zero, y_zero;
} ew_norm_b8;

/* LOCAL_RESPONSE_NORMALIZATION. bias > 0, alpha >= 0. Operands: x, y. Tiles: rows_per_tile rows. */
typedef struct {
    uint32_t rows, depth, rows_per_tile;
    uint32_t radius;
    float bias, alpha, beta;
} ew_local_response;

/* Operands: boxes f32 [boxes, 4], scores f32 [boxes], most overlap f32, least score f32, where is_soft
 * sigma f32; indices s32 [size], where is_soft scores f32 [size], count s32. Tiles: one.
 * Scratch: 12 bytes for each box. */
typedef struct {
    uint32_t boxes, size, is_soft;
} ew_non_max_suppression;

/* Operands: encodings [boxes, width] (y, x, h, w) and scores [boxes, columns], each f32 or u8 (is_..
 * _stored), anchors f32 [boxes, 4]; boxes f32 [most * most_classes, 4], classes, scores, count f32
 * [1]. Classes are the last columns. A box that an anchor's negative side turns inside out is
 * refused. Tiles: one. Scratch: u32 (1: refused), 12 bytes, 40 for each box, and 12 * most. */
typedef struct {
    uint32_t boxes, width, columns, classes;
    uint32_t is_regular; /* each class for itself, at most per_class of it */
    uint32_t most, most_classes, per_class, is_box_stored, is_score_stored;
    float box_scale, box_zero, score_scale, score_zero;
    float scale[4]; /* of encodings */
    float least, overlap;
} ew_detection;

#endif
