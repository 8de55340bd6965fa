/* Packing of constants while planning: loops that NumPy does in several passes over memory. */
#include "bfloat.h"
#include "gemm_f32.h"

/* One output's runs, with `stride` bytes between its steps in y; the sum of its weights, in a loop
 * of its own: then the compiler copies steps and adds vectors. */
EW_INLINE int32_t pack_output(int8_t *restrict y, const uint8_t *restrict w, uint32_t flip,
                              uint32_t runs, uint32_t length, size_t of_run, size_t stride,
                              const uint32_t step) {
    int32_t sum = 0;
    for (uint32_t r = 0; r < runs; r++, y += of_run, w += length) {
        int8_t *to = y;
        uint32_t e = 0;
        for (; e + step <= length; e += step, to += stride)
            EW_UNROLL
            for (uint32_t i = 0; i < step; i++) to[i] = (int8_t)(w[e + i] ^ flip);
        for (uint32_t i = 0; e + i < length; i++) to[i] = (int8_t)(w[e + i] ^ flip);
        for (uint32_t i = 0; i < length; i++) sum += (int8_t)(w[i] ^ flip);
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

/* 4-bit weights [outputs][k], in the low bits of a byte each, as ew_dense_h4 has them for panels of
 * so many columns, and their sums [blocks][outputs rounded up to panels]. Element e of eight is at
 * bit 8 * (e % 4) + 4 * (e / 4), or where a product has two, 16 * (e % 2) + 4 * (e / 2). */
EW_EXPORT void ew_pack_h4(uint32_t *y, int32_t *sums, const uint8_t *w, uint32_t outputs,
                          uint32_t k, uint32_t block, uint32_t columns, uint32_t per_lane) {
    const uint32_t eights = ew_divide_up(k, 8), panels = ew_divide_up(outputs, columns);
    const uint32_t padded = panels * columns, apart = 32 / per_lane;
    for (size_t i = 0; i < (size_t)padded * eights; i++) y[i] = 0x88888888;
    for (size_t i = 0; i < (size_t)padded * ew_divide_up(k, block); i++) sums[i] = 0;
    for (uint32_t o = 0; o < outputs; o++) {
        uint32_t *to = y + (size_t)(o / columns) * eights * columns + o % columns;
        int32_t *sum = sums + o;
        for (uint32_t from = 0, left = block; from < k; from += 8, to += columns) {
            const uint32_t count = ew_min_u32(8, k - from);
            uint32_t moved = 0x88888888;
            for (uint32_t e = 0; e < count; e++, w++) {
                moved ^= (uint32_t)(*w & 15) << (apart * (e % per_lane) + 4 * (e / per_lane));
                *sum += ((*w & 15) ^ 8) - 8;
            }
            *to = moved;
            left -= count;
            if (!left) left = block, sum += padded;
        }
    }
}

/* Weights [outputs][k] of a byte each, or in the low 4 bits of it, as ew_dense_w has them for panels
 * of so many columns. */
EW_EXPORT void ew_pack_w(uint8_t *y, const uint8_t *w, uint32_t outputs, uint32_t k,
                         uint32_t columns, uint32_t bits) {
    enum { EIGHT = 8 };
    const size_t of_panel = (size_t)columns * (bits == 4 ? 4 * ew_divide_up(k, EIGHT) : k);
    for (size_t i = 0; i < of_panel * ew_divide_up(outputs, columns); i++) y[i] = 0;
    for (uint32_t o = 0; o < outputs; o++, w += k) {
        uint8_t *to = y + o / columns * of_panel;
        const size_t column = o % columns;
        for (uint32_t e = 0; bits == 8 && e < k; e++) to[e * (size_t)columns + column] = w[e];
        for (uint32_t e = 0; bits == 4 && e < k; e++) { /* bytes of a little-endian lane */
            const size_t lane = (size_t)(e / EIGHT) * columns + column;
            to[4 * lane + e % EIGHT / 2] |= (uint8_t)((w[e] & 15) << e % 2 * 4);
        }
    }
}

/* Weights [outputs][runs][length] of one group after the other, `per_group` outputs each, rounded
 * to bfloat16: [groups][panels][runs][steps / 16][2][16][16][2], zeros beyond; see ew_conv_bf16. */
EW_EXPORT void ew_pack_bf16(uint16_t *y, const float *w, uint32_t outputs, uint32_t per_group,
                            uint32_t runs, uint32_t length, uint32_t steps) {
    enum { PANEL = 32, VECTOR = 16, REGISTER = 16 * VECTOR * 2 };
    const size_t of_run = (size_t)steps * 2 * PANEL, of_panel = runs * of_run;
    for (uint32_t o = 0; o < outputs; o++) {
        const uint32_t group = o / per_group, channel = o % per_group;
        const uint32_t panel = group * ew_divide_up(per_group, PANEL) + channel / PANEL;
        uint16_t *to = y + panel * of_panel;
        for (size_t i = 0; channel % PANEL == 0 && i < of_panel; i++) to[i] = 0;
        to += channel % PANEL / VECTOR * REGISTER + channel % VECTOR * 2;
        for (uint32_t r = 0; r < runs; r++, to += of_run)
            for (uint32_t e = 0; e < length; e++)
                to[(size_t)(e / 32) * 2 * REGISTER + e % 32 / 2 * VECTOR * 2 + e % 2] =
                    ew_bfloat_of(*w++);
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
