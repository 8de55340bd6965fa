/* Fourier transforms of real matrices (RFFT2D), and sizes of complex numbers. A transform of n runs
 * of numbers is Stockham's: steps of radix 4 and 2 from one buffer to the other, which sort as they
 * go, over runs that grow from step to step. */
#include "math.h"
#include "kernel.h"

/* n * inner numbers, real and imaginary parts apart. */
typedef struct {
    float *re, *im;
} parts;

/* One step: `left` runs of `run` numbers fall into `radix` classes. table: e**(-2 pi i k / size). */
static void step_4(parts x, parts y, uint32_t left, uint32_t run, const float *table,
                   uint32_t size) {
    uint32_t count = left / 4;
    size_t far = (size_t)count * run;
    for (uint32_t j = 0; j < count; j++) {
        const float *w = table + (size_t)2 * j * (size / left), *w2 = w + (w - table);
        const float *w3 = w2 + (w - table);
        float c1 = w[0], s1 = w[1], c2 = w2[0], s2 = w2[1], c3 = w3[0], s3 = w3[1];
        const float *restrict ar = x.re + (size_t)j * run, *restrict ai = x.im + (size_t)j * run;
        float *restrict br = y.re + (size_t)4 * j * run, *restrict bi = y.im + (size_t)4 * j * run;
        for (size_t k = 0; k < run; k++) {
            float sr = ar[k] + ar[k + 2 * far], si = ai[k] + ai[k + 2 * far];
            float dr = ar[k] - ar[k + 2 * far], di = ai[k] - ai[k + 2 * far];
            float tr = ar[k + far] + ar[k + 3 * far], ti = ai[k + far] + ai[k + 3 * far];
            float er = ar[k + far] - ar[k + 3 * far], ei = ai[k + far] - ai[k + 3 * far];
            float pr = dr + ei, pi = di - er, qr = dr - ei, qi = di + er;
            br[k] = sr + tr, bi[k] = si + ti;
            br[k + run] = pr * c1 - pi * s1, bi[k + run] = pr * s1 + pi * c1;
            sr -= tr, si -= ti;
            br[k + 2 * (size_t)run] = sr * c2 - si * s2, bi[k + 2 * (size_t)run] = sr * s2 + si * c2;
            br[k + 3 * (size_t)run] = qr * c3 - qi * s3, bi[k + 3 * (size_t)run] = qr * s3 + qi * c3;
        }
    }
}

static void step_2(parts x, parts y, uint32_t left, uint32_t run, const float *table,
                   uint32_t size) {
    uint32_t count = left / 2;
    size_t far = (size_t)count * run;
    for (uint32_t j = 0; j < count; j++) {
        const float *w = table + (size_t)2 * j * (size / left);
        float c = w[0], s = w[1];
        const float *restrict ar = x.re + (size_t)j * run, *restrict ai = x.im + (size_t)j * run;
        float *restrict br = y.re + (size_t)2 * j * run, *restrict bi = y.im + (size_t)2 * j * run;
        for (size_t k = 0; k < run; k++) {
            float dr = ar[k] - ar[k + far], di = ai[k] - ai[k + far];
            br[k] = ar[k] + ar[k + far], bi[k] = ai[k] + ai[k + far];
            br[k + run] = dr * c - di * s, bi[k + run] = dr * s + di * c;
        }
    }
}

/* The transform of n runs of `inner` numbers; the result is x or y, the other is written over. */
static parts transform(parts x, parts y, uint32_t n, uint32_t inner, const float *table,
                       uint32_t size) {
    for (uint32_t run = inner; n > 1;) {
        uint32_t radix = n % 4 ? 2 : 4;
        (radix == 4 ? step_4 : step_2)(x, y, n, run, table, size);
        parts done = y;
        y = x, x = done;
        n /= radix, run *= radix;
    }
    return x;
}

/* A row of n real numbers, of which x has `known` and the others are 0: y [n / 2 + 1]. Pairs of
 * numbers are transformed as complex ones and taken apart. */
static void real_row(parts y, const float *x, uint32_t known, uint32_t n, parts a, parts b,
                     const float *table, uint32_t size) {
    uint32_t half = n / 2;
    if (n == 1) {
        y.re[0] = known ? x[0] : 0.0f, y.im[0] = 0.0f;
        return;
    }
    for (uint32_t j = 0; j < half; j++) {
        a.re[j] = 2 * j < known ? x[2 * j] : 0.0f;
        a.im[j] = 2 * j + 1 < known ? x[2 * j + 1] : 0.0f;
    }
    a = transform(a, b, half, 1, table, size);
    y.re[0] = a.re[0] + a.im[0], y.re[half] = a.re[0] - a.im[0];
    y.im[0] = y.im[half] = 0.0f;
    for (uint32_t k = 1; k < half; k++) {
        const float *w = table + (size_t)2 * k * (size / n);
        float sr = a.re[k] + a.re[half - k], si = a.im[k] - a.im[half - k];
        float dr = a.re[k] - a.re[half - k], di = a.im[k] + a.im[half - k];
        y.re[k] = 0.5f * (sr + w[0] * di + w[1] * dr);
        y.im[k] = 0.5f * (si - w[0] * dr + w[1] * di);
    }
}

EW_DEFINE(rfft2d_f32) {
    const ew_rfft2d *p = params;
    const float *table = operand[1];
    uint32_t columns = p->columns / 2 + 1;
    size_t all = (size_t)p->rows * columns;
    parts a = {scratch, (float *)scratch + all}, b = {a.im + all, a.im + 2 * all};
    parts c = {b.im + all, b.im + all + columns}, d = {c.im + columns, c.im + 2 * (size_t)columns};
    for (size_t tile = tile_begin; tile < tile_end; tile++) {
        const float *x = (const float *)operand[0] + tile * p->h * p->w;
        float *y = (float *)operand[2] + tile * all * 2;
        for (uint32_t i = 0; i < p->rows; i++) {
            parts row = {a.re + (size_t)i * columns, a.im + (size_t)i * columns};
            uint32_t known = i < p->h ? ew_min_u32(p->w, p->columns) : 0;
            const float *from = known ? x + (size_t)i * p->w : x;
            real_row(row, from, known, p->columns, c, d, table, p->size);
        }
        parts found = transform(a, b, p->rows, columns, table, p->size);
        for (size_t i = 0; i < all; i++) y[2 * i] = found.re[i], y[2 * i + 1] = found.im[i];
    }
}

EW_DEFINE(complex_abs_f32) {
    const ew_unary *p = params;
    EW_UNUSED(scratch);
    uint32_t end = ew_min_u32(p->count, tile_end * p->per_tile);
    const float *x = operand[0];
    float *y = operand[1];
    for (size_t i = (size_t)tile_begin * p->per_tile; i < end; i++) {
        float a = x[2 * i] < 0.0f ? -x[2 * i] : x[2 * i];
        float b = x[2 * i + 1] < 0.0f ? -x[2 * i + 1] : x[2 * i + 1];
        float large = a > b ? a : b, small = a > b ? b : a; /* b, a where one is NaN */
        float ratio = large > 0.0f && large < __builtin_inff() ? small / large : small - small;
        float size = large * ew_sqrt_f32(1.0f + ratio * ratio);
        y[i] = a == __builtin_inff() || b == __builtin_inff() ? __builtin_inff() : size;
    }
}
