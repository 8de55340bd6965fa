/* The walks of depthwise_walk_b8.h for 5 x 5 kernels. Four rows of a column are zipped as there; of
 * the last row, four neighbouring columns are: 14 products for a block. A column is multiplied for
 * all pixels that it is under, whose sums are held.
 *
 * Zen 4: groups of pixels (depthwise_integer.h) take 33 to 50 cycles for a block of 32 channels,
 * walks 24 to 27; with a stride of two 39 to 46 and 29 to 31. */
#ifndef EW_DEPTHWISE_WALK_5X5_B8_H
#define EW_DEPTHWISE_WALK_5X5_B8_H
#include "depthwise_walk_b8.h"
#if defined(EW_AMD)

enum { WIDE = 5 /* kernel rows and columns */ };

/* The rows of x at the next column: x's own between two runs of columns in the padding. */
typedef struct {
    const uint8_t *at[WIDE], *line[WIDE], *zeros; /* `line`: at the first column inside */
    size_t step[WIDE], inside[WIDE];              /* 0 in the padding */
    uint32_t left, width;                         /* columns until the next change */
} wide_rows;

/* Weights by column; of the last row, of its four columns that end a pixel's, and of the first one
 * by where it was among those of the pixel before. The sums that have begun: products of a column
 * depend on no other's then. The columns of the last row that have been read. */
typedef struct {
    v_s32 w[WIDE][2], last[2], first[2], bias[2];
    v_s32 sum[WIDE][2], quad[2];
} wide_columns;

/* Goes from padding into x, or out of it for good. */
EW_INLINE void wide_change(wide_rows *x) {
    const int enters = x->width > 0;
    EW_UNROLL
    for (uint32_t q = 0; q < WIDE; q++) {
        x->at[q] = enters ? x->line[q] : x->zeros;
        x->step[q] = enters ? x->inside[q] : 0;
    }
    x->left = enters ? x->width : 0xFFFFFFFF;
    x->width = 0;
}

/* The newest one or two columns behind others of `quad`. */
EW_INLINE void wide_quad(const uint32_t stride, const __m256i newest[2], v_s32 quad[2]) {
#define ORDER(i) 0, 0, stride == 1 ? 0 : i, stride == 1 ? i : 32 + i
#define FOUR(i) ORDER(i), ORDER(i + 1), ORDER(i + 2), ORDER(i + 3)
    const v_bytes order[2] = {{FOUR(0), FOUR(8), FOUR(16), FOUR(24)},
                              {FOUR(4), FOUR(12), FOUR(20), FOUR(28)}};
#undef FOUR
#undef ORDER
    const __mmask64 which = stride == 1 ? 0x8888888888888888 : 0xCCCCCCCCCCCCCCCC;
    __m512i x = _mm512_castsi256_si512(newest[0]);
    if (stride == 2) x = _mm512_inserti64x4(x, newest[1], 1);
    EW_UNROLL
    for (uint32_t v = 0; v < 2; v++) {
        const __m512i older = _mm512_srli_epi32((__m512i)quad[v], 8 * stride);
        quad[v] = (v_s32)_mm512_mask_permutexvar_epi8(older, which, (__m512i)order[v], x);
    }
}

/* The next columns' products: of the sums from `from` on, all of which are moved up then. */
EW_INLINE void wide_step(const uint32_t stride, const int is_plain, const uint32_t from,
                         const walk_output *o, wide_rows *x, wide_columns *k, v_s32 done[2]) {
    const uint32_t begun = (WIDE - 1) / stride;
    v_s32 fresh[2][2];
    __m256i newest[2];
    EW_UNROLL
    for (uint32_t i = 0; i < stride; i++) {
        __m256i row[WIDE];
        if (__builtin_expect(!x->left--, 0)) wide_change(x), x->left--;
        EW_UNROLL
        for (uint32_t q = 0; q < WIDE; q++) {
            row[q] = _mm256_loadu_si256((const __m256i *)(const void *)x->at[q]);
            if (!is_plain) row[q] ^= o->flip;
            x->at[q] += x->step[q];
        }
        walk_zip(4, row, fresh[i]);
        newest[i] = row[WIDE - 1];
    }
    wide_quad(stride, newest, k->quad);
    EW_UNROLL
    for (uint32_t v = 0; v < 2; v++) {
        k->sum[begun][v] = k->bias[v];
        EW_UNROLL
        for (uint32_t j = from; j <= begun; j++)
            EW_UNROLL
            for (uint32_t i = 0; i < stride; i++) {
                const uint32_t tap = WIDE + i - (j + 1) * stride; /* may wrap around */
                if (tap < WIDE)
                    k->sum[j][v] = v_dot_u8_s8(fresh[i][v], k->w[tap][v], k->sum[j][v]);
            }
        if (from < 2) k->sum[1][v] = v_dot_u8_s8(k->quad[v], k->first[v], k->sum[1][v]);
        if (!from) done[v] = v_dot_u8_s8(k->quad[v], k->last[v], k->sum[0][v]);
        EW_UNROLL
        for (uint32_t j = 0; j < begun; j++) k->sum[j][v] = k->sum[j + 1][v];
    }
}

/* Those steps of the ones before a line's first block that are numbered from `first` to `end`. */
EW_INLINE void wide_begin(const uint32_t stride, const int is_plain, uint32_t first, uint32_t end,
                          const walk_output *o, wide_rows *x, wide_columns *k) {
    const uint32_t begun = (WIDE - 1) / stride;
    v_s32 none[2];
    EW_UNROLL
    for (uint32_t n = 0; n < begun; n++)
        if (n >= first && n < end) wide_step(stride, is_plain, begun - n, o, x, k, none);
}

/* A line of y, where `begun` steps in the padding are in the sums already. */
EW_INLINE void wide_line(const uint32_t stride, const int is_plain, const ew_depthwise_conv_2d *p,
                         const walk_output *o, uint32_t begun, wide_rows x, wide_columns k,
                         uint8_t *y) {
    const size_t y_step = p->y_stride;
    wide_begin(stride, is_plain, begun, WIDE, o, &x, &k);
    for (uint32_t n = p->window.ow; n; n--, y += y_step) {
        v_s32 acc[2][2];
        wide_step(stride, is_plain, 0, o, &x, &k, acc[0]);
        walk_store(1, is_plain, 1, o, acc, 0, BYTES, y);
    }
}

EW_INLINE void wide_lines(const uint32_t stride, const int is_plain, const walk *k) {
    const ew_depthwise_conv_2d *p = k->p;
    const ew_window *s = &p->window;
    const size_t pixel = s->c, x_line = s->w * pixel, y_line = (size_t)s->ow * p->y_stride;
    /* the columns before x; those of whole steps have the same products in every line */
    const uint32_t before = s->pad_left + stride - 1, steps = (WIDE - 1) / stride;
    const uint32_t begun = ew_min_u32(before / stride, steps), left = before - begun * stride;
    walk_output o = walk_output_of(p, is_plain, 1);
    uint8_t zeros[BYTES];
    _mm256_storeu_si256((__m256i *)(void *)zeros, _mm256_set1_epi8((char)p->x_zero));
    for (uint32_t b = 0, blocks = ew_divide_up(p->channels, BLOCK); b < blocks; b++) {
        const size_t c = ew_min_u32(b * BLOCK, p->channels - BLOCK), of_block = (size_t)b * BLOCK;
        const int8_t *w = k->w + (size_t)b * (WIDE + 2) * 2 * sizeof(v_s32);
        wide_columns columns;
        EW_UNROLL
        for (uint32_t v = 0; v < 2; v++, w += sizeof(v_s32)) {
            columns.bias[v] = v_load_s32(k->bias + of_block + v * EW_LANES);
            o.scale[v] = v_load_f32(k->scale + of_block + v * EW_LANES);
            EW_UNROLL
            for (uint32_t j = 0; j < WIDE; j++)
                columns.w[j][v] = v_load_s32(w + 2 * j * sizeof(v_s32));
            const __m512i four = (__m512i)v_load_s32(w + 2 * WIDE * sizeof(v_s32));
            const v_s32 fifth = v_load_s32(w + 2 * (WIDE + 1) * sizeof(v_s32));
            columns.last[v] = (v_s32)_mm512_srli_epi32(four, 8) | fifth << 24;
            columns.quad[v] = v_splat_s32(0);
            columns.first[v] = ((v_s32)four & 0xFF) << (stride == 2 ? 8 : 0);
        }
        wide_rows outside = {.zeros = zeros, .left = 0xFFFFFFFF};
        EW_UNROLL
        for (uint32_t q = 0; q < WIDE; q++) outside.at[q] = zeros, outside.step[q] = 0;
        wide_begin(stride, is_plain, 0, begun, &o, &outside, &columns);
        uint32_t top = k->top;
        uint8_t *y = k->y + c;
        for (uint32_t i = 0; i < k->lines; i++, top += s->stride_h, y += y_line) {
            wide_rows x = {.zeros = zeros, .left = left, .width = s->w};
            EW_UNROLL
            for (uint32_t q = 0; q < WIDE; q++) {
                const uint32_t from = top + q * s->dilation_h; /* negatives wrap around */
                const int is_inside = from < s->h;
                x.inside[q] = is_inside ? pixel : 0;
                x.line[q] = is_inside ? k->x + from * x_line + c : zeros;
                x.at[q] = zeros;
                x.step[q] = 0;
            }
            wide_line(stride, is_plain, p, &o, begun, x, columns, y);
        }
    }
}

#define DEFINE_WIDE(stride, is_plain)                                                              \
    static __attribute__((noinline)) void walk_wide_##stride##_##is_plain(const walk *k) {         \
        wide_lines(stride, is_plain, k);                                                           \
    }
DEFINE_WIDE(1, 0)
DEFINE_WIDE(1, 1)
DEFINE_WIDE(2, 0)
DEFINE_WIDE(2, 1)

/* Whether lines are walked. */
static int walks(const ew_depthwise_conv_2d *p) {
    const ew_window *s = &p->window;
    if (p->taps_per_lane != 4) return 0;
    if (p->body == EW_DEPTHWISE_5x1 || p->body == EW_DEPTHWISE_5x2)
        return !p->is_spread && s->pad_left < WIDE;
    const int is_square = s->kernel_h == WALK && s->kernel_w == WALK && s->dilation_w == 1;
    if (!is_square || s->stride_w > 2 || s->pad_left > 1 || p->multiplier != 1) return 0;
    return !p->is_spread || ((s->o == 8 || s->o == 16) && p->y_stride == s->o);
}

/* Output rows [row, end) of all N * OH. */
static void walk_all(const ew_depthwise_conv_2d *p, void *const *operand, uint32_t row,
                     uint32_t end) {
    static void (*const single[2][2][3])(const walk *) = {{WALKS(1, 1, 0), WALKS(1, 2, 0)},
                                                          {WALKS(1, 1, 1), WALKS(1, 2, 1)}};
    static void (*const pairs[3])(const walk *) = WALKS(2, 1, 1);
    static void (*const wide[2][2])(const walk *) = {{walk_wide_1_0, walk_wide_2_0},
                                                     {walk_wide_1_1, walk_wide_2_1}};
    const ew_window *s = &p->window;
    const uint32_t bytes = (s->w * s->stride_h + s->ow) * LINE_BYTES;
    const uint32_t most = (MOST_BYTES / bytes + 2) & ~1u;
    const uint32_t per = !p->is_spread ? 0 : s->o == 16 ? 1 : 2;
    const int is_plain = p->is_bounded && !p->is_signed;
    const int is_wide = s->kernel_h == WIDE, is_one = s->stride_w == 1 && s->stride_h == 1;
    const int may_pair = is_plain && !is_wide && is_one && s->dilation_h == 1;
    walk k = {.p = p, .w = operand[1], .bias = operand[2], .scale = operand[3]};
    for (; row < end; row += k.lines) {
        const uint32_t image = row / s->oh, oy = row - image * s->oh;
        k.lines = ew_min_u32(ew_min_u32(end - row, s->oh - oy), most);
        const int is_pair = may_pair && k.lines > 1;
        if (is_pair) k.lines &= ~1u;
        k.x = (const uint8_t *)operand[0] + (size_t)image * s->h * s->w * s->c;
        k.y = (uint8_t *)operand[4] + (size_t)row * s->ow * p->y_stride;
        k.top = oy * s->stride_h - s->pad_top;
        if (is_wide)
            wide[is_plain][s->stride_w - 1](&k);
        else
            (is_pair ? pairs[per] : single[is_plain][s->stride_w - 1][per])(&k);
    }
}
#endif
#endif
