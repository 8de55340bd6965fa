/* Packing of constants while planning: loops that NumPy does in several passes over memory. */
#include "kernel.h"

/* Weights [outputs][runs][length] of one group after the other, `per_group` outputs each, as
 * [groups][panels][runs][length / step rounded up][panel][step] s8, zeros beyond; see ew_conv_b8.
 * Every byte is inverted with `flip`. sums[o] is the sum of output o's packed weights. */
EW_EXPORT void ew_pack_b8(int8_t *y, int32_t *sums, const uint8_t *w, uint32_t flip,
                          uint32_t outputs, uint32_t per_group, uint32_t runs, uint32_t length,
                          uint32_t panel, uint32_t step) {
    uint32_t steps = ew_divide_up(length, step), all_panels = ew_divide_up(per_group, panel);
    size_t of_panel = (size_t)runs * steps * panel * step;
    for (uint32_t o = 0; o < outputs; o++) {
        uint32_t group = o / per_group, channel = o % per_group;
        int8_t *to = y + ((size_t)group * all_panels + channel / panel) * of_panel;
        if (channel % panel == 0)
            for (size_t i = 0; i < of_panel; i++) to[i] = 0;
        to += channel % panel * step;
        int32_t sum = 0;
        for (uint32_t r = 0; r < runs; r++)
            for (uint32_t e = 0; e < length; to += panel * step)
                for (uint32_t i = 0; i < step && e < length; i++, e++) {
                    to[i] = (int8_t)(*w++ ^ flip);
                    sum += to[i];
                }
        sums[o] = sum;
    }
}
