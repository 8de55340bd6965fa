/* Parameters of kernels whose work is sums of products: convolutions, matrix products,
 * recurrences. Part of params.h, which says how to read it. Long because each structure stands with
 * what its kernel computes. */
#ifndef EW_PARAMS_PRODUCTS_H
#define EW_PARAMS_PRODUCTS_H

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
 * Where is_staged, without groups, an image is a tile; x and the padding around it are put into
 * scratch first: f32 [(OH - 1) * stride + (KH - 1) * dilation + 1][the same of W][C].
 * Pixels of y lie y_pixel elements apart, its lines y_line, images y_image; the first is y_first. */
typedef struct {
    ew_window window;
    uint32_t groups;
    uint32_t rows_per_tile, columns_per_tile, panels_per_tile;
    uint32_t is_staged;
    uint32_t w_type; /* EW_TYPE_f32; with vectors bf16; with 8 lanes or more f16 */
    uint32_t y_first, y_image, y_line, y_pixel;
    float low, high; /* fused activation */
} ew_conv_2d_f32;

/* Weights that the model computes, packed as ew_conv_2d_f32 takes them: w is read as [groups, o,
 * dims..], dims being K; biases have a K of 1. Operands: w f32, y f32. Tiles: the panels of all
 * groups. */
typedef struct {
    uint32_t groups, o, dims[4];
    int32_t stride[6]; /* elements of w: of groups, o and dims */
    uint32_t first;    /* the element that is read first */
} ew_pack_weights;

/* What the convolutions with groups that stage x share. A fully connected layer, and a convolution of 1x1
 * windows without strides, is one image of a single line of M pixels; a transposed one has a call
 * for every phase of its stride.
 * Weights w are s8. In the scalar build they are [O][K], K = KH * KW * C / groups, and nothing is
 * padded. With vectors they are packed per group as
 *   [panels][KH][KW * C / groups / lane rounded up][2 * EW_LANES][lane]
 * (where dilation_w > 1, as [panels][KH * KW][C / groups / lane rounded up]...), zeros beyond; a
 * lane holds so many elements of K. A kernel may ask for more steps along a run. What goes with a channel is padded to whole panels.
 * Pixel (n, i, j) of y starts at element y_first + n * y_image + i * y_line + j * y_pixel.
 * Tiles: (group, image, block of lines, block of columns, block of panels); if scalar, (group, image,
 * line). */
typedef struct {
    ew_window window;
    uint32_t groups;
    uint32_t lines_per_tile, columns_per_tile; /* of output pixels */
    uint32_t panels_per_tile;
    uint32_t y_first, y_image, y_line, y_pixel;
} ew_conv_layout;

/* Convolutions of float32 or bfloat16, multiplied as bfloat16: x is rounded on the way, sums are
 * float32. Made for AMX; builds without products of bfloat16 compute the same, slowly.
 * Operands: x, w bf16, bias f32 [O / groups rounded up to panels] for every group, y.
 * y = clamp(bias + acc, low, high). A panel has 32 channels and a lane 2 elements, whatever the
 * vectors are: w is [groups][panels][runs][steps / 16][2][16][16][2], zeros beyond (ew_pack_bf16),
 * 16 steps of 16 channels and then of the other 16. A run is a tap's C / groups elements, or where
 * is_gathered all of K.
 * Tiles: (group, image, block of lines, block of columns, block of panels).
 * Scratch: runs u32; for each pixel of a tile's lines u32; the staged pixels (see staging in
 * stage_bf16.h) of 2 * steps bf16 each, 16 more of them; where is_gathered the lines of x under a
 * tile, padding included, as bf16; 192 bytes. */
typedef struct {
    ew_conv_layout layout;
    uint32_t x_type, y_type; /* EW_TYPE_f32 or EW_TYPE_bf16 */
    uint32_t is_gathered;
    uint32_t steps; /* lanes along a run of w, a multiple of 16 */
    float low, high; /* fused activation */
} ew_conv_bf16;

/* 8-bit convolutions.
 * Operands: x, w, bias s32 [O], scale f32 [O] (finite), y.
 * y = rne(clamp(f32(acc) * scale, low - y_zero, high - y_zero)) + y_zero, acc modulo 2**32.
 * w stands for w - w_zero. With 16 lanes, a lane of w has 4 elements (else 2), x is multiplied as u8
 * and bias is less x_zero (as u8) times the sums of w - w_zero. Where is_narrow, with vectors only,
 * w is w + 8 in four bits: of a step of a panel, byte i has element i and above it that of the second
 * vector.
 * Scratch: segments u32, where w_zero pixels of a tile s32, where is_narrow two panels of s8, the
 * staged lines and 128 bytes unless is_direct, where is_narrow 64 more; if
 * scalar, the windows of two pixels as s16 (of one where OW is 1), each of K rounded up to 4. */
typedef struct {
    ew_conv_layout layout;
    uint32_t is_signed, is_y_signed;
    uint32_t is_direct; /* x, u8, is multiplied where it lies: one tap inside it, of whole lanes */
    int32_t x_zero, w_zero, y_zero;
    int32_t low, high; /* stored integers */
    uint32_t is_bounded; /* scales are below 1 */
    uint32_t steps;    /* lanes along a run of w */
    uint32_t is_tiled; /* steps are a multiple of 16, and 16 rows behind the staged lines memory */
    uint32_t is_narrow;
} ew_conv_b8;

/* 8-bit weights that the model computes, packed as ew_conv_b8 takes them, and the biases that go with
 * them: w is read as `weights` says, its bytes inverted with `flip`, and packed as
 * [groups][panels][runs][steps][panel][step], zeros beyond; if scalar, runs, panel and step are 1. z = bias - x_zero * (the sum of what is packed - K * w_zero) modulo 2**32
 * for each output, 0 beyond. Operands: w 8 bits, bias s32 [O], y s8, z s32. Tiles: the panels of all
 * groups. */
typedef struct {
    ew_pack_weights weights;
    uint32_t runs, panel, step;
    uint32_t steps; /* of a run */
    uint32_t flip; /* 0x80: w is u8 */
    int32_t x_zero, w_zero;
} ew_pack_weights_b8;

/* How a sum of products of s16 becomes y: `first` and `second` are an operand each, per channel.
 * up: (acc * first + 2**(second - 1)) >> second modulo 2**32, s32 both, 1 <= second <= 46, and
 *   the sum is s64: LiteRT's 15-bit multiplier.
 * up_f64: the same, as rne(acc * first + second), f64 both, where the sum is exact in s32 (first has
 *   15 bits and stands for a quotient; second is half of the last bit of the product).
 * up_s32: the same, as (acc * first + 2**31) >> 32, first s32, where the sum is exact in s32 and
 *   first, the multiplier moved by 32 - shift bits, fits; `second` is not read.
 * away: acc * first rounded half away from zero, f64, as FULLY_CONNECTED has it; `second` is not
 *   read. All are clamped to [low, high]. */
enum { EW_ROUND_up, EW_ROUND_up_f64, EW_ROUND_up_s32, EW_ROUND_away };

/* Convolutions of int16 by int8. Operands: x, w, bias [O], first [O], second [O], y; zero points
 * are 0. A lane of w has 2 elements. Where is_wide, bias is s64; else s32, and no sum of bias and
 * products leaves s32. A wide sum is made of parts that do not: so many runs (of a kernel row, or
 * a tap) and steps of a run each; one of them is all there are.
 * With vectors, `rounding` is up only where is_wide, and up_f64 or up_s32 only where not.
 * Scratch: where is_wide, columns_per_tile * EW_COLUMNS s64 and as many s32, EW_COLUMNS s32; then
 * segments u32, the staged lines s16, 64 bytes. None if scalar. */
typedef struct {
    ew_conv_layout layout;
    uint32_t is_wide;
    uint32_t runs_per_part, steps_per_part;
    uint32_t rounding; /* EW_ROUND_... */
    int32_t low, high; /* stored integers */
} ew_conv_s16;

/* Convolutions of float32 by int8 weights that stand for w * scale, with groups. The window of
 * every output pixel is quantized on the way (rows_h8.h).
 * Operands: x f32, w, scale f32 [blocks][O padded], bias f32 [O padded], sums, y f32.
 * y = clamp(bias + sum over blocks of f32(acc) * (scale of the row * scale)). A block is so many
 * elements of K, neighbours in [KH][KW][C / groups]; there is more than one only without groups.
 * w is packed as `ew_conv_layout` has it, all of K as one run. sums s32 [blocks][O padded] are
 * those of the weights with 16 lanes, and not read elsewhere. In the scalar build nothing is padded.
 * Tiles: (group, block of rows_per_tile of all N * OH * OW pixels, block of panels); if scalar,
 * (group, pixel). Scratch: rows_per_tile f32 and s32; for each of `lines` s32 and twice the columns
 * under a line of windows, rounded up to EW_LANES, and EW_LANES more; 64 bytes; rows_per_tile rows,
 * where is_tiled rounded up to 16, of `steps` lanes rounded up to 16 elements, s16 or with 16 lanes
 * u8; if scalar, K s16. */
typedef struct {
    ew_window window;
    uint32_t groups;
    uint32_t rows_per_tile, panels_per_tile;
    uint32_t block;    /* a multiple of 4, where is_tiled of 64, or K */
    uint32_t steps;    /* lanes along K of w */
    uint32_t is_tiled; /* steps are a multiple of 16 */
    uint32_t lines;    /* of x whose pixels' ranges are kept: all under a window; 0: none */
    uint32_t y_first, y_image, y_line, y_pixel;
    float low, high; /* fused activation */
} ew_conv_h8;

/* The same of one block, where all windows of a line of outputs are quantized alike, by the range of
 * the lines of x under them. Operands, and w's steps along a run: as ew_conv_h8 and ew_conv_layout
 * have them. Scratch: segments u32, twice columns_per_tile f32, for each line under a window 24 bytes,
 * 64 bytes, the staged lines under a line of outputs and 64 bytes; if scalar, for each line under a
 * window 24 bytes, and K s16. */
typedef struct {
    ew_conv_layout layout;
    uint32_t steps; /* lanes along a run of w */
    float low, high; /* fused activation */
} ew_conv_lines_h8;

/* FULLY_CONNECTED of few rows of float32 by 4-bit weights that stand for w * scale; rows are
 * quantized as those of ew_conv_h8, of which y, scale, bias and sums are as well. A block is so many
 * elements of K: a multiple of 8, or all.
 * Operands: x f32 [rows, K], w, scale f32 [blocks][O padded], bias f32 [O padded], sums, y f32.
 * w is w + 8 in four bits: [panels][K / 8 rounded up][2 * EW_LANES] u32, 8 where there is none
 * (ew_pack_h4); in the scalar build [O][K / 2 rounded up] bytes, the first element in the low bits.
 * Tiles: blocks of panels; if scalar, outputs. Scratch: rows f32 and s32, rows of K, with vectors
 * rounded up to 8, s16 or with 16 lanes u8. */
typedef struct {
    uint32_t rows, k, o;
    uint32_t block;
    uint32_t panels_per_tile;
    float low, high; /* fused activation */
} ew_dense_h4;

/* FULLY_CONNECTED of few rows of float32 by weights of 8 or 4 bits that stand for w * scale, in
 * floats: y = clamp(bias + sum over blocks of scale * (sum of x * w), low, high). A block is so many
 * elements of K: a multiple of 8, or all.
 * Operands: x f32 [rows, K], w, scale f32 [blocks][O padded], bias f32 [O padded], y f32. With
 * vectors w of 8 bits is [panels][K][2 * EW_LANES] s8, and of 4 bits [panels][K / 8 rounded up]
 * [2 * EW_LANES] u32, element e of eight at bit 4 * e (ew_pack_w); in the scalar build [O][K] s8 or
 * as that of ew_dense_h4. Tiles: blocks of panels; if scalar, outputs. */
typedef struct {
    uint32_t rows, k, o;
    uint32_t block, bits;
    uint32_t panels_per_tile;
    float low, high; /* fused activation */
} ew_dense_w;

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
    uint32_t is_bounded; /* scales are below 1 */
    uint32_t is_fixed;
    int32_t multiplier, shift;
} ew_matmul_b8;

/* int16 products of two operands that are computed while the model runs: z[b, i, j] is the sum over
 * l of x[b, i, l] * y[b, l, j] in 64 bits, by EW_ROUND_up. Zero points are 0; y is int16 where
 * is_y_wide, else int8. Operands: x, y, z [batches, M, N]. Strides and tiles as ew_matmul_b8.
 * Scratch: rows_per_tile * (EW_COLUMNS + 1) s64, (rows_per_tile + 1) * EW_COLUMNS s32,
 * rows_per_tile * K s16 and EW_COLUMNS * K bytes, K rounded up to 2; none if scalar. */
typedef struct {
    uint32_t m, k, n;
    uint32_t rank; /* of the batch */
    uint32_t dims[EW_MAX_RANK], x_batch[EW_MAX_RANK], y_batch[EW_MAX_RANK];
    uint32_t x_row, x_k, y_k, y_column;
    uint32_t rows_per_tile;
    uint32_t is_y_wide;
    int32_t multiplier, shift; /* EW_ROUND_up */
} ew_matmul_s16;

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

/* Attention: y[b, i] = softmax along j of (scale * q[b, i] . k[b, j] + mask[b, i, j]), times v[b, j].
 * Operands: q [M, D], k [S, D], v [S, N], mask [M, S] (any float where there is none), y [M, N], all
 * f32, for every batch. Rows of q and y are neighbours; strides of broadcast dimensions are 0.
 * Tiles: (batch, block of rows_per_tile rows). Scratch, f32: S and N rounded up to vectors;
 * rows_at_once, rows_at_once * S, S * D, N * S, the larger of S and N. Where is_bf16, instead of the
 * last three, bf16: D, S, N and rows_at_once rounded up to 32; S * D, N * S, rows_at_once * the larger
 * of D and S; then 4224 bytes. */
typedef struct {
    uint32_t m, s, d, n;
    uint32_t rank; /* of the batch */
    uint32_t dims[EW_MAX_RANK];
    uint32_t q_batch[EW_MAX_RANK], k_batch[EW_MAX_RANK], v_batch[EW_MAX_RANK];
    uint32_t mask_batch[EW_MAX_RANK], y_batch[EW_MAX_RANK];
    uint32_t q_row, y_row;
    uint32_t k_row, k_column, v_row, v_column;
    uint32_t has_mask, mask_row, mask_column;
    uint32_t rows_per_tile;
    uint32_t rows_at_once; /* whose scores are kept */
    uint32_t is_bf16; /* products of bf16, in builds that have them */
    float scale;           /* > 0 */
} ew_attention_f32;

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
 * f32 and bf16 operands: x, w f32 [blocks, KH * KW, block], bias f32 [blocks, block], y; a block is
 *   EW_LANES.
 * b8 operands: x, w, bias s32 [blocks, block] less the products of x's zero point (of x as it is
 *   multiplied), scale f32 [blocks, block], y. The epilogue is that of ew_conv_b8. A block is
 *   2 * EW_LANES, in the order of v_zip_s16. w is [blocks, products, 2, EW_LANES] of pairs of s16
 *   or quads of s8; a product has the taps of 2 or 4 neighbouring kernel rows of one column, then
 *   columns, then groups of rows. What remains of the rows of a square kernel is the pairs or quads
 *   of neighbouring columns of one row, or three rows; of any other kernel, zeros fill the group.
 *   Plain build: x, w s8 [KH * KW, O] plus w_zero, bias s32 [O], scale f32 [O], y.
 * s16 operands: x, w, bias s32, first and second (of EW_ROUND_up_f64 or up_s32), y; blocks as b8's
 *   with two taps per lane. No sum leaves s32. Plain build: x, w s8 [KH * KW, O], bias, first and second s32
 *   (EW_ROUND_up) [O], y.
 * Tiles: rows_per_tile of the N * OH output rows each.
 * Scratch: rows + rows * columns addresses, rows u32, then elements of x: channels, 4 * channels,
 *   and where rows are spread KH * stride_w * phase_columns * O. Plain b8, s16: none. */
typedef struct {
    ew_window window;
    uint32_t multiplier;
    uint32_t rows_per_tile; /* f32 and bf16; else 1 */
    uint32_t y_stride;      /* elements between the pixels of y */
    uint32_t body;          /* EW_DEPTHWISE_... */
    uint32_t taps_per_lane; /* integers: 2 (s16) or 4 (s8) taps of a channel are multiplied at once */
    uint32_t channels;
    uint32_t is_spread;
    uint32_t phase_columns; /* columns of a spread row that are stride_w apart in x */
    uint32_t rows;          /* KH, or the next multiple of taps_per_lane */
    uint32_t columns;       /* addresses per row: most columns of x under a group */
    uint32_t is_signed;
    int32_t x_zero, y_zero;
    int32_t w_zero; /* plain b8 */
    uint32_t rounding; /* s16: EW_ROUND_... */
    int32_t low, high;
    float low_f32, high_f32;
    uint32_t is_bounded; /* b8: by scales below 1, s32 stays s32, and the bounds are the type's */
} ew_depthwise_conv_2d;

/* The recurrence of LSTM (4 gates: input, forget, cell, output; 3 without the input gate, which is
 * then 1 - forget) and RNN (1) layers. G = gates * cells, C = cells, O = outputs.
 * Operands: products of the input [rows, G], a row for every step of every sequence;
 *   recurrent weights [G / EW_RECURRENT_PANEL rounded up][O][EW_RECURRENT_PANEL], or is_diagonal
 *   [G], where O = C;
 *   vectors: bias [G], then has_peephole: [3 * C] (input, forget, output), has_norm: [G];
 *   has_projection: weights packed as the recurrent ones [.., C, ..], then the bias [O];
 *   h [batch, O] and c [batch, C], read and written (c: any memory for one gate);
 *   y, rows y_stride elements apart, from y_offset on.
 * Tiles: one. Scratch: G + EW_RECURRENT_PANEL f32, and has_projection O + EW_RECURRENT_PANEL.
 * recurrent_h8: weights stand for w * scale; not is_diagonal. Operands: products of the input;
 *   recurrent weights w, scale and sums as those of ew_conv_h8 with one block, no groups, [G, O];
 *   vectors; has_projection: w, scale, sums [O, C] likewise and bias f32 [O]; h, c, y.
 *   Scratch: more of the larger of O and C, rounded up to 16, s16 or with 16 lanes u8. */
typedef struct {
    uint32_t time, batch;
    uint32_t cells, outputs, gates;
    uint32_t is_time_major, is_backward;
    uint32_t is_tanh; /* the activation; else a clamp */
    uint32_t is_diagonal, has_peephole, has_norm, has_projection;
    uint32_t y_stride, y_offset;
    float low_f32, high_f32;
    float cell_clip, proj_clip; /* 0: none */
} ew_recurrent;

/* One step of BasicLSTMCell: c = logistic(i) * tanh(z) + logistic(f) * before; h = logistic(o) *
 * tanh(c). Operands: gates [rows, 4 * C] in the order i, z, f, o, before [rows, C], h and c
 * [rows, C]. Tiles: rows. Scratch: 4 * C f32. */
typedef struct {
    uint32_t cells;
} ew_basic_lstm;

/* The integer LSTM. Gates, C, O, P (C rounded up to EW_RECURRENT_PANEL) as ew_recurrent, A = gates *
 * P. Operands: x s8 [rows, inputs], weights of x s8 [A / panel][inputs / 2 rounded up][panel][2],
 *   recurrent weights so, of O inputs; biases s32 of the products with x [A] and with h [A] (less
 *   the zero points' products); vectors s32, one after the other: has_peephole: [3, P] (input,
 *   forget, output), has_norm: coefficients [A] and biases [A]; has_projection (else empty): its
 *   weights as recurrent ones, biases s32 [O]; h s8 [batch, O], c s16 [batch, C], both read and
 *   written; y s8 [rows, O].
 * Multipliers as fixed.h, one of each gate. c counts 2**cell_log2; the gates' are 2**-12.
 * Tiles: one. Scratch: s32 [A + the larger of A and O + panel + P], s8 [C]. */
typedef struct {
    uint32_t time, batch, inputs;
    uint32_t cells, outputs, gates;
    uint32_t is_time_major;
    uint32_t has_peephole, has_norm, has_projection;
    int32_t cell_log2; /* -15 to -3 */
    int32_t hidden_zero, y_zero;
    int32_t cell_clip, proj_clip; /* stored; 0: none */
    int32_t hidden_multiplier, hidden_shift;
    int32_t projection_multiplier, projection_shift;
    int32_t input_multiplier[4], input_shift[4];
    int32_t recurrent_multiplier[4], recurrent_shift[4];
    int32_t peephole_multiplier[4], peephole_shift[4];
    int32_t norm_multiplier[4], norm_shift[4];
    int32_t variance_guard[4];
} ew_recurrent_s8;

/* Three spatial axes, outermost first. Operands: x [n, x.., c], w [K, O], K = kernel.. * c, and bias
 * packed as those of ew_conv_2d_f32, y. Neighbours along axis i of y lie y_stride[i] elements apart,
 * images y_image; the first pixel is y_first. Tiles: lines of y. */
typedef struct {
    uint32_t n, c, o;
    uint32_t x[3], y[3], kernel[3], stride[3], dilation[3], pad[3];
    uint32_t y_first, y_image, y_stride[3];
    float low, high; /* fused activation */
} ew_conv_3d_f32;

/* s8 operands: x [batch, inputs], feature weights [units * rank, inputs], time weights s16 [units *
 * rank, memory], bias s32, less x's zero point times the sums of the feature weights [units * rank],
 * then that of the units; state s16 [batch, units * rank, memory], read and written, y [batch,
 * units]. Multipliers and shifts as fixed.h.
 * f32 operands: features of x [batch, units * rank], time weights f32, or where is_time_s8 s8, times
 * time_scale, bias [units], state, y. Tiles: one. */
typedef struct {
    uint32_t batch, inputs, units, rank, memory;
    int32_t feature_multiplier, feature_shift, y_multiplier, y_shift, y_zero;
    uint32_t is_time_s8;
    float time_scale, low_f32, high_f32;
} ew_svdf;

#endif
