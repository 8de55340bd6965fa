/* CONV_2D, FULLY_CONNECTED and the phases of TRANSPOSE_CONV in 8 bits.
 *
 * A tile stages the lines of x that it reads, widened and with their padding at both sides, so that
 * the kernel's columns of every output pixel are one contiguous run: nothing is copied once per
 * kernel position. Where the multiplications take u8 (VNNI), staging only moves int8 to u8; padding
 * is then x_zero, which the bias accounts for, and lines beyond x are staged, too. Elsewhere padding
 * is 0 and kernel rows beyond x are skipped. */
#include "conv_tiles.h"
#include "gemm_amx.h"
#include "gemm_b8.h"

#if EW_LANES == 1

/* Pixels and channels computed at once: each weight is loaded once for two pixels, and each staged
 * element once for two channels. More would not fit a Cortex-M's 13 registers. */
enum { PIXELS = 2, CHANNELS = 2 };

/* The window of a pixel, [KH][KW][C / groups] without x's zero point; 0 in the padding. */
static void stage(const ew_conv_b8 *p, const uint8_t *x, uint32_t oy, uint32_t ox, int16_t *to) {
    const ew_window *s = &p->layout.window;
    const uint32_t c = s->c / p->layout.groups;
    const int32_t line = (int32_t)(oy * s->stride_h - s->pad_top);
    const int32_t column = (int32_t)(ox * s->stride_w - s->pad_left);
    const uint8_t flip = p->is_signed ? 0 : 0x80;
    const int32_t zero = p->x_zero - (p->is_signed ? 0 : 128);
    /* neighbouring pixels of x are one run */
    const uint32_t is_run = s->dilation_w == 1 && c == s->c;
    uint32_t top, bottom, left, right;
    ew_inside_of(line, s->kernel_h, s->dilation_h, s->h, &top, &bottom);
    ew_inside_of(column, s->kernel_w, s->dilation_w, s->w, &left, &right);
    int16_t *y = to, *end = to;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        const int is_inside = i >= top && i < bottom && left < right;
        end += s->kernel_w * c;
        if (is_inside) {
            for (uint32_t e = 0; e < left * c; e++) *y++ = 0;
            const uint8_t *from =
                x + ((size_t)(line + (int32_t)(i * s->dilation_h)) * s->w +
                     (uint32_t)(column + (int32_t)(left * s->dilation_w))) * s->c;
            const uint32_t runs = is_run ? 1 : right - left;
            const uint32_t count = is_run ? (right - left) * c : c;
            for (uint32_t j = 0; j < runs; j++, from += (size_t)s->dilation_w * s->c)
                for (uint32_t e = 0; e < count; e++)
                    *y++ = (int16_t)((int8_t)(from[e] ^ flip) - zero);
        }
        while (y < end) *y++ = 0;
    }
#if defined(EW_HAS_PAIRS) /* of four elements, those with even numbers and then the others */
    for (int16_t *four = to; end - four >= 4; four += 4) {
        const int16_t second = four[1];
        four[1] = four[2];
        four[2] = second;
    }
#endif
}

/* sum[g][n] = the products of window g (x + g * x_row) with the weights of channel n. */
EW_INLINE void multiply(const uint32_t pixels, const int16_t *x, size_t x_row, const int8_t *w,
                        size_t w_row, uint32_t k, int32_t sum[PIXELS][CHANNELS]) {
    const int16_t *x1 = x + x_row;
    const int8_t *w1 = w + w_row;
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
#if defined(EW_HAS_PAIRS)
    for (; k >= 4; k -= 4, x += 4, x1 += 4, w += 4, w1 += 4) {
        int32_t v = v_load_s32(w), v1 = v_load_s32(w1);
        EW_UNROLL
        for (uint32_t half = 0; half < 2; half++) {
            int32_t by = half ? v_odd_bytes(v) : v_even_bytes(v);
            int32_t by1 = half ? v_odd_bytes(v1) : v_even_bytes(v1);
            int32_t pair = v_load_s32(x + 2 * half);
            s00 = v_dot_pairs(pair, by, s00);
            s01 = v_dot_pairs(pair, by1, s01);
            if (pixels == 1) continue;
            pair = v_load_s32(x1 + 2 * half);
            s10 = v_dot_pairs(pair, by, s10);
            s11 = v_dot_pairs(pair, by1, s11);
        }
    }
#endif
    for (uint32_t e = 0; e < k; e++) {
        s00 += x[e] * w[e];
        s01 += x[e] * w1[e];
        if (pixels == 1) continue;
        s10 += x1[e] * w[e];
        s11 += x1[e] * w1[e];
    }
    sum[0][0] = s00, sum[0][1] = s01, sum[1][0] = s10, sum[1][1] = s11;
}

/* Functions of their own: inlined, their loops spill. */
typedef void products(const int16_t *x, size_t x_row, const int8_t *w, size_t w_row, uint32_t k,
                      int32_t sum[PIXELS][CHANNELS]);
#define DEFINE_PRODUCTS(pixels)                                                                    \
    static __attribute__((noinline)) void products_of_##pixels(                                    \
        const int16_t *x, size_t x_row, const int8_t *w, size_t w_row, uint32_t k,                 \
        int32_t sum[PIXELS][CHANNELS]) {                                                           \
        multiply(pixels, x, x_row, w, w_row, k, sum);                                              \
    }
DEFINE_PRODUCTS(1)
DEFINE_PRODUCTS(2)

/* All channels of `pixels` staged pixels. */
static void product(const ew_conv_b8 *p, uint32_t k, const int16_t *x, size_t x_row,
                    const int8_t *w, const int32_t *bias, const float *scale, uint8_t *y,
                    uint32_t pixels) {
    const uint32_t o = p->layout.window.o / p->layout.groups;
    const float low = (float)(p->low - p->y_zero), high = (float)(p->high - p->y_zero);
    products *const multiplied = pixels == PIXELS ? products_of_2 : products_of_1;
    int32_t sum[PIXELS][CHANNELS], row_bias[PIXELS] = {0, 0};
    if (p->w_zero)
        for (uint32_t g = 0; g < pixels; g++)
            for (uint32_t e = 0; e < k; e++) row_bias[g] -= p->w_zero * x[g * x_row + e];
    for (uint32_t n = 0; n < o; n += CHANNELS, w += CHANNELS * (size_t)k) {
        const uint32_t count = ew_min_u32(CHANNELS, o - n);
        multiplied(x, x_row, w, count > 1 ? k : 0, k, sum); /* a last one alone is done twice */
        for (uint32_t g = 0; g < pixels; g++)
            for (uint32_t i = 0; i < count; i++)
                y[g * p->layout.y_pixel + n + i] =
                    (uint8_t)v_requantize(sum[g][i] + bias[n + i] + row_bias[g], scale[n + i], low,
                                          high, p->y_zero);
    }
}

EW_DEFINE(conv_2d_b8) {
    const ew_conv_b8 *p = params;
    const ew_window *s = &p->layout.window;
    const ew_conv_layout *l = &p->layout;
    const uint32_t c = s->c / l->groups, o = s->o / l->groups, k = s->kernel_h * s->kernel_w * c;
    const uint32_t x_row = (k + 3) / 4 * 4;
    int16_t *staged = scratch;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        uint32_t oy = tile % s->oh, image = tile / s->oh % s->n, group = tile / s->oh / s->n;
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)image * s->h * s->w * s->c;
        const int8_t *w = (const int8_t *)operand[1] + (size_t)group * o * k;
        const int32_t *bias = (const int32_t *)operand[2] + group * o;
        const float *scale = (const float *)operand[3] + group * o;
        uint8_t *y = (uint8_t *)operand[4] + l->y_first + image * l->y_image + oy * l->y_line;
        y += group * o;
        for (uint32_t ox = 0; ox < s->ow; ox += PIXELS, y += PIXELS * l->y_pixel) {
            const uint32_t pixels = ew_min_u32(PIXELS, s->ow - ox);
            for (uint32_t g = 0; g < pixels; g++)
                stage(p, x + group * c, oy, ox + g, staged + g * x_row);
            product(p, k, staged, x_row, w, bias, scale, y, pixels);
        }
    }
}

#else

/* Line `line` of x (which may be beyond it), from column `column` on. */
static void stage_line(const ew_conv_b8 *p, const ew_staging *g, const uint8_t *x, uint32_t group,
                       int32_t line, int32_t column, uint32_t columns, ew_staged *to,
                       size_t slack) {
    const ew_window *s = &p->layout.window;
    uint32_t c = ew_of_group(s->c, p->layout.groups), first, last;
    ew_staged padding = EW_QUADS ? (ew_staged)(p->x_zero + (p->is_signed ? 128 : 0)) : 0;
    ew_inside_of(column, columns, g->skip_w, s->w, &first, &last);
    if (line < 0 || line >= (int32_t)s->h) first = last = columns;
    to = ew_fill(to, (size_t)first * c, padding);
    if (first < last) {
        const uint8_t *from = x + group * c;
        from += ((size_t)line * s->w + (uint32_t)(column + (int32_t)(first * g->skip_w))) * s->c;
        size_t left = slack - (size_t)(from - x);
        if (c == s->c && g->skip_w == 1) {
            size_t n = (size_t)(last - first) * c;
            ew_stage(to, from, n, p->x_zero, p->is_signed, n + EW_CHUNK <= left);
            to += n;
        } else {
            size_t step = (size_t)g->skip_w * s->c;
            for (uint32_t i = first; i < last; i++, to += c, from += step, left -= step)
                ew_stage(to, from, c, p->x_zero, p->is_signed, c + EW_CHUNK <= left);
        }
    }
    ew_fill(to, (size_t)(columns - last) * c, padding);
}

/* w_zero times the sums of what the products read, negative, for each pixel of a line. */
static void sum_rows(const ew_conv_b8 *p, const ew_staging *g, const uint32_t *segment,
                     uint32_t segments, const uint8_t *x, uint32_t columns, int32_t *sums) {
    const uint32_t c = p->layout.window.c / p->layout.groups;
    const size_t pixel = (size_t)g->stride_w * c * sizeof(ew_staged);
    for (uint32_t i = 0; i < columns; i++, x += pixel) {
        int32_t sum = 0;
        for (uint32_t k = 0; k < segments; k++) {
            const ew_staged *run = (const ew_staged *)(const void *)(x + segment[k]);
            for (uint32_t e = 0; e < g->length; e++) sum += run[e];
        }
        sums[i] = -p->w_zero * sum;
    }
}

/* So many steps of panels of 4 bits as such of 8: a tile does it once for all its rows. */
static void widen(int8_t *restrict to, const uint8_t *restrict w, size_t steps) {
    enum { VECTOR = EW_LANES * EW_PER_LANE };
    for (; steps; steps--, w += VECTOR, to += 2 * VECTOR)
        for (uint32_t i = 0; i < VECTOR; i++) {
            to[i] = (int8_t)((w[i] & 15) - 8);
            to[VECTOR + i] = (int8_t)((w[i] >> 4) - 8);
        }
}

#if defined(EW_AMD)
/* The first weights of one row come from the second-level cache while its set-up is computed:
 * tiny_ae, ten layers of one row, takes 3.38 us instead of 3.43. More lines give no more. */
static void fetch(const int8_t *w, size_t panel) {
    enum { LINES = 4, BYTES = 64 };
    for (uint32_t i = 0; i < LINES; i++)
        for (uint32_t v = 0; v < EW_GEMV_B8; v++) __builtin_prefetch(w + v * panel + i * BYTES);
}
#endif

EW_DEFINE(conv_2d_b8) {
    const ew_conv_b8 *p = params;
    const ew_conv_layout *l = &p->layout;
    const ew_window *s = &l->window;
    ew_staging g = ew_staging_of(l, sizeof(ew_staged));
    const v_output output = v_output_of(p->low, p->high, p->y_zero, p->is_y_signed);
    const uint32_t c = ew_of_group(s->c, l->groups), o = ew_of_group(s->o, l->groups);
    const uint32_t all_panels = ew_divide_up(o, EW_COLUMNS), segments = s->kernel_h * g.runs;
    const size_t run_bytes = (size_t)p->steps * EW_COLUMNS * EW_PER_LANE, x_bytes = s->h * s->w * s->c;
    uint32_t *segment = scratch;
    int32_t *sums = (int32_t *)scratch + segments;
    uint32_t pixels = p->w_zero ? l->lines_per_tile * l->columns_per_tile : 0;
    int8_t *widened = (int8_t *)ew_aligned(sums + pixels);
    uint8_t *staged = (uint8_t *)widened + (p->is_narrow ? 2 * segments * run_bytes : 0);
#if defined(EW_AMD)
    if (l->lines_per_tile * l->columns_per_tile == 1) fetch(operand[1], run_bytes);
#endif
    if (p->is_tiled) ew_amx_begin();
    ew_find_runs(l, &g, sizeof(ew_staged), segment);
    size_t pixel = (size_t)g.stride_w * c * sizeof(ew_staged);
    if (p->is_direct) {
        g.pitch = (size_t)s->stride_h * s->w * s->c;
        pixel = (size_t)s->stride_w * s->c;
    }
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        ew_conv_tile t = ew_conv_tile_at(l, tile, all_panels);
        const uint8_t *x = (const uint8_t *)operand[0] + t.image * x_bytes;
        int32_t top = (int32_t)(t.line * s->stride_h - s->pad_top);
        int32_t left = (int32_t)(t.column * s->stride_w - s->pad_left);
        uint32_t lines = (t.lines - 1) * g.stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
        uint32_t columns = (t.columns - 1) * g.stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
        const uint8_t *from = staged;
        if (p->is_direct) from = x + t.line * g.pitch + t.column * pixel + t.group * c;
        for (uint32_t i = 0; i < lines && segments && !p->is_direct; i++)
            stage_line(p, &g, x, t.group, top + (int32_t)(i * g.skip_h), left, columns,
                       (ew_staged *)(void *)(staged + i * g.pitch), x_bytes * (s->n - t.image));
#if defined(EW_AMD)
        int32_t joined[EW_FEW];
#endif
        ew_gemm_b8 gemm = {.is_bounded = p->is_bounded, .output = &output};
        ew_gemm *product = &gemm.product;
        product->x_row = pixel;
        product->is_tiled = p->is_tiled;
        product->steps = p->steps, product->rows = t.columns, product->y_row = l->y_pixel;
        product->segments = segments;
        const int is_vector = t.lines * t.columns * segments == 1;
        const uint32_t most = is_vector ? EW_GEMV_B8 : ew_amx_pairs(product) ? 2 : 1;
        for (uint32_t panel = t.panel, at_once; panel < t.panel + t.panels; panel += at_once) {
            size_t packed = (size_t)t.group * all_panels + panel, at = packed * EW_COLUMNS;
            at_once = panel + most <= t.panel + t.panels ? most : 1;
            if (is_vector && (panel + at_once) * EW_COLUMNS > o) at_once = 1;
            product->columns = ew_min_u32(at_once * EW_COLUMNS, o - panel * EW_COLUMNS);
            const int is_widened = p->is_narrow && !(is_vector && at_once == EW_GEMV_B8);
            const int8_t *w = (const int8_t *)operand[1] +
                              (packed * segments * run_bytes >> p->is_narrow);
            if (is_widened) {
                widen(widened, (const uint8_t *)w, (size_t)at_once * segments * p->steps);
                w = widened;
            }
            product->bias = (const int32_t *)operand[2] + at;
            gemm.scale = (const float *)operand[3] + at;
            for (uint32_t i = 0; i < t.lines; i++) {
                uint32_t line = t.line + i, first = 0, last = s->kernel_h;
                if (!EW_QUADS)
                    ew_inside_of((int32_t)(line * s->stride_h - s->pad_top), s->kernel_h,
                                 s->dilation_h, s->h, &first, &last);
                product->segment = segment + first * g.runs;
                product->segments = (last - first) * g.runs;
                product->x = from + i * g.stride_h * g.pitch;
                product->w = w + first * g.runs * run_bytes;
                if (p->w_zero) {
                    product->row_bias = sums + i * l->columns_per_tile;
                    if (panel == t.panel)
                        sum_rows(p, &g, product->segment, product->segments, product->x, t.columns,
                                 sums + i * l->columns_per_tile);
                }
                product->y = (uint8_t *)operand[4] + l->y_first + (size_t)t.image * l->y_image +
                             (size_t)line * l->y_line + (size_t)t.column * l->y_pixel +
                             t.group * o + panel * EW_COLUMNS;
#if defined(EW_AMD)
                if (!i) gemm.joined = EW_NAME(joins_b8)(&gemm, joined) ? joined : 0;
#endif
                if (is_vector && at_once == EW_GEMV_B8)
                    EW_NAME(gemv_b8)(&gemm, (int)p->is_narrow);
                else if (at_once == 2)
                    EW_NAME(gemm_pair_b8)(&gemm);
                else
                    EW_NAME(gemm_b8)(&gemm);
            }
        }
    }
    if (p->is_tiled) ew_amx_end();
}
#endif
