/* The pieces of a softmax over a row: softmax.c, attention.c. */
#ifndef EW_EXPONENTIALS_H
#define EW_EXPONENTIALS_H
#include "math.h"

/* Over all lanes, by halves of which each takes the other's: one after the other, each would wait
 * for the one before; of halves that become shorter clang makes twice as many instructions. */
#if EW_LANES == 1
#define EW_OVER_LANES(name, join)                                                                  \
    EW_INLINE float name(v_f32 x) { return x; }
#else
#define EW_FOUR(l, n) (l) ^ (n), ((l) + 1) ^ (n), ((l) + 2) ^ (n), ((l) + 3) ^ (n)
#if EW_LANES == 16
#define EW_EACH(n) EW_FOUR(0, n), EW_FOUR(4, n), EW_FOUR(8, n), EW_FOUR(12, n)
#elif EW_LANES == 8
#define EW_EACH(n) EW_FOUR(0, n), EW_FOUR(4, n)
#else
#define EW_EACH(n) EW_FOUR(0, n)
#endif
/* Lane l is lane l ^ n of x. */
#define EW_EXCHANGED(x, n) __builtin_shufflevector(x, x, EW_EACH((n) % EW_LANES))
#define EW_OVER_LANES(name, join)                                                                  \
    EW_INLINE float name(v_f32 x) {                                                                \
        if (EW_LANES > 8) x = join(x, EW_EXCHANGED(x, 8));                                         \
        if (EW_LANES > 4) x = join(x, EW_EXCHANGED(x, 4));                                         \
        x = join(x, EW_EXCHANGED(x, 2));                                                           \
        return join(x, EW_EXCHANGED(x, 1))[0];                                                     \
    }
#endif
EW_INLINE v_f32 v_added(v_f32 a, v_f32 b) { return a + b; }
EW_OVER_LANES(v_largest, v_max)
EW_OVER_LANES(v_sum, v_added)

/* The largest of n numbers, any number where one of them is NaN. */
EW_INLINE float largest_f32(const float *x, uint32_t n) {
    float largest = -__builtin_inff();
    uint32_t i = 0;
    if (n >= 2 * EW_LANES) {
        v_f32 a = v_load_f32(x), b = v_load_f32(x + EW_LANES);
        for (i = 2 * EW_LANES; i + 2 * EW_LANES <= n; i += 2 * EW_LANES) {
            a = v_max(a, v_load_f32(x + i));
            b = v_max(b, v_load_f32(x + i + EW_LANES));
        }
        largest = v_largest(v_max(a, b));
    }
    for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

EW_INLINE float sum_f32(const float *x, uint32_t n) {
    float sum = 0.0f;
    uint32_t i = 0;
    if (n >= 2 * EW_LANES) {
        v_f32 a = v_load_f32(x), b = v_load_f32(x + EW_LANES);
        for (i = 2 * EW_LANES; i + 2 * EW_LANES <= n; i += 2 * EW_LANES) {
            a += v_load_f32(x + i);
            b += v_load_f32(x + i + EW_LANES);
        }
        sum = v_sum(a + b);
    }
    for (; i < n; i++) sum += x[i];
    return sum;
}

/* y = e**((x - largest) * beta) for n numbers; their sum. y may be x. */
EW_INLINE float exponentials_f32(const float *x, float *y, size_t n, float largest, float beta) {
    /* of ln 2: terms of a sum need no second one (a softmax takes 4 % less time) */
    const int parts = EW_FUSED ? 1 : 2;
    float sum = 0.0f;
    v_f32 total = v_splat_f32(0.0f);
    size_t i = 0;
    for (; i + EW_LANES <= n; i += EW_LANES) {
        v_f32 distance = v_load_f32(x + i) - largest;
        v_f32 e = v_exp_flushed(beta == 1.0f ? distance : distance * beta, parts);
        total += e;
        v_store_f32(y + i, e);
    }
    if (i < n) {
        float rest[EW_LANES] = {0};
        for (size_t k = 0; k < n - i; k++) rest[k] = (x[i + k] - largest) * beta;
        v_store_f32(rest, v_exp_flushed(v_load_f32(rest), parts));
        for (size_t k = 0; k < n - i; k++) sum += y[i + k] = rest[k];
    }
    return sum + v_sum(total);
}

static void scale_f32(float *y, uint32_t n, float scale) {
    uint32_t i = 0; /* the compiler takes half vectors */
    for (; i + EW_LANES <= n; i += EW_LANES) v_store_f32(y + i, v_load_f32(y + i) * scale);
    for (; i < n; i++) y[i] *= scale;
}
#endif
