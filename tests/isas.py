"""The instruction sets whose kernels tests of single operators run."""

from __future__ import annotations

from edgewise.runtime.library import Isa, host_isa

# AVX512_BF16 differs from its neighbours in conv_bf16.c and a table's lookup: where the host has
# more, the matrix, golden hashes and tests of bfloat16 are enough for it
ISAS = [
    isa
    for isa in Isa
    if isa <= host_isa() and (isa is not Isa.AVX512_BF16 or host_isa() is Isa.AVX512_BF16)
]
