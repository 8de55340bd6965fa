/* Packing of constants while planning: loops that NumPy does in several passes over memory. */
#include "bfloat.h"
#include "gemm_f32.h"

/* One output's runs, with `stride` bytes between its steps in y; the sum of its weights. */
EW_INLINE int32_t pack_output(int8_t *y, const uint8_t *w, uint32_t flip, uint32_t runs,
                              uint32_t length, size_t of_run, size_t stride,
                              const uint32_t step) {
    int32_t sum = 0;
    for (uint32_t r = 0; r < runs; r++, y += of_run) {
        int8_t *to = y;
        uint32_t e = 0;
        for (; e + step <= length; e += step, to += stride)
            EW_UNROLL
            for (uint32_t i = 0; i < step; i++) sum += to[i] = (int8_t)(*w++ ^ flip);
        for (uint32_t i = 0; e + i < length; i++) sum += to[i] = (int8_t)(*w++ ^ flip);
    }
    return sum;
}

/* Weights [outputs][runs][length] of one group after the other, `per_group` outputs each, as
 * [groups][panels][runs][steps][panel][step] s8, zeros beyond; see ew_conv_b8.
 * Every byte is inverted with `flip`; step is 2 or 4. sums[o] is the sum of output o's packed
 * weights. */
EW_EXPORT void ew_pack_b8(int8_t *y, int32_t *sums, const uint8_t *w, uint32_t flip,
                          uint32_t outputs, uint32_t per_group, uint32_t runs, uint32_t length,
                          uint32_t panel, uint32_t step, uint32_t steps) {
    uint32_t all_panels = ew_divide_up(per_group, panel);
    size_t stride = (size_t)panel * step, of_run = steps * stride, of_panel = runs * of_run;
    size_t k = (size_t)runs * length;
    for (uint32_t o = 0; o < outputs; o++, w += k) {
        uint32_t group = o / per_group, channel = o % per_group;
        int8_t *to = y + ((size_t)group * all_panels + channel / panel) * of_panel;
        int is_padded = length != steps * step || per_group % panel;
        for (size_t i = 0; is_padded && channel % panel == 0 && i < of_panel; i++) to[i] = 0;
        to += channel % panel * step;
        sums[o] = step == 4 ? pack_output(to, w, flip, runs, length, of_run, stride, 4)
                            : pack_output(to, w, flip, runs, length, of_run, stride, 2);
    }
}

/* Weights [outputs][runs][length] of one group after the other, `per_group` outputs each, rounded
 * to bfloat16: [groups][panels][runs][steps][32][2], zeros beyond; see ew_conv_bf16. */
EW_EXPORT void ew_pack_bf16(uint16_t *y, const float *w, uint32_t outputs, uint32_t per_group,
                            uint32_t runs, uint32_t length, uint32_t steps) {
    enum { PANEL = 32, STRIDE = 2 * PANEL };
    const size_t of_panel = (size_t)runs * steps * STRIDE;
    for (uint32_t o = 0; o < outputs; o++) {
        const uint32_t group = o / per_group, channel = o % per_group;
        const uint32_t panel = group * ew_divide_up(per_group, PANEL) + channel / PANEL;
        uint16_t *to = y + panel * of_panel;
        for (size_t i = 0; channel % PANEL == 0 && i < of_panel; i++) to[i] = 0;
        to += channel % PANEL * 2;
        for (uint32_t r = 0; r < runs; r++, to += (size_t)steps * STRIDE)
            for (uint32_t e = 0; e < length; e++)
                to[(size_t)(e / 2) * STRIDE + e % 2] = ew_bfloat_of(*w++);
    }
}

/* Columns [first, first + width) of w [o, k], transposed: to [k, width], 0 beyond o. A few steps of
 * K at a time, so that the rows written stay in the cache. */
static void pack_panel(const float *w, uint32_t o, uint32_t k, uint32_t first, uint32_t width,
                       float *to) {
    enum { STEPS = 16 };
    for (uint32_t i = 0; i < k; i += STEPS) {
        uint32_t end = ew_min_u32(k, i + STEPS);
        for (uint32_t c = 0; c < width; c++) {
            const float *from = w + (size_t)(first + c) * k;
            int inside = first + c < o;
            for (uint32_t j = i; j < end; j++) to[(size_t)j * width + c] = inside ? from[j] : 0.0f;
        }
    }
}

/* Weights [groups, o, k] in the panels of gemm_f32.h for vectors of `lanes` elements. `to` holds
 * groups * k * (o rounded up to vectors). */
EW_EXPORT void ew_pack_f32(const float *w, uint32_t groups, uint32_t o, uint32_t k, uint32_t lanes,
                           float *to) {
    uint32_t vectors = ew_divide_up(o, lanes), panels = vectors < 2 ? vectors : vectors / 2;
    for (uint32_t g = 0; g < groups; g++, w += (size_t)o * k)
        for (uint32_t i = 0; i < panels; i++) {
            uint32_t width = (i + 1 < panels ? 2 : vectors - 2 * i) * lanes;
            pack_panel(w, o, k, 2 * lanes * i, width, to);
            to += (size_t)k * width;
        }
}
