/* What convolutions that stage x share: which part of y a tile computes, and how the lines of x
 * that it reads lie in scratch memory. */
#ifndef EW_CONV_TILES_H
#define EW_CONV_TILES_H
#include "kernel.h"

/* The steps [*first, *last) of a kernel axis that fall inside x, where step 0 reads `at`. */
static inline void ew_inside_of(int32_t at, uint32_t kernel, uint32_t dilation, uint32_t size,
                                uint32_t *first, uint32_t *last) {
    uint32_t i = 0, end = kernel;
    while (i < end && at + (int32_t)(i * dilation) < 0) i++;
    while (end > i && at + (int32_t)((end - 1) * dilation) >= (int32_t)size) end--;
    *first = i;
    *last = end;
}

typedef struct {
    uint32_t group, image, line, lines, column, columns, panel, panels;
} ew_conv_tile;

static inline ew_conv_tile ew_conv_tile_at(const ew_conv_layout *p, uint32_t tile,
                                           uint32_t all_panels) {
    const ew_window *s = &p->window;
    ew_conv_tile t = {0};
    if (tile) { /* small layers have one: their divisions took a twentieth of the time (Zen 4) */
        uint32_t panel_blocks = ew_divide_up(all_panels, p->panels_per_tile);
        uint32_t column_blocks = ew_divide_up(s->ow, p->columns_per_tile);
        uint32_t line_blocks = ew_divide_up(s->oh, p->lines_per_tile);
        t.panel = tile % panel_blocks * p->panels_per_tile;
        tile /= panel_blocks;
        t.column = tile % column_blocks * p->columns_per_tile;
        tile /= column_blocks;
        t.line = tile % line_blocks * p->lines_per_tile;
        tile /= line_blocks;
        t.image = tile % s->n;
        t.group = tile / s->n;
    }
    t.panels = ew_min_u32(p->panels_per_tile, all_panels - t.panel);
    t.columns = ew_min_u32(p->columns_per_tile, s->ow - t.column);
    t.lines = ew_min_u32(p->lines_per_tile, s->oh - t.line);
    return t;
}

/* What a group has of n channels. */
static inline uint32_t ew_of_group(uint32_t n, uint32_t groups) {
    return groups == 1 ? n : n / groups;
}

#if EW_LANES > 1
/* How a tile's part of x lies in scratch: `lines` lines `pitch` bytes apart of `columns` pixels. An
 * axis of which the kernel reads one element only keeps what is read: its stride becomes 1. */
typedef struct {
    uint32_t stride_h, stride_w; /* between the windows of neighbouring outputs, in staged pixels */
    uint32_t skip_h, skip_w;     /* between staged pixels, in pixels of x */
    uint32_t columns;
    size_t pitch;
    uint32_t runs; /* that a kernel row consists of */
    uint32_t length; /* of a run, elements */
} ew_staging;

static inline ew_staging ew_staging_of(const ew_conv_layout *p, uint32_t bytes) {
    const ew_window *s = &p->window;
    uint32_t c = ew_of_group(s->c, p->groups);
    ew_staging g;
    g.skip_h = s->kernel_h == 1 ? s->stride_h : 1;
    g.skip_w = s->kernel_w == 1 ? s->stride_w : 1;
    g.stride_h = s->kernel_h == 1 ? 1 : s->stride_h;
    g.stride_w = s->kernel_w == 1 ? 1 : s->stride_w;
    g.columns = (p->columns_per_tile - 1) * g.stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    g.pitch = (size_t)g.columns * c * bytes;
    g.runs = s->dilation_w == 1 ? 1 : s->kernel_w;
    g.length = (g.runs == 1 ? s->kernel_w : 1) * c;
    return g;
}

/* Bytes from a row of x in scratch to where each of its runs begins. */
static inline void ew_find_runs(const ew_conv_layout *p, const ew_staging *g, uint32_t bytes,
                                uint32_t *segment) {
    const ew_window *s = &p->window;
    uint32_t c = ew_of_group(s->c, p->groups);
    if (s->kernel_h == 1 && g->runs == 1) { /* what precedes a loop of vectors takes 5 ns (Zen 4) */
        *segment = 0;
        return;
    }
    for (uint32_t line = 0; line < s->kernel_h; line++)
        for (uint32_t run = 0; run < g->runs; run++)
            *segment++ = (uint32_t)(line * s->dilation_h * g->pitch +
                                    run * s->dilation_w * c * bytes);
}
#endif
#endif
