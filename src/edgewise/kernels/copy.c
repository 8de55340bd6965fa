/* Kernels that only move elements: strided copies, transposed planes, borders. */
#include "kernel.h"

/* Where row `row` of a copy starts, and the place of that row in every outer dimension. */
typedef struct {
    const uint8_t *x;
    uint8_t *y;
    uint32_t at[EW_COPY_RANK];
} cursor;

static uint32_t rows_of(const ew_strided_copy *p, uint32_t outer) {
    uint32_t rows = 1;
    for (uint32_t d = 0; d < outer; d++) rows *= p->dims[d];
    return rows;
}

static cursor seek(const ew_strided_copy *p, uint32_t outer, uint32_t row, const uint8_t *x, uint8_t *y) {
    cursor c = {x + p->x_offset, y + p->y_offset, {0}};
    for (uint32_t d = outer; row > 0 && d-- > 0; row /= p->dims[d]) { /* divisions take long */
        c.at[d] = row % p->dims[d];
        c.x += c.at[d] * p->x_stride[d];
        c.y += c.at[d] * p->y_stride[d];
    }
    return c;
}

static void advance(const ew_strided_copy *p, uint32_t outer, cursor *c) {
    for (uint32_t d = outer; d-- > 0; c->at[d] = 0) {
        c->x += p->x_stride[d];
        c->y += p->y_stride[d];
        if (++c->at[d] < p->dims[d]) return;
        c->x -= p->dims[d] * p->x_stride[d];
        c->y -= p->dims[d] * p->y_stride[d];
    }
}

/* n elements of one size, a stride of bytes apart. The strides that are usual are constants, so
 * that the loops over them are vectorised. */
#define DEFINE_LINE(bits)                                                                          \
    EW_INLINE void move_##bits(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs, uint32_t n) { \
        uint##bits##_t e;                                                                          \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            __builtin_memcpy(&e, x + i * xs, sizeof e);                                            \
            __builtin_memcpy(y + i * ys, &e, sizeof e);                                            \
        }                                                                                          \
    }                                                                                              \
    static void line_##bits(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs, uint32_t n) {    \
        const int64_t size = bits / 8;                                                             \
        if (ys == size && xs == 0)                                                                 \
            move_##bits(y, size, x, 0, n);                                                         \
        else if (ys == size && xs == -size)                                                        \
            move_##bits(y, size, x, -size, n);                                                     \
        else if (ys == size && xs == 2 * size)                                                     \
            move_##bits(y, size, x, 2 * size, n);                                                  \
        else                                                                                       \
            move_##bits(y, ys, x, xs, n);                                                          \
    }
DEFINE_LINE(8)
DEFINE_LINE(16)
DEFINE_LINE(32)
DEFINE_LINE(64)

static void copy_line(uint32_t size, uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs,
                      uint32_t n) {
    if (xs == (int64_t)size && ys == (int64_t)size)
        ew_copy(y, x, (size_t)n * size);
    else if (size == 1)
        line_8(y, ys, x, xs, n);
    else if (size == 2)
        line_16(y, ys, x, xs, n);
    else if (size == 4)
        line_32(y, ys, x, xs, n);
    else
        line_64(y, ys, x, xs, n);
}

/* So many lines, some bytes apart. */
static void copy_lines(uint32_t size, uint8_t *y, int64_t ys, int64_t y_line, const uint8_t *x,
                       int64_t xs, int64_t x_line, uint32_t n, uint32_t lines) {
    const int is_dense = xs == (int64_t)size && ys == (int64_t)size;
    for (; lines > 0; lines--, y += y_line, x += x_line)
        if (is_dense)
            ew_copy(y, x, (size_t)n * size);
        else
            copy_line(size, y, ys, x, xs, n);
}

/* What tile `tile` covers: rows [row, end) and n elements of the last dimension from `start` on. */
typedef struct {
    uint32_t row, end, start, n;
} part;

static part part_of(const ew_strided_copy *p, uint32_t rows, uint32_t inner, uint32_t tile) {
    part t = {.row = tile * p->rows_per_tile};
    if (inner > p->inner_per_tile) {
        uint32_t parts = ew_divide_up(inner, p->inner_per_tile);
        t.row = tile / parts * p->rows_per_tile;
        t.start = tile % parts * p->inner_per_tile;
    }
    t.end = ew_min_u32(t.row + p->rows_per_tile, rows);
    t.n = ew_min_u32(inner - t.start, p->inner_per_tile);
    return t;
}

EW_DEFINE(copy) {
    const ew_strided_copy *p = params;
    uint32_t last = p->rank - 1, rows = rows_of(p, last);
    int64_t xs = p->x_stride[last], ys = p->y_stride[last];
    EW_UNUSED(scratch);
    const uint32_t outer = last ? last - 1 : 0; /* the dimension of lines */
    const uint32_t lines = last ? p->dims[outer] : 1;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        part t = part_of(p, rows, p->dims[last], tile);
        cursor c = seek(p, last, t.row, operand[0], operand[1]);
        for (uint32_t n; t.row < t.end; t.row += n, advance(p, outer, &c)) {
            n = ew_min_u32(t.end - t.row, lines - c.at[outer]);
            copy_lines(p->element_bytes, c.y + t.start * ys, ys, p->y_stride[outer],
                       c.x + t.start * xs, xs, p->x_stride[outer], t.n, n);
            c.x -= c.at[outer] * p->x_stride[outer];
            c.y -= c.at[outer] * p->y_stride[outer];
            c.at[outer] = 0;
        }
    }
}

EW_DEFINE(copy_table_b8) {
    const ew_strided_copy *p = params;
    uint32_t last = p->rank - 1, rows = rows_of(p, last);
    int64_t xs = p->x_stride[last], ys = p->y_stride[last];
    const uint8_t *table = operand[1];
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        part t = part_of(p, rows, p->dims[last], tile);
        cursor c = seek(p, last, t.row, operand[0], operand[2]);
        for (; t.row < t.end; t.row++, advance(p, last, &c)) {
            const uint8_t *x = c.x + t.start * xs;
            uint8_t *y = c.y + t.start * ys;
            for (uint32_t i = 0; i < t.n; i++) y[i * ys] = table[x[i * xs]];
        }
    }
}

/* Blocks of a transposition: 16 bytes of each of 16 / size rows become as many columns. Zipping
 * row i with row i + half, log2(rows) times, is a transposition (the perfect shuffle). */
#if EW_LANES > 1
#define ZIP_8(first)                                                                               \
    first, first + 16, first + 1, first + 17, first + 2, first + 18, first + 3, first + 19,        \
        first + 4, first + 20, first + 5, first + 21, first + 6, first + 22, first + 7, first + 23
#define ZIP_16(first)                                                                              \
    first, first + 8, first + 1, first + 9, first + 2, first + 10, first + 3, first + 11
#define ZIP_32(first) first, first + 4, first + 1, first + 5
#define ZIP_64(first) first, first + 2
#define DEFINE_BLOCK(bits, side)                                                                   \
    EW_INLINE void block_##bits(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs) {            \
        typedef uint##bits##_t row __attribute__((vector_size(16)));                               \
        row v[side], t[side];                                                                      \
        EW_UNROLL for (int i = 0; i < side; i++)                                                   \
            __builtin_memcpy(&v[i], x + i * xs, sizeof *v);                                        \
        EW_UNROLL for (int stage = side; stage > 1; stage /= 2) {                                  \
            EW_UNROLL for (int i = 0; i < side / 2; i++) {                                         \
                t[2 * i] = __builtin_shufflevector(v[i], v[i + side / 2], ZIP_##bits(0));          \
                t[2 * i + 1] =                                                                     \
                    __builtin_shufflevector(v[i], v[i + side / 2], ZIP_##bits(side / 2));          \
            }                                                                                      \
            EW_UNROLL for (int i = 0; i < side; i++) v[i] = t[i];                                  \
        }                                                                                          \
        EW_UNROLL for (int i = 0; i < side; i++)                                                   \
            __builtin_memcpy(y + i * ys, &v[i], sizeof *v);                                        \
    }
#else
#define DEFINE_BLOCK(bits, side)                                                                   \
    EW_INLINE void block_##bits(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs) {            \
        for (int i = 0; i < side; i++)                                                             \
            move_##bits(y + i * ys, bits / 8, x + i * (bits / 8), xs, side);                       \
    }
#endif

/* y[i][j] = x[j][i] for i < m and j < n; elements are dense along i in x and along j in y. Squares
 * of 64 bytes a side: every cache line is read and written whole before the next. The last block
 * of a side overlaps the one before it; sides shorter than a block go element by element. */
#define DEFINE_PLANE(bits, side)                                                                   \
    DEFINE_BLOCK(bits, side)                                                                       \
    static void plane_##bits(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs, uint32_t m,     \
                             uint32_t n) {                                                         \
        const uint32_t size = bits / 8, square = 64 / size;                                        \
        if (m < side || n < side) {                                                                \
            for (uint32_t i = 0; i < m; i++)                                                       \
                move_##bits(y + i * ys, size, x + i * size, xs, n);                                \
            return;                                                                                \
        }                                                                                          \
        for (uint32_t i0 = 0; i0 < m; i0 += square)                                                \
            for (uint32_t j0 = 0; j0 < n; j0 += square)                                            \
                for (uint32_t i1 = i0; i1 < ew_min_u32(m, i0 + square); i1 += side)                \
                    for (uint32_t j1 = j0; j1 < ew_min_u32(n, j0 + square); j1 += side) {          \
                        uint32_t i = ew_min_u32(i1, m - side), j = ew_min_u32(j1, n - side);       \
                        block_##bits(y + i * ys + j * size, ys, x + j * xs + i * size, xs);        \
                    }                                                                              \
    }
DEFINE_PLANE(8, 16)
DEFINE_PLANE(16, 8)
DEFINE_PLANE(32, 4)
DEFINE_PLANE(64, 2)

EW_DEFINE(transpose) {
    const ew_strided_copy *p = params;
    uint32_t outer = p->rank - 2, rows = rows_of(p, outer);
    uint32_t m = p->dims[outer], n = p->dims[outer + 1];
    int64_t xs = p->x_stride[outer + 1], ys = p->y_stride[outer];
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        part t = part_of(p, rows, m, tile);
        cursor c = seek(p, outer, t.row, operand[0], operand[1]);
        for (; t.row < t.end; t.row++, advance(p, outer, &c)) {
            const uint8_t *x = c.x + (size_t)t.start * p->element_bytes;
            uint8_t *y = c.y + t.start * ys;
            if (p->element_bytes == 1)
                plane_8(y, ys, x, xs, t.n, n);
            else if (p->element_bytes == 2)
                plane_16(y, ys, x, xs, t.n, n);
            else if (p->element_bytes == 4)
                plane_32(y, ys, x, xs, t.n, n);
            else
                plane_64(y, ys, x, xs, t.n, n);
        }
    }
}

/* `bytes` bytes of repeated elements. */
static void fill(uint8_t *y, const uint8_t *value, uint32_t size, size_t bytes) {
    copy_line(size, y, size, value, 0, (uint32_t)(bytes / size));
}

/* The place in x, along a dimension of `size` elements, of what lies at `at`, outside. */
static int64_t mirrored(int64_t at, int64_t size, uint32_t border) {
    int64_t edge = border == EW_BORDER_symmetric; /* is the outermost element repeated? */
    return at < 0 ? -at - edge : 2 * size - 2 + edge - at;
}

/* The row of x (in rows) that row `row` of y shows; -1 where it is all border. */
static int64_t source_of(const ew_pad *p, uint32_t row) {
    int64_t source = 0, stride = 1;
    for (uint32_t d = p->rank - 1; d-- > 0; row /= p->y_dims[d]) {
        int64_t at = (int64_t)(row % p->y_dims[d]) - p->before[d];
        if (at < 0 || at >= p->dims[d]) {
            if (p->border == EW_BORDER_value) return -1;
            at = mirrored(at, p->dims[d], p->border);
        }
        source += at * stride;
        stride *= p->dims[d];
    }
    return source;
}

EW_DEFINE(pad) {
    const ew_pad *p = params;
    const uint8_t *value = operand[1];
    uint32_t last = p->rank - 1, rows = 1;
    size_t unit = p->unit_bytes, n = p->dims[last];
    size_t before = p->before[last], after = p->y_dims[last] - before - n;
    EW_UNUSED(scratch);
    for (uint32_t d = 0; d < last; d++) rows *= p->y_dims[d];
    uint32_t end = ew_min_u32(rows, tile_end * p->rows_per_tile);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        uint8_t *y = (uint8_t *)operand[2] + row * (size_t)p->y_dims[last] * unit;
        int64_t source = source_of(p, row);
        if (source < 0) {
            fill(y, value, p->element_bytes, p->y_dims[last] * unit);
            continue;
        }
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)source * n * unit;
        ew_copy(y + before * unit, x, n * unit);
        if (p->border == EW_BORDER_value) {
            fill(y, value, p->element_bytes, before * unit);
            fill(y + (before + n) * unit, value, p->element_bytes, after * unit);
            continue;
        }
        for (size_t i = 0; i < before; i++)
            ew_copy(y + i * unit,
                          x + (size_t)mirrored((int64_t)i - (int64_t)before, n, p->border) * unit,
                          unit);
        for (size_t i = n; i < n + after; i++)
            ew_copy(y + (before + i) * unit,
                          x + (size_t)mirrored((int64_t)i, n, p->border) * unit, unit);
    }
}

static int64_t start_at(const void *start, uint32_t d, uint32_t bytes) {
    return bytes == 8 ? ((const int64_t *)start)[d] : ((const int32_t *)start)[d];
}

EW_DEFINE(update_slice) {
    const ew_update_slice *p = params;
    uint8_t *y = operand[2];
    uint32_t rows = 1;
    EW_UNUSED(scratch);
    for (uint32_t d = 0; d < p->rank; d++) {
        int64_t at = start_at(operand[1], d, p->index_bytes);
        at = at < 0 ? 0 : at > (int64_t)p->most[d] ? (int64_t)p->most[d] : at;
        y += (uint64_t)at * p->y_stride[d];
        rows *= p->dims[d];
    }
    uint32_t end = ew_min_u32(rows, tile_end * p->rows_per_tile);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        uint64_t offset = 0;
        for (uint32_t d = p->rank, rest = row; d-- > 0; rest /= p->dims[d])
            offset += rest % p->dims[d] * p->y_stride[d];
        ew_copy(y + offset, (const uint8_t *)operand[0] + (uint64_t)row * p->run_bytes,
                p->run_bytes);
    }
}
