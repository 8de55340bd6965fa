/* CAST: element types by way of a block of integers or floats of 32 or 64 bits, so that n types need n loads and
 * n stores, not n * n loops. Floats to integers: truncated and saturated, NaN gives 0; integers wrap;
 * bool is x != 0. */
#include "bfloat.h"
#include "fixed.h"
#include "half.h"

#if defined(EW_SCALAR)
enum { BLOCK = 64 }; /* elements, on the stack of a microcontroller */
#else
enum { BLOCK = 512 };
#endif

#define EACH(formula)                                                                              \
    do {                                                                                           \
        EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = (formula);                            \
    } while (0)
#define TO(type, formula)                                                                          \
    do {                                                                                           \
        type *y = result;                                                                          \
        EACH((type)(formula));                                                                     \
    } while (0)
#define FROM(type)                                                                                 \
    do {                                                                                           \
        const type *x = operand;                                                                   \
        EACH(x[i]);                                                                                \
    } while (0)

static const uint8_t element_bytes[] = {
    [EW_TYPE_f32] = 4, [EW_TYPE_f16] = 2,  [EW_TYPE_s8] = 1,  [EW_TYPE_u8] = 1,
    [EW_TYPE_bool] = 1, [EW_TYPE_s16] = 2, [EW_TYPE_s32] = 4, [EW_TYPE_s64] = 8,
    [EW_TYPE_f64] = 8, [EW_TYPE_bf16] = 2, [EW_TYPE_u16] = 2, [EW_TYPE_u32] = 4,
    [EW_TYPE_u64] = 8, [EW_TYPE_s4] = 1,   [EW_TYPE_c64] = 8,
};

/* Towards zero, with the last bit set where something is lost: rounded again, it is as if once. */
static float odd_of(double x) {
    float y = (float)x;
    uint32_t bits;
    if ((double)y == x || x != x) return y;
    __builtin_memcpy(&bits, &y, sizeof bits);
    bits -= __builtin_fabs((double)y) > __builtin_fabs(x);
    bits |= 1;
    __builtin_memcpy(&y, &bits, sizeof y);
    return y;
}

/* Types that every number goes to alike: floats, truth, complex numbers. */
#define TO_FLOATS(half)                                                                            \
    case EW_TYPE_f32: TO(float, x[i]); break;                                                      \
    case EW_TYPE_f64: TO(double, x[i]); break;                                                     \
    case EW_TYPE_f16: TO(uint16_t, ew_half_of(half)); break;                                       \
    case EW_TYPE_bf16: TO(uint16_t, ew_bfloat_of((float)x[i])); break;                                \
    case EW_TYPE_bool: TO(uint8_t, x[i] != 0); break;                                              \
    case EW_TYPE_c64: {                                                                            \
        float *y = result;                                                                         \
        for (size_t i = 0; i < n; i++) y[2 * i] = (float)x[i], y[2 * i + 1] = 0.0f;                \
        break;                                                                                     \
    }

/* x truncated to [low, high], which as floats are low and bound = high + 1. */
#define SATURATED(x, type, low, high, bound)                                                       \
    ((x) != (x) ? 0 : (x) >= (bound) ? (high) : (x) <= (float)(low) ? (low) : (type)(x))
#define STORE_FLOATS(name, wide, half)                                                             \
    static void name(const wide *x, void *result, size_t n, int32_t type) {                        \
        switch (type) {                                                                            \
        TO_FLOATS(half)                                                                            \
        case EW_TYPE_s4: TO(uint8_t, SATURATED(x[i], int32_t, -8, 7, 8.0f) & 15); break;           \
        case EW_TYPE_s8: TO(int8_t, SATURATED(x[i], int32_t, -128, 127, 128.0f)); break;           \
        case EW_TYPE_u8: TO(uint8_t, SATURATED(x[i], int32_t, 0, 255, 256.0f)); break;             \
        case EW_TYPE_s16: TO(int16_t, SATURATED(x[i], int32_t, -32768, 32767, 32768.0f)); break;   \
        case EW_TYPE_u16: TO(uint16_t, SATURATED(x[i], int32_t, 0, 65535, 65536.0f)); break;       \
        case EW_TYPE_s32:                                                                          \
            TO(int32_t, SATURATED(x[i], int32_t, INT32_MIN, INT32_MAX, 0x1p31f));                  \
            break;                                                                                 \
        case EW_TYPE_u32: TO(uint32_t, SATURATED(x[i], uint32_t, 0, UINT32_MAX, 0x1p32f)); break;  \
        case EW_TYPE_u64: TO(uint64_t, SATURATED(x[i], uint64_t, 0, UINT64_MAX, 0x1p64f)); break;  \
        default: TO(int64_t, SATURATED(x[i], int64_t, INT64_MIN, INT64_MAX, 0x1p63f)); break;      \
        }                                                                                          \
    }
STORE_FLOATS(store_f32, float, x[i])
STORE_FLOATS(store_f64, double, odd_of(x[i]))

#define STORE(name, wide)                                                                          \
    static void name(const wide *x, void *result, size_t n, int32_t type) {                        \
        switch (type) {                                                                            \
        TO_FLOATS((float)x[i])                                                                     \
        case EW_TYPE_s4: TO(uint8_t, x[i] & 15); break;                                            \
        case EW_TYPE_s8:                                                                           \
        case EW_TYPE_u8: TO(uint8_t, x[i]); break;                                                 \
        case EW_TYPE_s16:                                                                          \
        case EW_TYPE_u16: TO(uint16_t, x[i]); break;                                               \
        case EW_TYPE_s32:                                                                          \
        case EW_TYPE_u32: TO(uint32_t, x[i]); break;                                               \
        default: TO(uint64_t, x[i]); break;                                                        \
        }                                                                                          \
    }
STORE(store_s32, int32_t)
STORE(store_s64, int64_t)
STORE(store_u64, uint64_t)

static void load_s32(int32_t *y, const void *operand, size_t n, int32_t type) {
    const uint8_t *bytes = operand;
    switch (type) {
    case EW_TYPE_s4: EACH((int8_t)(bytes[i] << 4) >> 4); break;
    case EW_TYPE_s8: FROM(int8_t); break;
    case EW_TYPE_s16: FROM(int16_t); break;
    case EW_TYPE_u16: FROM(uint16_t); break;
    case EW_TYPE_s32: FROM(int32_t); break;
    default: FROM(uint8_t); break;
    }
}

static void load_f32(float *y, const void *operand, size_t n, int32_t type) {
    const uint16_t *halves = operand;
    const float *floats = operand;
    switch (type) {
    case EW_TYPE_f16: ew_of_halves(y, halves, n); break;
    case EW_TYPE_bf16: EACH(ew_of_bfloat(halves[i])); break;
    default: EACH(floats[2 * i]); break; /* real parts */
    }
}

/* What is cast most, without the block between: small integers to float32. */
static int made_floats(const void *operand, float *y, size_t n, int32_t from) {
    switch (from) {
    case EW_TYPE_bool:
    case EW_TYPE_u8: FROM(uint8_t); return 1;
    case EW_TYPE_s8: FROM(int8_t); return 1;
    case EW_TYPE_s16: FROM(int16_t); return 1;
    case EW_TYPE_s32: FROM(int32_t); return 1;
    default: return 0;
    }
}

EW_DEFINE(cast) {
    const ew_unary *p = params;
    const int32_t from = p->low, to = p->high;
    size_t end = (size_t)tile_end * p->per_tile, step;
    EW_UNUSED(scratch);
    end = end < p->count ? end : p->count;
    for (size_t at = (size_t)tile_begin * p->per_tile; at < end; at += step) {
        const uint8_t *x = (const uint8_t *)operand[0] + at * element_bytes[from];
        uint8_t *result = (uint8_t *)operand[1] + at * element_bytes[to];
        size_t n = step = end - at < BLOCK ? end - at : BLOCK;
        if (from == EW_TYPE_f32 && to == EW_TYPE_f16) {
            ew_halves_of((uint16_t *)result, (const float *)x, n);
        } else if (from == EW_TYPE_f16 && to == EW_TYPE_f32) {
            ew_of_halves((float *)result, (const uint16_t *)x, n);
        } else if (from == EW_TYPE_f32) {
            store_f32((const float *)x, result, n, to);
        } else if (from == EW_TYPE_f64) {
            store_f64((const double *)x, result, n, to);
        } else if (from == EW_TYPE_f16 || from == EW_TYPE_bf16 || from == EW_TYPE_c64) {
            float y[BLOCK];
            load_f32(y, x, n, from);
            store_f32(y, result, n, to);
        } else if (from == EW_TYPE_s64) {
            store_s64((const int64_t *)x, result, n, to);
        } else if (from == EW_TYPE_u64) {
            store_u64((const uint64_t *)x, result, n, to);
        } else if (from == EW_TYPE_u32) {
            int64_t y[BLOCK];
            EACH(((const uint32_t *)x)[i]);
            store_s64(y, result, n, to);
        } else {
            int32_t y[BLOCK];
            if (to == EW_TYPE_f32 && made_floats(x, (float *)result, n, from)) continue;
            load_s32(y, x, n, from);
            store_s32(y, result, n, to);
        }
    }
}

EW_DEFINE(requantize) {
    const ew_requantize *p = params;
    const int32_t y_zero = p->y_zero, m = p->multiplier, shift = p->shift;
    const uint32_t x_zero = (uint32_t)p->x_zero; /* differences of s32 wrap around */
    const int64_t lowest = (int64_t)p->low - y_zero, highest = (int64_t)p->high - y_zero;
    const int32_t low = lowest < INT32_MIN ? INT32_MIN : (int32_t)lowest;
    const int32_t high = highest > INT32_MAX ? INT32_MAX : (int32_t)highest;
    size_t end = (size_t)tile_end * p->per_tile;
    EW_UNUSED(scratch);
    end = end < p->count ? end : p->count;
    for (size_t at = (size_t)tile_begin * p->per_tile; at < end; at += BLOCK) {
        const uint8_t *x = (const uint8_t *)operand[0] + at * element_bytes[p->from];
        uint8_t *result = (uint8_t *)operand[1] + at * element_bytes[p->to];
        const size_t n = end - at < BLOCK ? end - at : BLOCK;
        int32_t y[BLOCK];
        load_s32(y, x, n, p->from);
        EW_INDEPENDENT for (size_t i = 0; i < n; i++) {
            int32_t scaled = ew_multiply_fixed((int32_t)((uint32_t)y[i] - x_zero), m, shift);
            y[i] = ew_min_s32(ew_max_s32(scaled, low), high) + y_zero;
        }
        store_s32(y, result, n, p->to);
    }
}
