/* MediaPipe's pooling that remembers where, and its inverse. */
#include "kernel.h"

EW_DEFINE(max_pool_argmax_f32) {
    const ew_pool_2d *p = params;
    const ew_window *w = &p->window;
    const float least = -0x1.fffffep127f;
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin; row < tile_end; row++) {
        const float *image = (const float *)operand[0] + (size_t)(row / w->oh) * w->h * w->w * w->c;
        for (uint32_t j = 0; j < w->ow; j++) {
            size_t at = ((size_t)row * w->ow + j) * w->c;
            float *restrict y = (float *)operand[1] + at, *restrict place = (float *)operand[2] + at;
            for (uint32_t c = 0; c < w->c; c++) y[c] = least, place[c] = 0.0f;
            for (uint32_t a = 0; a < w->kernel_h; a++) {
                uint32_t line = row % w->oh * w->stride_h + a - w->pad_top;
                if (line >= w->h) continue;
                for (uint32_t b = 0; b < w->kernel_w; b++) {
                    uint32_t column = j * w->stride_w + b - w->pad_left;
                    if (column >= w->w) continue;
                    const float *x = image + ((size_t)line * w->w + column) * w->c;
                    float tap = (float)(a * w->kernel_w + b);
                    for (uint32_t c = 0; c < w->c; c++) {
                        int is_larger = x[c] > y[c]; /* NaN is not */
                        y[c] = is_larger ? x[c] : y[c], place[c] = is_larger ? tap : place[c];
                    }
                }
            }
            for (uint32_t c = 0; c < w->c; c++) {
                y[c] = ew_clamp_f32(y[c], p->low_f32, p->high_f32);
                place[c] += 0.1f;
            }
        }
    }
}

EW_DEFINE(max_unpool_f32) {
    const ew_window *w = params; /* of a pool from y [n, oh, ow, c] to x [n, h, w, c] */
    size_t of_x = (size_t)w->h * w->w * w->c, of_y = (size_t)w->oh * w->ow * w->c;
    EW_UNUSED(scratch);
    for (size_t image = tile_begin; image < tile_end; image++) {
        const float *x = (const float *)operand[0] + image * of_x;
        const float *places = (const float *)operand[1] + image * of_x;
        float *y = (float *)operand[2] + image * of_y;
        for (size_t i = 0; i < of_y; i++) y[i] = 0.0f;
        for (uint32_t i = 0; i < w->h; i++)
            for (uint32_t j = 0; j < w->w; j++)
                for (uint32_t c = 0; c < w->c; c++, x++, places++) {
                    if (*places != *places) continue;
                    int32_t place = (int32_t)ew_clamp_f32(*places, -0x1p31f, 0x1.fffffep30f);
                    int32_t down = place / (int32_t)w->kernel_w;
                    int64_t line = (int64_t)i * w->stride_h - w->pad_top + down;
                    int64_t column = (int64_t)j * w->stride_w - w->pad_left +
                                     (place - down * (int32_t)w->kernel_w);
                    int is_inside = line >= 0 && line < w->oh && column >= 0 && column < w->ow;
                    if (is_inside) y[((size_t)line * w->ow + (size_t)column) * w->c + c] = *x;
                }
    }
}
