/* Order of elements, and running sums: ARG_MAX, ARG_MIN, TOPK_V2, CUMSUM. */
#include "broadcast.h"

static void put_index(void *y, size_t i, uint32_t index, uint32_t bytes) {
    if (bytes == 8)
        ((int64_t *)y)[i] = index;
    else if (bytes == 4)
        ((int32_t *)y)[i] = (int32_t)index;
    else
        ((int16_t *)y)[i] = (int16_t)index;
}

/* Is `a` to stand before `b`, which came first? NaN is the largest of all for ARG_MAX and the
 * smallest for ARG_MIN. */
#define BEFORE(a, b, is_min) ((is_min) ? (a) < (b) || ((a) != (a) && (b) == (b))                   \
                                       : (a) > (b) || ((a) != (a) && (b) == (b)))

/* x [outer, n, inner]; the first of equals wins. */
#define DEFINE_ARG(name, E)                                                                        \
    EW_INLINE void name##_in(const ew_arg *p, const E *x, void *y, uint32_t outer,                 \
                             const int is_min) {                                                   \
        size_t inner = p->inner;                                                                   \
        x += outer * (size_t)p->n * inner;                                                         \
        for (size_t i = 0; i < inner; i++, x++) {                                                  \
            uint32_t found = 0;                                                                    \
            E best = *x;                                                                           \
            for (uint32_t k = 1; k < p->n; k++) {                                                  \
                E e = x[k * inner];                                                                \
                if (BEFORE(e, best, is_min)) best = e, found = k;                                  \
            }                                                                                      \
            put_index(y, outer * inner + i, found, p->index_bytes);                                \
        }                                                                                          \
    }                                                                                              \
    EW_DEFINE(name) {                                                                              \
        const ew_arg *p = params;                                                                  \
        uint32_t end = ew_min_u32(p->outer, tile_end * p->rows_per_tile);                          \
        EW_UNUSED(scratch);                                                                        \
        for (uint32_t outer = tile_begin * p->rows_per_tile; outer < end; outer++) {               \
            if (p->is_min)                                                                         \
                name##_in(p, operand[0], operand[1], outer, 1);                                    \
            else                                                                                   \
                name##_in(p, operand[0], operand[1], outer, 0);                                    \
        }                                                                                          \
    }
DEFINE_ARG(arg_f32, float)
DEFINE_ARG(arg_s32, int32_t)
DEFINE_ARG(arg_s8, int8_t)
DEFINE_ARG(arg_u8, uint8_t)

/* The k largest of a row: those found so far are a heap whose root is the one to go next. Of equals
 * the first comes first. A block in which nothing is better than the root is passed over. */
enum { BLOCK = 16 };
#define DEFINE_TOPK(name, E)                                                                       \
    EW_INLINE int name##_before(const E *x, uint32_t a, uint32_t b) {                              \
        return BEFORE(x[a], x[b], 0) || (!BEFORE(x[b], x[a], 0) && a < b);                         \
    }                                                                                              \
    /* Number `which` at place `at` of a heap of n, or below it. */                                \
    static void name##_sink(const E *x, uint32_t *heap, uint32_t n, uint32_t at, uint32_t which) { \
        for (uint32_t next; (next = 2 * at + 1) < n; at = next) {                                  \
            if (next + 1 < n && name##_before(x, heap[next], heap[next + 1])) next++;              \
            if (!name##_before(x, which, heap[next])) break;                                       \
            heap[at] = heap[next];                                                                 \
        }                                                                                          \
        heap[at] = which;                                                                          \
    }                                                                                              \
    static void name##_find(const E *x, uint32_t n, uint32_t *heap, uint32_t k) {                  \
        for (uint32_t i = 0; i < k; i++) heap[i] = i;                                              \
        for (uint32_t i = k / 2; i-- > 0;) name##_sink(x, heap, k, i, heap[i]);                    \
        for (uint32_t i = k; i < n;) {                                                             \
            const E worst = x[heap[0]];                                                            \
            uint32_t end = ew_min_u32(n, i + BLOCK), any = 0;                                      \
            if (end - i == BLOCK) {                                                                \
                for (uint32_t b = 0; b < BLOCK; b++) any |= !(x[i + b] <= worst);                  \
                if (!any) i = end;                                                                 \
            }                                                                                      \
            for (; i < end; i++)                                                                   \
                if (BEFORE(x[i], x[heap[0]], 0)) name##_sink(x, heap, k, 0, i);                    \
        }                                                                                          \
        for (uint32_t left = k; left-- > 1;) { /* the worst one goes to the end */                 \
            uint32_t which = heap[left];                                                           \
            heap[left] = heap[0];                                                                  \
            name##_sink(x, heap, left, 0, which);                                                  \
        }                                                                                          \
    }                                                                                              \
    EW_DEFINE(name) {                                                                              \
        const ew_topk *p = params;                                                                 \
        uint32_t *found = scratch, k = p->k;                                                       \
        uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);                           \
        for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {                     \
            const E *x = (const E *)operand[0] + (size_t)row * p->n;                               \
            E *y = (E *)operand[1] + (size_t)row * k;                                              \
            name##_find(x, p->n, found, k);                                                        \
            for (uint32_t i = 0; i < k; i++) {                                                     \
                y[i] = x[found[i]];                                                                \
                put_index(operand[2], (size_t)row * k + i, found[i], p->index_bytes);              \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_TOPK(topk_f32, float)
DEFINE_TOPK(topk_s16, int16_t)
DEFINE_TOPK(topk_s32, int32_t)
DEFINE_TOPK(topk_s64, int64_t)
DEFINE_TOPK(topk_s8, int8_t)
DEFINE_TOPK(topk_u8, uint8_t)

/* Four numbers at a time of a row of s32, whose sums may be added in any order: each with the one
 * and then the two before it, and all with what precedes the four. Returns how many are done, from
 * the end of the row where it is reversed; `*sum` is theirs. */
EW_INLINE uint32_t fours_s32(uint32_t n, const uint32_t *x, uint32_t *y, uint32_t *sum,
                             const int is_exclusive, const int is_reverse) {
    uint32_t done = 0;
#if EW_LANES > 1
    typedef uint32_t four __attribute__((vector_size(16)));
    const four zero = {0};
    four before = *sum - zero;
    for (; n - done >= 4; done += 4) {
        const size_t at = is_reverse ? n - done - 4 : done;
        four v, moved;
        __builtin_memcpy(&v, x + at, sizeof v);
        if (is_reverse) {
            v += __builtin_shufflevector(v, zero, 1, 2, 3, 4);
            v += __builtin_shufflevector(v, zero, 2, 3, 4, 5);
            moved = is_exclusive ? __builtin_shufflevector(v, zero, 1, 2, 3, 4) : v;
        } else {
            v += __builtin_shufflevector(v, zero, 4, 0, 1, 2);
            v += __builtin_shufflevector(v, zero, 4, 5, 0, 1);
            moved = is_exclusive ? __builtin_shufflevector(v, zero, 4, 0, 1, 2) : v;
        }
        moved += before;
        __builtin_memcpy(y + at, &moved, sizeof moved);
        before += v[is_reverse ? 0 : 3] - zero;
    }
    *sum = before[0];
#else
    EW_UNUSED(n), EW_UNUSED(x), EW_UNUSED(y), EW_UNUSED(sum);
    EW_UNUSED(is_exclusive), EW_UNUSED(is_reverse);
#endif
    return done;
}
#define NO_FOURS(n, x, y, sum, is_exclusive, is_reverse) 0

/* Running sums along the middle of x [outer, n, inner]; unsigned numbers, because integers wrap.
 * Rows of single floats go side by side: a sum waits four cycles for the one before it (that of
 * integers, one). They do so in a block of their own, a cache line of each: rows of 1024 floats all
 * lie in the same set of the cache. */
enum { LINE = 64 };
#define DEFINE_CUMSUM(name, E, ROWS, FOURS)                                                        \
    EW_INLINE void name##_row(const ew_cumsum *p, const E *x, E *y, const int is_exclusive,        \
                              const int is_reverse) {                                              \
        E sum = 0;                                                                                 \
        for (uint32_t k = FOURS(p->n, x, y, &sum, is_exclusive, is_reverse); k < p->n; k++) {      \
            const size_t at = is_reverse ? p->n - 1 - k : k;                                       \
            const E before = sum;                                                                  \
            sum = (E)(before + x[at]);                                                             \
            y[at] = is_exclusive ? before : sum;                                                   \
        }                                                                                          \
    }                                                                                              \
    EW_INLINE void name##_rows(const ew_cumsum *p, const E *x, E *y) {                             \
        enum { N = LINE / sizeof(E) };                                                             \
        E block[ROWS * N], sum[ROWS] = {0};                                                        \
        for (uint32_t done = 0, n; done < p->n; done += n) {                                       \
            n = ew_min_u32(p->n - done, N);                                                        \
            const size_t first = p->is_reverse ? p->n - done - n : done;                           \
            for (uint32_t r = 0; r < ROWS; r++)                                                    \
                ew_copy((uint8_t *)(block + r * N), (const uint8_t *)(x + r * (size_t)p->n + first),\
                        n * sizeof(E));                                                            \
            for (uint32_t k = 0; k < n; k++) {                                                     \
                E *at = block + (p->is_reverse ? n - 1 - k : k);                                   \
                EW_UNROLL for (uint32_t r = 0; r < ROWS; r++, at += N) {                           \
                    const E before = sum[r];                                                       \
                    sum[r] = (E)(before + *at);                                                    \
                    *at = p->is_exclusive ? before : sum[r];                                       \
                }                                                                                  \
            }                                                                                      \
            for (uint32_t r = 0; r < ROWS; r++)                                                    \
                ew_copy((uint8_t *)(y + r * (size_t)p->n + first), (const uint8_t *)(block + r * N),\
                        n * sizeof(E));                                                            \
        }                                                                                          \
    }                                                                                              \
    static void name##_planes(const ew_cumsum *p, const E *x, E *y) {                              \
        size_t inner = p->inner;                                                                   \
        for (uint32_t k = 0; k < p->n; k++) {                                                      \
            size_t at = p->is_reverse ? p->n - 1 - k : k;                                          \
            E *sum = y + at * inner;                                                               \
            if (k) {                                                                               \
                size_t last = p->is_reverse ? at + 1 : at - 1;                                     \
                const E *term = x + (p->is_exclusive ? last : at) * inner;                         \
                const E *before = y + last * inner;                                                \
                EW_INDEPENDENT for (size_t i = 0; i < inner; i++)                                  \
                    sum[i] = (E)(before[i] + term[i]);                                             \
            } else {                                                                               \
                const E *term = x + at * inner;                                                    \
                for (size_t i = 0; i < inner; i++)                                                 \
                    sum[i] = p->is_exclusive ? (E)0 : (E)(0 + term[i]);                            \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    EW_DEFINE(name) {                                                                              \
        const ew_cumsum *p = params;                                                               \
        const size_t step = (size_t)p->n * p->inner;                                               \
        EW_UNUSED(scratch);                                                                        \
        for (uint32_t outer = tile_begin; outer < tile_end;) {                                     \
            const E *x = (const E *)operand[0] + outer * step;                                     \
            E *y = (E *)operand[1] + outer * step;                                                 \
            if (p->inner > 1) {                                                                    \
                name##_planes(p, x, y), outer++;                                                   \
            } else if (ROWS > 1 && tile_end - outer >= ROWS) {                                     \
                name##_rows(p, x, y), outer += ROWS;                                               \
            } else if (p->is_reverse) {                                                            \
                name##_row(p, x, y, p->is_exclusive != 0, 1), outer++;                             \
            } else {                                                                               \
                name##_row(p, x, y, p->is_exclusive != 0, 0), outer++;                             \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_CUMSUM(cumsum_f32, float, 8, NO_FOURS)
DEFINE_CUMSUM(cumsum_s32, uint32_t, 1, fours_s32)
DEFINE_CUMSUM(cumsum_s64, uint64_t, 1, NO_FOURS)

/* How many of `low` ascending bounds are at most x; all for a NaN. Compared as T. */
#define DEFINE_BUCKETIZE(name, E, T)                                                               \
    EW_DEFINE(name) {                                                                              \
        const ew_unary *p = params;                                                                \
        const E *x = operand[0];                                                                   \
        const float *bounds = operand[1];                                                          \
        int32_t *y = operand[2];                                                                   \
        size_t end = (size_t)tile_end * p->per_tile;                                               \
        EW_UNUSED(scratch);                                                                        \
        end = end < p->count ? end : p->count;                                                     \
        for (size_t i = (size_t)tile_begin * p->per_tile; i < end; i++) {                          \
            const float *at = bounds; /* without branches, which nobody could foresee */           \
            int32_t n = p->low;                                                                    \
            for (int32_t half; n > 1; n -= half) {                                                 \
                half = n / 2;                                                                      \
                at += (T)x[i] < (T)at[half - 1] ? 0 : half;                                        \
            }                                                                                      \
            y[i] = (int32_t)(at - bounds) + (n == 1 && !((T)x[i] < (T)*at));                       \
        }                                                                                          \
    }
DEFINE_BUCKETIZE(bucketize_f32, float, float)
DEFINE_BUCKETIZE(bucketize_f64, double, double)
DEFINE_BUCKETIZE(bucketize_s32, int32_t, float)
DEFINE_BUCKETIZE(bucketize_s64, int64_t, float)
