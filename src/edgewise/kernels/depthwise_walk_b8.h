/* DEPTHWISE_CONV_2D of bytes with a 3 x 3 kernel, where a block of channels walks along the lines
 * of x: its weights stay in registers, and no address is looked up. What is zipped of a column,
 * four taps per lane, serves each line of y that it is under: two at once, where their rows are
 * four. Pixels of 8 or 16 channels walk several at a time, as one block: what lies a pixel further
 * is shifted out of two zipped blocks, so that rows need not be spread.
 *
 * On a Zen 4, shuffles and conversions share a pipe, and what is computed of a block has eight of
 * them at least: groups of pixels (depthwise_integer.h) take 17.5 to 25 cycles for a block of 32
 * channels, walks 11.5 to 13.5; with a stride of two 21 and 18. Other processors with AVX-512,
 * whose pipes are others, compute groups. */
#ifndef EW_DEPTHWISE_WALK_B8_H
#define EW_DEPTHWISE_WALK_B8_H
#include "depthwise_integer.h"
#if defined(EW_AMD)

enum {
    WALK = 3,        /* kernel rows and columns */
    MOST_ROWS = 4,   /* of x: a lane's bytes */
    BYTES = BLOCK,   /* of a block of x and y */
    LINE_BYTES = 64, /* of the cache, which the next block of channels finds again: */
    MOST_BYTES = 16 * 1024, /* of the lines that a block walks before the next one does */
};

/* Lines of y, x and y at the first of them. */
typedef struct {
    const ew_depthwise_conv_2d *p;
    const int8_t *w;
    const int32_t *bias;
    const float *scale;
    const uint8_t *x; /* the image */
    uint8_t *y;
    uint32_t top, lines; /* the first line's first row of x, which may wrap around */
} walk;

/* How sums become bytes, and bytes of x u8. */
typedef struct {
    v_f32 scale[2], high;
    v_s16 zero, least;
    __m256i flip;
} walk_output;

/* The rows of x that are read together, at the next block: in the padding, steps are 0. */
typedef struct {
    const uint8_t *at[MOST_ROWS];
    size_t step[MOST_ROWS];
    int32_t first, end; /* bytes inside x, counted from the next block */
    __m256i outside;    /* x's zero points */
} walk_rows;

/* Bytes [first, end) of a block: a bit each. */
EW_INLINE __mmask32 walk_mask(int32_t first, int32_t end) {
    const uint64_t all = 0xFFFFFFFF;
    const uint64_t before = first > 0 ? ~(all << ew_min_u32((uint32_t)first, 32)) : 0;
    const uint64_t up_to = end > 0 ? ~(all << ew_min_u32((uint32_t)end, 32)) : 0;
    return (__mmask32)(up_to & ~before);
}

/* Bytes of three or four blocks, zipped in the order of v_zip_s16. The last byte of three is
 * multiplied by 0. */
EW_INLINE void walk_zip(const uint32_t rows, const __m256i row[4], v_s32 to[2]) {
#define ORDER(i) i, 32 + i, 64 + i, 96 + i
#define FOUR(i) ORDER(i), ORDER(i + 1), ORDER(i + 2), ORDER(i + 3)
    const v_bytes order[2] = {{FOUR(0), FOUR(8), FOUR(16), FOUR(24)},
                              {FOUR(4), FOUR(12), FOUR(20), FOUR(28)}};
#undef FOUR
#undef ORDER
    const __m512i a = _mm512_inserti64x4(_mm512_castsi256_si512(row[0]), row[1], 1);
    __m512i b = _mm512_castsi256_si512(row[2]);
    if (rows == 4) b = _mm512_inserti64x4(b, row[3], 1);
    EW_UNROLL
    for (uint32_t v = 0; v < 2; v++)
        to[v] = (v_s32)_mm512_permutex2var_epi8(a, (__m512i)order[v], b);
}

/* The taps of the next block; where not `is_whole`, some of it may lie outside. */
EW_INLINE void walk_next(const uint32_t rows, const int is_plain, const int is_whole,
                         const walk_output *o, walk_rows *x, v_s32 to[2]) {
    const __mmask32 mask = is_whole ? 0 : walk_mask(x->first, x->end);
    __m256i row[MOST_ROWS];
    EW_UNROLL
    for (uint32_t q = 0; q < rows; q++) {
        row[q] = is_whole ? _mm256_loadu_si256((const __m256i *)(const void *)x->at[q])
                          : _mm256_mask_loadu_epi8(x->outside, mask, x->at[q]);
        if (!is_plain) row[q] ^= o->flip;
        x->at[q] += x->step[q];
    }
    if (!is_whole) x->first -= BYTES, x->end -= BYTES;
    walk_zip(rows, row, to);
}

/* Of two blocks of `per` pixels each, those from pixel `first` on. */
EW_INLINE v_s32 walk_later(const uint32_t per, const uint32_t first, v_s32 a, v_s32 b) {
    if (first == per) return b;
    if (2 * first == per) return (v_s32)_mm512_alignr_epi64((__m512i)b, (__m512i)a, 4);
    return (v_s32)_mm512_alignr_epi64((__m512i)b, (__m512i)a, 2);
}

/* Of two blocks of `per` pixels each, every other pixel from `first` on. */
EW_INLINE v_s32 walk_every_other(const uint32_t per, const uint32_t first, v_s32 a, v_s32 b) {
    if (per == 1) return first ? b : a;
    if (per == 2 && !first) return (v_s32)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, 0x44);
    if (per == 2) return (v_s32)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, 0xEE);
    if (!first) return (v_s32)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, 0x88);
    return (v_s32)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, 0xDD);
}

/* What the blocks that walk know of their columns: weights of each line of y, the blocks of x that
 * have been read. */
typedef struct {
    v_s32 w[2][WALK][2], bias[2], a[2], b[2];
} walk_columns;

/* The sums of the next block of each line. */
EW_INLINE void walk_sums(const uint32_t lines, const uint32_t stride, const uint32_t per,
                         const int is_plain, const int is_whole, const walk_output *o,
                         walk_rows *x, walk_columns *k, v_s32 acc[2][2]) {
    const uint32_t rows = lines - 1 + WALK;
    v_s32 c[2];
    if (stride == 2) walk_next(rows, is_plain, is_whole, o, x, k->b);
    walk_next(rows, is_plain, is_whole, o, x, c);
    EW_UNROLL
    for (uint32_t v = 0; v < 2; v++) {
        v_s32 tap[WALK] = {k->a[v], k->b[v], c[v]};
        if (stride == 1 && per > 1) {
            tap[1] = walk_later(per, 1, k->a[v], c[v]);
            tap[2] = walk_later(per, 2, k->a[v], c[v]);
        } else if (stride == 2) {
            tap[0] = walk_every_other(per, 0, k->a[v], k->b[v]);
            tap[1] = walk_every_other(per, 1, k->a[v], k->b[v]);
            tap[2] = walk_later(per, 1, tap[0], c[v]);
        }
        EW_UNROLL
        for (uint32_t i = 0; i < lines; i++) {
            acc[i][v] = k->bias[v];
            EW_UNROLL
            for (uint32_t j = 0; j < WALK; j++)
                acc[i][v] = v_dot_u8_s8(tap[j], k->w[i][j][v], acc[i][v]);
        }
        k->a[v] = stride == 1 && per == 1 ? k->b[v] : c[v];
        k->b[v] = c[v];
    }
}

/* 16 bits each of the results of a block. */
EW_INLINE __m512i walk_results(const int is_plain, const walk_output *o, const v_s32 acc[2]) {
    v_f32 y[2];
    EW_UNROLL
    for (uint32_t v = 0; v < 2; v++) {
        y[v] = v_float(acc[v]) * o->scale[v];
        if (!is_plain) y[v] = v_min(o->high, y[v]);
    }
    const __m512i a = _mm512_cvtps_epi32((__m512)y[0]), b = _mm512_cvtps_epi32((__m512)y[1]);
    __m512i q = _mm512_packs_epi32(a, b);
    q = _mm512_adds_epi16(q, (__m512i)o->zero);
    return is_plain ? q : _mm512_max_epi16(q, (__m512i)o->least);
}

EW_INLINE void walk_store(const uint32_t lines, const int is_plain, const int is_whole,
                          const walk_output *o, v_s32 acc[2][2], size_t y_line, uint32_t bytes,
                          uint8_t *y) {
    const __mmask32 mask = is_whole ? 0xFFFFFFFF : walk_mask(0, (int32_t)bytes);
    __m256i found[2];
    if (lines == 2) {
        const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        const __m512i a = walk_results(is_plain, o, acc[0]), b = walk_results(is_plain, o, acc[1]);
        const __m512i both = _mm512_permutexvar_epi64(order, _mm512_packus_epi16(a, b));
        found[0] = _mm512_castsi512_si256(both), found[1] = _mm512_extracti64x4_epi64(both, 1);
    } else {
        const __m512i q = walk_results(is_plain, o, acc[0]);
        found[0] = is_plain ? _mm512_cvtsepi16_epi8(q) : _mm512_cvtepi16_epi8(q);
        if (is_plain) found[0] ^= _mm256_set1_epi8((char)0x80);
    }
    EW_UNROLL
    for (uint32_t i = 0; i < lines; i++, y += y_line)
        if (is_whole)
            _mm256_storeu_si256((__m256i *)(void *)y, found[i]);
        else
            _mm256_mask_storeu_epi8(y, mask, found[i]);
}

/* So many lines of y. */
EW_INLINE void walk_line(const uint32_t lines, const uint32_t stride, const uint32_t per,
                         const int is_plain, const ew_depthwise_conv_2d *p, const walk_output *o,
                         walk_rows x, walk_columns *k, uint8_t *y) {
    const ew_window *s = &p->window;
    const uint32_t count = ew_divide_up(s->ow, per), part = s->ow % per;
    const uint32_t before = stride == 1 && per == 1 ? 2 : 1; /* blocks read before the first sums */
    const uint32_t inside = (s->w + s->pad_left) / per; /* blocks before one that ends outside */
    const size_t y_line = (size_t)s->ow * p->y_stride, y_step = (size_t)per * p->y_stride;
    const uint32_t rows = lines - 1 + WALK;
    uint32_t n = 0, whole = inside < before ? 0 : (inside - before) / stride;
    whole = ew_min_u32(whole, part ? count - 1 : count);
    v_s32 acc[2][2];
    walk_next(rows, is_plain, 0, o, &x, k->a);
    if (before == 2) walk_next(rows, is_plain, 0, o, &x, k->b);
    for (; n < whole; n++, y += y_step) {
        walk_sums(lines, stride, per, is_plain, 1, o, &x, k, acc);
        walk_store(lines, is_plain, 1, o, acc, y_line, BYTES, y);
    }
    x.end -= (int32_t)(whole * stride * BYTES);
    for (; n < count; n++, y += y_step) {
        walk_sums(lines, stride, per, is_plain, 0, o, &x, k, acc);
        const uint32_t bytes = part && n + 1 == count ? part * s->o : BYTES;
        walk_store(lines, is_plain, 0, o, acc, y_line, bytes, y);
    }
}

/* Without scales. */
EW_INLINE walk_output walk_output_of(const ew_depthwise_conv_2d *p, const int is_plain,
                                     const uint32_t lines) {
    const int32_t moved = is_plain && lines == 1 ? 128 : 0; /* the bytes are narrowed as s8 */
    return (walk_output){.high = v_splat_f32((float)(p->high - p->y_zero)),
                         .zero = (v_s16){0} + (int16_t)(p->y_zero - moved),
                         .least = (v_s16){0} + (int16_t)p->low,
                         .flip = _mm256_set1_epi8((char)(p->is_signed ? 0x80 : 0))};
}

/* All lines, `at_once` together. */
EW_INLINE void walk_lines(const uint32_t at_once, const uint32_t stride, const uint32_t per,
                          const int is_plain, const walk *k) {
    const ew_depthwise_conv_2d *p = k->p;
    const ew_window *s = &p->window;
    const size_t pixel = s->c, x_line = s->w * pixel, y_line = (size_t)s->ow * p->y_stride;
    walk_output o = walk_output_of(p, is_plain, at_once);
    const __m256i outside = _mm256_set1_epi8((char)p->x_zero);
    uint8_t zeros[BYTES];
    _mm256_storeu_si256((__m256i *)(void *)zeros, outside);
    for (uint32_t b = 0, blocks = ew_divide_up(p->channels, BLOCK); b < blocks; b++) {
        const size_t c = ew_min_u32(b * BLOCK, p->channels - BLOCK), of_block = (size_t)b * BLOCK;
        walk_columns columns;
        EW_UNROLL
        for (uint32_t v = 0; v < 2; v++) {
            columns.bias[v] = v_load_s32(k->bias + of_block + v * EW_LANES);
            o.scale[v] = v_load_f32(k->scale + of_block + v * EW_LANES);
            EW_UNROLL
            for (uint32_t j = 0; j < WALK; j++) {
                columns.w[0][j][v] = v_load_s32(k->w + ((b * WALK + j) * 2 + v) * sizeof(v_s32));
                columns.w[1][j][v] = columns.w[0][j][v] << 8; /* a row further */
            }
        }
        uint32_t top = k->top;
        uint8_t *y = k->y + c;
        for (uint32_t i = 0; i < k->lines; i += at_once) {
            walk_rows x = {.first = (int32_t)(s->pad_left * (BYTES / per)),
                           .end = (int32_t)((s->w + s->pad_left) * (BYTES / per)),
                           .outside = outside};
            EW_UNROLL
            for (uint32_t q = 0; q < at_once - 1 + WALK; q++) {
                const uint32_t from = top + q * s->dilation_h; /* negatives wrap around */
                const int is_inside = from < s->h;
                x.step[q] = is_inside ? per * pixel : 0;
                x.at[q] = is_inside ? k->x + from * x_line + c - s->pad_left * pixel : zeros;
            }
            walk_line(at_once, stride, per, is_plain, p, &o, x, &columns, y);
            top += at_once * s->stride_h;
            y += at_once * y_line;
        }
    }
}

/* Functions of their own: inlined side by side, they spill. */
#define DEFINE_WALK(lines, stride, per, is_plain)                                                  \
    static __attribute__((noinline)) void walk_##lines##x##stride##x##per##_##is_plain(            \
        const walk *k) {                                                                           \
        walk_lines(lines, stride, per, is_plain, k);                                               \
    }
#define DEFINE_WALKS(lines, stride, is_plain)                                                      \
    DEFINE_WALK(lines, stride, 1, is_plain)                                                        \
    DEFINE_WALK(lines, stride, 2, is_plain)                                                        \
    DEFINE_WALK(lines, stride, 4, is_plain)
#define WALKS(lines, stride, is_plain)                                                             \
    {walk_##lines##x##stride##x1_##is_plain, walk_##lines##x##stride##x2_##is_plain,               \
     walk_##lines##x##stride##x4_##is_plain}
DEFINE_WALKS(1, 1, 0)
DEFINE_WALKS(1, 2, 0)
DEFINE_WALKS(1, 1, 1)
DEFINE_WALKS(1, 2, 1)
DEFINE_WALKS(2, 1, 1)

#endif
#endif
