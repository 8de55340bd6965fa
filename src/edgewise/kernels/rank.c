/* Order of elements, and running sums: ARG_MAX, ARG_MIN, TOPK_V2, CUMSUM. */
#include "kernel.h"

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

/* The k largest of a row in descending order, the lower index first among equals: an insertion
 * into those found so far, which few elements pass. y takes the elements or their indices. */
#define DEFINE_TOPK(name, E)                                                                       \
    EW_DEFINE(name) {                                                                              \
        const ew_topk *p = params;                                                                 \
        uint32_t *found = scratch, k = p->k;                                                       \
        uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);                           \
        for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {                     \
            const E *x = (const E *)operand[0] + (size_t)row * p->n;                               \
            uint32_t count = 0;                                                                    \
            for (uint32_t i = 0; i < p->n; i++) {                                                  \
                if (count == k && !BEFORE(x[i], x[found[k - 1]], 0)) continue;                     \
                uint32_t at = count < k ? count++ : k - 1;                                         \
                for (; at > 0 && BEFORE(x[i], x[found[at - 1]], 0); at--)                          \
                    found[at] = found[at - 1];                                                     \
                found[at] = i;                                                                     \
            }                                                                                      \
            for (uint32_t i = 0; i < k; i++) {                                                     \
                if (p->index_bytes)                                                                \
                    put_index(operand[1], (size_t)row * k + i, found[i], p->index_bytes);          \
                else                                                                               \
                    ((E *)operand[1])[(size_t)row * k + i] = x[found[i]];                          \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_TOPK(topk_f32, float)
DEFINE_TOPK(topk_s16, int16_t)
DEFINE_TOPK(topk_s32, int32_t)
DEFINE_TOPK(topk_s64, int64_t)
DEFINE_TOPK(topk_s8, int8_t)
DEFINE_TOPK(topk_u8, uint8_t)

/* Running sums along the middle of x [outer, n, inner]; unsigned numbers, because integers wrap. */
#define DEFINE_CUMSUM(name, E)                                                                     \
    EW_DEFINE(name) {                                                                              \
        const ew_cumsum *p = params;                                                               \
        size_t inner = p->inner;                                                                   \
        EW_UNUSED(scratch);                                                                        \
        for (uint32_t outer = tile_begin; outer < tile_end; outer++) {                             \
            if (inner == 1) { /* in a register */                                                  \
                const E *x = (const E *)operand[0] + (size_t)outer * p->n;                         \
                E *y = (E *)operand[1] + (size_t)outer * p->n, sum = 0;                            \
                int64_t step = p->is_reverse ? -1 : 1, at = p->is_reverse ? (int64_t)p->n - 1 : 0;  \
                for (uint32_t k = 0; k < p->n; k++, at += step) {                                  \
                    E before = sum;                                                                \
                    sum += x[at];                                                                  \
                    y[at] = p->is_exclusive ? before : sum;                                        \
                }                                                                                  \
                continue;                                                                          \
            }                                                                                      \
            for (uint32_t k = 0; k < p->n; k++) {                                                  \
                uint32_t at = p->is_reverse ? p->n - 1 - k : k;                                    \
                uint32_t last = p->is_reverse ? at + 1 : at - 1;                                   \
                const E *x = (const E *)operand[0] + (size_t)outer * p->n * inner;                 \
                E *y = (E *)operand[1] + (size_t)outer * p->n * inner;                             \
                const E *term = x + (p->is_exclusive ? last : at) * inner;                         \
                E *sum = y + at * inner, *before = y + last * inner;                               \
                for (size_t i = 0; i < inner; i++)                                                 \
                    sum[i] = (E)((k ? before[i] : 0) + (k || !p->is_exclusive ? term[i] : 0));     \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_CUMSUM(cumsum_f32, float)
DEFINE_CUMSUM(cumsum_s32, uint32_t)
DEFINE_CUMSUM(cumsum_s64, uint64_t)

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
