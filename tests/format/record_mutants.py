"""`.tflite` files changed by somebody who knows the format: fields, not bytes.

A change takes the `Model` record of a file and a generator of random numbers, and alters one thing:
an option, a shape, a type, what an operator reads, a constant, a scale. Most changes stay near what
an honest file would say, so that the file gets past the reader and the kernels have to cope; every
kind also draws from the edges of its range.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from edgewise.format.container import model_chunks, read_model
from edgewise.format.record import Record

from . import graph_changes as graphs
from . import tensor_changes as tensors
from .mutants import mutate

Change = Callable[[Record, random.Random], bool]  # False: there is nothing of that kind

# How often, measured on all files: the share that gets as far as a kernel stays above one half.
CHANGES: dict[Change, int] = {
    tensors.data_value: 28,
    tensors.data_bits: 14,
    graphs.option: 16,
    tensors.scale: 14,
    tensors.shape: 10,
    graphs.operators: 6,
    graphs.rewire: 3,
    graphs.operator_code: 4,
    tensors.element_type: 4,
    tensors.data_size: 2,
    tensors.regroup: 2,
    graphs.ends: 3,
    graphs.called_graph: 2,
    graphs.signature: 1,
    tensors.sparse: 2,
    tensors.rank_unknown: 2,
    graphs.option_table: 1,
    tensors.buffer_index: 1,
    graphs.custom: 1,
}


def mutate_records(data: bytes, generator: random.Random) -> tuple[bytes, str]:
    """The file with one change or a few, and the names of the changes."""
    model = read_model(data)
    made: list[str] = []
    wanted = generator.choice((1, 1, 1, 1, 1, 1, 2, 3))
    for _ in range(20 * wanted):
        if len(made) < wanted:
            change = generator.choices(list(CHANGES), list(CHANGES.values()))[0]
            if change(model, generator):
                made.append(change.__name__)
    outside = generator.random() < 0.01
    changed = b"".join(model_chunks(model, outside=outside))
    chance = generator.random()
    if chance < 0.06:
        return mutate(changed, generator), "+".join([*made, "bytes"])
    if chance < 0.07:
        return changed[: generator.randrange(len(changed))], "+".join([*made, "truncation"])
    return changed, "+".join(made)
