/* Parameters of kernels for signals and random numbers. Part of params.h, which says how to read
 * it. */
#ifndef EW_PARAMS_SIGNALS_H
#define EW_PARAMS_SIGNALS_H

/* RFFT2D. Operands: x f32 [tiles, h, w], e**(-2 pi i k / size) f32 [size, 2], y f32 [tiles, rows,
 * columns / 2 + 1, 2]. rows and columns are powers of two, size the larger of them; x is cut or
 * filled up with zeros. Tiles: matrices. Scratch: f32 [4, (rows + 1) * (columns / 2 + 1)]. */
typedef struct {
    uint32_t h, w, rows, columns, size;
} ew_rfft2d;

/* Numbers of a sequence that a seed has: `key` and the upper half of Philox's counter.
 * random_uniform_f32, random_normal_f32: `count` numbers; operands: y. Tiles: per_tile numbers, a
 *   multiple of 64.
 * multinomial_f32: `count` of each row; operands: logits f32 [tiles, classes], y [tiles, count] of
 *   index_bytes (4 or 8). Tiles: rows. Scratch: f64 [classes].
 * is_unseeded: the key is what the first 8 bytes of scratch hold when a tile begins. */
typedef struct {
    uint32_t key[2], counter[2];
    uint32_t count, per_tile, classes, index_bytes;
    uint32_t is_unseeded;
} ew_random;

/* Bits of LSH_PROJECTION, whether sums of hashes are positive. Operands: seeds f32 [hashes, bits], x
 * [items, item_bytes], weights f32 [items], y s32 [hashes * bits], is_sparse: [hashes], of which each
 * has its bits as one number, the first the highest, and its own number above them.
 * Tiles: hashes. Scratch: 4 + item_bytes bytes. */
typedef struct {
    uint32_t bits, items, item_bytes;
    uint32_t is_sparse;
} ew_lsh_projection;

/* Operands: state u32 [state_words] (4 or 6), the state after, y u32 [words]. Tiles: one. */
typedef struct {
    uint32_t words, state_words, is_threefry;
} ew_random_bits;

#endif
