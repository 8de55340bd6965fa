"""The instruction sets whose kernels tests of single operators run."""

from __future__ import annotations

from edgewise.cli.doctor import cpu
from edgewise.runtime.library import Isa, host_isa


def _runs(isa: Isa) -> bool:
    """Whether this processor has it."""
    if isa is Isa.AVX_VNNI and "avx_vnni" not in cpu()[1]:
        return False  # many that have AVX-512 do not
    return isa <= Isa.BASELINE or isa is host_isa() or (isa < host_isa() and host_isa() <= Isa.AMX)


BUILT = [isa for isa in Isa if _runs(isa)]
# AVX512_BF16 differs from its neighbours in conv_bf16.c, a table's lookup and depthwise_b8.c:
# where the host has more, the matrix, golden hashes and tests of these are enough for it
ISAS = [isa for isa in BUILT if isa is not Isa.AVX512_BF16 or host_isa() is Isa.AVX512_BF16]
