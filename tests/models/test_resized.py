"""`resize_tensor_input` on models of others: other batches and heights, ours against LiteRT.

What only one of both runs fails (`resized.py`). The table is printed; with LiteRT 2.3, of 129
files, both batches: 105 agree, 15 are refused by both, 8 have no such input, and one is refused by
LiteRT's int16 TRANSPOSE_CONV alone; twice the height: 87 agree, 15 are refused by both, 24 have no
such input, and 3 have a TRANSPOSE_CONV, whose output has a constant size.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.models import resized
from tests.oracle.litert import Oracle


@pytest.mark.ci
def test_small_models_with_other_sizes(shared_data: Path) -> None:
    """Against stored answers."""
    counts, problems = Counter[str](), []
    for key, answer in resized.stored().items():
        file, _, size = key.rpartition(":")
        axis, count = map(int, size.split("x"))
        found, why = resized.verdict(file, axis, count, shared_data, lambda *_, a=answer: a)
        counts[found] += 1
        if resized.is_problem(axis, found, why):
            problems.append(f"{found}: {key}: {why}")
    assert not problems, "\n".join(problems)
    assert counts["agree"] >= 100


@pytest.mark.parity
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("axis", "count"), resized.SIZES)
def test_models_with_other_sizes(axis: int, count: int, shared_data: Path, oracle: Oracle) -> None:
    counts, problems = Counter[str](), []
    for file in resized.FILES:
        if (shared_data / file).stat().st_size > resized.MOST_BYTES:
            continue
        found, why = resized.verdict(
            file,
            axis,
            count,
            shared_data,
            lambda path, inputs: oracle.run(path.read_bytes(), inputs, timeout_s=300.0),
        )
        counts[found] += 1
        print(f"{found:12} {file} {why.splitlines()[0][:150] if why else ''}")
        if resized.is_problem(axis, found, why):
            problems.append(f"{found}: {file}: {why}")
    print(dict(counts))
    assert not problems, "\n".join(problems)
