/* DEPTHWISE_CONV_2D: for a group of neighbouring output pixels the addresses of the first one's
 * taps, then vectors of channels over all taps; a vector of weights serves the whole group. Taps in
 * the padding read a row of zeros (b8: of zero points). Pixels whose taps leave x on the left or
 * right go alone. The last vector of channels overlaps the one before it instead of a scalar tail.
 * Where there are fewer channels than lanes, or a multiplier, channels go one by one. */
#include "kernel.h"

enum { GROUP = EW_GROUP };

/* Addresses of the taps of the output pixel `ox` of row `row` (of all N * OH). */
static void find_taps(const ew_window *s, uint32_t row, uint32_t ox, uint32_t bytes,
                      const uint8_t *x, const uint8_t *zeros, const uint8_t **tap) {
    uint32_t image = row / s->oh, oy = row % s->oh;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        uint32_t line = oy * s->stride_h + i * s->dilation_h - s->pad_top;
        for (uint32_t j = 0; j < s->kernel_w; j++) {
            uint32_t at = ox * s->stride_w + j * s->dilation_w - s->pad_left;
            int inside = line < s->h && at < s->w; /* negatives wrap around */
            size_t pixel = ((size_t)image * s->h + line) * s->w + at;
            *tap++ = inside ? x + pixel * s->c * bytes : zeros;
        }
    }
}

/* The pixels from `ox` on that can go together: GROUP where all their columns lie inside x. */
static uint32_t group_at(const ew_window *s, uint32_t ox) {
    if (ox + GROUP > s->ow) return 1;
    uint32_t first = ox * s->stride_w;
    uint32_t last = (ox + GROUP - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w;
    return first >= s->pad_left && last - s->pad_left < s->w ? GROUP : 1;
}

/* Elements of the row of zeros. */
static size_t zeros_of(const ew_window *s) {
    return s->ow < GROUP ? s->c : (size_t)s->c * ((GROUP - 1) * (size_t)s->stride_w + 1);
}

/* `vectors` vectors of channels from `c` on, of `pixels` output pixels. */
EW_INLINE void block_f32(const uint32_t pixels, const uint32_t vectors,
                         const ew_depthwise_conv_2d *p, const float *const *tap, const float *w,
                         const float *bias, float *y, size_t c) {
    const ew_window *s = &p->window;
    size_t step = (size_t)s->stride_w * s->c, o = s->o;
    uint32_t taps = s->kernel_h * s->kernel_w;
    v_f32 acc[GROUP][2];
    for (uint32_t g = 0; g < pixels; g++)
        for (uint32_t v = 0; v < vectors; v++) acc[g][v] = v_load_f32(bias + c + v * EW_LANES);
    for (uint32_t t = 0; t < taps; t++) {
        const float *from = tap[t] + c, *by = w + t * o + c;
        for (uint32_t v = 0; v < vectors; v++) {
            v_f32 weight = v_load_f32(by + v * EW_LANES);
            for (uint32_t g = 0; g < pixels; g++)
                acc[g][v] = v_fma(v_load_f32(from + g * step + v * EW_LANES), weight, acc[g][v]);
        }
    }
    for (uint32_t g = 0; g < pixels; g++)
        for (uint32_t v = 0; v < vectors; v++) {
            v_f32 out = v_max(v_splat_f32(p->low_f32), acc[g][v]);
            v_store_f32(y + g * o + c + v * EW_LANES, v_min(v_splat_f32(p->high_f32), out));
        }
}

EW_INLINE void pixels_f32(const uint32_t pixels, const ew_depthwise_conv_2d *p,
                          const float *const *tap, const float *w, const float *bias, float *y) {
    uint32_t o = p->window.o, c = 0;
    for (; c + 2 * EW_LANES <= o; c += 2 * EW_LANES) block_f32(pixels, 2, p, tap, w, bias, y, c);
    for (; c + EW_LANES <= o; c += EW_LANES) block_f32(pixels, 1, p, tap, w, bias, y, c);
    if (c < o) block_f32(pixels, 1, p, tap, w, bias, y, o - EW_LANES);
}

static void pixel_f32_narrow(const ew_depthwise_conv_2d *p, const float *const *tap,
                             const float *w, const float *bias, float *y) {
    uint32_t taps = p->window.kernel_h * p->window.kernel_w, o = p->window.o;
    for (uint32_t c = 0; c < o; c++) {
        float acc = bias[c];
        for (uint32_t t = 0; t < taps; t++)
            acc += tap[t][c / p->multiplier] * w[(size_t)t * o + c];
        y[c] = ew_clamp_f32(acc, p->low_f32, p->high_f32);
    }
}

static int is_narrow(const ew_depthwise_conv_2d *p) {
    return p->multiplier != 1 || p->window.o < EW_LANES;
}

EW_DEFINE(depthwise_conv_2d_f32) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const float *w = operand[1], *bias = operand[2];
    float *zeros = scratch;
    const uint8_t *tap[EW_MAX_TAPS];
    const float *const *from = (const float *const *)(const void *)tap;
    for (size_t c = 0; c < zeros_of(s); c++) zeros[c] = 0.0f;
    for (uint32_t row = tile_begin; row < tile_end; row++)
        for (uint32_t ox = 0, pixels; ox < s->ow; ox += pixels) {
            float *y = (float *)operand[3] + ((size_t)row * s->ow + ox) * s->o;
            pixels = is_narrow(p) ? 1 : group_at(s, ox);
            find_taps(s, row, ox, sizeof *w, operand[0], scratch, tap);
            if (is_narrow(p))
                pixel_f32_narrow(p, from, w, bias, y);
            else if (pixels == GROUP)
                pixels_f32(GROUP, p, from, w, bias, y);
            else
                pixels_f32(1, p, from, w, bias, y);
        }
}

/* The operands of b8 that do not change: weights, bias, scale. */
typedef struct {
    const int16_t *w;
    const int32_t *bias;
    const float *scale;
} weights_b8;

EW_INLINE void block_b8(const uint32_t pixels, const uint32_t is_signed,
                        const ew_depthwise_conv_2d *p, const uint8_t *const *tap,
                        const weights_b8 *k, uint8_t *y, size_t c) {
    const ew_window *s = &p->window;
    size_t step = (size_t)s->stride_w * s->c, o = s->o;
    uint32_t taps = s->kernel_h * s->kernel_w;
    const int16_t *w = k->w + 2 * c;
    v_s32 acc[GROUP];
    for (uint32_t g = 0; g < pixels; g++) acc[g] = v_load_s32(k->bias + c);
    for (uint32_t t = 0; t < taps; t += 2, w += 2 * o) {
        /* the weights of the tap after an odd last one are 0 */
        const uint8_t *even = tap[t] + c, *odd = tap[t + 1 < taps ? t + 1 : t] + c;
        v_s32 weight = v_load_s32(w);
        for (uint32_t g = 0; g < pixels; g++)
            acc[g] = v_dot_s16(v_load_pairs_b8(even + g * step, odd + g * step, is_signed), weight,
                               acc[g]);
    }
    v_f32 scale = v_load_f32(k->scale + c);
    float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    for (uint32_t g = 0; g < pixels; g++)
        v_store_b8(y + g * o + c, v_requantize(acc[g], scale, low, high, p->y_zero));
}

EW_INLINE void pixels_b8(const uint32_t pixels, const uint32_t is_signed,
                         const ew_depthwise_conv_2d *p, const uint8_t *const *tap,
                         const weights_b8 *k, uint8_t *y) {
    uint32_t o = p->window.o, c = 0;
    for (; c + EW_LANES <= o; c += EW_LANES) block_b8(pixels, is_signed, p, tap, k, y, c);
    if (c < o) block_b8(pixels, is_signed, p, tap, k, y, o - EW_LANES);
}

static void pixel_b8_narrow(const ew_depthwise_conv_2d *p, const uint8_t *const *tap,
                            const weights_b8 *k, uint8_t *y) {
    uint32_t taps = p->window.kernel_h * p->window.kernel_w, o = p->window.o;
    float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    for (uint32_t c = 0; c < o; c++) {
        int32_t acc = k->bias[c];
        for (uint32_t t = 0; t < taps; t++)
            acc += ew_stored(tap[t], c / p->multiplier, p->is_signed) *
                   k->w[((size_t)(t / 2) * o + c) * 2 + t % 2];
        float real = (float)acc * k->scale[c];
        real = real > low ? real : low;
        real = real < high ? real : high;
        y[c] = (uint8_t)(ew_round(real) + p->y_zero);
    }
}

EW_DEFINE(depthwise_conv_2d_b8) {
    const ew_depthwise_conv_2d *p = params;
    const ew_window *s = &p->window;
    const weights_b8 k = {operand[1], operand[2], operand[3]};
    uint8_t *zeros = scratch;
    const uint8_t *tap[EW_MAX_TAPS];
    for (size_t c = 0; c < zeros_of(s); c++) zeros[c] = (uint8_t)p->x_zero;
    for (uint32_t row = tile_begin; row < tile_end; row++)
        for (uint32_t ox = 0, pixels; ox < s->ow; ox += pixels) {
            uint8_t *y = (uint8_t *)operand[4] + ((size_t)row * s->ow + ox) * s->o;
            pixels = is_narrow(p) ? 1 : group_at(s, ox);
            find_taps(s, row, ox, 1, operand[0], zeros, tap);
            if (is_narrow(p))
                pixel_b8_narrow(p, tap, &k, y);
            else if (pixels == GROUP && p->is_signed)
                pixels_b8(GROUP, 1, p, tap, &k, y);
            else if (pixels == GROUP)
                pixels_b8(GROUP, 0, p, tap, &k, y);
            else if (p->is_signed)
                pixels_b8(1, 1, p, tap, &k, y);
            else
                pixels_b8(1, 0, p, tap, &k, y);
        }
}
