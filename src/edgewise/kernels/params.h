/* Parameters of all kernels, and what the executor walks: the only definition. Python, the exported
 * C and all kernels read this file; the structures of kernels stand in the files that it includes.
 *
 * Fixed-width fields, no implicit padding, no pointers: the bytes of a structure are the same on
 * every target, can be stored, and be printed as C. The build hook preprocesses this file for cffi
 * (Python reads the same fields); EW_PARSED is defined there.
 *
 * Unless a field says otherwise: sizes and strides count elements; x is the first operand, y the
 * last; "b8" data is int8 where `is_signed` is 1 and uint8 where it is 0. Operand lists say which
 * buffer stands where. */
#ifndef EW_PARAMS_H
#define EW_PARAMS_H
#ifndef EW_PARSED
#include <stddef.h>
#include <stdint.h>
#endif

enum {
    EW_MAX_RANK = 6, /* dimensions after collapsing */
    EW_RESIZE_BITS = 11, /* of the weights of RESIZE_BILINEAR on 8 bits */
    EW_RECURRENT_PANEL = 32, /* columns of a panel of recurrent weights */
    EW_COPY_RANK = 8, /* the same of copies: TILE of rank 4 has eight */
    EW_MOST_X = 3, /* operands that broadcast against each other */
    EW_GEMV = 4, /* panels that a product of one row of float32 computes at once */
    EW_GEMV_B8 = 4, /* and one in 8 bits */
};

/* The index of every kernel in the function tables: EW_KERNEL_conv_2d_f32, ... */
enum {
#define EW_KERNEL(name) EW_KERNEL_##name,
#include "kernels.def"
#undef EW_KERNEL
    EW_KERNELS
};

/* Instruction sets a function table exists for, weakest first: x86's, then AArch64's. */
enum {
    EW_ISA_scalar,
    EW_ISA_baseline,
    EW_ISA_avx2,
    EW_ISA_avx_vnni,
    EW_ISA_avx512,
    EW_ISA_avx512_bf16,
    EW_ISA_amx,
    EW_ISA_neon_bf16,
    EW_ISAS
};

/* What stands around a padded tensor. */
enum { EW_BORDER_value, EW_BORDER_reflect, EW_BORDER_symmetric };

#include "params_elementwise.h"
#include "params_moves.h"
#include "params_products.h"
#include "params_rows.h"
#include "params_signals.h"

/* Loops that measure the processor: peak.c. */
typedef struct {
    uint32_t rounds;
    uint32_t bytes; /* peak_read */
} ew_peak;

/* Memory that operands lie in. Region EW_REGION_io + i is the array of input or output i. */
enum {
    EW_REGION_const,   /* packed weights and other constants */
    EW_REGION_arena,   /* values that live during a run */
    EW_REGION_state,   /* variables */
    EW_REGION_scratch, /* of the thread that computes the tile */
    EW_REGION_io,
    EW_REGION_none = 0xFFFF, /* an operand that is absent: of host and delegate steps only */
};

/* Where a buffer lies: byte `offset` of region `region`. */
typedef struct {
    uint32_t region;
    uint32_t shape; /* its number in the plan's table of shapes; nothing in C reads it */
    uint64_t offset;
} ew_operand;

enum {
    EW_STEP_kernel,   /* tiles [0, n_tiles) of kernel `index` */
    EW_STEP_if,       /* `first` steps follow for true, then `second` steps for false */
    EW_STEP_while,    /* `first` steps follow that compute the condition, then `second`, the body */
    EW_STEP_host,     /* the caller runs operator `index` and continues */
    EW_STEP_delegate, /* the caller hands the operands to delegate `index` and continues */
};

/* One step of a plan. Ranges of IF and WHILE lie in the same array of steps, right behind their
 * step, so that any range of steps means the same wherever it lies. Values that a loop carries are
 * moved by ordinary steps (copy_rows) within the ranges. */
typedef struct {
    uint32_t kind;
    uint32_t index;
    uint32_t n_tiles;
    uint32_t locked; /* kernel: so many steps that follow are run with this one tile by tile, each
                      * tile by one thread; all have the same n_tiles */
    uint32_t first_operand, n_operands; /* IF, WHILE: one, the condition (a byte, 0 or 1) */
    uint32_t first, second; /* host, delegate: `first` operands are read, the others written */
    uint32_t node;          /* the operator's number in the graph */
    uint32_t work;          /* kernel: roughly the ns of one thread, this step alone; 0: unknown */
    uint64_t params;        /* byte offset */
} ew_step;
#endif
