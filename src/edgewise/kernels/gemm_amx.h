/* Products in AMX's tile registers: 32 rows of x by a panel, or 16 by two, 64 bytes of K at a time.
 * What a register holds of 8-bit weights lies in memory as the vector products have it, too: a row
 * is a step of a panel's vector. Weights of bfloat16 lie in the order in which they are loaded,
 * because those of large layers come from far away (3x3 of 7x7x512 by 512: 0.85 of the time).
 * Built for processors with AMX; products of bfloat16 with bfmmla for others that have it; and in
 * plain C (-DEW_AMX alone) for the tests of all. Long because each stands in for the others. */
#ifndef EW_GEMM_AMX_H
#define EW_GEMM_AMX_H
#include "bfloat.h"
#include "gemm.h"

enum {
    EW_AMX_STEPS = 16,  /* along K, of a register */
    EW_AMX_TILE = 16,   /* rows of a register */
    EW_AMX_SUMS = 1024, /* of four registers */
    EW_AMX_LEAST = 5,   /* rows that are worth a register */
    EW_AMX_LINES = 32,  /* cache lines of a step of a panel */
    EW_AMX_FEW = 512,   /* bytes of K by which two panels are multiplied at once: making results of
                           whole cache lines is what counts, more would come from far away */
};
#if defined(EW_AMX) || EW_NEON_BF16

/* Whether the registers serve a product, all of whose rows they would not waste. They read up to
 * EW_AMX_TILE rows of x beyond its last one, which must be memory. */
EW_INLINE int ew_amx_fits(const ew_gemm *g) {
    return g->is_tiled && g->rows >= EW_AMX_LEAST;
}

/* Whether two panels are multiplied at once. */
EW_INLINE int ew_amx_pairs(const ew_gemm *g) {
    return ew_amx_fits(g) && g->segments * g->steps * 4 <= EW_AMX_FEW;
}

/* Sums of a row of registers in memory. */
#define EW_AMX_PITCH(vectors) ((vectors) > 2 ? 2 * EW_COLUMNS : EW_COLUMNS)

/* Sums [tiles * 16][vectors * 16] in registers: s32, or float32 of bfloat16. They begin as the bias
 * of their columns; a step adds 64 bytes of x's rows by 16 steps of the panel at w, and of the one
 * `next` bytes behind it for the third vector and the fourth. */
#if defined(__AMX_TILE__)
typedef char ew_amx_sums; /* the registers themselves */

/* All registers as 16 rows of 64 bytes, until `end`: as long as they hold something, a thread's
 * context is 8 KB larger. */
static inline void ew_amx_begin(void) {
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1,
               .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
               .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
}
static inline void ew_amx_end(void) { _tile_release(); }

EW_INLINE void ew_amx_clear(const uint32_t tiles, const uint32_t vectors, ew_amx_sums *sums,
                            const int32_t *bias) {
    (void)sums;
    if (!bias) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    _tile_loadd(0, bias, 0); /* the same row 16 times */
    if (vectors > 1) _tile_loadd(1, bias + EW_LANES, 0);
    if (tiles > 1) _tile_loadd(2, bias, 0);
    if (tiles > 1 && vectors > 1) _tile_loadd(3, bias + EW_LANES, 0);
    if (vectors > 2) {
        _tile_loadd(2, bias + 2 * EW_LANES, 0);
        _tile_loadd(3, bias + 3 * EW_LANES, 0);
    }
}

#define EW_AMX_DOT(sum, x, w)                                                                      \
    do {                                                                                           \
        if (is_bf16)                                                                               \
            _tile_dpbf16ps(sum, x, w);                                                             \
        else                                                                                       \
            _tile_dpbusd(sum, x, w);                                                               \
    } while (0)

EW_INLINE void ew_amx_step(const uint32_t tiles, const uint32_t vectors, const int is_bf16,
                           ew_amx_sums *sums, const uint8_t *x, size_t x_row, const int8_t *w,
                           size_t next) {
    enum { ROW = EW_LANES * sizeof(int32_t) };
    const size_t STEP = is_bf16 ? ROW : 2 * ROW, VECTOR = is_bf16 ? EW_AMX_STEPS * ROW : ROW;
    (void)sums;
    _tile_loadd(4, x, x_row);
    _tile_loadd(6, w, STEP);
    EW_AMX_DOT(0, 4, 6);
    if (tiles > 1) {
        _tile_loadd(5, x + EW_AMX_TILE * x_row, x_row);
        EW_AMX_DOT(2, 5, 6);
    }
    if (vectors > 1) {
        _tile_loadd(7, w + VECTOR, STEP);
        EW_AMX_DOT(1, 4, 7);
        if (tiles > 1) EW_AMX_DOT(3, 5, 7);
    }
    if (vectors > 2) {
        _tile_loadd(5, w + next, STEP);
        EW_AMX_DOT(2, 4, 5);
        _tile_loadd(6, w + next + VECTOR, STEP);
        EW_AMX_DOT(3, 4, 6);
    }
}

/* To [tiles * 16][EW_AMX_PITCH(vectors)]. */
EW_INLINE void ew_amx_store(const uint32_t tiles, const uint32_t vectors, ew_amx_sums *sums,
                            int32_t *to) {
    const uint32_t pitch = EW_AMX_PITCH(vectors), row = pitch * sizeof(int32_t);
    int32_t *below = to + EW_AMX_TILE * pitch;
    (void)sums;
    _tile_stored(0, to, row);
    if (vectors > 1) _tile_stored(1, to + EW_LANES, row);
    if (tiles > 1) _tile_stored(2, below, row);
    if (tiles > 1 && vectors > 1) _tile_stored(3, below + EW_LANES, row);
    if (vectors > 2) {
        _tile_stored(2, to + 2 * EW_LANES, row);
        _tile_stored(3, to + 3 * EW_LANES, row);
    }
}
#else
typedef int32_t ew_amx_sums[2 * EW_COLUMNS];

static inline void ew_amx_begin(void) {}
static inline void ew_amx_end(void) {}

EW_INLINE void ew_amx_clear(const uint32_t tiles, const uint32_t vectors, ew_amx_sums *sums,
                            const int32_t *bias) {
    for (uint32_t r = 0; r < tiles * EW_AMX_TILE; r++)
        for (uint32_t c = 0; c < vectors * EW_LANES; c++) sums[r][c] = bias ? bias[c] : 0;
}

#if EW_NEON_BF16
#include "gemm_bfmmla.h"
#else
/* The bfloat16 at p. */
static inline float ew_amx_float(const void *p) {
    uint16_t half;
    __builtin_memcpy(&half, p, sizeof half);
    return ew_of_bfloat(half);
}

EW_INLINE void ew_amx_step(const uint32_t tiles, const uint32_t vectors, const int is_bf16,
                           ew_amx_sums *sums, const uint8_t *x, size_t x_row, const int8_t *w,
                           size_t next) {
    for (uint32_t r = 0; r < tiles * EW_AMX_TILE; r++, x += x_row)
        for (uint32_t c = 0; c < vectors * EW_LANES; c++)
            for (uint32_t i = 0; i < EW_AMX_STEPS * 4; i += is_bf16 ? 2 : 1) {
                const int8_t *by = w + c / EW_COLUMNS * next + i % 4;
                const uint32_t vector = c % EW_COLUMNS / EW_LANES, lane = c % EW_LANES;
                by += is_bf16 ? ((vector * EW_AMX_STEPS + i / 4) * EW_LANES + lane) * 4
                              : (i / 4 * EW_COLUMNS + c % EW_COLUMNS) * 4;
                if (is_bf16) {
                    float sum;
                    __builtin_memcpy(&sum, &sums[r][c], sizeof sum);
                    sum += ew_amx_float(x + i) * ew_amx_float(by);
                    __builtin_memcpy(&sums[r][c], &sum, sizeof sum);
                } else {
                    sums[r][c] += x[i] * *by;
                }
            }
}
#endif

EW_INLINE void ew_amx_store(const uint32_t tiles, const uint32_t vectors, ew_amx_sums *sums,
                            int32_t *to) {
    for (uint32_t r = 0; r < tiles * EW_AMX_TILE; r++)
        __builtin_memcpy(to + r * EW_AMX_PITCH(vectors), sums[r], vectors * sizeof(v_s32));
}
#endif

/* A step of the next panel comes from far away in large layers: the share of it that is fetched
 * while rows from `first` on, of so many, are multiplied by a step of this one. */
EW_INLINE void ew_amx_fetch(const int8_t *w, uint32_t first, uint32_t rows) {
    const uint32_t share = ew_divide_up(EW_AMX_LINES, ew_divide_up(rows, 2 * EW_AMX_TILE));
    w += first / (2 * EW_AMX_TILE) * share * 64;
    for (uint32_t n = 0; n < share; n++) __builtin_prefetch(w + n * 64, 0, 2);
}

/* Rows [row, end) of a product and the columns from `column` on whose sums are stored, and whose
 * results, from y on, are to be made. `is_plain`: the kernel says so, all columns are results, and
 * rows fill vectors. */
typedef struct {
    const int32_t *sums;
    uint8_t *y;
    uint32_t row, end, column;
    int is_plain;
} ew_amx_rest;

EW_INLINE ew_amx_rest ew_amx_rest_of(const ew_gemm *g, uint32_t vectors, uint32_t bytes,
                                     const int32_t *sums, uint32_t row, uint32_t column,
                                     int is_plain) {
    const uint32_t end = ew_min_u32(row + EW_AMX_SUMS / EW_AMX_PITCH(vectors), g->rows);
    uint8_t *y = g->y + row * g->y_row + (size_t)column * bytes;
    ew_amx_rest rest = {sums, y, row, end, column, is_plain};
    rest.is_plain &= g->columns - column >= vectors * EW_LANES && (end - row) * vectors % 4 == 0;
    return rest;
}

/* EW_DEFINE_AMX(name, type, shared, is_bf16, bytes, finish, is_plain) defines name(g, panels), all
 * rows of a product with results of so many bytes by all its columns, of which there may be more
 * than a panel's: panels lie side by side, and so does what goes with columns. One or two `panels`
 * are multiplied at once. While registers multiply, finish(vectors, is_plain, g, around, row, end,
 * column, sums, y) makes results of what they held before: of so many rows as have the sums of four
 * vectors, none of them from `end` on. `around` is what shared##_at(vectors, g, column) has loaded
 * once for all rows of a register. For is_plain(g) see above. What is left of results is passed by
 * address: copied as a vector, it would wait for all stores before its fields'. */
#define EW_AMX_FINISH(vectors, is_plain, finish)                                                   \
    finish(vectors, is_plain, &g, &around, rest.row, rest.end, rest.column, rest.sums, rest.y);    \
    rest.row += 4 / vectors;                                                                       \
    rest.sums += 4 / vectors * EW_AMX_PITCH(vectors);                                              \
    rest.y += 4 / vectors * p->y_row
#define EW_AMX_REST(vectors, shared, finish)                                                       \
    const shared around = shared##_at(vectors, &g, rest.column);                                   \
    while (rest.row < rest.end) {                                                                  \
        EW_AMX_FINISH(vectors, 0, finish);                                                         \
    }
#define EW_AMX_BLOCK(name, type, shared, is_bf16, finish, tiles, vectors)                          \
    EW_INLINE void name##_##tiles##x##vectors##_of(const int is_plain, const type g,               \
                                                   uint32_t first, uint32_t column, int32_t *to,   \
                                                   ew_amx_rest rest) {                             \
        const ew_gemm *const p = &g.product;                                                       \
        ew_amx_sums sums[sizeof(ew_amx_sums) == 1 ? 1 : tiles * EW_AMX_TILE];                      \
        const uint8_t *x = p->x + first * p->x_row;                                                \
        const uint32_t steps = p->segments * (p->steps / EW_AMX_STEPS);                            \
        const uint32_t pace = ew_divide_up(16, steps + !steps);                                    \
        const size_t next = (size_t)steps * EW_AMX_STEPS * 4 * EW_COLUMNS;                         \
        const int8_t *w = p->w + column / EW_COLUMNS * next;                                       \
        const shared around = shared##_at(vectors, &g, rest.column);                               \
        ew_amx_clear(tiles, vectors, sums, p->bias ? p->bias + column : NULL);                     \
        for (uint32_t s = 0; s < p->segments; s++) {                                               \
            const uint8_t *from = x + p->segment[s];                                               \
            for (uint32_t i = p->steps; i; i -= EW_AMX_STEPS) {                                    \
                ew_amx_step(tiles, vectors, is_bf16, sums, from, p->x_row, w, next);               \
                if (vectors == 2 && !is_bf16 && column + EW_COLUMNS < p->columns)                  \
                    ew_amx_fetch(w + next, first, p->rows);                                        \
                from += EW_AMX_STEPS * 4;                                                          \
                w += EW_AMX_STEPS * 4 * EW_COLUMNS;                                                \
                for (uint32_t n = pace; n && rest.row < rest.end; n--) {                           \
                    EW_AMX_FINISH(vectors, is_plain, finish);                                      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        ew_amx_store(tiles, vectors, sums, to);                                                    \
        while (rest.row < rest.end) {                                                              \
            EW_AMX_FINISH(vectors, is_plain, finish);                                              \
        }                                                                                          \
    }                                                                                              \
    static __attribute__((noinline)) void name##_##tiles##x##vectors(                              \
        const type *g, uint32_t first, uint32_t column, int32_t *to, const ew_amx_rest *rest) {    \
        if (rest->is_plain)                                                                        \
            name##_##tiles##x##vectors##_of(1, *g, first, column, to, *rest);                      \
        else                                                                                       \
            name##_##tiles##x##vectors##_of(0, *g, first, column, to, *rest);                      \
    }
#define EW_DEFINE_AMX(name, type, shared, is_bf16, bytes, finish, plain)                           \
    EW_AMX_BLOCK(name, type, shared, is_bf16, finish, 1, 1)                                        \
    EW_AMX_BLOCK(name, type, shared, is_bf16, finish, 1, 2)                                        \
    EW_AMX_BLOCK(name, type, shared, is_bf16, finish, 2, 1)                                        \
    EW_AMX_BLOCK(name, type, shared, is_bf16, finish, 2, 2)                                        \
    EW_AMX_BLOCK(name, type, shared, is_bf16, finish, 1, 4)                                        \
    static __attribute__((noinline)) void name##_last(const type *given, uint32_t vectors,         \
                                                      const ew_amx_rest *left) {                   \
        const type g = *given;                                                                     \
        const ew_gemm *const p = &g.product;                                                       \
        ew_amx_rest rest = *left;                                                                  \
        if (vectors == 4) {                                                                        \
            EW_AMX_REST(4, shared, finish);                                                        \
        } else if (vectors == 2) {                                                                 \
            EW_AMX_REST(2, shared, finish);                                                        \
        } else {                                                                                   \
            EW_AMX_REST(1, shared, finish);                                                        \
        }                                                                                          \
    }                                                                                              \
    static void name(const type *g, uint32_t panels) {                                             \
        int32_t sums[2][EW_AMX_SUMS] __attribute__((aligned(64)));                                 \
        const ew_gemm *const p = &g->product;                                                      \
        const int may_be_plain = plain(g);                                                         \
        ew_amx_rest rest = {0};                                                                    \
        uint32_t turn = 0, before = 0;                                                             \
        for (uint32_t column = 0, vectors; column < p->columns; column += vectors * EW_LANES) {    \
            const uint32_t left = p->columns - column;                                             \
            vectors = panels > 1 && left > EW_COLUMNS ? 4 : left > EW_LANES ? 2 : 1;               \
            const uint32_t rows = EW_AMX_SUMS / EW_AMX_PITCH(vectors);                             \
            if (before && before != vectors) {                                                     \
                name##_last(g, before, &rest);                                                     \
                rest.row = rest.end;                                                               \
            }                                                                                      \
            before = vectors;                                                                      \
            for (uint32_t at = 0; at < p->rows; at += rows, turn ^= 1) {                           \
                if (vectors == 4)                                                                  \
                    name##_1x4(g, at, column, sums[turn], &rest);                                  \
                else if (p->rows - at > EW_AMX_TILE)                                               \
                    (vectors == 2 ? name##_2x2 : name##_2x1)(g, at, column, sums[turn], &rest);    \
                else                                                                               \
                    (vectors == 2 ? name##_1x2 : name##_1x1)(g, at, column, sums[turn], &rest);    \
                rest = ew_amx_rest_of(p, vectors, bytes, sums[turn], at, column, may_be_plain);    \
            }                                                                                      \
        }                                                                                          \
        name##_last(g, before, &rest);                                                             \
    }
#else
EW_INLINE void ew_amx_begin(void) {}
EW_INLINE void ew_amx_end(void) {}
#if EW_LANES > 1
EW_INLINE int ew_amx_pairs(const ew_gemm *g) { return g->is_tiled; } /* which it never is */
#endif
#endif
#endif
