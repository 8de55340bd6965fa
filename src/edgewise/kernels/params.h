/* Parameters of all kernels, and what the executor walks: the only definition. Long because there
 * is no other: Python, the exported C and all kernels read this file.
 *
 * Fixed-width fields, no implicit padding, no pointers: the bytes of a structure are the same on
 * every target, can be stored, and be printed as C. The build hook preprocesses this file for cffi
 * (Python reads the same fields); EW_PARSED is defined there.
 *
 * Unless a field says otherwise: sizes and strides count elements; x is the first operand, y the
 * last; "b8" data is int8 where `is_signed` is 1 and uint8 where it is 0. Operand lists say which
 * buffer stands where. */
#ifndef EW_PARAMS_H
#define EW_PARAMS_H
#ifndef EW_PARSED
#include <stddef.h>
#include <stdint.h>
#endif

enum {
    EW_MAX_RANK = 6, /* dimensions after collapsing */
    EW_RESIZE_BITS = 11, /* of the weights of RESIZE_BILINEAR on 8 bits */
    EW_RECURRENT_PANEL = 32, /* columns of a panel of recurrent weights */
    EW_COPY_RANK = 8, /* the same of copies: TILE of rank 4 has eight */
    EW_MOST_X = 3, /* operands that broadcast against each other */
    EW_GEMV = 2, /* panels that a product of one row of float32 computes at once */
    EW_GEMV_B8 = 4, /* and one in 8 bits */
};

/* The index of every kernel in the function tables: EW_KERNEL_conv_2d_f32, ... */
enum {
#define EW_KERNEL(name) EW_KERNEL_##name,
#include "kernels.def"
#undef EW_KERNEL
    EW_KERNELS
};

/* Instruction sets a function table exists for, weakest first. */
enum { EW_ISA_scalar, EW_ISA_baseline, EW_ISA_avx2, EW_ISA_avx512, EW_ISAS };

/* What stands around a padded tensor. */
enum { EW_BORDER_value, EW_BORDER_reflect, EW_BORDER_symmetric };

/* A window over the two spatial axes of x [N, H, W, C], and the result y [N, OH, OW, O]. */
typedef struct {
    uint32_t n, h, w, c;
    uint32_t oh, ow, o;
    uint32_t kernel_h, kernel_w;
    uint32_t stride_h, stride_w;
    uint32_t dilation_h, dilation_w;
    uint32_t pad_top, pad_left; /* rows and columns of padding before x */
} ew_window;

/* Convolutions of float32 with groups; a fully connected layer is one of 1x1 windows.
 * Operands: x, w, bias f32, y. Weights [K, O / groups] of every group, K = kernel_h * kernel_w *
 * C / groups, are packed by vectors of the instruction set (gemm_f32.h, ew_pack_f32), and so are
 * biases [O / groups rounded up to vectors].
 * Tiles: (group, block of output rows of all N * OH, block of output columns, block of panels).
 * Pixels of y lie y_pixel elements apart, its lines y_line, images y_image; the first is y_first. */
typedef struct {
    ew_window window;
    uint32_t groups;
    uint32_t rows_per_tile, columns_per_tile, panels_per_tile;
    uint32_t y_first, y_image, y_line, y_pixel;
    float low, high; /* fused activation */
} ew_conv_2d_f32;

/* 8-bit convolutions with groups. A fully connected layer, and a convolution of 1x1 windows without
 * strides, is one image of a single line of M pixels; a transposed one has a call for every phase
 * of its stride.
 * Operands: x, w, bias s32 [O padded], scale f32 [O padded] (finite), y.
 * y = rne(clamp(f32(acc) * scale, low - y_zero, high - y_zero)) + y_zero, acc modulo 2**32.
 * w is s8 and stands for w - w_zero. In the scalar build it is [O][K], K = KH * KW * C / groups,
 * and nothing is padded. With vectors it is packed per group as
 *   [panels][KH][KW * C / groups / EW_PER_LANE rounded up][2 * EW_LANES][EW_PER_LANE]
 * (where dilation_w > 1, as [panels][KH * KW][C / groups / EW_PER_LANE rounded up]...), zeros
 * beyond; O is padded to whole panels. With 16 lanes, EW_PER_LANE is 4 (else 2), x is staged as u8
 * and bias is less x_zero (as u8) times the sums of w - w_zero.
 * Pixel (n, i, j) of y starts at element y_first + n * y_image + i * y_line + j * y_pixel.
 * Tiles: (group, image, block of lines, block of columns, block of panels); if scalar, (group, image,
 * line). Scratch: segments u32, where w_zero pixels of a tile s32, the staged lines, 64 bytes; if
 * scalar, the windows of two pixels as s16 (of one where OW is 1), each of K rounded up to 4. */
typedef struct {
    ew_window window;
    uint32_t groups;
    uint32_t lines_per_tile, columns_per_tile; /* of output pixels */
    uint32_t panels_per_tile;
    uint32_t y_first, y_image, y_line, y_pixel;
    uint32_t is_signed; /* x and y */
    int32_t x_zero, w_zero, y_zero;
    int32_t low, high; /* stored integers */
} ew_conv_b8;

/* 8-bit matrix products of two operands that are computed while the model runs, and fully connected
 * layers with such weights: z[b, i, j] = requantized sum over l of x[b, i, l] * y[b, l, j].
 * Operands: x, y, bias s32 [N], scale f32 [N], z [batches, M, N]; bias and scale have EW_COLUMNS
 * elements more than N, and so have their copies in scratch.
 * Requantized as ew_conv_b8, or where is_fixed by LiteRT's 32-bit multiplier: acc * multiplier *
 * 2**(shift - 31), rounded twice. Strides count elements; those of a broadcast dimension are 0.
 * Tiles: (batch, block of rows_per_tile rows). Scratch: rows_per_tile * (K + 16) staged elements
 * and row sums s32, a packed panel and its biases, EW_COLUMNS accumulators per row; none if scalar.
 */
typedef struct {
    uint32_t m, k, n;
    uint32_t rank; /* of the batch */
    uint32_t dims[EW_MAX_RANK], x_batch[EW_MAX_RANK], y_batch[EW_MAX_RANK];
    uint32_t x_row, x_k, y_k, y_column;
    uint32_t rows_per_tile;
    uint32_t is_signed;   /* x and z */
    uint32_t is_y_signed; /* uint8 is moved by -128, in y_zero too */
    int32_t x_zero, y_zero, z_zero;
    int32_t low, high;
    uint32_t is_fixed;
    int32_t multiplier, shift;
} ew_matmul_b8;

/* z[..., m, n] = clamp(bias[n] + sum over k of x[..., m, k] * y[..., k, n]), float32. Operands: x, y,
 * bias f32 [N], z, which is dense. Strides of a broadcast batch dimension are 0.
 * Tiles: (batch, block of rows_per_tile rows, block of panels of gemm_f32.h).
 * Scratch: (K + 1) * 3 * EW_LANES f32, and rows_per_tile * K more where x_k is not 1. */
typedef struct {
    uint32_t m, k, n;
    uint32_t rank; /* of the batch */
    uint32_t dims[EW_MAX_RANK];
    uint32_t x_batch[EW_MAX_RANK], y_batch[EW_MAX_RANK];
    uint32_t x_row, x_k;
    uint32_t y_k, y_column;
    uint32_t rows_per_tile, panels_per_tile;
    float low, high; /* fused activation */
} ew_matmul_f32;

/* How a depthwise convolution is computed: by a body for one kernel (square) and stride, which
 * reads every column of x once for all pixels of a group, or by one for any. */
enum {
    EW_DEPTHWISE_any,
    EW_DEPTHWISE_3x1, /* kernel 3 x 3, stride_w 1, no dilation_w */
    EW_DEPTHWISE_3x2,
    EW_DEPTHWISE_5x1,
    EW_DEPTHWISE_5x2,
    EW_DEPTHWISE_BODIES
};

/* Depthwise convolutions; O = C * multiplier. `channels` is O, or where rows are spread (see
 * depthwise.c) a multiple of O and of the block: several pixels together. Weights, biases and
 * scales come in blocks of channels; where O is no multiple, the last block ends at O.
 * f32 operands: x, w f32 [blocks, KH * KW, block], bias f32 [blocks, block], y; a block is EW_LANES.
 * b8 operands: x, w, bias s32 [blocks, block] less the products of x's zero point (of x as it is
 *   multiplied), scale f32 [blocks, block], y. The epilogue is that of ew_conv_b8. A block is
 *   2 * EW_LANES, in the order of v_zip_s16. w is [blocks, products, 2, EW_LANES] of pairs of s16
 *   or quads of s8; a product has the taps of 2 or 4 neighbouring kernel rows of one column, then
 *   columns, then groups of rows. What remains of the rows of a square kernel is the pairs of
 *   neighbouring columns of one row, or three rows; of any other kernel, zeros fill the group.
 *   Plain build: x, w s8 [KH * KW, O] plus w_zero, bias s32 [O], scale f32 [O], y.
 * Tiles: output rows (N * OH).
 * Scratch: rows + rows * columns addresses, rows u32, then elements of x: channels, 4 * channels,
 *   and where rows are spread KH * stride_w * phase_columns * O. Plain b8: none. */
typedef struct {
    ew_window window;
    uint32_t multiplier;
    uint32_t y_stride;      /* elements between the pixels of y */
    uint32_t body;          /* EW_DEPTHWISE_... */
    uint32_t taps_per_lane; /* b8: 2 (s16) or 4 (s8) taps of a channel are multiplied at once */
    uint32_t channels;
    uint32_t is_spread;
    uint32_t phase_columns; /* columns of a spread row that are stride_w apart in x */
    uint32_t rows;          /* KH, or the next multiple of taps_per_lane */
    uint32_t columns;       /* addresses per row: most columns of x under a group */
    uint32_t is_signed;
    int32_t x_zero, y_zero;
    int32_t w_zero; /* plain b8 */
    int32_t low, high;
    float low_f32, high_f32;
} ew_depthwise_conv_2d;

/* How the operands of an elementwise operator run along y, which is dense: y falls into runs of
 * `run` elements. Along a run operand k is dense (period 0) or its first `period` elements repeat;
 * from run to run it moves by the strides of the outer dimensions, 0 where it is broadcast.
 * Tiles: blocks of per_tile elements of y. An operand that is dense everywhere may be y itself.
 * Scratch: for each operand with a period, `pattern` elements (a multiple of the period), rounded
 * up to 64 bytes. */
typedef struct {
    uint32_t count, per_tile; /* elements of y */
    uint32_t run, rank;
    uint32_t dims[EW_MAX_RANK];
    uint32_t stride[EW_MOST_X][EW_MAX_RANK];
    uint32_t period[EW_MOST_X], pattern[EW_MOST_X];
} ew_broadcast;

/* Relations of comparisons; greater is less with its operands exchanged. */
enum { EW_EQUAL, EW_NOT_EQUAL, EW_LESS, EW_LESS_EQUAL };

/* Elementwise operators of two operands. Operands: a, b, y; pair_table_b8: a, b, table [256, 256]
 * by the bytes of a and b, y; row_table_b8: x, a number that is the same along each run of x, a table
 * [256] for each of its bytes that occur, y. Bytes of bool are 0 or 1.
 * add_b8: y = ((a * a_multiplier + b * b_multiplier + bias) >> shift) + y_zero, the sum in 32 bits.
 * mul_b8: y = rne(clamp(f32((a - a_zero) * (b - b_zero)) * scale)) + y_zero.
 * q16 (zero points 0): each of a, b (times 2**15) and y (`shift`) has a multiplier and shift of its
 * own (fixed.h); add_shifted_q16 divides a and b by 2**shift. */
typedef struct {
    ew_broadcast shape;
    int64_t low_int, high_int; /* fused activation, integers */
    float low_f32, high_f32;   /* fused activation, f32 */
    uint32_t relation;         /* compare */
    uint32_t is_signed;        /* of b8 */
    int32_t a_zero, b_zero, y_zero;
    int32_t low, high; /* stored integers, b8 */
    int32_t a_multiplier, b_multiplier, bias, shift;
    float scale;
    uint32_t is_difference; /* q16 */
    int32_t a_shift, b_shift, y_multiplier;
} ew_binary;

/* Pools. Operands: x, y. Tiles: output rows (N * OH). b8: windows of fewer than 2**23 taps. */
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
 * y_zero), saturated. f32: y = found * scale. bool is u8.
 * Operands: x, y. Tiles: (block of rows_per_tile rows, block of columns_per_tile columns).
 * Scratch: b8: columns_per_tile (at least 1) s32. */
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
} ew_reduce;

/* Softmax and its logarithm over rows of `depth`. Tiles: rows_per_tile rows.
 * f32 operands: x, y. b8 operands: x, table f32 [256] of exp(-scale * distance), y.
 * Scratch: log_softmax_f32: depth f32; b8: 4 * depth f32. */
typedef struct {
    uint32_t rows, depth, rows_per_tile;
    uint32_t is_signed;
    int32_t y_zero;
    int32_t low, high;
    float beta;             /* f32 */
    float x_scale, y_scale; /* b8; x_scale of log_softmax only */
} ew_softmax;

/* Element types of `cast`. */
enum {
    EW_TYPE_f32,
    EW_TYPE_f16,
    EW_TYPE_s8,
    EW_TYPE_u8,
    EW_TYPE_bool,
    EW_TYPE_s16,
    EW_TYPE_s32,
    EW_TYPE_s64,
};

/* Elementwise operators of one operand. Tiles: blocks of per_tile elements. y may be x where their
 * elements have one size. Operands: x, y; table_b8: x, table [256] indexed by the byte of x, y;
 * table_s16: the same with 65,536; knots_s16: x, knots s16 [513], y.
 * clip: min(max(x, low), high). leaky_relu: x * scale below 0. fake_quant: x within [low, high] on
 * the grid low + k * scale. quantize: rne(clamp(x * scale)) + zero; dequantize: (x - zero) * scale.
 * cast: from the type `low` to the type `high` (EW_TYPE_...). */
typedef struct {
    uint32_t count, per_tile;
    uint32_t is_signed;
    int32_t zero;
    int32_t low, high;
    float scale;
    float low_f32, high_f32;
} ew_unary;

/* Strided copies: y[i, j, ...] = x[i, j, ...] over `dims`. Strides and offsets count bytes: 0 repeats
 * x, negative ones run backwards. Elements have 1, 2, 4 or 8 bytes.
 * Operands: x, y. copy_table_b8: x, table [256] indexed by the byte of x, y.
 * copy: rows are all dimensions but the last, which is the inner one.
 * transpose: rows are all dimensions but the last two, [M, N]. The stride of M in x and of N in y is
 *   one element; M is the inner one.
 * Tiles: (block of rows_per_tile rows, block of inner_per_tile elements of the inner dimension). */
typedef struct {
    uint32_t rank, element_bytes;
    uint32_t rows_per_tile, inner_per_tile;
    uint32_t dims[EW_COPY_RANK];
    int64_t x_stride[EW_COPY_RANK], y_stride[EW_COPY_RANK];
    int64_t x_offset, y_offset;
} ew_strided_copy;

/* x inside a border: elements `value`, or x mirrored with (symmetric) or without (reflect) its
 * outermost element. The last dimension has units of unit_bytes, a multiple of element_bytes.
 * Operands: x, value (element_bytes bytes), y. Tiles: rows_per_tile rows of y, which are all
 * dimensions but the last. */
typedef struct {
    uint32_t rank, element_bytes, unit_bytes;
    uint32_t border; /* EW_BORDER_... */
    uint32_t rows_per_tile;
    uint32_t dims[EW_COPY_RANK];   /* of x */
    uint32_t before[EW_COPY_RANK]; /* border before x */
    uint32_t y_dims[EW_COPY_RANK];
} ew_pad;

/* Runs of x picked by index: y[b, o, i] = x[b, o, indices[b, i]], x [batch, outer, dims.., run],
 * indices [batch, count, depth], y [batch, outer, count, run]. An index outside its dimension gives
 * zeros, and 1 in scratch. Operands: x, indices (of index_bytes bytes: 2, 4 or 8), y.
 * Tiles: rows_per_tile runs. Scratch: a u32. */
typedef struct {
    uint32_t batch, outer, count;
    uint32_t depth; /* numbers in an index */
    uint32_t dims[EW_COPY_RANK];
    uint32_t run_bytes, index_bytes;
    uint32_t rows_per_tile;
} ew_gather;

/* Resized images, x [N, H, W, C] and y [N, OH, OW, C]. Operands: x, places of the rows of y [OH], of
 * its columns [OW], y. resize_nearest: C counts bytes. Tiles: rows_per_tile rows of y.
 * Scratch: bilinear: W * C elements of 4 bytes. */
typedef struct {
    uint32_t n, h, w, c;
    uint32_t oh, ow;
    uint32_t rows_per_tile;
    uint32_t is_signed;
} ew_resize;

/* Where a row or column of y lies in x: between two, with the weight of the upper one. */
typedef struct {
    uint32_t lower, upper;
    int32_t weight; /* of 2**EW_RESIZE_BITS, b8 */
    float weight_f32;
} ew_resize_place;

/* The index of the largest or smallest element along the middle of x [outer, n, inner].
 * Operands: x, y (of index_bytes bytes: 4 or 8). Tiles: rows_per_tile of outer. */
typedef struct {
    uint32_t outer, n, inner;
    uint32_t is_min;
    uint32_t index_bytes;
    uint32_t rows_per_tile;
} ew_arg;

/* The k largest elements of rows of n, or (index_bytes > 0: 2, 4 or 8) their indices.
 * Operands: x, y. Tiles: rows_per_tile rows. Scratch: k u32. */
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

/* LOCAL_RESPONSE_NORMALIZATION. bias > 0, alpha >= 0. Operands: x, y. Tiles: rows_per_tile rows. */
typedef struct {
    uint32_t rows, depth, rows_per_tile;
    uint32_t radius;
    float bias, alpha, beta;
} ew_local_response;

/* The recurrence of LSTM (4 gates: input, forget, cell, output; 3 without the input gate, which is
 * then 1 - forget) and RNN (1) layers. G = gates * cells, C = cells, O = outputs.
 * Operands: products of the input [rows, G], a row for every step of every sequence;
 *   recurrent weights [G / EW_RECURRENT_PANEL rounded up][O][EW_RECURRENT_PANEL];
 *   vectors: bias [G], then has_peephole: [3 * C] (input, forget, output), has_norm: [G];
 *   has_projection: weights packed as the recurrent ones [.., C, ..], then the bias [O];
 *   h [batch, O] and c [batch, C], read and written (c: any memory for one gate);
 *   y, rows y_stride elements apart, from y_offset on.
 * Tiles: one. Scratch: G + EW_RECURRENT_PANEL f32, and has_projection O + EW_RECURRENT_PANEL. */
typedef struct {
    uint32_t time, batch;
    uint32_t cells, outputs, gates;
    uint32_t is_time_major, is_backward;
    uint32_t is_tanh; /* the activation; else a clamp */
    uint32_t has_peephole, has_norm, has_projection;
    uint32_t y_stride, y_offset;
    float low_f32, high_f32;
    float cell_clip, proj_clip; /* 0: none */
} ew_recurrent;

/* Rows written over a part of y whose place is computed: y[at + start] = x[at], where start is moved
 * so that all lies inside y. `rank` outermost dimensions have a place of their own; the last of them
 * and all others, which x has whole, are one run. Operands: x, start (int32 or int64), y. Tiles:
 * rows_per_tile runs. */
typedef struct {
    uint32_t rank, index_bytes, run_bytes;
    uint32_t rows_per_tile;
    uint32_t dims[EW_COPY_RANK];  /* of x; the last one counts as 1 */
    uint32_t most[EW_COPY_RANK];  /* the last start that lies inside y */
    uint64_t y_stride[EW_COPY_RANK]; /* bytes */
} ew_update_slice;

/* Runs of updates added to zeros, y [total elements], where an index of `depth` numbers says: as
 * ew_gather. Operands: updates, indices, y. Tiles: one. Scratch: a u32. */
typedef struct {
    uint32_t total, count, run, depth, index_bytes;
    uint32_t dims[EW_COPY_RANK];
} ew_scatter;

/* Operands: boxes f32 [boxes, 4], scores f32 [boxes], most overlap f32, least score f32, where is_soft
 * sigma f32; indices s32 [size], where is_soft scores f32 [size], count s32. Tiles: one.
 * Scratch: 12 bytes for each box. */
typedef struct {
    uint32_t boxes, size, is_soft;
} ew_non_max_suppression;

/* Operands: encodings [boxes, width] (y, x, h, w) and scores [boxes, columns], each f32 or u8 (is_..
 * _stored), anchors f32 [boxes, 4] with sides of at least 0; boxes f32 [most * most_classes, 4],
 * classes, scores, count f32 [1]. Classes are the last columns. Tiles: one.
 * Scratch: 40 bytes for each box, and 12 * most. */
typedef struct {
    uint32_t boxes, width, columns, classes;
    uint32_t is_regular; /* each class for itself, at most per_class of it */
    uint32_t most, most_classes, per_class, is_box_stored, is_score_stored;
    float box_scale, box_zero, score_scale, score_zero;
    float scale[4]; /* of encodings */
    float least, overlap;
} ew_detection;

/* Three spatial axes, outermost first. Operands: x [n, x.., c], w [O / (2 * EW_LANES) rounded up]
 * [kernel..][c][2 * EW_LANES], bias [O rounded up so], y [n, y.., o]. Tiles: lines of y.
 * Scratch: c f32. */
typedef struct {
    uint32_t n, c, o;
    uint32_t x[3], y[3], kernel[3], stride[3], dilation[3], pad[3];
    float low, high; /* fused activation */
} ew_conv_3d_f32;

/* Operands: x [batch, inputs], feature weights [units * rank, inputs], time weights [units * rank,
 * memory], bias [units], state [batch, units * rank, memory], read and written, y [batch, units].
 * s8: time weights and state s16; bias s32 is less x's zero point times the sums of the feature
 * weights [units * rank], then that of the units; multipliers and shifts as fixed.h. Tiles: one. */
typedef struct {
    uint32_t batch, inputs, units, rank, memory;
    int32_t feature_multiplier, feature_shift, y_multiplier, y_shift, y_zero;
    float low_f32, high_f32;
} ew_svdf;

/* Loops that measure the processor: peak.c. */
typedef struct {
    uint32_t rounds;
    uint32_t bytes; /* peak_read */
} ew_peak;

/* Memory that operands lie in. Region EW_REGION_io + i is the array of input or output i. */
enum {
    EW_REGION_const,   /* packed weights and other constants */
    EW_REGION_arena,   /* values that live during a run */
    EW_REGION_state,   /* variables */
    EW_REGION_scratch, /* of the thread that computes the tile */
    EW_REGION_io,
    EW_REGION_none = 0xFFFF, /* an operand that is absent: of host and delegate steps only */
};

/* Where a buffer lies: byte `offset` of region `region`. */
typedef struct {
    uint32_t region;
    uint32_t shape; /* its number in the plan's table of shapes; nothing in C reads it */
    uint64_t offset;
} ew_operand;

enum {
    EW_STEP_kernel,   /* tiles [0, n_tiles) of kernel `index` */
    EW_STEP_if,       /* `first` steps follow for true, then `second` steps for false */
    EW_STEP_while,    /* `first` steps follow that compute the condition, then `second`, the body */
    EW_STEP_host,     /* the caller runs operator `index` and continues */
    EW_STEP_delegate, /* the caller hands the operands to delegate `index` and continues */
};

/* One step of a plan. Ranges of IF and WHILE lie in the same array of steps, right behind their
 * step, so that any range of steps means the same wherever it lies. Values that a loop carries are
 * moved by ordinary steps (copy_rows) within the ranges. */
typedef struct {
    uint32_t kind;
    uint32_t index;
    uint32_t n_tiles;
    uint32_t locked; /* kernel: so many steps that follow are run with this one tile by tile, each
                      * tile by one thread; all have the same n_tiles */
    uint32_t first_operand, n_operands; /* IF, WHILE: one, the condition (a byte, 0 or 1) */
    uint32_t first, second; /* host, delegate: `first` operands are read, the others written */
    uint32_t node;          /* the operator's number in the graph */
    uint32_t work;          /* kernel: roughly the ns of one thread, this step alone; 0: unknown */
    uint64_t params;        /* byte offset */
} ew_step;
#endif
