/* AVERAGE_POOL_2D and MAX_POOL_2D: for an output pixel, vectors of channels run over all taps inside
 * x with what they gather in registers. The last vector overlaps the one before it; fewer channels
 * than lanes are read through a buffer. */
#include "kernel.h"
#include "simd_half.h"

/* The taps of output pixels that lie inside x: `rows` lines of `columns` pixels each. */
typedef struct {
    size_t first_line, first; /* first element of the first line and tap */
    uint32_t rows, columns;
    size_t line, pixel; /* elements between lines and pixels */
    uint32_t pixels, channels; /* neighbours with all columns inside, and the channels of all */
} taps;

static void clip_taps(uint32_t at, uint32_t stride, uint32_t pad, uint32_t kernel, uint32_t size,
                      uint32_t *begin, uint32_t *count) {
    uint32_t first = at * stride;
    *begin = first > pad ? first - pad : 0;
    uint32_t end = first + kernel > pad ? ew_min_u32(first + kernel - pad, size) : 0;
    *count = end > *begin ? end - *begin : 0;
}

/* The taps of output row `row` (of all N * OH), and then those of its pixel `ox`. Where windows
 * move by a pixel, they are those of the following ones, too: the channels of all lie beside each
 * other in each tap and in y, as if they were those of one pixel. */
static taps taps_of_row(const ew_window *s, uint32_t row) {
    taps t = {.line = (size_t)s->w * s->c, .pixel = s->c};
    uint32_t top;
    clip_taps(row % s->oh, s->stride_h, s->pad_top, s->kernel_h, s->h, &top, &t.rows);
    t.first_line = ((size_t)(row / s->oh) * s->h + top) * t.line;
    return t;
}

EW_INLINE void find_pixels(const ew_pool_2d *p, uint32_t ox, taps *t) {
    const ew_window *s = &p->window;
    uint32_t left;
    clip_taps(ox, s->stride_w, s->pad_left, s->kernel_w, s->w, &left, &t->columns);
    t->first = t->first_line + (size_t)left * s->c;
    int is_run = t->columns == s->kernel_w && s->stride_w == 1 && p->y_stride == s->c;
    t->pixels = is_run ? ew_min_u32(s->ow - ox, s->w - left - s->kernel_w + 1) : 1;
    t->channels = t->pixels * s->c;
}

/* Calls body(vectors, lanes, channel, ...) so that all channels are covered: `most` vectors, half as
 * many, one, or what is fewer than a vector. One alone waits for its sums. */
#define FOR_EACH_VECTOR(most, channels, body, ...)                                                 \
    do {                                                                                           \
        uint32_t c = 0;                                                                            \
        for (; c + (most)*EW_LANES <= (channels); c += (most)*EW_LANES)                            \
            body(most, EW_LANES, c, __VA_ARGS__);                                                  \
        for (; c + (most) / 2 * EW_LANES <= (channels); c += (most) / 2 * EW_LANES)                \
            body((most) / 2, EW_LANES, c, __VA_ARGS__);                                            \
        for (; c + EW_LANES <= (channels); c += EW_LANES) body(1, EW_LANES, c, __VA_ARGS__);       \
        if (c < (channels) && (channels) < EW_LANES)                                               \
            body(1, channels, c, __VA_ARGS__);                                                     \
        else if (c < (channels))                                                                   \
            body(1, EW_LANES, (channels)-EW_LANES, __VA_ARGS__);                                   \
    } while (0)

/* `n` elements, the other lanes 0. */
EW_INLINE v_f32 load_f32(const float *x, uint32_t n) {
    return n == EW_LANES ? v_load_f32(x) : v_load_first_f32(x, n);
}

EW_INLINE void store_f32(float *y, v_f32 v, uint32_t n) {
    if (n == EW_LANES)
        v_store_f32(y, v);
    else
        v_store_first_f32(y, v, n);
}

/* Elements of integer pools. */
enum { OF_U8, OF_S8, OF_S16 };
#define BYTES(kind) ((kind) == OF_S16 ? 2u : 1u)

EW_INLINE v_s32 load_vector(const uint8_t *x, const uint32_t kind) {
    return kind == OF_S16 ? v_load_s16(x) : v_load_b8(x, kind);
}

EW_INLINE void store_vector(uint8_t *y, v_s32 v, const uint32_t kind) {
    if (kind == OF_S16)
        v_store_s16(y, v);
    else
        v_store_b8(y, v);
}

EW_INLINE v_s32 load_integers(const uint8_t *x, uint32_t n, const uint32_t kind) {
    if (n == EW_LANES) return load_vector(x, kind);
#if EW_LANES == 16 && defined(__AVX512F__)
    const __mmask16 first = (__mmask16)((1u << n) - 1);
    if (kind == OF_S16)
        return (v_s32)_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(first, x));
    const __m128i v = _mm_maskz_loadu_epi8(first, x);
    return (v_s32)(kind == OF_S8 ? _mm512_cvtepi8_epi32(v) : _mm512_cvtepu8_epi32(v));
#else
    uint8_t all[2 * EW_LANES] = {0};
    for (uint32_t i = 0; i < n * BYTES(kind); i++) all[i] = x[i];
    return load_vector(all, kind);
#endif
}

EW_INLINE void store_integers(uint8_t *y, v_s32 v, uint32_t n, const uint32_t kind) {
    if (n == EW_LANES) {
        store_vector(y, v, kind);
        return;
    }
    uint8_t all[2 * EW_LANES];
    store_vector(all, v, kind);
    for (uint32_t i = 0; i < n * BYTES(kind); i++) y[i] = all[i];
}

EW_INLINE void average_f32(const uint32_t vectors, const uint32_t n, uint32_t c,
                           const ew_pool_2d *p, const taps *t, const float *x, float *y) {
    v_f32 sum[8], by = v_splat_f32((float)(t->rows * t->columns));
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) sum[v] = v_splat_f32(0.0f);
    for (uint32_t i = 0; i < t->rows; i++) {
        const float *at = x + t->first + i * t->line + c;
        for (uint32_t j = 0; j < t->columns; j++, at += t->pixel)
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) sum[v] += load_f32(at + v * EW_LANES, n);
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_f32 mean = v_max(v_splat_f32(p->low_f32), sum[v] / by);
        store_f32(y + c + v * EW_LANES, v_min(v_splat_f32(p->high_f32), mean), n);
    }
}

/* The same of bfloat16, whose first element is number i. */
EW_INLINE v_f32 load_float(const void *x, size_t i, uint32_t n, const int is_narrow) {
    if (!is_narrow) return load_f32((const float *)x + i, n);
    const uint16_t *at = (const uint16_t *)x + i;
    if (n == EW_LANES) return v_load_bf16(at);
    uint16_t all[EW_LANES] = {0};
    for (uint32_t k = 0; k < n; k++) all[k] = at[k];
    return v_load_bf16(all);
}

EW_INLINE void store_float(void *y, size_t i, v_f32 v, uint32_t n, const int is_narrow) {
    uint16_t *to = (uint16_t *)y + i, all[EW_LANES];
    if (!is_narrow) {
        store_f32((float *)y + i, v, n);
        return;
    }
    v_store_bf16(n == EW_LANES ? to : all, v);
    for (uint32_t k = 0; k < n && n < EW_LANES; k++) to[k] = all[k];
}

/* A NaN among the taps makes the result one, as NumPy's maximum does. */
EW_INLINE void max_floats(const uint32_t vectors, const uint32_t n, uint32_t c,
                          const int is_narrow, const ew_pool_2d *p, const taps *t, const void *x,
                          void *y) {
    v_f32 most[8];
    v_s32 is_nan[8];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        most[v] = v_splat_f32(-__builtin_inff());
        is_nan[v] = v_splat_s32(0);
    }
    for (uint32_t i = 0; i < t->rows; i++) {
        size_t at = t->first + i * t->line + c;
        for (uint32_t j = 0; j < t->columns; j += 2, at += 2 * t->pixel) {
            /* two at once: one comparison finds a NaN among both */
            size_t next = j + 1 < t->columns ? t->pixel : 0;
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++) {
                v_f32 a = load_float(x, at + v * EW_LANES, n, is_narrow);
                v_f32 b = load_float(x, at + next + v * EW_LANES, n, is_narrow);
                most[v] = v_max(b, v_max(a, most[v]));
                is_nan[v] |= v_nan_mask(a) | v_nan_mask(b);
            }
        }
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_f32 out = v_min(v_splat_f32(p->high_f32), v_max(v_splat_f32(p->low_f32), most[v]));
        store_float(y, c + v * EW_LANES, v_or_bits(out, is_nan[v]), n, is_narrow);
    }
}

/* Runs the statement for all output pixels with their taps `t` and their first element in y. */
#define FOR_EACH_PIXEL(type, ...)                                                                  \
    for (uint32_t row = tile_begin; row < tile_end; row++) {                                       \
        taps t = taps_of_row(s, row);                                                              \
        type *y = (type *)operand[1] + (size_t)row * s->ow * p->y_stride;                          \
        for (uint32_t ox = 0; ox < s->ow; ox += t.pixels, y += t.pixels * p->y_stride) {           \
            find_pixels(p, ox, &t);                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

EW_DEFINE(average_pool_2d_f32) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL(float, {
        FOR_EACH_VECTOR(8, t.channels, average_f32, p, &t, operand[0], y);
    })
}

#define DEFINE_MAX_POOL(name, type, is_narrow)                                                     \
    EW_DEFINE(name) {                                                                              \
        const ew_pool_2d *p = params;                                                              \
        const ew_window *s = &p->window;                                                           \
        EW_UNUSED(scratch);                                                                        \
        FOR_EACH_PIXEL(type, {                                                                     \
            FOR_EACH_VECTOR(4, t.channels, max_floats, is_narrow, p, &t, operand[0], y);         \
        })                                                                                         \
    }
DEFINE_MAX_POOL(max_pool_2d_f32, float, 0)
DEFINE_MAX_POOL(max_pool_2d_bf16, uint16_t, 1)

/* `sum` divided by the number of taps (8 bits: fewer than 2**23, int16: 2**15), halves away from
 * zero. The quotient is at most 2**15, so that the one from float32 is off by one at most, which
 * the remainder tells. */
EW_INLINE v_s32 divide_sum(v_s32 sum, int32_t count, float reciprocal) {
    v_s32 sign = sum >> 31, n = (sum ^ sign) - sign + v_splat_s32(count / 2);
    v_s32 q = v_truncate(v_float(n) * v_splat_f32(reciprocal));
    v_s32 rest = n - q * v_splat_s32(count);
    q += rest >> 31;
    q -= (v_splat_s32(count - 1) - rest) >> 31;
    return (q ^ sign) - sign;
}

EW_INLINE void average_integers(const uint32_t vectors, const uint32_t n, uint32_t c,
                                const uint32_t kind, const ew_pool_2d *p, const taps *t,
                                const uint8_t *x, uint8_t *y) {
    v_s32 sum[8];
    int32_t count = ew_max_s32((int32_t)(t->rows * t->columns), 1);
    float reciprocal = 1.0f / (float)count;
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) sum[v] = v_splat_s32(0);
    for (uint32_t i = 0; i < t->rows; i++) {
        const uint8_t *at = x + (t->first + i * t->line + c) * BYTES(kind);
        for (uint32_t j = 0; j < t->columns; j++, at += t->pixel * BYTES(kind))
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                sum[v] += load_integers(at + v * EW_LANES * BYTES(kind), n, kind);
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_s32 mean = divide_sum(sum[v], count, reciprocal);
        mean = v_min_s32(v_max_s32(mean, v_splat_s32(p->low)), v_splat_s32(p->high));
        store_integers(y + (c + v * EW_LANES) * BYTES(kind), mean, n, kind);
    }
}

EW_INLINE void max_integers(const uint32_t vectors, const uint32_t n, uint32_t c,
                            const uint32_t kind, const ew_pool_2d *p, const taps *t,
                            const uint8_t *x, uint8_t *y) {
    v_s32 most[8];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) most[v] = v_splat_s32(p->low);
    for (uint32_t i = 0; i < t->rows; i++) {
        const uint8_t *at = x + (t->first + i * t->line + c) * BYTES(kind);
        for (uint32_t j = 0; j < t->columns; j++, at += t->pixel * BYTES(kind))
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                most[v] = v_max_s32(
                    most[v], load_integers(at + v * EW_LANES * BYTES(kind), n, kind));
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_s32 out = v_min_s32(most[v], v_splat_s32(p->high));
        store_integers(y + (c + v * EW_LANES) * BYTES(kind), out, n, kind);
    }
}

#if EW_LANES > 1
/* Whole registers of bytes, for channels that fill at least one. */
EW_INLINE void max_bytes(const uint32_t vectors, uint32_t c, const uint32_t is_signed,
                         const ew_pool_2d *p, const taps *t, const uint8_t *x, uint8_t *y) {
    v_bytes most[4];
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) most[v] = v_splat_bytes((uint8_t)p->low);
    for (uint32_t i = 0; i < t->rows; i++) {
        const uint8_t *at = x + t->first + i * t->line + c;
        for (uint32_t j = 0; j < t->columns; j++, at += t->pixel)
            EW_UNROLL
            for (uint32_t v = 0; v < vectors; v++)
                most[v] = v_max_bytes(most[v], v_load_bytes(at + v * EW_BYTES), is_signed);
    }
    EW_UNROLL
    for (uint32_t v = 0; v < vectors; v++) {
        v_bytes out = v_min_bytes(most[v], v_splat_bytes((uint8_t)p->high), is_signed);
        __builtin_memcpy(y + c + v * EW_BYTES, &out, sizeof out);
    }
}

EW_INLINE void max_channels(const uint32_t is_signed, const ew_pool_2d *p, const taps *t,
                            const uint8_t *x, uint8_t *y) {
    uint32_t channels = t->channels, c = 0;
    if (channels < EW_BYTES) {
        FOR_EACH_VECTOR(8, channels, max_integers, is_signed, p, t, x, y);
        return;
    }
    for (; c + 4 * EW_BYTES <= channels; c += 4 * EW_BYTES) max_bytes(4, c, is_signed, p, t, x, y);
    for (; c + 2 * EW_BYTES <= channels; c += 2 * EW_BYTES) max_bytes(2, c, is_signed, p, t, x, y);
    for (; c + EW_BYTES <= channels; c += EW_BYTES) max_bytes(1, c, is_signed, p, t, x, y);
    if (c < channels) max_bytes(1, channels - EW_BYTES, is_signed, p, t, x, y);
}
#else
EW_INLINE void max_channels(const uint32_t is_signed, const ew_pool_2d *p, const taps *t,
                            const uint8_t *x, uint8_t *y) {
    FOR_EACH_VECTOR(8, t->channels, max_integers, is_signed, p, t, x, y);
}
#endif

EW_DEFINE(average_pool_2d_b8) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL(uint8_t, {
        if (p->is_signed)
            FOR_EACH_VECTOR(8, t.channels, average_integers, OF_S8, p, &t, operand[0], y);
        else
            FOR_EACH_VECTOR(8, t.channels, average_integers, OF_U8, p, &t, operand[0], y);
    })
}

EW_DEFINE(max_pool_2d_b8) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL(uint8_t, {
        if (p->is_signed)
            max_channels(1, p, &t, operand[0], y);
        else
            max_channels(0, p, &t, operand[0], y);
    })
}

EW_DEFINE(average_pool_2d_s16) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL(int16_t, {
        FOR_EACH_VECTOR(8, t.channels, average_integers, OF_S16, p, &t, operand[0], (uint8_t *)y);
    })
}

EW_DEFINE(max_pool_2d_s16) {
    const ew_pool_2d *p = params;
    const ew_window *s = &p->window;
    EW_UNUSED(scratch);
    FOR_EACH_PIXEL(int16_t, {
        FOR_EACH_VECTOR(8, t.channels, max_integers, OF_S16, p, &t, operand[0], (uint8_t *)y);
    })
}
