"""Plans with their inputs and expected outputs as bytes, for `machine_runner.c` on a machine that
has no Python. Every part begins at a multiple of 16 bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.runtime.library import Isa

from .isolated import Isolated


def serialized(cases: Sequence[tuple[Isa, Isolated, Sequence[np.ndarray]]]) -> bytes:
    """The file: the number of cases, and then each."""
    return _words(len(cases)) + b"".join(_case(*case) for case in cases)


def _case(isa: Isa, isolated: Isolated, wanted: Sequence[np.ndarray]) -> bytes:
    code, buffers = isolated.code, isolated.buffers
    scratch = -(-isolated.scratch_bytes // 16) * 16
    head = _words(isa, len(code.steps), len(code.operands), len(code.params))
    head += _words(len(buffers), scratch, len(isolated.outputs))
    parts = [head, *(_padded(a.tobytes()) for a in (code.steps, code.operands, code.params))]
    parts += [_words(b.nbytes, b.initial is not None) for b in buffers]
    parts += [_padded(b.initial) for b in buffers if b.initial is not None]
    parts += [_words(n, place.offset, place.nbytes) for n, place in isolated.outputs]
    parts += [_padded(a.tobytes()) for a in wanted]
    return b"".join(parts)


def _words(*numbers: int) -> bytes:
    """32-bit words, filled to 16 bytes."""
    return _padded(np.array(numbers, "<u4").tobytes())


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)
