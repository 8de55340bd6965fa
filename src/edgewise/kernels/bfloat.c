/* Elementwise operators on bfloat16: computed in float32 and rounded once, as by the kernels on
 * float32 between casts, without the memory that those go through. */
#include "broadcast.h"
#include "simd_half.h"

/* Whole vectors, then a last one whose other lanes are 0. */
static void add_bf16_row(const void *params, const void *const *x, void *result, size_t n) {
    const ew_binary *p = params;
    const v_f32 low = v_splat_f32(p->low_f32), high = v_splat_f32(p->high_f32);
    const uint16_t *a = x[0], *b = x[1];
    uint16_t *y = result;
    size_t i = 0;
    for (; i + EW_LANES <= n; i += EW_LANES) /* a NaN stays */
        v_store_bf16(y + i, v_min(high, v_max(low, v_load_bf16(a + i) + v_load_bf16(b + i))));
    if (i < n) {
        uint16_t left[EW_LANES] = {0}, right[EW_LANES] = {0};
        ew_copy((uint8_t *)left, (const uint8_t *)(a + i), (n - i) * sizeof *y);
        ew_copy((uint8_t *)right, (const uint8_t *)(b + i), (n - i) * sizeof *y);
        v_store_bf16(left, v_min(high, v_max(low, v_load_bf16(left) + v_load_bf16(right))));
        ew_copy((uint8_t *)(y + i), (const uint8_t *)left, (n - i) * sizeof *y);
    }
}

EW_DEFINE(add_bf16) {
    const ew_binary *p = params;
    ew_rows(&p->shape, p, operand, (ew_element_bytes){{2, 2, 0}, 2}, 2, add_bf16_row, tile_begin,
            tile_end, scratch);
}
