/* Panels of gemm_f32.h from matrices that the model computes. */
#ifndef EW_PACK_F32_H
#define EW_PACK_F32_H
#include "gemm_f32.h"

/* `columns` columns of y [k, n] as a panel [k, width], 0 beyond them; neighbours lie k_step and
 * column_step apart. */
static inline void ew_pack_panel(const float *y, size_t k_step, size_t column_step, uint32_t k,
                                 uint32_t columns, uint32_t width, float *to) {
    enum { STEPS = 16 }; /* so that what is read stays in the cache */
    for (uint32_t i = 0; i < k; i += STEPS) {
        uint32_t end = ew_min_u32(k, i + STEPS);
        if (column_step == 1) {
            for (uint32_t j = i; j < end; j++)
                for (uint32_t c = 0; c < width; c++)
                    to[(size_t)j * width + c] = c < columns ? y[j * k_step + c] : 0.0f;
        } else {
            for (uint32_t c = 0; c < width; c++)
                for (uint32_t j = i; j < end; j++)
                    to[(size_t)j * width + c] =
                        c < columns ? y[j * k_step + c * column_step] : 0.0f;
        }
    }
}
#endif
