/* Elementwise operators of two or three operands with broadcasting: arithmetic, comparisons, logic
 * and the choice between two values. Plain loops, which the compiler vectorises for each
 * instruction set. Integers wrap around. */
#include "broadcast.h"
#include "math.h"

#define KERNEL(name, x_bytes, y_bytes)                                                             \
    EW_DEFINE(name) {                                                                              \
        const ew_binary *p = params;                                                               \
        ew_element_bytes bytes = {{x_bytes, x_bytes, 0}, y_bytes};                                 \
        ew_rows(&p->shape, p, operand, bytes, 2, name##_row, tile_begin, tile_end, scratch);       \
    }
#define ROW(name, x_type, y_type, before, formula)                                                 \
    static void name##_row(const void *params, const void *const *x, void *result, size_t n) {     \
        const ew_binary *p = params;                                                               \
        const x_type *a = x[0], *b = x[1];                                                         \
        y_type *y = result;                                                                        \
        EW_UNUSED(p);                                                                              \
        before;                                                                                    \
        EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = (y_type)(formula);                    \
    }                                                                                              \
    KERNEL(name, sizeof(x_type), sizeof(y_type))
#define PLAIN(name, type, formula) ROW(name, type, type, , formula)
#define BY_ELEMENT(name, type, function) /* with loops of its own */                               \
    static void name##_row(const void *params, const void *const *x, void *result, size_t n) {     \
        const type *a = x[0], *b = x[1];                                                           \
        type *y = result;                                                                          \
        EW_UNUSED(params);                                                                         \
        for (size_t i = 0; i < n; i++) y[i] = function(a[i], b[i]);                                \
    }                                                                                              \
    KERNEL(name, sizeof(type), sizeof(type))

/* ---- float32: a fused activation is a clamp, in which a NaN stays ---- */
#define CLAMPED_F32(name, formula)                                                                 \
    ROW(name, float, float, const float low = p->low_f32; const float high = p->high_f32,          \
        ew_clamp_f32(formula, low, high))
CLAMPED_F32(add_f32, a[i] + b[i])
CLAMPED_F32(sub_f32, a[i] - b[i])
CLAMPED_F32(mul_f32, a[i] * b[i])
CLAMPED_F32(div_f32, a[i] / b[i])
PLAIN(maximum_f32, float, a[i] > b[i] ? a[i] : b[i])
PLAIN(minimum_f32, float, a[i] < b[i] ? a[i] : b[i])
PLAIN(squared_difference_f32, float, (a[i] - b[i]) * (a[i] - b[i]))
PLAIN(prelu_f32, float, a[i] >= 0.0f ? a[i] : a[i] * b[i])

/* floor(a / b) of the quotient in float64: that of two float32 is a whole number only where the
 * exact one is. */
static double floor_f64(double x) {
    if (!(x > -0x1p52 && x < 0x1p52)) return x; /* whole already, infinite or NaN */
    double whole = (double)(int64_t)x;
    return whole > x ? whole - 1.0 : whole;
}
PLAIN(floor_div_f32, float, floor_f64((double)a[i] / (double)b[i]))

/* The remainder of |a| / |b| exactly, for finite a and b > 0: long division of the significands,
 * 40 bits at a time. */
static float remainder_f32(float a, float b) {
    uint32_t x, y;
    __builtin_memcpy(&x, &a, sizeof x);
    __builtin_memcpy(&y, &b, sizeof y);
    int32_t ex = (int32_t)(x >> 23), ey = (int32_t)(y >> 23);
    uint64_t mx = x & 0x7FFFFF, my = y & 0x7FFFFF;
    mx |= ex ? 0x800000 : 0, my |= ey ? 0x800000 : 0;
    ex += !ex, ey += !ey; /* a subnormal has the exponent of the smallest normal number */
    if (ex < ey) return a;
    mx %= my;
    for (int32_t rest = ex - ey, bits; rest > 0; rest -= bits) {
        bits = ew_min_s32(rest, 40);
        mx = (mx << bits) % my;
    }
    /* mx < 2**24 units of 2**(ey - 150): exact, also where it is subnormal */
    double unit;
    uint64_t power = (uint64_t)(ey - 150 + 1023) << 52;
    __builtin_memcpy(&unit, &power, sizeof unit);
    return (float)((double)mx * unit);
}

#define LARGEST 0x1.fffffep127f /* finite */

/* a - floor(a / b) * b, with the sign of b. */
static float floor_mod(float a, float b) {
    float size = __builtin_fabsf(a), by = __builtin_fabsf(b);
    if (!(size <= LARGEST) || b != b || by == 0.0f) return __builtin_nanf("");
    float rest = by > LARGEST ? size : remainder_f32(size, by);
    rest = __builtin_copysignf(rest, a);
    return rest != 0.0f && (b < 0.0f) != (rest < 0.0f) ? rest + b : rest;
}
BY_ELEMENT(floor_mod_f32, float, floor_mod)

/* Vectors of |a|**b, and one by one what C's pow adds to that. */
static void pow_f32_row(const void *params, const void *const *x, void *result, size_t n) {
    const float *a = x[0], *b = x[1];
    float *y = result;
    EW_UNUSED(params);
    for (size_t i = 0; i < n; i += EW_LANES) {
        float base[EW_LANES] = {0}, exponent[EW_LANES] = {0}, size[EW_LANES];
        size_t here = n - i < EW_LANES ? n - i : EW_LANES;
        for (size_t k = 0; k < here; k++) base[k] = a[i + k], exponent[k] = b[i + k];
        v_store_f32(size, v_pow_size(v_load_f32(base), v_load_f32(exponent)));
        for (size_t k = 0; k < here; k++) {
            int is_plain = base[k] > 0.0f && base[k] <= LARGEST && __builtin_fabsf(exponent[k]) <= LARGEST;
            y[i + k] = is_plain ? size[k] : ew_pow_special(base[k], exponent[k], size[k]);
        }
    }
}
KERNEL(pow_f32, sizeof(float), sizeof(float))

/* The angle of the point (b, a), in float64: for the smaller part t of both over the larger one, and
 * beyond tan(pi/8) for (t - 1) / (t + 1), terms of the series up to t**last: 39 leaves 1e-17, 17
 * leaves 3e-9. */
EW_INLINE double atan2_of(double a, double b, const int last) {
    const double turned = 0.41421356237309503; /* tan(pi/8) */
    double size_a = __builtin_fabs(a), size_b = __builtin_fabs(b);
    double less = size_a < size_b ? size_a : size_b, more = size_a < size_b ? size_b : size_a;
    double t = less == more ? (more == 0.0 ? 0.0 : 1.0) : less / more, y = 0.0;
    double x = t > turned ? (t - 1.0) / (t + 1.0) : t, square = x * x;
    EW_UNROLL for (int k = last; k > 0; k -= 2) y = (k % 4 == 1 ? 1.0 : -1.0) / k + square * y;
    y = x * y + (t > turned ? 0x1.921fb54442d18p-1 : 0.0); /* pi/4 */
    y = size_a > size_b ? 0x1.921fb54442d18p0 - y : y;
    y = __builtin_signbit(b) ? 0x1.921fb54442d18p1 - y : y;
    return a != a || b != b ? a + b : __builtin_copysign(y, a);
}
static float atan2_of_f32(float a, float b) { return (float)atan2_of(a, b, 17); }
static double atan2_of_f64(double a, double b) { return atan2_of(a, b, 39); }
BY_ELEMENT(atan2_f32, float, atan2_of_f32)
BY_ELEMENT(atan2_f64, double, atan2_of_f64)

/* ---- float64: what StableHLO has ---- */
PLAIN(add_f64, double, a[i] + b[i])
PLAIN(mul_f64, double, a[i] * b[i])
PLAIN(maximum_f64, double, a[i] > b[i] ? a[i] : b[i])
PLAIN(minimum_f64, double, a[i] < b[i] ? a[i] : b[i])

/* ---- complex64 ---- */
typedef struct {
    float real, imag;
} complex_f32;
static complex_f32 product_c64(complex_f32 a, complex_f32 b) {
    complex_f32 y = {a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real};
    return y;
}
BY_ELEMENT(mul_c64, complex_f32, product_c64)

/* ---- integers ---- */
#define CLAMPED(name, type, formula)                                                               \
    ROW(name, type, type, const type low = (type)p->low_int; const type high = (type)p->high_int,  \
        (type)(formula) < low ? low : (type)(formula) > high ? high : (formula))
#define INTEGERS(suffix, type)                                                                     \
    CLAMPED(add_##suffix, type, a[i] + b[i])                                                       \
    CLAMPED(sub_##suffix, type, a[i] - b[i])                                                       \
    CLAMPED(mul_##suffix, type, a[i] * b[i])
#define EXTREMES(suffix, type)                                                                     \
    PLAIN(maximum_##suffix, type, a[i] > b[i] ? a[i] : b[i])                                       \
    PLAIN(minimum_##suffix, type, a[i] < b[i] ? a[i] : b[i])

/* Quotients and remainders; a / -1 wraps around, which the processor's division does not. Of 0 as
 * divisor `check_numbers` complains; exported C has 0 there. */
#define DIVISIONS(suffix, type)                                                                    \
    static type truncated_##suffix(type a, type b) {                                               \
        if (b == 0) return 0;                                                                      \
        return b == -1 ? (type)(0 - a) : a / b;                                                    \
    }                                                                                              \
    static type rest_##suffix(type a, type b) { return b == -1 || b == 0 ? 0 : a % b; }            \
    static type floor_div_of_##suffix(type a, type b) {                                            \
        type rest = rest_##suffix(a, b);                                                           \
        return (type)(truncated_##suffix(a, b) - (rest != 0 && (rest < 0) != (b < 0)));            \
    }                                                                                              \
    static type floor_mod_of_##suffix(type a, type b) {                                            \
        type rest = rest_##suffix(a, b);                                                           \
        return (type)(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);                       \
    }                                                                                              \
    PLAIN(floor_div_##suffix, type, floor_div_of_##suffix(a[i], b[i]))                             \
    PLAIN(floor_mod_##suffix, type, floor_mod_of_##suffix(a[i], b[i]))

/* a to the power b >= 0 by squaring. */
#define WIDE(suffix, type, unsigned_type)                                                          \
    static type power_##suffix(type a, type b) {                                                   \
        unsigned_type y = 1, factor = (unsigned_type)a;                                            \
        for (; b > 0; b >>= 1, factor *= factor)                                                   \
            if (b & 1) y *= factor;                                                                \
        return (type)y;                                                                            \
    }                                                                                              \
    BY_ELEMENT(pow_##suffix, type, power_##suffix)                                                 \
    PLAIN(squared_difference_##suffix, type, (a[i] - b[i]) * (a[i] - b[i]))                        \
    CLAMPED(div_##suffix, type, truncated_##suffix(a[i], b[i]))

EXTREMES(s8, int8_t)
EXTREMES(u8, uint8_t)
EXTREMES(s16, int16_t)
EXTREMES(s32, int32_t)
EXTREMES(s64, int64_t)
EXTREMES(u16, uint16_t)
EXTREMES(u32, uint32_t)
EXTREMES(u64, uint64_t)
INTEGERS(s8, int8_t)
INTEGERS(s16, int16_t)
INTEGERS(s32, int32_t)
INTEGERS(s64, int64_t)
DIVISIONS(s8, int8_t)
DIVISIONS(s16, int16_t)
DIVISIONS(s32, int32_t)
DIVISIONS(s64, int64_t)
WIDE(s32, int32_t, uint32_t)
WIDE(s64, int64_t, uint64_t)

EW_DEFINE(check_numbers) {
    const ew_check_numbers *p = params;
    const int8_t *bytes = operand[0];
    uint32_t *is_outside = scratch, found = 0;
    uint32_t end = ew_min_u32(p->count, tile_end * p->per_tile);
    for (uint32_t i = tile_begin * p->per_tile; i < end; i++) {
        int64_t n = p->element_bytes == 1 ? bytes[i] : ew_index(bytes, i, p->element_bytes);
        found |= p->is_exponent ? n < 0 : n == 0;
    }
    if (found) *is_outside = 1;
}

/* ---- comparisons: y is 0 or 1 ---- */
#define COMPARISON(name, type)                                                                     \
    static void name##_row(const void *params, const void *const *x, void *result, size_t n) {     \
        const ew_binary *p = params;                                                               \
        const type *a = x[0], *b = x[1];                                                           \
        uint8_t *y = result;                                                                       \
        if (p->relation == EW_EQUAL) {                                                             \
            EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = a[i] == b[i];                     \
        } else if (p->relation == EW_NOT_EQUAL) {                                                  \
            EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = a[i] != b[i];                     \
        } else if (p->relation == EW_LESS) {                                                       \
            EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = a[i] < b[i];                      \
        } else {                                                                                   \
            EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = a[i] <= b[i];                     \
        }                                                                                          \
    }                                                                                              \
    KERNEL(name, sizeof(type), 1)
COMPARISON(compare_f32, float)
COMPARISON(compare_s8, int8_t)
COMPARISON(compare_u8, uint8_t)
COMPARISON(compare_s16, int16_t)
COMPARISON(compare_s32, int32_t)
COMPARISON(compare_s64, int64_t)

/* ---- bits ---- */
PLAIN(and_u8, uint8_t, a[i] & b[i])
PLAIN(and_u16, uint16_t, a[i] & b[i])
PLAIN(and_u32, uint32_t, a[i] & b[i])
PLAIN(and_u64, uint64_t, a[i] & b[i])
PLAIN(or_u8, uint8_t, a[i] | b[i])
PLAIN(xor_u8, uint8_t, a[i] ^ b[i])
PLAIN(xor_u16, uint16_t, a[i] ^ b[i])
PLAIN(xor_u32, uint32_t, a[i] ^ b[i])
PLAIN(xor_u64, uint64_t, a[i] ^ b[i])

#define SHIFT(suffix, type)                                                                        \
    static type shifted_##suffix(type a, type b) {                                                 \
        const type last = sizeof(type) * 8 - 1;                                                    \
        return a >> (b > last ? last : b > 0 ? b : 0);                                             \
    }                                                                                              \
    PLAIN(right_shift_##suffix, type, shifted_##suffix(a[i], b[i]))
SHIFT(s8, int8_t)
SHIFT(s16, int16_t)
SHIFT(s32, int32_t)
SHIFT(u8, uint8_t)
SHIFT(u16, uint16_t)
SHIFT(u32, uint32_t)

/* Nothing is left where b is no number of a bit. */
#define SHIFT_LEFT(suffix, type)                                                                   \
    PLAIN(shift_left_##suffix, type,                                                               \
          (b[i] >= 0 && b[i] < (int)sizeof(type) * 8 ? (uint32_t)a[i] << b[i] : 0))
SHIFT_LEFT(s8, int8_t)
SHIFT_LEFT(s16, int16_t)
SHIFT_LEFT(s32, int32_t)

/* ---- one of two values: operands condition (bytes), x, y, result ---- */
#define SELECT(name, type)                                                                         \
    static void name##_row(const void *params, const void *const *x, void *result, size_t n) {     \
        const uint8_t *condition = x[0];                                                           \
        const type *a = x[1], *b = x[2];                                                           \
        type *y = result;                                                                          \
        EW_UNUSED(params);                                                                         \
        EW_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = condition[i] ? a[i] : b[i];           \
    }                                                                                              \
    EW_DEFINE(name) {                                                                              \
        const ew_broadcast *p = params;                                                            \
        ew_element_bytes bytes = {{1, sizeof(type), sizeof(type)}, sizeof(type)};                  \
        ew_rows(p, p, operand, bytes, 3, name##_row, tile_begin, tile_end, scratch);               \
    }
SELECT(select_u8, uint8_t)
SELECT(select_u16, uint16_t)
SELECT(select_u32, uint32_t)
SELECT(select_u64, uint64_t)
