/* REDUCE_WINDOW and STABLEHLO_REDUCE_WINDOW: rows of y, joined by one element of every window after
 * the other, so that neighbours are computed side by side. */
#include "combine.h"

enum { BLOCK = 64 };

/* The first element of x's row that tap `tap` (of all axes but the last) of the windows of row `row`
 * lies in; -1: between x's rows or around them. */
static int64_t row_of(const ew_reduce_window *p, uint32_t row, uint32_t tap) {
    size_t offset = 0, stride = p->x_dims[p->rank - 1];
    for (uint32_t d = p->rank - 1; d-- > 0; row /= p->y_dims[d], tap /= p->window[d]) {
        int64_t at = (int64_t)(row % p->y_dims[d]) * p->stride[d];
        at += (int64_t)(tap % p->window[d]) * p->dilation[d] - p->low[d];
        if (at < 0 || at % p->base[d] || at / p->base[d] >= p->x_dims[d]) return -1;
        offset += (size_t)(at / p->base[d]) * stride;
        stride *= p->x_dims[d];
    }
    return (int64_t)offset;
}

/* Element i of a row that is spread and padded. */
#define AT(i) (x && (i) >= 0 && (i) % base == 0 && (i) / base < size ? x[(i) / base] : init)

/* y [n] joined by the elements first + i * stride of a row of x (NULL: a row of padding). */
#define DEFINE_LINE(suffix, E)                                                                     \
    static void line_##suffix(const ew_reduce_window *p, const E *x, E init, int64_t first, E *y) { \
        uint32_t last = p->rank - 1, n = p->y_dims[last];                                          \
        int64_t stride = p->stride[last], base = p->base[last], size = p->x_dims[last];            \
        E block[BLOCK];                                                                            \
        for (uint32_t i = 0, step; i < n; i += step) {                                             \
            int64_t at = first + i * stride;                                                       \
            if (x && stride == 1 && base == 1 && at >= 0 && at < size) {                           \
                step = (uint32_t)(size - at < n - i ? size - at : n - i);                          \
                ew_join_##suffix(p->op, y + i, x + at, step);                                      \
                continue;                                                                          \
            }                                                                                      \
            step = ew_min_u32(n - i, BLOCK);                                                       \
            if (at < 0 && stride == 1 && at + step > 0) step = (uint32_t)-at;                      \
            for (uint32_t k = 0; k < step; k++) block[k] = AT(at + k * stride);                    \
            ew_join_##suffix(p->op, y + i, block, step);                                           \
        }                                                                                          \
    }
EW_JOINED_TYPES(DEFINE_LINE)

#define DEFINE_REDUCE_WINDOW(suffix, E)                                                            \
    EW_DEFINE(reduce_window_##suffix) {                                                            \
        const ew_reduce_window *p = params;                                                        \
        uint32_t last = p->rank - 1, n = p->y_dims[last], rows = 1, taps = 1;                      \
        const E *x = operand[0], init = *(const E *)operand[1];                                    \
        EW_UNUSED(scratch);                                                                        \
        for (uint32_t d = 0; d < last; d++) rows *= p->y_dims[d], taps *= p->window[d];            \
        uint32_t end = ew_min_u32(rows, tile_end * p->rows_per_tile);                              \
        for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {                     \
            E *y = (E *)operand[2] + (size_t)row * n;                                              \
            for (uint32_t i = 0; i < n; i++) y[i] = init;                                          \
            for (uint32_t tap = 0; tap < taps; tap++) {                                            \
                int64_t offset = row_of(p, row, tap);                                              \
                for (uint32_t k = 0; k < p->window[last]; k++) {                                   \
                    int64_t first = (int64_t)k * p->dilation[last] - p->low[last];                 \
                    line_##suffix(p, offset < 0 ? 0 : x + offset, init, first, y);                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
EW_JOINED_TYPES(DEFINE_REDUCE_WINDOW)
