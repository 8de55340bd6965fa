/* The 8-bit matrix product of the convolutions and matrix multiplications (gemm_b8.c). */
#ifndef EW_GEMM_B8_H
#define EW_GEMM_B8_H
#include "gemm.h"

/* x as the products read it: without its zero point, or moved to u8 (VNNI). */
#if EW_QUADS
typedef uint8_t ew_staged;
#else
typedef int16_t ew_staged;
#endif

/* n times `value`; what follows them. */
static inline ew_staged *ew_fill(ew_staged *y, size_t n, ew_staged value) {
    for (size_t e = 0; e < n; e++) y[e] = value;
    return y + n;
}

#if EW_LANES > 1

enum {
    EW_CHUNK = 16, /* elements staged at once */
};

/* n elements of x as the products read them: EW_CHUNK at a time where `slack` allows to read (and
 * write) beyond them. Whole vectors first: where the layers around it are narrow, staging by 16
 * bytes took a quarter of a convolution's time (32 -> 16 channels, Zen 4), and takes a tenth. */
static inline void ew_stage(ew_staged *restrict y, const uint8_t *restrict x, size_t n,
                            int32_t x_zero, uint32_t is_signed, int slack) {
#if EW_QUADS
    const uint8_t flip = is_signed ? 0x80 : 0;
#define EW_STAGED(byte) (uint8_t)((byte) ^ flip)
    EW_UNUSED(x_zero);
#else
    const uint8_t flip = is_signed ? 0 : 0x80;
    const int32_t zero = x_zero - (is_signed ? 0 : 128);
#define EW_STAGED(byte) (int16_t)((int8_t)((byte) ^ flip) - zero)
#endif
    const size_t end = (slack ? n + EW_CHUNK - 1 : n) / EW_CHUNK * EW_CHUNK;
    size_t e = 0;
#if EW_QUADS
    const v_bytes flips = v_splat_bytes(flip);
    for (; e + EW_BYTES <= end; e += EW_BYTES)
        v_store_run(y + e, v_load_bytes(x + e) ^ flips, 0, EW_BYTES);
#endif
    for (; e < end; e += EW_CHUNK)
        for (uint32_t i = 0; i < EW_CHUNK; i++) y[e + i] = EW_STAGED(x[e + i]);
    for (; e < n; e++) y[e] = EW_STAGED(x[e]);
#undef EW_STAGED
}

/* A product whose `lane` is EW_PER_LANE. y has bytes; where scale is NULL, accumulators. */
typedef struct {
    ew_gemm product;
    const float *scale;
    uint32_t is_bounded; /* by scales below 1, s32 stays s32 */
    const v_output *output;
    const int32_t *joined; /* what joins_b8 has found, or NULL */
} ew_gemm_b8;

#if defined(EW_AMD)
/* Whether such products of up to EW_FEW columns may do the last steps of all segments as one, which
 * they may where these have one byte each; the weights of that step. */
enum { EW_FEW = 8 };
int EW_NAME(joins_b8)(const ew_gemm_b8 *g, int32_t weights[EW_FEW]);
#endif

void EW_NAME(gemm_b8)(const ew_gemm_b8 *g);

/* The same by the panel at g->product.w and the one behind it, whose biases and scales follow, too;
 * where ew_amx_pairs(&g->product). */
void EW_NAME(gemm_pair_b8)(const ew_gemm_b8 *g);

/* The same for one row of one segment and the EW_GEMV_B8 panels from g->product.w on, all columns
 * of which are stored. Weights of 4 bits, where `is_narrow`, are unpacked on the way. */
void EW_NAME(gemv_b8)(const ew_gemm_b8 *g, int is_narrow);
#endif
#endif
