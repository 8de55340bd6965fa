/* What this processor can do at most: the loops that the profile measures everything against. They
 * compute nothing anybody needs, on as many registers as hide the latency. Tiles: any number, of
 * `rounds` rounds each. */
#include "gemm_amx.h"

enum { CHAINS = 12 };

/* CHAINS * EW_LANES multiply-accumulates a round. Operands: x, y f32 [EW_LANES]. */
EW_DEFINE(peak_f32) {
    const ew_peak *p = params;
    /* towards 2: sums that become ever smaller would be slow */
    v_f32 acc[CHAINS], a = v_load_f32(operand[0]) + v_splat_f32(1.0f), b = v_splat_f32(0.5f);
    EW_UNUSED(scratch);
    EW_UNROLL
    for (uint32_t i = 0; i < CHAINS; i++) acc[i] = v_splat_f32((float)i);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++)
        for (uint32_t r = 0; r < p->rounds; r++) {
            EW_UNROLL
            for (uint32_t i = 0; i < CHAINS; i++) acc[i] = v_fma(acc[i], b, a);
        }
    EW_UNROLL
    for (uint32_t i = 1; i < CHAINS; i++) acc[0] += acc[i];
    v_store_f32(operand[1], acc[0]);
}

/* The instruction of 8-bit convolutions: CHAINS * EW_LANES * 4 multiply-accumulates a round with
 * VNNI, * 2 elsewhere; with AMX, 4 * 16 * 16 * 64. Operands: x, y s32 [EW_LANES]. */
EW_DEFINE(peak_s8) {
    const ew_peak *p = params;
#if defined(__AMX_TILE__)
    EW_UNUSED(operand), EW_UNUSED(scratch);
    ew_amx_begin();
    for (uint32_t tile = tile_begin; tile < tile_end; tile++)
        for (uint32_t r = 0; r < p->rounds; r++) {
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        }
    ew_amx_end();
#else
    v_s32 acc[CHAINS], a = v_load_s32(operand[0]);
    EW_UNUSED(scratch);
    EW_UNROLL
    for (uint32_t i = 0; i < CHAINS; i++) acc[i] = v_splat_s32((int32_t)i);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++)
        for (uint32_t r = 0; r < p->rounds; r++) {
            EW_UNROLL
            for (uint32_t i = 0; i < CHAINS; i++)
#if EW_QUADS
                acc[i] = v_dot_u8_s8(a, acc[i], acc[i]);
#else
                acc[i] = v_dot_s16(a, acc[i], v_splat_s32(0)); /* additions go elsewhere */
#endif
        }
    EW_UNROLL
    for (uint32_t i = 1; i < CHAINS; i++) acc[0] += acc[i];
    __builtin_memcpy(operand[1], &acc[0], sizeof acc[0]);
#endif
}

/* Reads `bytes` of x (a multiple of 32 vectors) `rounds` times. Operands: x, y s32 [EW_LANES]. */
EW_DEFINE(peak_read) {
    const ew_peak *p = params;
    const uint8_t *x = operand[0];
    v_s32 acc[4] = {v_splat_s32(0), v_splat_s32(0), v_splat_s32(0), v_splat_s32(0)};
    EW_UNUSED(scratch);
    for (uint32_t tile = tile_begin; tile < tile_end; tile++)
        for (uint32_t r = 0; r < p->rounds; r++)
            for (uint32_t at = 0; at < p->bytes; at += 4 * sizeof acc[0]) {
                EW_UNROLL
                for (uint32_t i = 0; i < 4; i++)
                    acc[i] ^= v_load_s32(x + at + i * sizeof acc[0]);
            }
    acc[0] ^= acc[1] ^ acc[2] ^ acc[3];
    __builtin_memcpy(operand[1], &acc[0], sizeof acc[0]);
}
