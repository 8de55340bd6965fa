/* What every kernel file includes: the one type of all kernels, names per instruction set, and
 * small functions on sizes and bytes. */
#ifndef EW_KERNEL_H
#define EW_KERNEL_H
#if !defined(EW_SUFFIX) /* compiled by hand, as part of exported C: the plain version */
#define EW_SUFFIX scalar
#define EW_SCALAR
#endif
#include "run.h"
#include "simd.h"

#define EW_JOIN2(a, b) a##_##b
#define EW_JOIN(a, b) EW_JOIN2(a, b)
#define EW_NAME(name) EW_JOIN(ew_##name, EW_SUFFIX)
#define EW_DEFINE(name)                                                                            \
    void EW_NAME(name)(const void *params, void *const *operand, uint32_t tile_begin,              \
                       uint32_t tile_end, void *scratch)
#define EW_UNUSED(x) (void)(x)
#if defined(_WIN32)
#define EW_EXPORT __declspec(dllexport)
#else
#define EW_EXPORT __attribute__((visibility("default")))
#endif

static inline uint32_t ew_min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t ew_max_u32(uint32_t a, uint32_t b) { return a > b ? a : b; }
static inline int32_t ew_min_s32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t ew_max_s32(int32_t a, int32_t b) { return a > b ? a : b; }
static inline uint32_t ew_divide_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

/* Elements from an operand's first matrix to that of `batch`, which has `rank` dimensions. */
static inline size_t ew_matrix_at(uint32_t rank, const uint32_t *dims, uint32_t batch,
                                  const uint32_t *stride) {
    size_t at = 0;
    for (uint32_t d = rank; d-- > 0; batch /= dims[d]) at += (size_t)(batch % dims[d]) * stride[d];
    return at;
}
#define EW_MATRIX_AT(p, batch, name) ew_matrix_at((p)->rank, (p)->dims, batch, (p)->name##_batch)

/* The first address from p on that a cache line begins at. */
static inline void *ew_aligned(void *p) {
    return (uint8_t *)p + (-(uintptr_t)p & 63);
}

/* Stored integer number i, sign or zero extended. */
static inline int32_t ew_stored(const uint8_t *x, size_t i, uint32_t is_signed) {
    return is_signed ? (int32_t)(int8_t)x[i] : (int32_t)x[i];
}

/* Number i of `indices`, integers of `bytes` bytes: 2, 4 or 8. */
static inline int64_t ew_index(const void *indices, size_t i, uint32_t bytes) {
    if (bytes == 8) return ((const int64_t *)indices)[i];
    return bytes == 4 ? ((const int32_t *)indices)[i] : ((const int16_t *)indices)[i];
}

/* Nearest integer, halves to even, for |x| < 2**22. */
static inline int32_t ew_round(float x) {
    int32_t bits;
    x += 12582912.0f; /* 1.5 * 2**23: the integer stands in the low bits */
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits - 0x4B400000;
}

static inline float ew_clamp_f32(float x, float low, float high) { /* NaN stays */
    x = low > x ? low : x;
    return high < x ? high : x;
}

/* Bytes that do not overlap. Short runs are two moves that may overlap each other. The plain build
 * moves words: a compiler for microcontrollers makes a call of memcpy of a longer block. */
static inline void ew_copy(uint8_t *y, const uint8_t *x, size_t bytes) {
#if defined(EW_SCALAR)
    size_t i = 0;
    for (; i + 4 <= bytes; i += 4) __builtin_memcpy(y + i, x + i, 4);
    for (; i < bytes; i++) y[i] = x[i];
#else
    typedef struct {
        uint64_t words[4];
    } block;
    if (bytes >= sizeof(block)) {
        size_t last = bytes - sizeof(block);
        for (size_t i = 0; i < last; i += sizeof(block))
            __builtin_memcpy(y + i, x + i, sizeof(block));
        __builtin_memcpy(y + last, x + last, sizeof(block));
    } else if (bytes >= 16) {
        __builtin_memcpy(y, x, 16);
        __builtin_memcpy(y + bytes - 16, x + bytes - 16, 16);
    } else if (bytes >= 8) {
        __builtin_memcpy(y, x, 8);
        __builtin_memcpy(y + bytes - 8, x + bytes - 8, 8);
    } else if (bytes >= 4) {
        __builtin_memcpy(y, x, 4);
        __builtin_memcpy(y + bytes - 4, x + bytes - 4, 4);
    } else {
        for (size_t i = 0; i < bytes; i++) y[i] = x[i];
    }
#endif
}
#endif
