/* RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR. Where an output row or column lies in x was computed
 * while planning.
 *
 * Bilinear: two rows of x are blended over their whole width, by vectors; then pixels of that row,
 * by vectors where there are many channels. Integers are exact, so the order does not matter. */
#include "kernel.h"

/* y = a + (b - a) * weight, as a * (1 - weight) + b * weight. */
static void blend_f32(float *y, const float *a, const float *b, float weight, size_t n) {
    float rest = 1.0f - weight;
    for (size_t i = 0; i < n; i++) y[i] = a[i] * rest + b[i] * weight;
}

EW_DEFINE(resize_bilinear_f32) {
    const ew_resize *p = params;
    const ew_resize_place *rows = operand[1], *columns = operand[2];
    size_t c = p->c, width = p->w * c;
    float *blended = scratch;
    uint32_t end = ew_min_u32(p->n * p->oh, tile_end * p->rows_per_tile);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const ew_resize_place *at = &rows[row % p->oh];
        const float *x = (const float *)operand[0] + (size_t)(row / p->oh) * p->h * width;
        const float *line = x + at->lower * width;
        float *y = (float *)operand[3] + (size_t)row * p->ow * c;
        if (at->weight_f32 != 0.0f) {
            blend_f32(blended, line, x + at->upper * width, at->weight_f32, width);
            line = blended;
        }
        for (uint32_t i = 0; i < p->ow; i++, y += c) {
            const float *a = line + columns[i].lower * c, *b = line + columns[i].upper * c;
            float weight = columns[i].weight_f32;
            if (c == 1)
                *y = *a * (1.0f - weight) + *b * weight;
            else
                blend_f32(y, a, b, weight, c);
        }
    }
}

enum { ONE = 1 << EW_RESIZE_BITS, HALF = 1 << (2 * EW_RESIZE_BITS - 1) };

EW_INLINE void blend_rows_b8(int32_t *y, const uint8_t *a, const uint8_t *b, int32_t weight,
                             size_t n, const uint32_t is_signed) {
    int32_t rest = ONE - weight;
    for (size_t i = 0; i < n; i++)
        y[i] = ew_stored(a, i, is_signed) * rest + ew_stored(b, i, is_signed) * weight;
}

static void blend_pixels_b8(uint8_t *y, const int32_t *a, const int32_t *b, int32_t weight,
                            size_t n) {
    int32_t rest = ONE - weight;
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((a[i] * rest + b[i] * weight + HALF) >> (2 * EW_RESIZE_BITS));
}

EW_DEFINE(resize_bilinear_b8) {
    const ew_resize *p = params;
    const ew_resize_place *rows = operand[1], *columns = operand[2];
    size_t c = p->c, width = p->w * c;
    int32_t *blended = scratch;
    uint32_t end = ew_min_u32(p->n * p->oh, tile_end * p->rows_per_tile);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const ew_resize_place *at = &rows[row % p->oh];
        const uint8_t *x = (const uint8_t *)operand[0] + (size_t)(row / p->oh) * p->h * width;
        uint8_t *y = (uint8_t *)operand[3] + (size_t)row * p->ow * c;
        if (p->is_signed)
            blend_rows_b8(blended, x + at->lower * width, x + at->upper * width, at->weight, width,
                          1);
        else
            blend_rows_b8(blended, x + at->lower * width, x + at->upper * width, at->weight, width,
                          0);
        for (uint32_t i = 0; i < p->ow; i++, y += c)
            blend_pixels_b8(y, blended + columns[i].lower * c, blended + columns[i].upper * c,
                            columns[i].weight, c);
    }
}

/* In float64, halves away from zero. */
EW_DEFINE(resize_bilinear_s16) {
    const ew_resize *p = params;
    const ew_resize_place *rows = operand[1], *columns = operand[2];
    size_t c = p->c, width = p->w * c;
    uint32_t end = ew_min_u32(p->n * p->oh, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = tile_begin * p->rows_per_tile; row < end; row++) {
        const ew_resize_place *at = &rows[row % p->oh];
        const int16_t *x = (const int16_t *)operand[0] + (size_t)(row / p->oh) * p->h * width;
        const int16_t *top = x + at->lower * width, *bottom = x + at->upper * width;
        int16_t *y = (int16_t *)operand[3] + (size_t)row * p->ow * c;
        double down = at->weight_f32, up = 1.0 - down;
        for (uint32_t i = 0; i < p->ow; i++, y += c) {
            size_t a = columns[i].lower * c, b = columns[i].upper * c;
            double right = columns[i].weight_f32, left = 1.0 - right;
            for (size_t k = 0; k < c; k++) {
                double above = top[a + k] * left + top[b + k] * right;
                double below = bottom[a + k] * left + bottom[b + k] * right;
                double real = above * up + below * down;
                int32_t size = (int32_t)(__builtin_fabs(real) + 0.5);
                y[k] = (int16_t)(real < 0.0 ? -size : size);
            }
        }
    }
}

/* A row that shows the same row of x as the one before it is copied from there. */
EW_DEFINE(resize_nearest) {
    const ew_resize *p = params;
    const ew_resize_place *rows = operand[1], *columns = operand[2];
    size_t c = p->c, line = p->ow * c; /* bytes */
    uint32_t first = tile_begin * p->rows_per_tile;
    uint32_t end = ew_min_u32(p->n * p->oh, tile_end * p->rows_per_tile);
    EW_UNUSED(scratch);
    for (uint32_t row = first; row < end; row++) {
        uint32_t at = row % p->oh;
        uint8_t *y = (uint8_t *)operand[3] + row * line;
        if (row > first && at > 0 && rows[at].lower == rows[at - 1].lower) {
            ew_copy(y, y - line, line);
            continue;
        }
        const uint8_t *x = (const uint8_t *)operand[0];
        x += ((size_t)(row / p->oh) * p->h + rows[at].lower) * p->w * c;
        for (uint32_t i = 0; i < p->ow; i++, y += c) ew_copy(y, x + columns[i].lower * c, c);
    }
}
