"""Which steps a plan lets threads share, and how it cuts them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder
from edgewise.ops.fully_connected import FullyConnected
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan


def layers(rows: int, widths: list[int], threads: int) -> list[tuple[int, bool]]:
    """Tiles of each layer of a chain, and whether C may share them."""
    b = Builder()
    x = b.input("x", (rows, widths[0]), DType.FLOAT32)
    for k, o in pairwise(widths):
        x = b.node(FullyConnected(), x, b.constant(np.full((o, k), 0.5, np.float32)), None).output
    steps = plan(b.finish(x), Target(host_isa(), threads)).code.steps
    return [(int(s["n_tiles"]), int(s["work"]) > 1) for s in steps]


def test_a_small_step_is_shared_after_one_that_is() -> None:
    """[1024, 512] @ [512, 512] takes milliseconds, [1024, 8] @ [8, 512] at least 20 us: what a
    thread finds in its cache decides about [1024, 8] @ [8, 8], and in no case about less."""
    assert [is_shared for _, is_shared in layers(1024, [512, 512, 8, 8], 2)] == [True] * 3
    assert [is_shared for _, is_shared in layers(1024, [8, 8], 2)] == [False]


@pytest.mark.skipif(host_isa() is Isa.SCALAR, reason="scalar code is not cut into tiles")
def test_what_one_thread_computes_is_cut_as_for_one() -> None:
    assert layers(16, [32, 32, 32], 4) == [(1, False), (1, False)]
    assert layers(16, [32, 32, 32], 1) == [(1, True), (1, True)]


@pytest.mark.skipif(host_isa() is Isa.SCALAR, reason="scalar code is not cut into tiles")
@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("rows", [196, 784, 1024, 3136])
def test_no_thread_has_many_more_tiles_than_others(rows: int, threads: int) -> None:
    [(tiles, is_shared)] = layers(rows, [512, 512], threads)
    assert is_shared
    assert -(-tiles // threads) * threads <= 1.15 * tiles
