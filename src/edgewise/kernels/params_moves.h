/* Parameters of kernels that move elements: copies, borders, gathers, resizes, scatters. Part of params.h, which says how to read it. */
#ifndef EW_PARAMS_MOVES_H
#define EW_PARAMS_MOVES_H

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

/* How an element joins what is there: of floats max and min are NaN where either is, more and less
 * leave what is there unless the new one is more (less), most and least take the new one unless what
 * is there is as much. */
enum {
    EW_JOIN_set,
    EW_JOIN_add,
    EW_JOIN_mul,
    EW_JOIN_max,
    EW_JOIN_min,
    EW_JOIN_more,
    EW_JOIN_less,
    EW_JOIN_most,
    EW_JOIN_least,
    EW_JOIN_all,
    EW_JOIN_any,
};

/* Runs of updates that join those of y where an index of `depth` numbers says: as ew_gather, but
 * that a negative index may be left out. Operands: updates, indices, y, which holds something
 * already. Tiles: one. Scratch: a u32. */
typedef struct {
    uint32_t count, run;
    uint32_t x_step;       /* from one run of updates to the next; 0: the same for all */
    uint32_t op;           /* EW_JOIN_... */
    uint32_t may_be_negative;
    uint32_t is_ascending; /* and without repetition, or it is as an index outside */
    uint32_t depth, index_bytes;
    uint32_t dims[EW_COPY_RANK];
} ew_scatter;

/* `on` at the place that an index says along the middle of y [outer, depth, inner], elsewhere and
 * where there is no such place `off`. Operands: indices [outer, inner], on, off, y.
 * Tiles: rows_per_tile of outer. */
typedef struct {
    uint32_t outer, depth, inner;
    uint32_t element_bytes, index_bytes;
    uint32_t rows_per_tile;
} ew_one_hot;

/* The first lengths[b] of `steps` runs reversed; x [outer, batch, middle, steps, run] where
 * is_batch_first, else [outer, steps, middle, batch, run]. Operands: x, lengths [batch], y.
 * Tiles: rows_per_tile of the first three dimensions. Scratch: a u32. */
typedef struct {
    uint32_t outer, batch, steps, middle;
    uint32_t is_batch_first;
    uint32_t run_bytes, index_bytes;
    uint32_t rows_per_tile;
    uint32_t depth, dims[1]; /* 1, and what every length is below: steps + 1 */
} ew_reverse_sequence;

/* Rows of values by the key that is equal, found by halving; zeros where none is. Operands: lookup
 * s32 [count], keys s32 [keys], values, y, hits u8. Tiles: rows_per_tile rows. */
typedef struct {
    uint32_t count, keys, run_bytes;
    uint32_t rows_per_tile;
} ew_lookup;

/* Rows of a table, weighted and summed: a run of equal indices [count, depth] makes one row of y.
 * Operands: indices s32, ids s32, weights f32, table f32, y f32, which holds zeros. Tiles: one.
 * Scratch: a u32. */
typedef struct {
    uint32_t count, run, columns; /* numbers of an index, of which the last is not looked at */
    uint32_t combiner;            /* 0: the sum, 1: by the sum of weights, 2: the root of squares */
    uint32_t sizes[EW_COPY_RANK];
    uint32_t depth, dims[1]; /* of ids: 1, and the rows of the table */
} ew_lookup_sparse;

/* Whether numbers are what the kernel behind this one asks for: not 0, or not negative where
 * is_exponent. Operands: numbers, y, which is not touched. Tiles: per_tile numbers. Scratch: a u32. */
typedef struct {
    uint32_t count, per_tile, element_bytes;
    uint32_t is_exponent;
} ew_check_numbers;

/* The places of the elements of x [dims] that are not 0, row by row. Operands: x, y s64 [found,
 * rank], found u32 [1]. The sign bit of floats is no number. Tiles: one. */
typedef struct {
    uint32_t count, rank, dims[EW_COPY_RANK];
    uint32_t element_bytes, is_float;
} ew_where;

/* The distinct elements in the order in which they come, and for each element which it is. Floats,
 * whose significand has mantissa_bits (0: integers), are equal where their numbers are, and NaN is
 * one of them. Operands: x [count], y [found], index [count] of index_bytes, found u32 [1].
 * Tiles: one. Scratch: u32 [2**table_bits], more than count. */
typedef struct {
    uint32_t count, element_bytes, index_bytes;
    uint32_t mantissa_bits, table_bits;
} ew_unique;

/* Windows of x that start where an index says. w has the windows beside each other: its outer
 * dimensions and a run. A dimension runs along an axis of x, or from index to index (EW_NO_AXIS).
 * gather_windows: w is y; a start is moved so that the window lies inside. Operands: x, indices, y.
 * scatter_windows: w joins y; what lies outside is left out. Operands: w, indices, y, which holds x.
 * Strides count elements, of indices numbers. Tiles: rows_per_tile runs (scatter: one). */
enum { EW_NO_AXIS = 255 };
typedef struct {
    uint32_t rank, x_rank;
    uint32_t sizes[EW_COPY_RANK]; /* of w */
    uint32_t axis[EW_COPY_RANK], index_stride[EW_COPY_RANK];
    uint32_t run, run_axis;
    uint32_t dims[EW_COPY_RANK], x_stride[EW_COPY_RANK]; /* of x */
    uint32_t last[EW_COPY_RANK];                         /* start that lies inside */
    uint32_t depth, into[EW_COPY_RANK];                  /* axes of the numbers of an index */
    uint32_t number_stride;                              /* from one of them to the next */
    uint32_t index_bytes, element_bytes;
    uint32_t op; /* EW_JOIN_... */
    uint32_t rows_per_tile;
} ew_windows;

#endif
