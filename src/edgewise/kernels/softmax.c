/* SOFTMAX and LOG_SOFTMAX over rows. */
#include "kernel.h"
#include "math.h"

/* The largest of n numbers, any number where one of them is NaN. */
static float largest_f32(const float *x, uint32_t n) {
    float lanes[EW_LANES], largest = -__builtin_inff();
    v_f32 found = v_splat_f32(largest);
    uint32_t i = 0;
    for (; i + EW_LANES <= n; i += EW_LANES) found = v_max(found, v_load_f32(x + i));
    for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    __builtin_memcpy(lanes, &found, sizeof lanes);
    for (uint32_t l = 0; l < EW_LANES; l++) largest = lanes[l] > largest ? lanes[l] : largest;
    return largest;
}

static float sum_f32(const float *x, uint32_t n) {
    float lanes[EW_LANES], sum = 0.0f;
    v_f32 total = v_splat_f32(0.0f);
    uint32_t i = 0;
    for (; i + EW_LANES <= n; i += EW_LANES) total += v_load_f32(x + i);
    for (; i < n; i++) sum += x[i];
    __builtin_memcpy(lanes, &total, sizeof lanes);
    for (uint32_t l = 0; l < EW_LANES; l++) sum += lanes[l];
    return sum;
}

EW_DEFINE(softmax_f32) {
    const ew_softmax *p = params;
    uint32_t n = p->depth;
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile;
         row < ew_min_u32(p->rows, tile_end * p->rows_per_tile); row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[1] + (size_t)row * n;
        float largest = largest_f32(x, n);
        for (uint32_t i = 0; i < n; i++) y[i] = ew_exp_f32((x[i] - largest) * p->beta);
        float sum = sum_f32(y, n);
        float scale = 1.0f / sum;
        for (uint32_t i = 0; i < n; i++) y[i] *= scale;
    }
}

EW_DEFINE(log_softmax_f32) {
    const ew_softmax *p = params;
    float *e = scratch;
    uint32_t n = p->depth;
    for (uint32_t row = tile_begin * p->rows_per_tile;
         row < ew_min_u32(p->rows, tile_end * p->rows_per_tile); row++) {
        const float *x = (const float *)operand[0] + (size_t)row * n;
        float *y = (float *)operand[1] + (size_t)row * n;
        float largest = largest_f32(x, n);
        for (uint32_t i = 0; i < n; i++) e[i] = ew_exp_f32(x[i] - largest);
        float log = (float)ew_log_f64((double)sum_f32(e, n));
        for (uint32_t i = 0; i < n; i++) y[i] = x[i] - largest - log;
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
