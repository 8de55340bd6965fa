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

/* Runs of updates added to zeros, y [total elements], where an index of `depth` numbers says: as
 * ew_gather. Operands: updates, indices, y. Tiles: one. Scratch: a u32. */
typedef struct {
    uint32_t total, count, run, depth, index_bytes;
    uint32_t dims[EW_COPY_RANK];
} ew_scatter;

#endif
