"""Write `answers/operations.npz`: every case of `cases/` as PyTorch exports and computes it.

    PYTHONPATH=src:. PYTHON-WITH-TORCH -m tests.frontends.torch.make_fixtures [NAME ...]

With names (a beginning is enough), only those cases are made anew.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from edgewise.frontends.torch.exported import read_exported
from tests.frontends.torch.answers import FILE, Answer, load, store
from tests.frontends.torch.case import CASES, Case
from tests.frontends.torch.cases import MODULES  # noqa: F401 - declares the cases


class Code(torch.nn.Module):
    """The code of a case as a module."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        for name, array in case.weights.items():
            self.register_buffer(name, torch.from_numpy(array))
        names = ", ".join([*case.inputs, *case.weights])
        code = case.code if "return " in case.code else f"return {case.code}"
        lines = "\n".join(f"    {line}" for line in code.splitlines())
        scope: dict[str, Any] = {"torch": torch, "F": torch.nn.functional}
        # the code is this repository's own
        exec(compile(f"def forward({names}):\n{lines}", f"{case.name}.py", "exec"), scope)  # noqa: S102
        self.function, self.names = scope["forward"], list(case.weights)

    def forward(self, *args: torch.Tensor) -> object:
        return self.function(*args, *(getattr(self, name) for name in self.names))


def answer(case: Case) -> Answer:
    """PyTorch's graph and results."""
    tensors = tuple(torch.from_numpy(a) for a in case.inputs.values())
    module = Code(case).eval()
    shapes = None
    if case.dynamic:
        batch = torch.export.Dim("batch")
        shapes = (tuple({0: batch} for _ in tensors),)
    exported = torch.export.export(module, tensors, dynamic_shapes=shapes, strict=False)
    with torch.no_grad():
        given = module(*tensors)
    results = list(given) if isinstance(given, list | tuple) else [given]
    return Answer(
        read_exported(exported), list(case.inputs.values()), [r.numpy().copy() for r in results]
    )


def main(names: list[str]) -> None:
    """Make the cases whose names begin with one of `names`; all without."""
    kept = load() if names and FILE.exists() else {}
    made = {}
    for name, case in CASES.items():
        wanted = not names or name not in kept or any(name.startswith(n) for n in names)
        try:
            made[name] = answer(case) if wanted else kept[name]
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:400]}")
    store(made, {"torch": torch.__version__, "numpy": np.__version__})
    print(f"{len(made)} of {len(CASES)} cases, {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
