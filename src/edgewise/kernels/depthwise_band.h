/* What the bodies of DEPTHWISE_CONV_2D in float32 share, and those for bands of output rows: 32
 * vector registers hold the sums of several rows of EW_PIXELS pixels at once. */
#ifndef EW_DEPTHWISE_BAND_H
#define EW_DEPTHWISE_BAND_H
#include "depthwise.h"
#include "simd_low.h"

/* An element of x and y. */
#if defined(EW_NARROW)
typedef uint16_t ew_number;
EW_INLINE v_f32 ew_load_number(const ew_number *p) { return v_load_bf16(p); }
EW_INLINE void ew_store_number(ew_number *p, v_f32 v) { v_store_bf16(p, v); }
#define ew_load_low v_load_low_bf16
#define ew_store_low v_store_low_bf16
#else
typedef float ew_number;
EW_INLINE v_f32 ew_load_number(const ew_number *p) { return v_load_f32(p); }
EW_INLINE void ew_store_number(ew_number *p, v_f32 v) { v_store_f32(p, v); }
#define ew_load_low v_load_low_f32
#define ew_store_low v_store_low_f32
#endif

EW_INLINE void ew_finish_f32(const uint32_t pixels, const ew_depthwise_conv_2d *p, const v_f32 *acc,
                             size_t y_step, ew_number *y) {
    v_f32 low = v_splat_f32(p->low_f32), high = v_splat_f32(p->high_f32);
    EW_UNROLL
    for (uint32_t g = 0; g < pixels; g++)
        ew_store_number(y + g * y_step, v_min(high, v_max(low, acc[g])));
}

/* Runs `body` for every vector of channels: from channel `c` on, weights and bias at block `b`. */
#define EW_FOR_EACH_BLOCK(p, b, c, body)                                                           \
    for (uint32_t b = 0, blocks = ew_divide_up((p)->channels, EW_LANES); b < blocks; b++) {        \
        uint32_t c = ew_min_u32(b * EW_LANES, (p)->channels - EW_LANES);                           \
        body                                                                                       \
    }

#if EW_LANES == 16
enum { EW_BAND = 4 }; /* output rows at most that are computed at once, two of a 5 x 5 kernel */

/* Some output rows of some pixels. Bit i of `lines` and `columns` says that line and column i
 * under them lie inside x, where they begin at `x`. */
typedef struct {
    const ew_number *x, *zeros;
    const float *w, *bias;
    ew_number *y;
    size_t x_line, x_pixel, y_line, y_pixel; /* elements */
    uint32_t lines, columns;
} ew_band;

/* A vector of channels: from x on, which is that of `b` moved, as is y. Checks of undefined behaviour
 * would take six times as long to compile as all else here; guard pages stand around the tensors. */
__attribute__((no_sanitize("undefined")))
EW_INLINE void ew_band_block(const uint32_t rows, const uint32_t pixels, const uint32_t kernel,
                             const uint32_t stride, const int is_inside,
                             const ew_depthwise_conv_2d *p, const ew_band *b, const float *w,
                             const float *bias, const ew_number *x, ew_number *y) {
    const uint32_t under = (rows - 1) * stride + kernel, sums = kernel == 3 ? 1 : 2;
    const uint32_t columns = (pixels - 1) * stride + kernel;
    const ew_number *const zeros = b->zeros;
    v_f32 acc[EW_BAND][2][EW_PIXELS], weight[5][5];
    EW_UNROLL
    for (uint32_t i = 0; i < rows; i++)
        EW_UNROLL
        for (uint32_t g = 0; g < pixels; g++) {
            acc[i][0][g] = v_load_f32(bias);
            if (sums > 1) acc[i][1][g] = v_splat_f32(0);
        }
    if (kernel == 3)
        EW_UNROLL
        for (uint32_t t = 0; t < kernel * kernel; t++)
            weight[t / kernel][t % kernel] = v_load_f32(w + t * EW_LANES);
    EW_UNROLL
    for (uint32_t l = 0; l < under; l++, x += b->x_line) {
        const ew_number *at = x;
        if (!is_inside && !(b->lines >> l & 1)) continue;
        if (kernel > 3) { /* of two lines; loaded before, all 25 would be spilled */
            __asm__ volatile("" : "+r"(w) : : "memory");
            EW_UNROLL
            for (uint32_t t = 0; t < kernel * kernel; t++)
                weight[t / kernel][t % kernel] = v_load_f32(w + t * EW_LANES);
        }
        EW_UNROLL
        for (uint32_t k = 0; k < columns; k++, at += b->x_pixel) {
            const v_f32 from = ew_load_number(is_inside || b->columns >> k & 1 ? at : zeros);
            EW_UNROLL
            for (uint32_t i = 0; i < rows; i++)
                EW_UNROLL
                for (uint32_t g = 0; g < pixels; g++) {
                    const uint32_t n = l - i * stride, j = k - g * stride; /* may wrap around */
                    if (n < kernel && j < kernel)
                        acc[i][j % sums][g] = v_fma(from, weight[n][j], acc[i][j % sums][g]);
                }
        }
    }
    EW_UNROLL
    for (uint32_t i = 0; i < rows; i++, y += b->y_line) {
        if (sums > 1)
            EW_UNROLL
            for (uint32_t g = 0; g < pixels; g++) acc[i][0][g] += acc[i][1][g];
        ew_finish_f32(pixels, p, acc[i][0], b->y_pixel, y);
    }
}

/* All channels. A vector of x is loaded once for all sums, where rows alone load it once for each
 * kernel row, and the weights with it, from the second-level cache (14x14x512: 31 us, not 40; with
 * 5 x 5, 28x28x240: 73, not 102; 3 x 3 with stride 2, 28x28x240: 11, not 13). Sums are in the order
 * of block_f32. */
#define EW_DEFINE_BAND(kernel, stride, rows, pixels, is_inside)                                    \
    static __attribute__((noinline)) void                                                          \
        ew_band_##kernel##x##stride##_##rows##x##pixels##_##is_inside(                             \
            const ew_depthwise_conv_2d *p, const ew_band *at) {                                    \
        EW_FOR_EACH_BLOCK(p, b, c, {                                                               \
            const float *w = at->w + b * kernel * kernel * EW_LANES;                               \
            ew_band_block(rows, pixels, kernel, stride, is_inside, p, at, w,                       \
                          at->bias + b * EW_LANES, at->x + c, at->y + c);                          \
        })                                                                                         \
    }
EW_DEFINE_BAND(3, 1, 4, 4, 1)
EW_DEFINE_BAND(3, 1, 4, 4, 0)
EW_DEFINE_BAND(3, 1, 4, 2, 0)
EW_DEFINE_BAND(3, 1, 2, 4, 0)
EW_DEFINE_BAND(3, 1, 2, 2, 0)
EW_DEFINE_BAND(3, 2, 4, 4, 1)
EW_DEFINE_BAND(3, 2, 4, 4, 0)
EW_DEFINE_BAND(3, 2, 4, 2, 0)
EW_DEFINE_BAND(3, 2, 2, 4, 0)
EW_DEFINE_BAND(3, 2, 2, 2, 0)
EW_DEFINE_BAND(5, 1, 2, 4, 1)
EW_DEFINE_BAND(5, 1, 2, 4, 0)
EW_DEFINE_BAND(5, 1, 2, 2, 0)
EW_DEFINE_BAND(5, 2, 2, 4, 1)
EW_DEFINE_BAND(5, 2, 2, 4, 0)
EW_DEFINE_BAND(5, 2, 2, 2, 0)

/* Rows of the next band where `left` are left: 0 where none are computed so. */
static uint32_t ew_rows_of_band(const ew_depthwise_conv_2d *p, uint32_t left) {
    const ew_window *s = &p->window;
    const int may_be = !p->is_spread && s->dilation_h == 1 && s->stride_h == s->stride_w;
    const int is_known = p->body != EW_DEPTHWISE_any;
    if (!may_be || !is_known || s->ow < EW_PIXELS) return 0;
    return s->kernel_h == 3 && left > 2 ? EW_BAND : 2;
}

/* Which of `count` lines or columns from `first` on lie inside: a bit each. */
static uint32_t ew_bits_inside(uint32_t first, uint32_t count, uint32_t size) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < count; i++) bits |= (uint32_t)(first + i < size) << i; /* wraps */
    return bits;
}

/* So many output rows from `row` on, all of one image. The last pixels may be computed twice. */
static void ew_run_band(const ew_depthwise_conv_2d *p, void *const *operand, uint32_t row,
                        uint32_t rows, const ew_number *zeros) {
    static void (*const bodies[][5])(const ew_depthwise_conv_2d *, const ew_band *) = {
        [EW_DEPTHWISE_3x1] = {ew_band_3x1_4x4_1, ew_band_3x1_4x4_0, ew_band_3x1_4x2_0,
                              ew_band_3x1_2x4_0, ew_band_3x1_2x2_0},
        [EW_DEPTHWISE_3x2] = {ew_band_3x2_4x4_1, ew_band_3x2_4x4_0, ew_band_3x2_4x2_0,
                              ew_band_3x2_2x4_0, ew_band_3x2_2x2_0},
        [EW_DEPTHWISE_5x1] = {ew_band_5x1_2x4_1, ew_band_5x1_2x4_0, ew_band_5x1_2x2_0},
        [EW_DEPTHWISE_5x2] = {ew_band_5x2_2x4_1, ew_band_5x2_2x4_0, ew_band_5x2_2x2_0},
    };
    const ew_window *s = &p->window;
    const int is_short = s->kernel_h == 3 && rows < EW_BAND;
    const uint32_t under = (rows - 1) * s->stride_h + s->kernel_h;
    const uint32_t top = row % s->oh * s->stride_h - s->pad_top; /* may wrap around */
    ew_band b = {.w = operand[1], .bias = operand[2], .zeros = zeros,
                 .x_line = (size_t)s->w * s->c, .x_pixel = s->c,
                 .y_line = (size_t)s->ow * p->y_stride, .y_pixel = p->y_stride,
                 .lines = ew_bits_inside(top, under, s->h)};
    const ew_number *x = (const ew_number *)operand[0] + row / s->oh * s->h * b.x_line;
    ew_number *y = (ew_number *)operand[3] + row * b.y_line;
    x += (int32_t)top * (ptrdiff_t)b.x_line;
    for (uint32_t next = 0, pixels; next < s->ow; next += pixels) {
        pixels = s->ow - next > 2 ? EW_PIXELS : 2;
        const uint32_t ox = ew_min_u32(next, s->ow - pixels);
        const uint32_t left = ox * s->stride_w - s->pad_left;
        const uint32_t columns = (pixels - 1) * s->stride_w + s->kernel_w;
        b.columns = ew_bits_inside(left, columns, s->w);
        b.x = x + (int32_t)left * (ptrdiff_t)s->c;
        b.y = y + ox * b.y_pixel;
        const int is_inside = b.lines + 1 == 1u << under && b.columns + 1 == 1u << columns;
        const uint32_t narrow = pixels < EW_PIXELS;
        bodies[p->body][is_short ? 3 + narrow : narrow ? 2 : !is_inside](p, &b);
    }
}
#endif
#endif
