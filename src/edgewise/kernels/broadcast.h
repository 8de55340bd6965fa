/* Elementwise kernels of several operands that broadcast: one driver, and a function per kernel
 * that computes a row of dense operands.
 *
 * An operand that repeats within a row (a scalar, a bias per channel) is unrolled into scratch
 * first, so that rows know one case only. The cost is one store per `pattern` elements of y and a
 * load that the first-level cache serves. */
#ifndef EW_BROADCAST_H
#define EW_BROADCAST_H
#include "kernel.h"

/* y[0..n) from the dense rows x[0], x[1], ...; y may be one of them. */
typedef void ew_row(const void *params, const void *const *x, void *y, size_t n);

/* Rows whose y may be an operand, and nothing else overlaps: iterations are independent. */
#if EW_LANES == 1
#define EW_INDEPENDENT
#elif defined(__clang__)
#define EW_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define EW_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* Bytes of an element of each operand, and of y. */
typedef struct {
    uint8_t x[EW_MOST_X], y;
} ew_element_bytes;

/* Fills to[0..total) with copies of from[0..bytes), doubling what is there. */
static inline void ew_repeat(uint8_t *to, const uint8_t *from, size_t bytes, size_t total) {
    size_t filled = bytes < total ? bytes : total;
    ew_copy(to, from, filled);
    for (size_t n; filled < total; filled += n) {
        n = filled < total - filled ? filled : total - filled;
        ew_copy(to + filled, to, n);
    }
}

/* Elements [first, first + n) of a run, from the operands' starts of that run. */
static inline void ew_run_part(const ew_broadcast *p, const void *params, const uint8_t *const *x,
                               const ew_element_bytes *bytes, uint32_t n_x, ew_row *row, uint8_t *y,
                               size_t first, size_t n) {
    while (n > 0) {
        const void *at[EW_MOST_X];
        size_t step = n;
        for (uint32_t k = 0; k < n_x; k++) {
            size_t element = p->period[k] ? first % p->period[k] : first;
            at[k] = x[k] + element * bytes->x[k];
            if (p->period[k] && p->pattern[k] - element < step) step = p->pattern[k] - element;
        }
        row(params, at, y, step);
        first += step, n -= step, y += step * bytes->y;
    }
}

/* All rows of the tiles [tile_begin, tile_end). */
static inline void ew_rows(const ew_broadcast *p, const void *params, void *const *operand,
                           ew_element_bytes bytes, uint32_t n_x, ew_row *row, uint32_t tile_begin,
                           uint32_t tile_end, void *scratch) {
    size_t at = (size_t)tile_begin * p->per_tile, end = (size_t)tile_end * p->per_tile;
    uint8_t *y = (uint8_t *)operand[n_x] + at * bytes.y;
    const uint8_t *unrolled[EW_MOST_X] = {0}; /* whose elements the patterns hold */
    end = end < p->count ? end : p->count;
    for (size_t n; at < end; at += n, y += n * bytes.y) {
        size_t first = at % p->run, outer = at / p->run;
        const uint8_t *x[EW_MOST_X];
        uint8_t *pattern = scratch;
        n = p->run - first < end - at ? p->run - first : end - at;
        for (uint32_t k = 0; k < n_x; k++) {
            size_t start = 0, rest = outer;
            for (uint32_t d = p->rank; d-- > 0; rest /= p->dims[d])
                start += rest % p->dims[d] * p->stride[k][d];
            x[k] = (const uint8_t *)operand[k] + start * bytes.x[k];
            if (!p->period[k]) continue;
            size_t wanted = p->pattern[k] < end - at + p->period[k] ? p->pattern[k]
                                                                    : end - at + p->period[k];
            if (x[k] != unrolled[k]) {
                unrolled[k] = x[k];
                ew_repeat(pattern, x[k], (size_t)p->period[k] * bytes.x[k], wanted * bytes.x[k]);
            }
            x[k] = pattern;
            pattern += ((size_t)p->pattern[k] * bytes.x[k] + 63) / 64 * 64;
        }
        ew_run_part(p, params, x, &bytes, n_x, row, y, first, n);
    }
}
#endif
