/* SOFTMAX and LOG_SOFTMAX over rows. */
#include "exponentials.h"
#include "fixed.h"
#include "knots.h"

/* Most rows that take each step one after the other: what one waits for others compute, and the
 * rows that follow arrive. In numbers, ROOM is a sixth of the first cache and LINE one of its. */
enum { ROWS = 8, ROOM = 2048, LINE = 16 };

/* Short rows are one run of exponentials, since each alone is a rest. */
EW_DEFINE(softmax_f32) {
    const ew_softmax *p = params;
    const uint32_t n = p->depth, row = tile_begin * p->rows_per_tile;
    const uint32_t rows = ew_min_u32(p->rows, tile_end * p->rows_per_tile) - row;
    const float *x = (const float *)operand[0] + (size_t)row * n;
    float *y = (float *)operand[1] + (size_t)row * n;
    EW_UNUSED(scratch);
    if (n >= 4 * EW_LANES) {
        const uint32_t most = n > ROOM ? 1 : ew_min_u32(ROWS, ROOM / n), ahead = n > ROOM ? 0 : n;
        float of_row[ROWS];
        for (uint32_t r = 0, at_once; r < rows; r += at_once) {
            at_once = ew_min_u32(most, rows - r);
            for (uint32_t k = 0; k < at_once; k++) of_row[k] = largest_f32(x + k * n, n);
            for (uint32_t k = 0; k < at_once; k++) {
                const float *later = x + (size_t)(at_once + k) * n;
                for (uint32_t i = 0; i < ahead; i += LINE) v_fetch_near(later + i);
                of_row[k] = exponentials_f32(x + k * n, y + k * n, n, of_row[k], p->beta);
            }
            for (uint32_t k = 0; k < at_once; k++) scale_f32(y + k * n, n, 1.0f / of_row[k]);
            x += (size_t)at_once * n, y += (size_t)at_once * n;
        }
        return;
    }
    for (uint32_t r = 0; r < rows; r++) {
        float largest = largest_f32(x + r * n, n);
        for (uint32_t i = r * n; i < (r + 1) * n; i++) y[i] = x[i] - largest;
    }
    exponentials_f32(y, y, rows * n, 0.0f, p->beta);
    for (uint32_t r = 0; r < rows; r++) scale_f32(y + r * n, n, 1.0f / sum_f32(y + r * n, n));
}

EW_DEFINE(log_softmax_f32) {
    const ew_softmax *p = params;
    const uint32_t n = p->depth, at_once = n < 4 * EW_LANES ? p->rows_per_tile : 1;
    uint32_t row = tile_begin * p->rows_per_tile;
    uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    const float *x = (const float *)operand[0] + (size_t)row * n;
    float *y = (float *)operand[1] + (size_t)row * n;
    for (uint32_t rows; row < end; row += rows) {
        rows = ew_min_u32(at_once, end - row);
        float *e = scratch, *first = y;
        for (uint32_t r = 0; r < rows; r++, x += n, y += n, e += n) {
            float largest = largest_f32(x, n);
            for (uint32_t i = 0; i < n; i++) e[i] = y[i] = x[i] - largest;
        }
        exponentials_f32(scratch, scratch, (size_t)rows * n, 0.0f, 1.0f);
        e = scratch, y = first;
        for (uint32_t r = 0; r < rows; r++, y += n, e += n) {
            float log = (float)ew_log_f64((double)sum_f32(e, n));
            for (uint32_t i = 0; i < n; i++) y[i] -= log;
        }
    }
}

EW_INLINE int32_t largest_b8(const uint8_t *x, uint32_t n, const uint32_t is_signed) {
    int32_t largest = -128;
    for (uint32_t i = 0; i < n; i++) largest = ew_max_s32(largest, ew_stored(x, i, is_signed));
    return largest;
}

/* For neighbouring rows of x: the largest stored integer, the exponentials of the distances to it,
 * and their sum, float32, one term after the other as LiteRT adds them. An addition waits for the
 * one before it, so that sums of several rows side by side cost no more than one. */
EW_INLINE void sum_rows(const uint8_t *x, uint32_t n, const uint32_t rows, const float *table,
                        float *e, int32_t *largest, float *sums, const uint32_t is_signed) {
    const float *at[4];
    float sum[4];
    EW_UNROLL for (uint32_t r = 0; r < rows; r++) {
        largest[r] = largest_b8(x + r * (size_t)n, n, is_signed);
        at[r] = table + largest[r];
        sum[r] = 0.0f;
    }
    for (uint32_t i = 0; i < n; i++) {
        EW_UNROLL for (uint32_t r = 0; r < rows; r++) {
            float term = at[r][-ew_stored(x + r * (size_t)n, i, is_signed)];
            e[r * (size_t)n + i] = term;
            sum[r] += term;
        }
    }
    EW_UNROLL for (uint32_t r = 0; r < rows; r++) sums[r] = sum[r];
}

/* Rounds half away from zero, which for positive numbers is down after adding a half. */
static void softmax_row(const ew_softmax *p, const float *e, uint8_t *y, float sum) {
    const float scale = 1.0f / (sum * p->y_scale), most = (float)(p->high - p->y_zero) + 0.5f;
    const int32_t zero = p->y_zero;
    const uint32_t n = p->depth;
    for (uint32_t i = 0; i < n; i++) {
        float real = e[i] * scale + 0.5f;
        y[i] = (uint8_t)((int32_t)(real < most ? real : most) + zero);
    }
}

EW_INLINE void log_softmax_row(const ew_softmax *p, const uint8_t *x, uint8_t *y, int32_t largest,
                               float sum, const uint32_t is_signed) {
    float log = (float)ew_log_f64((double)sum), low = (float)p->low, high = (float)p->high;
    float offset = (p->x_scale * (float)largest + log) / p->y_scale;
    float scale = p->x_scale / p->y_scale, zero = (float)p->y_zero;
    for (uint32_t i = 0; i < p->depth; i++) {
        float steps = scale * (float)ew_stored(x, i, is_signed) - offset;
        y[i] = (uint8_t)(ew_round(ew_clamp_f32(steps, low - zero, high - zero)) + p->y_zero);
    }
}

EW_INLINE void rows_b8(const ew_softmax *p, void *const *operand, uint32_t row, uint32_t end,
                       float *e, const uint32_t is_signed, const int is_log) {
    const float *table = operand[1];
    uint32_t n = p->depth;
    int32_t largest[4];
    float sum[4];
    while (row < end) {
        uint32_t rows = end - row < 4 ? 1 : 4;
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)row * n;
        uint8_t *y = (uint8_t *)operand[2] + (size_t)row * n;
        if (rows == 4)
            sum_rows(x, n, 4, table, e, largest, sum, is_signed);
        else
            sum_rows(x, n, 1, table, e, largest, sum, is_signed);
        for (uint32_t r = 0; r < rows; r++, row++, x += n, y += n) {
            if (is_log)
                log_softmax_row(p, x, y, largest[r], sum[r], is_signed);
            else
                softmax_row(p, e + r * (size_t)n, y, sum[r]);
        }
    }
}

EW_DEFINE(softmax_b8) {
    const ew_softmax *p = params;
    uint32_t row = tile_begin * p->rows_per_tile;
    uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    if (p->is_signed)
        rows_b8(p, operand, row, end, scratch, 1, 0);
    else
        rows_b8(p, operand, row, end, scratch, 0, 0);
}

EW_DEFINE(log_softmax_b8) {
    const ew_softmax *p = params;
    uint32_t row = tile_begin * p->rows_per_tile;
    uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    if (p->is_signed)
        rows_b8(p, operand, row, end, scratch, 1, 1);
    else
        rows_b8(p, operand, row, end, scratch, 0, 1);
}

/* The exponentials of one row of x, s16 of 2**-15, by its distances to the largest; their sum. */
static int32_t sum_row_s16(const ew_softmax *p, const int16_t *x, const int16_t *table,
                           int16_t *e) {
    int32_t largest = INT16_MIN, sum = 0;
    for (uint32_t i = 0; i < p->depth; i++) largest = ew_max_s32(largest, x[i]);
    for (uint32_t i = 0; i < p->depth; i++) {
        int32_t at = ew_multiply_fixed(x[i] - largest, p->multiplier, p->shift);
        e[i] = ew_between_knots(table, ew_max_s32(at, -65535) + 32767);
        sum += e[i];
    }
    return sum;
}

EW_DEFINE(softmax_s16) {
    const ew_softmax *p = params;
    const int16_t *reciprocals = operand[2];
    int16_t *e = scratch;
    uint32_t row = tile_begin * p->rows_per_tile;
    uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    for (; row < end; row++) {
        const int16_t *x = (const int16_t *)operand[0] + (size_t)row * p->depth;
        int16_t *y = (int16_t *)operand[3] + (size_t)row * p->depth;
        const uint32_t sum = (uint32_t)sum_row_s16(p, x, operand[1], e);
        /* the sum is at least the largest exponential, 2**15 - 1: it has 15 bits or more */
        const int32_t bits = 32 - __builtin_clz(sum), shift = bits - 1;
        /* scaled to [1, 2) with 16 bits; less 1, and from the middle of the table */
        const int64_t scaled = (((int64_t)sum << (31 - bits)) + (1 << 13)) >> 14;
        const int32_t at = (int32_t)(scaled - 3 * (1 << 15));
        const int32_t inverse = ew_between_knots(reciprocals, ew_min_s32(at, INT16_MAX));
        for (uint32_t i = 0; i < p->depth; i++) {
            int32_t product = e[i] * inverse;
            product = (int32_t)(((int64_t)product + ((int64_t)1 << (shift - 1))) >> shift);
            y[i] = (int16_t)ew_min_s32(ew_max_s32(product, 0), INT16_MAX);
        }
    }
}

/* The exponential of a distance d is that of its high byte times that of its low one. */
EW_DEFINE(log_softmax_s16) {
    const ew_softmax *p = params;
    const float *coarse = operand[1], *fine = operand[2];
    const float scale = p->x_scale / p->y_scale, low = (float)(p->low - p->y_zero);
    const float high = (float)(p->high - p->y_zero);
    const uint32_t n = p->depth;
    uint32_t row = tile_begin * p->rows_per_tile;
    uint32_t end = ew_min_u32(p->rows, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (; row < end; row++) {
        const int16_t *x = (const int16_t *)operand[0] + (size_t)row * n;
        int16_t *y = (int16_t *)operand[3] + (size_t)row * n;
        int32_t largest = INT16_MIN;
        double sum = 0.0;
        for (uint32_t i = 0; i < n; i++) largest = ew_max_s32(largest, x[i]);
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t distance = (uint32_t)(largest - x[i]);
            sum += (double)(coarse[distance >> 8] * fine[distance & 255]);
        }
        const float offset = (float)ew_log_f64(sum) / p->y_scale;
        for (uint32_t i = 0; i < n; i++) {
            float steps = scale * (float)(x[i] - largest) - offset;
            y[i] = (int16_t)(ew_round(ew_clamp_f32(steps, low, high)) + p->y_zero);
        }
    }
}
