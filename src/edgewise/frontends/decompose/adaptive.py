"""Pooling to a number of outputs, whatever the size of the input."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.frontends.context import Context, Unsupported
from edgewise.frontends.decompose.windows import pooled
from edgewise.ir.graph import Value

MAX_CUTS = 256  # windows of a volume that are written out


def adaptive(operator: str, c: Context, x: Value, wanted: Sequence[int]) -> Value:
    """Along axes between the batch and the channels: output i of m is that of inputs
    floor(i n / m) to ceil((i + 1) n / m).

    Raises:
        Unsupported: the size of the input is unknown.
    """
    given = [d for d in x.shape[1:-1] if isinstance(d, int)]
    if len(given) < len(wanted):
        raise Unsupported("the size of its input must be known; give the model a fixed shape")
    if all(n % m == 0 for n, m in zip(given, wanted, strict=True)):
        window = tuple(n // m for n, m in zip(given, wanted, strict=True))
        return pooled(operator, c, x, window, window)
    for axis, (n, m) in enumerate(zip(given, wanted, strict=True), 1):
        x = x if n == m else _uneven(operator, c, x, axis, n, m)
    return x


def _uneven(operator: str, c: Context, x: Value, axis: int, n: int, m: int) -> Value:
    """Windows have at most two lengths: all windows of each, and of those the ones that count.
    Volumes, whose poolings are two each, are cut into the windows."""
    windows = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
    if len(x.shape) == 5 or m == 1:
        return _cut(operator, c, x, axis, windows)
    pools: list[Value] = []
    first: dict[int, int] = {}
    for length in sorted({end - start for start, end in windows}):
        first[length] = sum(n - known + 1 for known in first)
        window = tuple(length if a == axis else 1 for a in range(1, len(x.shape) - 1))
        pools.append(pooled(operator, c, x, window, (1,) * len(window)))
    every = c.b.concatenation(*pools, axis=axis) if len(pools) > 1 else pools[0]
    return c.b.gather(every, c.ints([first[b - a] + a for a, b in windows]), axis=axis)


def _cut(
    operator: str, c: Context, x: Value, axis: int, windows: Sequence[tuple[int, int]]
) -> Value:
    if len(windows) > MAX_CUTS:
        raise Unsupported(
            f"output size {len(windows)}; at most {MAX_CUTS} where it divides unevenly"
        )
    reduce = c.b.mean if operator == "average_pool_2d" else c.b.reduce_max
    rank, parts = len(x.shape), []
    for start, end in windows:
        begin = [start if a == axis else 0 for a in range(rank)]
        size = [end - start if a == axis else -1 for a in range(rank)]
        part = c.b.slice(x, c.ints(begin), c.ints(size))
        parts.append(reduce(part, c.ints([axis]), keep_dims=True))
    return c.b.concatenation(*parts, axis=axis) if len(parts) > 1 else parts[0]
