/* Operators for Edgewise, written in C: the only header that a library of them includes.
 *
 * A library exports one function, `edgewise_ops`, which gives its operators. Each has a name (that
 * of the custom operator in the file), a function that prepares a call of it, and a kernel. Edgewise
 * prepares once for every set of shapes and runs the kernel as it runs its own: in its memory, in
 * as many threads as the interpreter has, between two looks at `cancel`. Compiled as
 *
 *     cc -O3 -shared -fPIC -I "$(python -c 'import edgewise; print(edgewise.get_include())')" \
 *         -o mine.so mine.c
 *
 * and told by edgewise.load_op_library("mine.so"), or `edgewise run model.tflite --ops mine.so`.
 *
 *     #include "edgewise_op.h"
 *
 *     typedef struct { uint32_t count; float alpha; } scale_params;
 *
 *     static int32_t prepare(ew_op_call *call) {
 *         if (call->n_x != 1 || call->n_y != 1 || call->x[0].dtype != EW_OP_f32)
 *             return ew_op_refuse(call, "Scale takes one float32 tensor");
 *         ew_op_same_shape(&call->y[0], &call->x[0]);
 *         scale_params *p = (scale_params *)call->params;
 *         p->count = (uint32_t)ew_op_elements(&call->x[0]);
 *         p->alpha = (float)ew_op_number(call, "alpha", 1.0);
 *         call->n_params = sizeof *p;
 *         call->n_tiles = (p->count + 1023) / 1024;
 *         return 0;
 *     }
 *
 *     static void kernel(const void *params, void *const *operand, uint32_t tile_begin,
 *                        uint32_t tile_end, void *scratch) {
 *         const scale_params *p = params;
 *         const float *x = operand[0];
 *         float *y = operand[1];
 *         (void)scratch;
 *         for (uint32_t i = tile_begin * 1024; i < tile_end * 1024 && i < p->count; i++)
 *             y[i] = p->alpha * x[i];
 *     }
 *
 *     static const ew_op ops[] = {{"Scale", prepare, kernel}};
 *     EW_OP_LIBRARY(ops)
 */
#ifndef EDGEWISE_OP_H
#define EDGEWISE_OP_H
#ifndef EW_PARSED
#include <stddef.h>
#include <stdint.h>
#endif

#ifndef EW_RUN_H
/* Computes tiles [tile_begin, tile_end) of the results; tiles run in any order, each once, several
 * at a time. `operand` has the operands and then the results, which do not overlap; they need only
 * the alignment of one element. `scratch` is the thread's own and begins at a multiple of 16. A
 * kernel cannot fail, keeps nothing, and calls nothing that waits. */
typedef void ew_kernel(const void *params, void *const *operand, uint32_t tile_begin,
                       uint32_t tile_end, void *scratch);
#endif

enum {
    EW_OP_VERSION = 1,   /* of what this header says */
    EW_OP_RANK = 8,      /* dimensions of a tensor at most */
    EW_OP_PARAMS = 1024, /* bytes of parameters at most */
};

/* Element types, numbered as in .tflite files. bool is a byte, 0 or 1. */
enum {
    EW_OP_f32,
    EW_OP_f16,
    EW_OP_s32,
    EW_OP_u8,
    EW_OP_s64,
    EW_OP_bool = 6,
    EW_OP_s16,
    EW_OP_c64, /* pairs of f32 */
    EW_OP_s8,
    EW_OP_f64,
    EW_OP_u64 = 12,
    EW_OP_u32 = 15,
    EW_OP_u16,
    EW_OP_absent = 0xFFFF, /* an operand that the model leaves out */
};

typedef struct {
    uint32_t dtype; /* EW_OP_... */
    uint32_t rank;
    uint32_t dims[EW_OP_RANK];
    float scale; /* real = scale * (stored - zero_point); 0: not quantized, or not by one scale */
    int32_t zero_point;
    const void *data; /* the elements of a constant; NULL: computed while the model runs */
} ew_op_tensor;

/* An entry of the options that is a number or a text: `text` is NULL for a number. */
typedef struct {
    const char *name;
    const char *text;
    double number;
} ew_op_option;

/* What `prepare` is told, and what it says. */
typedef struct {
    const ew_op_tensor *x; /* operands */
    ew_op_tensor *y;       /* results: their dtypes are the model's; prepare says rank and dims */
    const ew_op_option *options;
    const uint8_t *bytes; /* the options as they stand in the file */
    uint32_t n_x, n_y, n_options, n_bytes;
    const char *error; /* said by prepare, where it refuses */
    uint32_t n_params; /* bytes of `params` that the kernel gets, in a copy aligned to 8 */
    uint32_t n_tiles;
    uint32_t scratch_bytes; /* of each thread */
    uint32_t reserved;
    uint64_t params[EW_OP_PARAMS / 8];
} ew_op_call;

typedef struct {
    const char *name;
    int32_t (*prepare)(ew_op_call *call); /* 0: it is done; else `error` says why not */
    ew_kernel *kernel;
} ew_op;

#ifdef EW_PARSED
const ew_op *edgewise_ops(uint32_t version, uint32_t *count);
#else

#if defined(_WIN32)
#define EW_OP_EXPORT __declspec(dllexport)
#else
#define EW_OP_EXPORT __attribute__((visibility("default")))
#endif

/* The exported function, for an array of ew_op. */
#define EW_OP_LIBRARY(array)                                                                       \
    EW_OP_EXPORT const ew_op *edgewise_ops(uint32_t version, uint32_t *count);                     \
    EW_OP_EXPORT const ew_op *edgewise_ops(uint32_t version, uint32_t *count) {                    \
        *count = sizeof(array) / sizeof((array)[0]);                                               \
        return version == EW_OP_VERSION ? (array) : NULL;                                          \
    }

static inline int32_t ew_op_refuse(ew_op_call *call, const char *error) {
    call->error = error;
    return 1;
}

static inline size_t ew_op_elements(const ew_op_tensor *tensor) {
    size_t count = 1;
    for (uint32_t d = 0; d < tensor->rank; d++) count *= tensor->dims[d];
    return count;
}

static inline void ew_op_same_shape(ew_op_tensor *y, const ew_op_tensor *x) {
    y->rank = x->rank;
    for (uint32_t d = 0; d < x->rank; d++) y->dims[d] = x->dims[d];
}

/* The number that the options have under this name. */
static inline double ew_op_number(const ew_op_call *call, const char *name, double otherwise) {
    for (uint32_t i = 0; i < call->n_options; i++) {
        const ew_op_option *option = &call->options[i];
        const char *a = option->name, *b = name;
        while (*a && *a == *b) a++, b++;
        if (*a == *b && !option->text) return option->number;
    }
    return otherwise;
}
#endif
#endif
