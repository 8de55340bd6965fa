/* CONV_3D and CONV_3D_TRANSPOSE in float32, without a copy of x: neighbouring pixels of a line that
 * have the same taps inside x are rows of one product (gemm_f32.c). */
#include "axis.h"
#include "gemm_f32.h"

/* All pixels of line (image, i, j), of one panel; x and y are those of the image. */
static void line(const ew_conv_3d_f32 *p, const axis *axes, ew_panel *panel, const float *x,
                 float *y, uint32_t i, uint32_t j) {
    taps t[3] = {taps_at(&axes[0], i), taps_at(&axes[1], j)};
    size_t pixel = p->c, row = p->x[2] * pixel, plane = p->x[1] * row;
    int is_dense = p->dilation[2] == 1; /* neighbouring taps are neighbours in x */
    for (uint32_t k = 0, end; k < p->y[2]; k = end) {
        end = alike_until(&axes[2], k, p->y[2]);
        t[2] = taps_at(&axes[2], k);
        uint32_t count[3], columns = t[2].last - t[2].first;
        size_t x_tap[3] = {plane, row, pixel}, first = 0, at = 0;
        for (uint32_t d = 0; d < 3; d++) count[d] = t[d].last - t[d].first;
        if (!count[0] || !count[1] || !columns) count[0] = 0; /* the bias alone */
        for (uint32_t d = 0; d < 3; d++) {
            const uint32_t place[3] = {i, j, k};
            uint32_t tap = place[d] * p->stride[d] + t[d].first * p->dilation[d] - p->pad[d];
            first = first * p->kernel[d] + t[d].first;
            if (count[0]) at += tap * x_tap[d];
        }
        ew_patch patch = {.planes = count[0],
                          .rows = count[1],
                          .columns = is_dense ? 1 : columns,
                          .length = is_dense ? columns * p->c : p->c,
                          .x_plane = p->dilation[0] * plane,
                          .x_row = p->dilation[1] * row,
                          .x_column = p->dilation[2] * pixel,
                          .k_first = first * p->c,
                          .k_plane = (size_t)p->kernel[1] * p->kernel[2] * p->c,
                          .k_row = (size_t)p->kernel[2] * p->c,
                          .k_column = p->c};
        EW_NAME(gemm_f32)(&patch, panel, end - k, x + at, p->stride[2] * pixel,
                          y + (size_t)k * p->y_stride[2], p->y_stride[2]);
    }
}

EW_DEFINE(conv_3d_f32) {
    const ew_conv_3d_f32 *p = params;
    uint32_t depth = p->kernel[0] * p->kernel[1] * p->kernel[2] * p->c, panels = ew_panels(p->o);
    size_t image = (size_t)p->x[0] * p->x[1] * p->x[2] * p->c;
    axis axes[3];
    EW_UNUSED(scratch);
    for (uint32_t d = 0; d < 3; d++)
        axes[d] = axis_of(p->x[d], p->kernel[d], p->stride[d], p->dilation[d], p->pad[d], p->y[d]);
    for (uint32_t i = 0; i < panels; i++) {
        uint32_t blocks = (tile_end - tile_begin) * ew_blocks(p->y[2], (size_t)p->stride[2] * p->c);
        ew_panel panel = ew_panel_at(operand[1], sizeof(float), operand[2], depth, p->o, i, blocks);
        panel.low = p->low, panel.high = p->high;
        for (uint32_t tile = tile_begin; tile < tile_end; tile++) {
            uint32_t rest = tile / p->y[1], n = rest / p->y[0], z = rest % p->y[0];
            const float *x = (const float *)operand[0] + n * image;
            float *y = (float *)operand[3] + p->y_first + (size_t)n * p->y_image;
            y += (size_t)z * p->y_stride[0] + (size_t)(tile % p->y[1]) * p->y_stride[1];
            line(p, axes, &panel, x, y + (size_t)i * 2 * EW_LANES, z, tile % p->y[1]);
        }
    }
}
