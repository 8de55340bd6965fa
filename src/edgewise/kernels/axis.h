/* One axis of a convolution's window: which of an output's taps lie inside x, and which outputs are
 * alike in that. Taps in the padding are not computed. */
#ifndef EW_AXIS_H
#define EW_AXIS_H
#include "kernel.h"

/* The taps [first, last) of an output pixel along one axis that are inside x. */
typedef struct {
    uint32_t first, last;
} taps;

/* One axis of the window; the outputs [whole, whole_end) have all taps inside x. */
typedef struct {
    uint32_t size, kernel, stride, dilation;
    int32_t pad; /* negative where the first output begins inside x */
    uint32_t whole, whole_end;
} axis;

/* Small convolutions feel each division. */
static inline uint32_t quotient(uint32_t a, uint32_t b) { return b == 1 ? a : a / b; }

static inline axis axis_of(uint32_t size, uint32_t kernel, uint32_t stride, uint32_t dilation,
                           uint32_t pad, uint32_t outputs) {
    axis a = {size, kernel, stride, dilation, (int32_t)pad, 0, 0};
    int32_t extent = kernel ? (int32_t)((kernel - 1) * dilation + 1) : 0;
    int32_t room = (int32_t)size + a.pad - extent; /* of the window inside x */
    if (a.pad > 0) a.whole = ew_min_u32(quotient(pad + stride - 1, stride), outputs);
    if (room >= 0) a.whole_end = ew_min_u32(quotient((uint32_t)room, stride) + 1, outputs);
    return a;
}

static inline taps taps_at(const axis *a, uint32_t output) {
    if (output >= a->whole && output < a->whole_end) return (taps){0, a->kernel};
    int32_t at = (int32_t)(output * a->stride) - a->pad; /* of the first tap */
    taps t = {0, a->kernel};
    if (at < 0) t.first = ew_min_u32(ew_divide_up((uint32_t)-at, a->dilation), a->kernel);
    int32_t left = (int32_t)a->size - at;
    t.last = left > 0 ? ew_min_u32(ew_divide_up((uint32_t)left, a->dilation), a->kernel) : 0;
    if (t.last < t.first) t.last = t.first;
    return t;
}

/* The outputs from `output` on, up to `end`, that have its taps: where they end. */
static inline uint32_t alike_until(const axis *a, uint32_t output, uint32_t end) {
    int inside = output >= a->whole && output < a->whole_end;
    return inside ? ew_min_u32(a->whole_end, end) : output + 1;
}
#endif
