"""PyTorch programs as Models: the graph of ATen operations that `torch.export` gives.

`source.py` takes what users have: modules, exported programs and their files. `exported.py` reads
an exported program of a running PyTorch into one description, `program.Program`; `lower.py` makes
operators of it with the handlers of its operations. What is read is the training IR: operations as
they are called (`conv2d`, `linear`, `layer_norm`, `scaled_dot_product_attention`), not what they
decompose into. PyTorch is the user's, and imported for files only.
"""

import os
import sys
from pathlib import Path
from typing import Any

from edgewise.ir.model import Model


def is_torch(source: object) -> bool:
    """A module of PyTorch, a program that `torch.export` made, or a file of one (`.pt2`)."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return path.suffix == ".pt2" and path.is_file()
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return False
    # before PyTorch 2.1 there are no programs
    program = getattr(getattr(torch, "export", None), "ExportedProgram", torch.nn.Module)
    return isinstance(source, torch.nn.Module | program)


def read_torch(source: object, *, inputs: object = None) -> Model:
    """A module, program or file of PyTorch as a Model. Raises as `source.read_program`."""
    from edgewise.frontends.torch.source import read_program

    return read_program(source, inputs)
