/* CONV_3D in float32: GROUP neighbouring pixels of a line and two vectors of channels at a time, so
 * that weights are loaded once for all of them. Taps outside of x read a row of zeros. */
#include "kernel.h"

enum { GROUP = 4, COLUMNS = 2 * EW_LANES };

/* Pixels [first, first + n) of line (image, i, j), channels [column, column + COLUMNS). */
static void pixels(const ew_conv_3d_f32 *p, const float *x, const float *w, const float *bias,
                   float *y, const float *zeros, const uint32_t *place, uint32_t n,
                   uint32_t column) {
    v_f32 sum[GROUP][2];
    uint32_t c = p->c;
    EW_UNROLL for (int g = 0; g < GROUP; g++) {
        sum[g][0] = v_load_f32(bias + column);
        sum[g][1] = v_load_f32(bias + column + EW_LANES);
    }
    w += (size_t)column / COLUMNS * p->kernel[0] * p->kernel[1] * p->kernel[2] * c * COLUMNS;
    for (uint32_t a = 0; a < p->kernel[0]; a++) {
        uint32_t z = place[1] * p->stride[0] + a * p->dilation[0] - p->pad[0];
        for (uint32_t b = 0; b < p->kernel[1]; b++) {
            uint32_t row = place[2] * p->stride[1] + b * p->dilation[1] - p->pad[1];
            int is_line = z < p->x[0] && row < p->x[1];
            size_t at_line = is_line ? ((size_t)place[0] * p->x[0] + z) * p->x[1] + row : 0;
            const float *line = x + at_line * p->x[2] * c;
            for (uint32_t t = 0; t < p->kernel[2]; t++) {
                const float *from[GROUP];
                EW_UNROLL for (uint32_t g = 0; g < GROUP; g++) {
                    uint32_t at = (place[3] + g) * p->stride[2] + t * p->dilation[2] - p->pad[2];
                    int is_inside = is_line && g < n && at < p->x[2];
                    from[g] = is_inside ? line + (size_t)at * c : zeros;
                }
                for (uint32_t k = 0; k < c; k++, w += COLUMNS) {
                    v_f32 left = v_load_f32(w), right = v_load_f32(w + EW_LANES);
                    EW_UNROLL for (int g = 0; g < GROUP; g++) {
                        v_f32 factor = v_splat_f32(from[g][k]);
                        sum[g][0] = v_fma(factor, left, sum[g][0]);
                        sum[g][1] = v_fma(factor, right, sum[g][1]);
                    }
                }
            }
        }
    }
    for (uint32_t g = 0; g < n; g++) {
        float lanes[COLUMNS];
        v_store_f32(lanes, sum[g][0]), v_store_f32(lanes + EW_LANES, sum[g][1]);
        for (uint32_t o = column; o < p->o && o < column + COLUMNS; o++)
            y[(size_t)g * p->o + o] = ew_clamp_f32(lanes[o - column], p->low, p->high);
    }
}

EW_DEFINE(conv_3d_f32) {
    const ew_conv_3d_f32 *p = params;
    float *zeros = scratch;
    for (uint32_t k = 0; k < p->c; k++) zeros[k] = 0.0f;
    for (uint32_t line = tile_begin; line < tile_end; line++) {
        uint32_t rest = line / p->y[1];
        uint32_t place[4] = {rest / p->y[0], rest % p->y[0], line % p->y[1], 0};
        for (uint32_t column = 0; column < p->o; column += COLUMNS)
            for (place[3] = 0; place[3] < p->y[2]; place[3] += GROUP) {
                uint32_t n = ew_min_u32(GROUP, p->y[2] - place[3]);
                float *y = (float *)operand[3] + ((size_t)line * p->y[2] + place[3]) * p->o;
                pixels(p, operand[0], operand[1], operand[2], y, zeros, place, n, column);
            }
    }
}
