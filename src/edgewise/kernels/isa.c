/* The instruction sets of the host and the choice among their kernels. Compiled once, for the
 * weakest processor. */
#include "kernel.h"

typedef ew_kernel *const kernel_table[EW_KERNELS];
extern kernel_table ew_table_scalar, ew_table_baseline;
#if defined(__x86_64__)
extern kernel_table ew_table_avx2, ew_table_avx512;
#endif

#if defined(__x86_64__)
static void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c) {
    uint32_t d;
    __asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(d) : "a"(leaf), "c"(0));
}

/* AVX2 with FMA, or AVX-512 (F, DQ, BW, VL and VNNI), where the system saves their registers: XCR0
 * bits 1 and 2, and 5 to 7. */
static uint32_t isa_of_x86(void) {
    enum { AVX512 = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31, AVX_STATE = 6, AVX512_STATE = 0xE6 };
    uint32_t highest, a, b, c, low, high;
    cpuid(0, &highest, &b, &c);
    if (highest < 7) return EW_ISA_baseline;
    cpuid(1, &a, &b, &c);
    if (!(c >> 12 & 1) || !(c >> 27 & 1) || !(c >> 28 & 1)) return EW_ISA_baseline;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    cpuid(7, &a, &b, &c);
    if ((low & AVX_STATE) != AVX_STATE || !(b >> 5 & 1)) return EW_ISA_baseline;
    int wide = (b & (uint32_t)AVX512) == (uint32_t)AVX512 && (c >> 11 & 1);
    return wide && (low & AVX512_STATE) == AVX512_STATE ? EW_ISA_avx512 : EW_ISA_avx2;
}
#endif

/* A digest of all that run.h and params.h declare, given by the build. Python has it, too: where
 * they differ, structures and numbers of kernels may. */
#ifndef EW_ABI
#define EW_ABI 0u
#endif
EW_EXPORT uint32_t ew_abi(void) { return EW_ABI; }

/* The strongest instruction set of this processor that has a table (EW_ISA_...). */
EW_EXPORT uint32_t ew_isa_supported(void) {
#if defined(__x86_64__)
    return isa_of_x86();
#else
    return EW_ISA_baseline;
#endif
}

/* The kernels for an instruction set, in the order of kernels.def. */
EW_EXPORT ew_kernel *const *ew_table(uint32_t isa) {
#if defined(__x86_64__)
    if (isa == EW_ISA_avx512) return ew_table_avx512;
    if (isa == EW_ISA_avx2) return ew_table_avx2;
#endif
    return isa == EW_ISA_scalar ? ew_table_scalar : ew_table_baseline;
}
