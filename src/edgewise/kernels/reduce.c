/* Reductions over any dimensions: SUM, MEAN, REDUCE_MAX, _MIN, _PROD, _ANY, _ALL.
 *
 * Where the last dimension stays, its elements are columns, reduced side by side in the lanes of
 * vectors. Where it is reduced, its runs are taken into four vectors, whose lanes are joined last.
 * Every sum runs over all of its elements in an order that depends on the lanes alone. */
#include "broadcast.h"
#include "fixed.h"
#include "kernel.h"
#include "simd_half.h"

/* A position in the reduced dimensions but the last. */
typedef struct {
    uint32_t at[EW_MAX_RANK];
    size_t offset;
} walk;

/* Goes on to the next position; 0 after the last. */
static int go_on(const ew_reduce *p, walk *w) {
    for (uint32_t d = p->reduced_rank - 1; d-- > 0; w->at[d] = 0) {
        w->offset += p->reduced_stride[d];
        if (++w->at[d] < p->reduced[d]) return 1;
        w->offset -= (size_t)p->reduced[d] * p->reduced_stride[d];
    }
    return 0;
}

/* The element of x where row `row` of the result begins. */
static size_t start_of(const ew_reduce *p, uint32_t row) {
    size_t offset = 0;
    for (uint32_t d = p->kept_rank; d-- > 0; row /= p->kept[d])
        offset += (size_t)(row % p->kept[d]) * p->kept_stride[d];
    return offset;
}

#if EW_LANES == 1
#define PICK(type, mask, a, b) ((mask) ? (a) : (b))
#else
#define PICK(type, mask, a, b) ((type)(((mask) & (v_s32)(a)) | (~(mask) & (v_s32)(b))))
#endif

/* An element joins what was found so far; NaN wins against every number. */
#define DEFINE_JOIN(kind, V, S)                                                                    \
    EW_INLINE V v_join_##kind(const uint32_t op, V a, V b) {                                       \
        if (op == EW_REDUCE_max) return PICK(V, (b > a) | (b != b), b, a);                         \
        if (op == EW_REDUCE_min) return PICK(V, (b < a) | (b != b), b, a);                         \
        return op == EW_REDUCE_prod ? a * b : a + b;                                               \
    }                                                                                              \
    EW_INLINE S join_##kind(const uint32_t op, S a, S b) {                                         \
        if (op == EW_REDUCE_max) return b > a || b != b ? b : a;                                   \
        if (op == EW_REDUCE_min) return b < a || b != b ? b : a;                                   \
        return op == EW_REDUCE_prod ? a * b : a + b;                                               \
    }
DEFINE_JOIN(f32, v_f32, float)
DEFINE_JOIN(s32, v_s32, int32_t)

static float start_f32(uint32_t op) {
    const float largest = 0x1.fffffep127f;
    if (op == EW_REDUCE_max) return -largest;
    return op == EW_REDUCE_min ? largest : op == EW_REDUCE_prod ? 1.0f : 0.0f;
}

static int32_t start_s32(uint32_t op) {
    if (op == EW_REDUCE_max) return INT32_MIN;
    return op == EW_REDUCE_min ? INT32_MAX : op == EW_REDUCE_prod;
}

/* `width` vectors of columns; LOAD and ONE read a vector and an element at an address. */
#define DEFINE_COLUMNS(name, kind, E, V, S, LOAD)                                                  \
    EW_INLINE void name(const ew_reduce *p, const E *x, S *y, const uint32_t op,                   \
                        const uint32_t is_signed, const int width) {                               \
        uint32_t n = p->reduced[p->reduced_rank - 1];                                              \
        size_t stride = p->reduced_stride[p->reduced_rank - 1];                                    \
        walk w = {{0}, 0};                                                                         \
        V found[4];                                                                                \
        EW_UNUSED(is_signed);                                                                      \
        EW_UNROLL for (int v = 0; v < width; v++) found[v] = v_splat_##kind(start_##kind(op));     \
        do {                                                                                       \
            const E *at = x + w.offset;                                                            \
            for (uint32_t i = 0; i < n; i++, at += stride) {                                       \
                EW_UNROLL for (int v = 0; v < width; v++)                                          \
                    found[v] = v_join_##kind(op, found[v], LOAD(at + v * EW_LANES));               \
            }                                                                                      \
        } while (go_on(p, &w));                                                                    \
        EW_UNROLL for (int v = 0; v < width; v++)                                                  \
            __builtin_memcpy(y + v * EW_LANES, &found[v], sizeof *found);                          \
    }

/* One element: a strided column, or where the last dimension is reduced a whole row. */
#define DEFINE_ELEMENT(name, kind, E, S, ONE)                                                      \
    EW_INLINE S name##_column(const ew_reduce *p, const E *x, const uint32_t op,                   \
                              const uint32_t is_signed) {                                          \
        uint32_t n = p->reduced[p->reduced_rank - 1];                                              \
        size_t stride = p->reduced_stride[p->reduced_rank - 1];                                    \
        walk w = {{0}, 0};                                                                         \
        S found = start_##kind(op);                                                                \
        EW_UNUSED(is_signed);                                                                      \
        do {                                                                                       \
            for (uint32_t i = 0; i < n; i++)                                                       \
                found = join_##kind(op, found, ONE(x, w.offset + i * stride));                     \
        } while (go_on(p, &w));                                                                    \
        return found;                                                                              \
    }
#define DEFINE_ROW(name, kind, E, V, S, LOAD, ONE)                                                 \
    EW_INLINE S name##_row(const ew_reduce *p, const E *x, const uint32_t op,                      \
                           const uint32_t is_signed) {                                             \
        uint32_t n = p->reduced[p->reduced_rank - 1];                                              \
        walk w = {{0}, 0};                                                                         \
        V found[4];                                                                                \
        S rest = start_##kind(op), lanes[EW_LANES];                                                \
        EW_UNUSED(is_signed);                                                                      \
        EW_UNROLL for (int v = 0; v < 4; v++) found[v] = v_splat_##kind(rest);                     \
        do {                                                                                       \
            const E *at = x + w.offset;                                                            \
            uint32_t i = 0;                                                                        \
            for (; i + 4 * EW_LANES <= n; i += 4 * EW_LANES)                                       \
                EW_UNROLL for (int v = 0; v < 4; v++)                                              \
                    found[v] = v_join_##kind(op, found[v], LOAD(at + i + v * EW_LANES));           \
            for (; i + EW_LANES <= n; i += EW_LANES)                                               \
                found[0] = v_join_##kind(op, found[0], LOAD(at + i));                              \
            for (; i < n; i++) rest = join_##kind(op, rest, ONE(at, i));                           \
        } while (go_on(p, &w));                                                                    \
        found[0] = v_join_##kind(op, found[0], found[1]);                                          \
        found[2] = v_join_##kind(op, found[2], found[3]);                                          \
        found[0] = v_join_##kind(op, found[0], found[2]);                                          \
        __builtin_memcpy(lanes, found, sizeof lanes);                                              \
        for (uint32_t l = 0; l < EW_LANES; l++) rest = join_##kind(op, rest, lanes[l]);            \
        return rest;                                                                               \
    }

/* The results of a tile, before scaling: rows [first, end) x n columns, or n = 0 whole rows. */
#define DEFINE_REDUCE(name, kind, E, V, S, LOAD, ONE)                                              \
    DEFINE_COLUMNS(name##_columns, kind, E, V, S, LOAD)                                            \
    DEFINE_ELEMENT(name, kind, E, S, ONE)                                                          \
    DEFINE_ROW(name, kind, E, V, S, LOAD, ONE)                                                     \
    EW_INLINE void name(const ew_reduce *p, const E *x, S *y, uint32_t n, const uint32_t op,       \
                        const uint32_t is_signed) {                                                \
        uint32_t i = 0;                                                                            \
        if (!p->columns) {                                                                         \
            *y = name##_row(p, x, op, is_signed);                                                  \
            return;                                                                                \
        }                                                                                          \
        for (; i + 4 * EW_LANES <= n; i += 4 * EW_LANES)                                           \
            name##_columns(p, x + i, y + i, op, is_signed, 4);                                     \
        for (; i + EW_LANES <= n; i += EW_LANES)                                                   \
            name##_columns(p, x + i, y + i, op, is_signed, 1);                                     \
        if (i < n && n >= EW_LANES) /* once more over some columns, rather than one by one */      \
            name##_columns(p, x + n - EW_LANES, y + n - EW_LANES, op, is_signed, 1);               \
        else                                                                                       \
            for (; i < n; i++) y[i] = name##_column(p, x + i, op, is_signed);                      \
    }

#define LOAD_F32(at) v_load_f32(at)
#define LOAD_BF16(at) v_load_bf16(at)
#define LOAD_S32(at) v_load_s32(at)
#define LOAD_B8(at) v_load_b8(at, is_signed)
#define LOAD_S16(at) v_load_s16(at)
#define ONE_NUMBER(x, i) (x)[i]
#define ONE_BF16(x, i) ew_of_bfloat((x)[i])
#define ONE_B8(x, i) ew_stored(x, i, is_signed)
DEFINE_REDUCE(reduced_f32, f32, float, v_f32, float, LOAD_F32, ONE_NUMBER)
DEFINE_REDUCE(reduced_bf16, f32, uint16_t, v_f32, float, LOAD_BF16, ONE_BF16)
DEFINE_REDUCE(reduced_s32, s32, int32_t, v_s32, int32_t, LOAD_S32, ONE_NUMBER)
DEFINE_REDUCE(reduced_b8, s32, uint8_t, v_s32, int32_t, LOAD_B8, ONE_B8)
DEFINE_REDUCE(reduced_s16, s32, int16_t, v_s32, int32_t, LOAD_S16, ONE_NUMBER)

/* Every tile, row by row: `x` and `y` are the row's first element, n its columns (0: one result). */
#define FOR_EACH_ROW(p, E, Y, ...)                                                                 \
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {                                    \
        uint32_t parts = (p)->columns ? ew_divide_up((p)->columns, (p)->columns_per_tile) : 1;     \
        uint32_t first = tile % parts * (p)->columns_per_tile, row = tile / parts;                 \
        uint32_t n = (p)->columns ? ew_min_u32((p)->columns - first, (p)->columns_per_tile) : 0;   \
        uint32_t end = ew_min_u32((row + 1) * (p)->rows_per_tile, (p)->rows);                      \
        for (row *= (p)->rows_per_tile; row < end; row++) {                                        \
            const E *x = (const E *)operand[0] + start_of(p, row) + first;                         \
            Y *y = (Y *)operand[1] + ((p)->columns ? (size_t)row * (p)->columns + first : row);    \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define FOR_OP(reduced, p, x, y, n, is_signed)                                                     \
    switch ((p)->op) {                                                                             \
    case EW_REDUCE_sum: reduced(p, x, y, n, EW_REDUCE_sum, is_signed); break;                      \
    case EW_REDUCE_max: reduced(p, x, y, n, EW_REDUCE_max, is_signed); break;                      \
    case EW_REDUCE_min: reduced(p, x, y, n, EW_REDUCE_min, is_signed); break;                      \
    default: reduced(p, x, y, n, EW_REDUCE_prod, is_signed); break;                                \
    }

/* float32 of x. */
#define DEFINE_FLOATS(name, E, reduced)                                                            \
    EW_DEFINE(name) {                                                                              \
        const ew_reduce *p = params;                                                               \
        EW_UNUSED(scratch);                                                                        \
        FOR_EACH_ROW(p, E, float, {                                                                \
            FOR_OP(reduced, p, x, y, n, 0)                                                         \
            if (p->scale != 1.0f)                                                                  \
                for (uint32_t i = 0; i < (n ? n : 1); i++) y[i] *= p->scale;                       \
        })                                                                                         \
    }
DEFINE_FLOATS(reduce_f32, float, reduced_f32)
DEFINE_FLOATS(reduce_bf16, uint16_t, reduced_bf16)

EW_DEFINE(reduce_s32) {
    const ew_reduce *p = params;
    EW_UNUSED(scratch);
    FOR_EACH_ROW(p, int32_t, int32_t, { FOR_OP(reduced_s32, p, x, y, n, 0) })
}

static int64_t start_s64(uint32_t op) {
    if (op == EW_REDUCE_max) return INT64_MIN;
    return op == EW_REDUCE_min ? INT64_MAX : op == EW_REDUCE_prod;
}

EW_INLINE int64_t join_s64(const uint32_t op, int64_t a, int64_t b) {
    if (op == EW_REDUCE_max) return b > a ? b : a;
    if (op == EW_REDUCE_min) return b < a ? b : a;
    return op == EW_REDUCE_prod ? a * b : a + b;
}

/* The same in 64 bits: columns side by side, in memory. */
#define DEFINE_WIDE(name, E)                                                                       \
    EW_INLINE void name(const ew_reduce *p, const E *x, int64_t *y, uint32_t columns,              \
                        const uint32_t op, const uint32_t is_signed) {                             \
        uint32_t n = p->reduced[p->reduced_rank - 1];                                              \
        size_t stride = p->reduced_stride[p->reduced_rank - 1];                                    \
        walk w = {{0}, 0};                                                                         \
        int64_t found = start_s64(op);                                                             \
        EW_UNUSED(is_signed);                                                                      \
        for (uint32_t c = 0; c < columns; c++) y[c] = found;                                       \
        do {                                                                                       \
            const E *at = x + w.offset;                                                            \
            if (!columns) /* one after the other */                                                \
                for (uint32_t i = 0; i < n; i++) found = join_s64(op, found, at[i]);               \
            else                                                                                   \
                for (uint32_t i = 0; i < n; i++, at += stride)                                     \
                    EW_INDEPENDENT for (uint32_t c = 0; c < columns; c++)                          \
                        y[c] = join_s64(op, y[c], at[c]);                                          \
        } while (go_on(p, &w));                                                                    \
        if (!columns) *y = found;                                                                  \
    }
DEFINE_WIDE(wide_s64, int64_t)
DEFINE_WIDE(wide_s32, int32_t)

EW_DEFINE(reduce_s64) {
    const ew_reduce *p = params;
    EW_UNUSED(scratch);
    FOR_EACH_ROW(p, int64_t, int64_t, {
        FOR_OP(wide_s64, p, x, y, n, 0)
        if (p->divisor)
            for (uint32_t i = 0; i < (n ? n : 1); i++) y[i] /= p->divisor;
    })
}

EW_DEFINE(mean_s32) {
    const ew_reduce *p = params;
    int64_t *found = scratch;
    FOR_EACH_ROW(p, int32_t, int32_t, {
        wide_s32(p, x, found, n, EW_REDUCE_sum, 0);
        for (uint32_t i = 0; i < (n ? n : 1); i++) y[i] = (int32_t)(found[i] / p->divisor);
    })
}

/* Every product is scaled, the last one twice where there is more than one factor. */
EW_INLINE int64_t scaled_product(const ew_reduce *p, const void *x, const int is_16_bit) {
    uint32_t n = p->reduced[p->reduced_rank - 1];
    size_t stride = p->reduced_stride[p->reduced_rank - 1];
    const int64_t half = INT64_C(1) << (p->shift - 1);
    walk w = {{0}, 0};
    int64_t y = 1;
    int is_first = 1;
    do {
        for (uint32_t i = 0; i < n; i++, is_first = 0) {
            size_t at = w.offset + i * stride;
            y *= (is_16_bit ? ((const int16_t *)x)[at] : ew_stored(x, at, p->is_signed)) - p->bias;
            if (!is_first) y = (int32_t)((y * p->multiplier + half) >> p->shift);
        }
    } while (go_on(p, &w));
    y = (int32_t)((y * p->multiplier + half) >> p->shift) + (int64_t)p->y_zero;
    return y < p->low ? p->low : y > p->high ? p->high : y;
}

EW_DEFINE(prod_b8) {
    const ew_reduce *p = params;
    EW_UNUSED(scratch);
    FOR_EACH_ROW(p, uint8_t, uint8_t, {
        for (uint32_t i = 0; i < (n ? n : 1); i++) y[i] = (uint8_t)scaled_product(p, x + i, 0);
    })
}

EW_DEFINE(prod_s16) {
    const ew_reduce *p = params;
    EW_UNUSED(scratch);
    FOR_EACH_ROW(p, int16_t, int16_t, {
        for (uint32_t i = 0; i < (n ? n : 1); i++) y[i] = (int16_t)scaled_product(p, x + i, 1);
    })
}

/* rne(f32(sum + bias) * scale + y_zero), saturated: the zero point is added before rounding. */
static void scale_sums(const ew_reduce *p, const int32_t *sum, uint8_t *y, uint32_t n) {
    float low = (float)p->low, high = (float)p->high, zero = (float)p->y_zero;
    for (uint32_t i = 0; i < n; i++) {
        int32_t total = (int32_t)((uint32_t)sum[i] + (uint32_t)p->bias);
        y[i] = (uint8_t)ew_round(ew_clamp_f32((float)total * p->scale + zero, low, high));
    }
}

EW_DEFINE(reduce_b8) {
    const ew_reduce *p = params;
    int32_t *found = scratch;
    FOR_EACH_ROW(p, uint8_t, uint8_t, {
        uint32_t results = n ? n : 1;
        if (p->op == EW_REDUCE_sum) {
            if (p->is_signed)
                reduced_b8(p, x, found, n, EW_REDUCE_sum, 1);
            else
                reduced_b8(p, x, found, n, EW_REDUCE_sum, 0);
            scale_sums(p, found, y, results);
            continue;
        }
        FOR_OP(reduced_b8, p, x, found, n, p->is_signed)
        for (uint32_t i = 0; i < results; i++) y[i] = (uint8_t)found[i];
    })
}

/* A sum by LiteRT's multiplier (MEAN), or in float32, halves away from zero. */
EW_INLINE int32_t scaled_sum(const ew_reduce *p, int32_t sum) {
    if (p->is_fixed) return ew_multiply_fixed(sum, p->multiplier, p->shift);
    const float real = (float)sum * p->scale, size = __builtin_fabsf(real);
    const int32_t y = (int32_t)((size < 65536.0f ? size : 65536.0f) + 0.5f);
    return real < 0 ? -y : y;
}

EW_DEFINE(reduce_s16) {
    const ew_reduce *p = params;
    int32_t *found = scratch;
    FOR_EACH_ROW(p, int16_t, int16_t, {
        const uint32_t results = n ? n : 1;
        FOR_OP(reduced_s16, p, x, found, n, 0)
        for (uint32_t i = 0; i < results; i++) {
            const int32_t one = p->op == EW_REDUCE_sum ? scaled_sum(p, found[i]) : found[i];
            y[i] = (int16_t)ew_min_s32(ew_max_s32(one, INT16_MIN), INT16_MAX);
        }
    })
}
