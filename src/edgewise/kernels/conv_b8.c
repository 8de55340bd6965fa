/* CONV_2D and FULLY_CONNECTED of 8 bits: a tile first gathers its patches into scratch as s16
 * without the zero point, so that padding is 0 and uint8 costs nothing more. */
#include "conv.h"

/* rows x vectors on pairs of s16: a [rows, 2 * pairs] @ b [pairs, EW_PANEL, 2]. */
EW_INLINE void gemm_s16(const uint32_t rows, const uint32_t vectors, const int16_t *a,
                        size_t a_stride, const int16_t *b, uint32_t pairs, const int32_t *bias,
                        const float *scale,
                        const ew_conv_2d *p, uint8_t *y, size_t y_stride) {
    v_s32 acc[ROWS][VECTORS];
    EW_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) acc[r][v] = v_load_s32(bias + v * EW_LANES);
    for (uint32_t i = 0; i < pairs; i++, b += 2 * EW_PANEL) {
        v_s32 w[VECTORS];
        EW_UNROLL
        for (uint32_t v = 0; v < vectors; v++) w[v] = v_load_s32(b + 2 * v * EW_LANES);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, a + r * a_stride + 2 * i, sizeof pair);
            v_s32 x = v_splat_s32(pair);
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) acc[r][v] = v_dot_s16(x, w[v], acc[r][v]);
        }
    }
    int32_t zero = p->y_zero;
    float low = (float)(p->low - zero), high = (float)(p->high - zero);
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_f32 s = v_load_f32(scale + v * EW_LANES);
        EW_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            v_store_b8(y + r * y_stride + v * EW_LANES,
                       v_requantize(acc[r][v], s, low, high, zero));
    }
}

/* The micro-kernels for each number of rows; functions of their own, as those of float32. */
#define DEFINE_TILE(rows, vectors)                                                                 \
    static __attribute__((noinline)) void gemm_s16_##rows##x##vectors(                             \
        const int16_t *a, size_t a_stride, const int16_t *b, uint32_t pairs, const int32_t *bias,  \
        const float *scale, const ew_conv_2d *p, uint8_t *y, size_t y_stride) {                    \
        gemm_s16(rows, vectors, a, a_stride, b, pairs, bias, scale, p, y, y_stride);               \
    }
#define DEFINE_ROWS(rows) DEFINE_TILE(rows, 1) DEFINE_TILE(rows, 2)
DEFINE_ROWS(1)
DEFINE_ROWS(2)
DEFINE_ROWS(3)
DEFINE_ROWS(4)
DEFINE_ROWS(5)
DEFINE_ROWS(6)

/* One panel of `columns` channels for up to ROWS pixels. Vectors that end beyond the channels are
 * computed aside. */
static void panel_s16(uint32_t rows, const int16_t *a, size_t a_stride, const int16_t *b,
                      uint32_t pairs, const int32_t *bias, const float *scale, const ew_conv_2d *p,
                      uint32_t columns, uint8_t *y) {
    for (uint32_t at = 0; at < columns; at += COLUMNS) {
        uint8_t edge[ROWS * COLUMNS];
        uint32_t left = columns - at, vectors = left > EW_LANES ? 2 : 1;
        int whole = left >= vectors * EW_LANES;
        uint8_t *to = whole ? y + at : edge;
        size_t stride = whole ? p->window.o : COLUMNS;
        FOR_TILE(gemm_s16, rows, vectors, a, a_stride, b + 2 * at, pairs, bias + at, scale + at, p,
                 to, stride)
        for (uint32_t r = 0; !whole && r < rows; r++)
            ew_copy(y + (size_t)r * p->window.o + at, edge + r * COLUMNS, left);
    }
}

/* Elements of x without the zero point, CHUNK at a time where `slack` more may be read. */
EW_INLINE void widen(int16_t *restrict y, const uint8_t *restrict x, uint32_t n, int32_t zero,
                     uint32_t is_signed, int slack) {
    uint32_t e = 0;
    if (slack)
        for (; e < n; e += CHUNK)
            for (uint32_t i = 0; i < CHUNK; i++)
                y[e + i] = (int16_t)(ew_stored(x, e + i, is_signed) - zero);
    for (; e < n; e++) y[e] = (int16_t)(ew_stored(x, e, is_signed) - zero);
}

EW_INLINE void gather_b8(const ew_conv_2d *p, const tile_of_conv *t, const uint8_t *x,
                         int16_t *to, const uint32_t is_signed) {
    uint32_t c = p->window.c / p->groups, k = p->window.kernel_h * p->window.kernel_w * c;
    size_t total = (size_t)p->window.n * p->window.h * p->window.w * p->window.c;
    uint32_t filled = 0;
    if (p->is_pointwise && k % 2 == 0) {
        size_t first = (size_t)t->first_row * c, n = t->rows * c;
        widen(to, x + first, t->rows * c, p->x_zero, is_signed, first + n + CHUNK <= total);
        return;
    }
    FOR_EACH_RUN(p, t, {
        uint32_t columns = p->groups == 1 ? 1 : inside, n = p->groups == 1 ? inside * c : c;
        for (uint32_t e = 0; e < before * c; e++) *to++ = 0;
        for (uint32_t m = 0; m < columns && inside; m++, to += n) {
            size_t at_x = source + (size_t)m * s->c + t->group * c;
            widen(to, x + at_x, n, p->x_zero, is_signed, at_x + n + CHUNK <= total);
        }
        for (uint32_t e = 0; e < after * c; e++) *to++ = 0;
        filled += run * c;
        if (filled == k) {
            if (k % 2) *to++ = 0;
            filled = 0;
        }
    });
}

EW_DEFINE(conv_2d_b8) {
    const ew_conv_2d *p = params;
    const ew_window *w = &p->window;
    const uint8_t *x = operand[0];
    const int16_t *weights = operand[1];
    const int32_t *bias = operand[2];
    const float *scale = operand[3];
    uint8_t *y = operand[4];
    uint32_t c = w->c / p->groups, o = w->o / p->groups;
    uint32_t pairs = (w->kernel_h * w->kernel_w * c + 1) / 2;
    uint32_t all_panels = ew_divide_up(o, EW_PANEL);
    const int16_t *a = scratch;
    for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
        tile_of_conv t = tile_at(p, tile);
        if (p->is_signed)
            gather_b8(p, &t, x, scratch, 1);
        else
            gather_b8(p, &t, x, scratch, 0);
        for (uint32_t panel = t.first_panel; panel < t.first_panel + t.panels; panel++) {
            size_t packed = (size_t)t.group * all_panels + panel, first = packed * EW_PANEL;
            uint32_t columns = ew_min_u32(EW_PANEL, o - panel * EW_PANEL);
            for (uint32_t r = 0; r < t.rows; r += ROWS)
                panel_s16(ew_min_u32(ROWS, t.rows - r), a + (size_t)r * 2 * pairs, 2 * pairs,
                          weights + first * 2 * pairs, pairs, bias + first, scale + first, p,
                          columns,
                          y + (size_t)(t.first_row + r) * w->o + t.group * o + panel * EW_PANEL);
        }
    }
}
