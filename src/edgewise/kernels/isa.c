/* The instruction sets of the host and the choice among their kernels. Compiled once, for the
 * weakest processor. */
#include "kernel.h"

typedef ew_kernel *const kernel_table[EW_KERNELS];
extern kernel_table ew_table_scalar, ew_table_baseline;
#if defined(__x86_64__)
extern kernel_table ew_table_avx2, ew_table_avx_vnni, ew_table_avx512, ew_table_avx512_bf16;
extern kernel_table ew_table_amx;
#elif defined(__aarch64__)
extern kernel_table ew_table_neon_bf16;
#endif

#if defined(__x86_64__)
typedef struct {
    uint32_t a, b, c, d;
} cpuid_result;

static cpuid_result cpuid(uint32_t leaf, uint32_t part) {
    cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(part));
    return r;
}

/* AMD's, whose vdpbf16ps is as fast as a multiplication of float32, or nearly; Intel's takes four
 * times as long where there is AMX (Emerald Rapids: 43 G multiplications/s, float32 88). */
static int has_fast_bf16(void) {
    const cpuid_result vendor = cpuid(0, 0);
    return vendor.b == 0x68747541 && vendor.d == 0x69746e65 && vendor.c == 0x444d4163;
}

static int has_bits(uint32_t found, uint32_t wanted) { return (found & wanted) == wanted; }

/* Linux saves the tiles only of processes that have asked for them (arch_prctl(ARCH_REQ_XCOMP_PERM,
 * 18), Documentation/arch/x86/xstate.rst); their children may use them, too. */
static int may_use_tiles(void) {
#if defined(__linux__)
    long status = 158;
    __asm__ volatile("syscall" : "+a"(status) : "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
    return status == 0;
#else
    return 0;
#endif
}

/* AVX2 with FMA; that with AVX-VNNI, of Intel's processors without AVX-512; AVX-512 (F, DQ, BW, VL
 * and VNNI); that with VBMI and BF16; and that with AMX (TILE, INT8 and BF16): where the system
 * saves their registers, XCR0 bits 1 and 2, 5 to 7, and 17 and 18. */
static uint32_t isa_of_x86(void) {
    enum { FMA_SAVED_AVX = 1 << 12 | 1 << 27 | 1 << 28, AVX2 = 1 << 5 };
    enum { AVX512 = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31, VNNI = 1 << 11 };
    enum { VBMI = 1 << 1, AVX_VNNI = 1 << 4, BF16 = 1 << 5 };
    enum { AMX = 1 << 22 | 1 << 24 | 1 << 25 };
    enum { AVX_STATE = 0x6, AVX512_STATE = 0xE6, AMX_STATE = 0x60000 };
    const uint32_t highest = cpuid(0, 0).a;
    if (highest < 7 || !has_bits(cpuid(1, 0).c, FMA_SAVED_AVX)) return EW_ISA_baseline;
    uint32_t saved, beyond;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(beyond) : "c"(0));
    const cpuid_result has = cpuid(7, 0);
    if (!has_bits(saved, AVX_STATE) || !has_bits(has.b, AVX2)) return EW_ISA_baseline;
    if (!has_bits(saved, AVX512_STATE) || !has_bits(has.b, (uint32_t)AVX512) ||
        !has_bits(has.c, VNNI))
        return has.a && has_bits(cpuid(7, 1).a, AVX_VNNI) ? EW_ISA_avx_vnni : EW_ISA_avx2;
    if (!has_bits(has.c, VBMI) || has.a < 1 || !has_bits(cpuid(7, 1).a, BF16))
        return EW_ISA_avx512;
    if (has_bits(saved, AMX_STATE) && has_bits(has.d, AMX) && may_use_tiles()) return EW_ISA_amx;
    return has_fast_bf16() ? EW_ISA_avx512_bf16 : EW_ISA_avx512;
}
#elif defined(__aarch64__)
/* The C library's, where the process has one: what Linux says of the processor. */
extern EW_EXPORT unsigned long getauxval(unsigned long type) __attribute__((weak));

static uint32_t isa_of_arm(void) {
#if defined(__linux__)
    enum { AT_HWCAP2 = 26, HWCAP2_BF16 = 1 << 14 };
    if (getauxval && (getauxval(AT_HWCAP2) & HWCAP2_BF16)) return EW_ISA_neon_bf16;
#endif
    return EW_ISA_baseline;
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
#elif defined(__aarch64__)
    return isa_of_arm();
#else
    return EW_ISA_baseline;
#endif
}

/* The kernels for an instruction set, in the order of kernels.def. */
EW_EXPORT ew_kernel *const *ew_table(uint32_t isa) {
#if defined(__x86_64__)
    if (isa == EW_ISA_amx) {
        may_use_tiles(); /* a stored plan comes here first */
        return ew_table_amx;
    }
    if (isa == EW_ISA_avx512_bf16) return ew_table_avx512_bf16;
    if (isa == EW_ISA_avx512) return ew_table_avx512;
    if (isa == EW_ISA_avx_vnni) return ew_table_avx_vnni;
    if (isa == EW_ISA_avx2) return ew_table_avx2;
#elif defined(__aarch64__)
    if (isa == EW_ISA_neon_bf16) return ew_table_neon_bf16;
#endif
    return isa == EW_ISA_scalar ? ew_table_scalar : ew_table_baseline;
}
