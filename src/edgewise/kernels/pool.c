/* AVERAGE_POOL_2D and MAX_POOL_2D: tap after tap, all channels of a tap at once. */
#include "kernel.h"

/* The taps of one output pixel that lie inside x. */
typedef struct {
    uint32_t top, bottom, left, right; /* input rows [top, bottom), columns [left, right) */
} tap_range;

static void clip_taps(uint32_t at, uint32_t stride, uint32_t pad, uint32_t kernel, uint32_t size,
                      uint32_t *begin, uint32_t *end) {
    uint32_t first = at * stride;
    *begin = first > pad ? first - pad : 0;
    *end = first + kernel > pad ? ew_min_u32(first + kernel - pad, size) : 0;
    if (*begin > *end) *begin = *end;
}

static tap_range taps_of(const ew_window *s, uint32_t row, uint32_t ox) {
    tap_range t;
    clip_taps(row % s->oh, s->stride_h, s->pad_top, s->kernel_h, s->h, &t.top, &t.bottom);
    clip_taps(ox, s->stride_w, s->pad_left, s->kernel_w, s->w, &t.left, &t.right);
    return t;
}

#define FOR_EACH_PIXEL                                                                             \
    for (uint32_t row = tile_begin; row < tile_end; row++)                                         \
        for (uint32_t ox = 0; ox < s->ow; ox++)

/* For every tap: `from` is its first element. */
#define FOR_EACH_TAP(t, type)                                                                      \
    for (uint32_t i = (t).top; i < (t).bottom; i++)                                                \
        for (uint32_t j = (t).left; j < (t).right; j++)                                            \
            for (const type *from = x + (((size_t)(row / s->oh) * s->h + i) * s->w + j) * s->c,    \
                            *once = from;                                                          \
                 once; once = NULL)

EW_DEFINE(average_pool_2d_f32) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    const float *x = operand[0];
    uint32_t channels = s->c;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL {
        tap_range t = taps_of(s, row, ox);
        float *y = (float *)operand[1] + ((size_t)row * s->ow + ox) * channels;
        float count = (float)((t.bottom - t.top) * (t.right - t.left));
        for (uint32_t c = 0; c < channels; c++) y[c] = 0.0f;
        FOR_EACH_TAP(t, float) for (uint32_t c = 0; c < channels; c++) y[c] += from[c];
        for (uint32_t c = 0; c < channels; c++)
            y[c] = ew_clamp_f32(y[c] / count, p->low_f32, p->high_f32);
    }
}

EW_DEFINE(max_pool_2d_f32) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    const float *x = operand[0];
    uint32_t channels = s->c;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL {
        tap_range t = taps_of(s, row, ox);
        float *y = (float *)operand[1] + ((size_t)row * s->ow + ox) * channels;
        for (uint32_t c = 0; c < channels; c++) y[c] = -__builtin_inff();
        FOR_EACH_TAP(t, float) for (uint32_t c = 0; c < channels; c++)
            y[c] = from[c] > y[c] || from[c] != from[c] ? from[c] : y[c];
        for (uint32_t c = 0; c < channels; c++)
            y[c] = ew_clamp_f32(y[c], p->low_f32, p->high_f32);
    }
}

EW_INLINE void add_stored(int32_t *sum, const uint8_t *x, uint32_t n, const uint32_t is_signed) {
    for (uint32_t c = 0; c < n; c++) sum[c] += ew_stored(x, c, is_signed);
}

/* Sums in s32, divided by the taps inside x, halves away from zero. */
EW_DEFINE(average_pool_2d_b8) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    const uint8_t *x = operand[0];
    uint32_t channels = s->c;
    int32_t *sum = scratch;
    FOR_EACH_PIXEL {
        tap_range t = taps_of(s, row, ox);
        uint8_t *y = (uint8_t *)operand[1] + ((size_t)row * s->ow + ox) * channels;
        int32_t count = (int32_t)((t.bottom - t.top) * (t.right - t.left));
        for (uint32_t c = 0; c < channels; c++) sum[c] = 0;
        if (p->is_signed)
            FOR_EACH_TAP(t, uint8_t) add_stored(sum, from, channels, 1);
        else
            FOR_EACH_TAP(t, uint8_t) add_stored(sum, from, channels, 0);
        for (uint32_t c = 0; c < channels; c++) {
            int32_t half = sum[c] < 0 ? -(count / 2) : count / 2;
            int32_t mean = count ? (sum[c] + half) / count : 0;
            y[c] = (uint8_t)ew_min_s32(ew_max_s32(mean, p->low), p->high);
        }
    }
}

EW_INLINE void keep_largest(uint8_t *y, const uint8_t *x, uint32_t n, const uint32_t is_signed) {
    for (uint32_t c = 0; c < n; c++)
        y[c] = ew_stored(x, c, is_signed) > ew_stored(y, c, is_signed) ? x[c] : y[c];
}

EW_DEFINE(max_pool_2d_b8) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    const uint8_t *x = operand[0];
    uint32_t channels = s->c;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL {
        tap_range t = taps_of(s, row, ox);
        uint8_t *y = (uint8_t *)operand[1] + ((size_t)row * s->ow + ox) * channels;
        for (uint32_t c = 0; c < channels; c++) y[c] = p->is_signed ? 0x80 : 0;
        if (p->is_signed)
            FOR_EACH_TAP(t, uint8_t) keep_largest(y, from, channels, 1);
        else
            FOR_EACH_TAP(t, uint8_t) keep_largest(y, from, channels, 0);
        for (uint32_t c = 0; c < channels; c++) {
            int32_t q = ew_stored(y, c, p->is_signed);
            y[c] = (uint8_t)ew_min_s32(ew_max_s32(q, p->low), p->high);
        }
    }
}
