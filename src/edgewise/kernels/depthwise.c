/* DEPTHWISE_CONV_2D: for each output pixel the addresses of its taps (padding reads a row of zeros
 * or zero points), then vectors of channels over all taps. The last vector overlaps the one before
 * it instead of a scalar tail. Where the multiplier is not 1, the taps are first repeated. */
#include "kernel.h"

/* Addresses of the taps of output pixel (row of all N * OH rows, ox), `bytes` per element. */
static void find_taps(const ew_window *s, uint32_t row, uint32_t ox, uint32_t bytes,
                      const uint8_t *x, const uint8_t *zeros, const uint8_t **tap) {
    uint32_t image = row / s->oh, oy = row % s->oh;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        uint32_t y = oy * s->stride_h + i * s->dilation_h - s->pad_top;
        for (uint32_t j = 0; j < s->kernel_w; j++) {
            uint32_t col = ox * s->stride_w + j * s->dilation_w - s->pad_left;
            int inside = y < s->h && col < s->w; /* negative ones wrap around */
            *tap++ = inside ? x + (((size_t)image * s->h + y) * s->w + col) * s->c * bytes : zeros;
        }
    }
}

EW_INLINE void block_f32(const float *const *tap, uint32_t taps, const float *w, uint32_t o,
                         const float *bias, float low, float high, float *y, uint32_t c) {
    v_f32 acc = v_load_f32(bias + c);
    for (uint32_t t = 0; t < taps; t++)
        acc = v_fma(v_load_f32(tap[t] + c), v_load_f32(w + (size_t)t * o + c), acc);
    v_store_f32(y + c, v_min(v_splat_f32(high), v_max(v_splat_f32(low), acc)));
}

static void pixel_f32(const ew_depthwise_conv_2d *p, const float *const *tap, const float *w,
                      const float *bias, float *y) {
    const ew_window *s = &p->window;
    uint32_t taps = s->kernel_h * s->kernel_w, o = s->o, c = 0;
    if (p->multiplier == 1 && o >= EW_LANES) {
        for (; c + EW_LANES <= o; c += EW_LANES)
            block_f32(tap, taps, w, o, bias, p->low_f32, p->high_f32, y, c);
        if (c < o) block_f32(tap, taps, w, o, bias, p->low_f32, p->high_f32, y, o - EW_LANES);
        return;
    }
    for (; c < o; c++) {
        float acc = bias[c];
        for (uint32_t t = 0; t < taps; t++)
            acc += tap[t][c / p->multiplier] * w[(size_t)t * o + c];
        acc = p->low_f32 > acc ? p->low_f32 : acc;
        y[c] = p->high_f32 < acc ? p->high_f32 : acc;
    }
}

EW_DEFINE(depthwise_conv_2d_f32) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const float *w = operand[1], *bias = operand[2];
    float *y = operand[3], *zeros = scratch;
    const uint8_t *tap[EW_MAX_TAPS];
    for (uint32_t c = 0; c < s->c; c++) zeros[c] = 0.0f;
    for (uint32_t row = tile_begin; row < tile_end; row++)
        for (uint32_t ox = 0; ox < s->ow; ox++) {
            find_taps(s, row, ox, sizeof *w, operand[0], scratch, tap);
            pixel_f32(p, (const float *const *)(const void *)tap, w, bias,
                      y + ((size_t)row * s->ow + ox) * s->o);
        }
}

EW_INLINE void block_b8(const ew_depthwise_conv_2d *p, const uint8_t *const *tap, uint32_t taps,
                        const int16_t *w, const int32_t *bias, const float *scale, uint8_t *y,
                        uint32_t c, const uint32_t is_signed) {
    size_t o = p->window.o;
    v_s32 acc = v_load_s32(bias + c);
    for (uint32_t t = 0; t + 1 < taps; t += 2, w += 2 * o) {
        v_s32 pair = v_pair_s16(v_load_b8(tap[t] + c, is_signed),
                                v_load_b8(tap[t + 1] + c, is_signed));
        acc = v_dot_s16(pair, v_load_s32(w + 2 * c), acc);
    }
    if (taps % 2) /* the weights of the tap after the last are 0 */
        acc = v_dot_s16(v_load_b8(tap[taps - 1] + c, is_signed) & 0xFFFF, v_load_s32(w + 2 * c),
                        acc);
    v_store_b8(y + c, v_requantize(acc, v_load_f32(scale + c), (float)(p->low - p->y_zero),
                                   (float)(p->high - p->y_zero), p->y_zero));
}

EW_INLINE void pixel_b8(const ew_depthwise_conv_2d *p, const uint8_t *const *tap, const int16_t *w,
                        const int32_t *bias, const float *scale, uint8_t *y,
                        const uint32_t is_signed) {
    uint32_t taps = p->window.kernel_h * p->window.kernel_w, o = p->window.o, c = 0;
    for (; c + EW_LANES <= o; c += EW_LANES)
        block_b8(p, tap, taps, w, bias, scale, y, c, is_signed);
    if (c < o) block_b8(p, tap, taps, w, bias, scale, y, o - EW_LANES, is_signed);
}

/* Fewer channels than lanes, or a multiplier: one channel after the other, the same formula. */
static void pixel_b8_narrow(const ew_depthwise_conv_2d *p, const uint8_t *const *tap,
                            const int16_t *w, const int32_t *bias, const float *scale, uint8_t *y) {
    uint32_t taps = p->window.kernel_h * p->window.kernel_w, o = p->window.o;
    float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    for (uint32_t c = 0; c < o; c++) {
        int32_t acc = bias[c];
        for (uint32_t t = 0; t < taps; t++)
            acc += ew_stored(tap[t], c / p->multiplier, p->is_signed) *
                   w[((size_t)(t / 2) * o + c) * 2 + t % 2];
        float real = (float)acc * scale[c];
        real = real > low ? real : low;
        real = real < high ? real : high;
        y[c] = (uint8_t)(ew_round(real) + p->y_zero);
    }
}

EW_DEFINE(depthwise_conv_2d_b8) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const int16_t *w = operand[1];
    const int32_t *bias = operand[2];
    const float *scale = operand[3];
    uint8_t *y = operand[4], *zeros = scratch;
    const uint8_t *tap[EW_MAX_TAPS];
    for (uint32_t c = 0; c < s->c; c++) zeros[c] = (uint8_t)p->x_zero;
    for (uint32_t row = tile_begin; row < tile_end; row++)
        for (uint32_t ox = 0; ox < s->ow; ox++) {
            uint8_t *to = y + ((size_t)row * s->ow + ox) * s->o;
            find_taps(s, row, ox, 1, operand[0], zeros, tap);
            if (p->multiplier != 1 || s->o < EW_LANES)
                pixel_b8_narrow(p, tap, w, bias, scale, to);
            else if (p->is_signed)
                pixel_b8(p, tap, w, bias, scale, to, 1);
            else
                pixel_b8(p, tap, w, bias, scale, to, 0);
        }
}
