/* Parameters of elementwise kernels. Part of params.h, which says how to read it. */
#ifndef EW_PARAMS_ELEMENTWISE_H
#define EW_PARAMS_ELEMENTWISE_H

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
 * own (fixed.h); add_shifted_q16 divides a and b by 2**shift. div_q16, prelu_q16: `y_multiplier` of
 * the quotient, or of a * b below 0; prelu_q16 has `a_multiplier` of a above. equal_q16: EW_EQUAL or
 * EW_NOT_EQUAL of a and b times 2**8. */
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

/* Element types of `cast`; an s4 has a byte to itself, of c64 only the real part counts. */
enum {
    EW_TYPE_f32,
    EW_TYPE_f16,
    EW_TYPE_s8,
    EW_TYPE_u8,
    EW_TYPE_bool,
    EW_TYPE_s16,
    EW_TYPE_s32,
    EW_TYPE_s64,
    EW_TYPE_f64,
    EW_TYPE_bf16,
    EW_TYPE_u16,
    EW_TYPE_u32,
    EW_TYPE_u64,
    EW_TYPE_s4,
    EW_TYPE_c64,
};

/* Elementwise operators of one operand. Tiles: blocks of per_tile elements. y may be x where their
 * elements have one size. Operands: x, y; table_b8: x, table [256] indexed by the byte of x, y;
 * table_s16: the same with 65,536; knots_s16: x, knots s16 [513], y.
 * clip: min(max(x, low), high). leaky_relu: x * scale below 0. fake_quant: x within [low, high] on
 * the grid low + k * scale. quantize: rne(clamp(x * scale)) + zero; dequantize: (x - zero) * scale.
 * cast: from the type `low` to the type `high` (EW_TYPE_...). bucketize: operands x, bounds f32
 * [low], y s32. */
typedef struct {
    uint32_t count, per_tile;
    uint32_t is_signed;
    int32_t zero;
    int32_t low, high;
    float scale;
    float low_f32, high_f32;
} ew_unary;

/* Stored integers in another type, scale and zero point: y = clamp((x - x_zero) * multiplier *
 * 2**(shift - 31) + y_zero), rounded twice (fixed.h). Tiles and types as those of `cast`. */
typedef struct {
    uint32_t count, per_tile;
    int32_t from, to;
    int32_t x_zero, y_zero;
    int32_t multiplier, shift;
    int32_t low, high;
} ew_requantize;

#endif
