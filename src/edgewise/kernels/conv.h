/* What the convolutions of all dtypes share: tiles, and the runs of kernel columns inside x.
 *
 * A product has a row for every output pixel and a column for every output channel. A micro-kernel
 * computes ROWS x EW_PANEL of it over packed panels of weights. Sums run over all of K in one go:
 * results do not depend on tiling or threads. */
#ifndef EW_CONV_H
#define EW_CONV_H
#include "kernel.h"

enum {
    ROWS = 6,
    VECTORS = 2,
    COLUMNS = VECTORS * EW_LANES,
    CHUNK = 16, /* elements that the gathering copies at once; they may be beyond the run's end */
};

typedef struct {
    uint32_t group, first_row, rows, first_panel, panels;
} tile_of_conv;

static tile_of_conv tile_at(const ew_conv_2d *p, uint32_t tile) {
    const ew_window *s = &p->window;
    uint32_t total = s->n * s->oh * s->ow;
    uint32_t all_panels = ew_divide_up(s->o / p->groups, EW_PANEL);
    uint32_t columns = ew_divide_up(all_panels, p->panels_per_tile);
    uint32_t rows = ew_divide_up(total, p->rows_per_tile);
    tile_of_conv t;
    t.first_panel = tile % columns * p->panels_per_tile;
    t.panels = ew_min_u32(p->panels_per_tile, all_panels - t.first_panel);
    t.first_row = tile / columns % rows * p->rows_per_tile;
    t.rows = ew_min_u32(p->rows_per_tile, total - t.first_row);
    t.group = tile / columns / rows;
    return t;
}

/* For every row of every patch of the tile, in order: the run of neighbouring kernel columns that
 * lies inside x. `before`, `inside` and `after` count its columns (the outer ones are padding) and
 * `source` is the element of the first one inside. With a dilation, runs are single columns. */
#define FOR_EACH_RUN(p, t, ...)                                                                    \
    do {                                                                                           \
        const ew_window *s = &(p)->window;                                                         \
        uint32_t ox = (t)->first_row % s->ow, oy = (t)->first_row / s->ow % s->oh;                 \
        uint32_t image = (t)->first_row / s->ow / s->oh;                                           \
        uint32_t run = s->dilation_w == 1 ? s->kernel_w : 1;                                       \
        for (uint32_t row = 0; row < (t)->rows; row++) {                                           \
            for (uint32_t i = 0; i < s->kernel_h; i++) {                                           \
                uint32_t line = oy * s->stride_h + i * s->dilation_h - s->pad_top;                 \
                for (uint32_t j = 0; j < s->kernel_w; j += run) {                                  \
                    int32_t at = (int32_t)(ox * s->stride_w + j * s->dilation_w - s->pad_left);    \
                    int32_t first = ew_max_s32(at, 0);                                             \
                    int32_t last = ew_min_s32(at + (int32_t)run, (int32_t)s->w);                   \
                    if (line >= s->h || last <= first) first = last = at + (int32_t)run;           \
                    uint32_t before = (uint32_t)(first - at), inside = (uint32_t)(last - first);   \
                    uint32_t after = run - before - inside;                                        \
                    size_t pixel = ((size_t)image * s->h + line) * s->w + (uint32_t)first;         \
                    size_t source = pixel * s->c;                                                  \
                    __VA_ARGS__                                                                    \
                }                                                                                  \
            }                                                                                      \
            if (++ox == s->ow) {                                                                   \
                ox = 0;                                                                            \
                if (++oy == s->oh) oy = 0, image++;                                                \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#define FOR_VECTORS(name, rows, vectors, ...)                                                      \
    if (vectors == 2)                                                                              \
        name##_##rows##x2(__VA_ARGS__);                                                            \
    else                                                                                           \
        name##_##rows##x1(__VA_ARGS__)
#define FOR_TILE(name, rows, vectors, ...)                                                         \
    switch (rows) {                                                                                \
        case 6: FOR_VECTORS(name, 6, vectors, __VA_ARGS__); break;                                 \
        case 5: FOR_VECTORS(name, 5, vectors, __VA_ARGS__); break;                                 \
        case 4: FOR_VECTORS(name, 4, vectors, __VA_ARGS__); break;                                 \
        case 3: FOR_VECTORS(name, 3, vectors, __VA_ARGS__); break;                                 \
        case 2: FOR_VECTORS(name, 2, vectors, __VA_ARGS__); break;                                 \
        default: FOR_VECTORS(name, 1, vectors, __VA_ARGS__); break;                                \
    }
#endif
