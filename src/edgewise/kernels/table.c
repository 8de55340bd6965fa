/* The function table of one instruction set, in the order of kernels.def. */
#include "kernel.h"

#define EW_KERNEL(name) extern ew_kernel EW_NAME(name);
#include "kernels.def"
#undef EW_KERNEL

extern ew_kernel *const EW_NAME(table)[EW_KERNELS];
ew_kernel *const EW_NAME(table)[EW_KERNELS] = {
#define EW_KERNEL(name) EW_NAME(name),
#include "kernels.def"
#undef EW_KERNEL
};
