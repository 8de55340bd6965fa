/* Panels of gemm_f32.h from matrices that the model computes. */
#ifndef EW_PACK_F32_H
#define EW_PACK_F32_H
#include "gemm_f32.h"

enum { EW_QUAD = 4 };

/* EW_QUAD elements of each of so many rows of y become as many columns of rows of `to`: keys and
 * values of 8 heads, 128 by 32, are packed in 7 us, not 20 (Zen 4). */
EW_INLINE void ew_transpose_quads(const float *y, size_t y_row, float *to, size_t to_row) {
    typedef float quad __attribute__((vector_size(EW_QUAD * sizeof(float))));
    quad v[EW_QUAD], pair[EW_QUAD];
    EW_UNROLL
    for (uint32_t i = 0; i < EW_QUAD; i++) __builtin_memcpy(&v[i], y + i * y_row, sizeof *v);
    EW_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        pair[2 * i] = __builtin_shufflevector(v[i], v[i + 2], 0, 4, 1, 5);
        pair[2 * i + 1] = __builtin_shufflevector(v[i], v[i + 2], 2, 6, 3, 7);
    }
    EW_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        v[2 * i] = __builtin_shufflevector(pair[i], pair[i + 2], 0, 4, 1, 5);
        v[2 * i + 1] = __builtin_shufflevector(pair[i], pair[i + 2], 2, 6, 3, 7);
    }
    EW_UNROLL
    for (uint32_t i = 0; i < EW_QUAD; i++) __builtin_memcpy(to + i * to_row, &v[i], sizeof *v);
}

/* `columns` columns of y [k, n] as a panel [k, width], 0 beyond them; neighbours lie k_step and
 * column_step apart. */
static inline void ew_pack_panel(const float *y, size_t k_step, size_t column_step, uint32_t k,
                                 uint32_t columns, uint32_t width, float *to) {
    enum { STEPS = 16 }; /* so that what is read stays in the cache */
    for (uint32_t i = 0; i < k; i += STEPS) {
        uint32_t end = ew_min_u32(k, i + STEPS);
        if (column_step == 1 && columns == width) {
            for (uint32_t j = i; j < end; j++)
                for (uint32_t c = 0; c < width; c += EW_LANES)
                    v_store_f32(to + (size_t)j * width + c, v_load_f32(y + j * k_step + c));
        } else if (column_step == 1) {
            for (uint32_t j = i; j < end; j++)
                for (uint32_t c = 0; c < width; c++)
                    to[(size_t)j * width + c] = c < columns ? y[j * k_step + c] : 0.0f;
        } else {
            uint32_t c = 0;
            if (EW_LANES > 1 && k_step == 1 && end - i == STEPS)
                for (; c + EW_QUAD <= columns; c += EW_QUAD)
                    EW_UNROLL
                    for (uint32_t j = i; j < i + STEPS; j += EW_QUAD)
                        ew_transpose_quads(y + c * column_step + j, column_step,
                                           to + (size_t)j * width + c, width);
            for (; c < width; c++)
                for (uint32_t j = i; j < end; j++)
                    to[(size_t)j * width + c] =
                        c < columns ? y[j * k_step + c * column_step] : 0.0f;
        }
    }
}
#endif
