/* A step of the products of gemm_amx.h with AArch64's bfmmla, which multiplies two rows of x, 4
 * elements each, by two columns. Blocks are of 8 rows by 8: their sums are half of the registers. */
#ifndef EW_GEMM_BFMMLA_H
#define EW_GEMM_BFMMLA_H
EW_INLINE void ew_amx_step(const uint32_t tiles, const uint32_t vectors, const int is_bf16,
                           ew_amx_sums *sums, const uint8_t *x, size_t x_row, const int8_t *w,
                           size_t next) {
    enum { ROWS = 8, WIDE = 8, ROW = sizeof(v_s32), VECTOR = EW_AMX_STEPS * ROW };
    (void)is_bf16; /* only those ask */
    for (uint32_t r = 0; r < tiles * EW_AMX_TILE; r += ROWS)
        for (uint32_t c = 0; c < vectors * EW_LANES; c += WIDE) {
            const uint8_t *from = x + r * x_row;
            const int8_t *by = w + c / EW_COLUMNS * next + c % EW_COLUMNS / EW_LANES * VECTOR;
            float32x4_t acc[ROWS / 2][WIDE / 2];
            by += c % EW_LANES * sizeof(int32_t);
            EW_UNROLL
            for (uint32_t k = 0; k < ROWS / 2; k++)
                EW_UNROLL
                for (uint32_t j = 0; j < WIDE / 2; j += 2) {
                    const int64x2_t a = (int64x2_t)vld1q_s32(&sums[r + 2 * k][c + 2 * j]);
                    const int64x2_t b = (int64x2_t)vld1q_s32(&sums[r + 2 * k + 1][c + 2 * j]);
                    acc[k][j] = (float32x4_t)vzip1q_s64(a, b);
                    acc[k][j + 1] = (float32x4_t)vzip2q_s64(a, b);
                }
            for (uint32_t i = 0; i < EW_AMX_STEPS; i += 2, from += 8, by += 2 * ROW) {
                bfloat16x8_t weights[WIDE / 2];
                EW_UNROLL
                for (uint32_t j = 0; j < WIDE / 2; j += 2) {
                    const int32x4_t a = (int32x4_t)vld1q_s8(by + j * 8);
                    const int32x4_t b = (int32x4_t)vld1q_s8(by + j * 8 + ROW);
                    weights[j] = (bfloat16x8_t)vzip1q_s32(a, b);
                    weights[j + 1] = (bfloat16x8_t)vzip2q_s32(a, b);
                }
                EW_UNROLL
                for (uint32_t k = 0; k < ROWS / 2; k++) {
                    const uint8_t *row = from + 2 * k * x_row;
                    const bfloat16x8_t two =
                        (bfloat16x8_t)vcombine_u8(vld1_u8(row), vld1_u8(row + x_row));
                    EW_UNROLL
                    for (uint32_t j = 0; j < WIDE / 2; j++)
                        acc[k][j] = vbfmmlaq_f32(acc[k][j], two, weights[j]);
                }
            }
            EW_UNROLL
            for (uint32_t k = 0; k < ROWS / 2; k++)
                EW_UNROLL
                for (uint32_t j = 0; j < WIDE / 2; j += 2) {
                    const int64x2_t a = (int64x2_t)acc[k][j], b = (int64x2_t)acc[k][j + 1];
                    vst1q_s32(&sums[r + 2 * k][c + 2 * j], (int32x4_t)vzip1q_s64(a, b));
                    vst1q_s32(&sums[r + 2 * k + 1][c + 2 * j], (int32x4_t)vzip2q_s64(a, b));
                }
        }
}
#endif
