"""The compiled library: Python and C agree on every structure, and bad parameters are refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgewise.errors import InternalError
from edgewise.runtime import _structures
from edgewise.runtime.library import (
    Isa,
    host_isa,
    kernel_index,
    kernel_source,
    library,
    pack,
    structures,
)

KERNELS = Path(__file__).resolve().parents[2] / "src" / "edgewise" / "kernels"


def test_structures_have_no_padding() -> None:
    """Their bytes are the same on every target; test_build.py asks the compilers."""
    header = "".join(p.read_text() for p in sorted(KERNELS.glob("params*.h")))
    names = re.findall(r"^} (ew_\w+);", header, re.MULTILINE)
    assert "ew_conv_2d_f32" in names
    for name in names:
        kind = structures().typeof(name)
        ends = [f.offset + structures().sizeof(f.type) for _, f in kind.fields]
        starts = [f.offset for _, f in kind.fields]
        assert starts == [0, *ends[:-1]], f"{name} has padding"
        assert ends[-1] == structures().sizeof(kind), f"{name} has padding at its end"


def test_every_kernel_of_the_list_is_used() -> None:
    listed = re.findall(r"^EW_KERNEL\((\w+)\)", (KERNELS / "kernels.def").read_text(), re.MULTILINE)
    assert sorted(kernel_index(), key=kernel_index().__getitem__) == listed
    sources = [*(KERNELS.parent / "runtime" / "select").glob("*.py")]
    sources.append(KERNELS.parent / "measure" / "peak.py")
    text = "".join(p.read_text() for p in sources)
    unused = [n for n in listed if f'"{n}"' not in text and f'"{n.rpartition("_")[0]}"' not in text]
    assert unused == []


def test_every_kernel_names_its_source_and_structure() -> None:
    """What export to C needs; the build reads both from the sources."""
    for kernel in kernel_index():
        file, structure = kernel_source(kernel)
        assert (KERNELS / file).is_file(), kernel
        assert structure.startswith("ew_"), f"{kernel} must say `const ew_... *p = params;`"


def mixed(abi: str, code: str) -> str:
    """What a process says that runs `code` where `_structures.py` has another number: one of its
    own, because a library that is loaded once stays."""
    lines = ("from edgewise.runtime import _structures", f"_structures.ABI = {abi}", code)
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("abi", ["_structures.ABI ^ 1", "None"])
def test_a_library_of_another_build_is_refused(abi: str) -> None:
    """Structures with other fields, or kernels with other numbers, compute wrong results."""
    said = mixed(abi, "from edgewise.runtime.library import library; library()")
    shown = "no number" if abi == "None" else f"{_structures.ABI ^ 1:08x}"
    assert re.search(f"MixedBuild: .* must come from one build.*{shown}.*Build both", said)
    assert int(library().ew_abi()) == _structures.ABI


def test_a_model_does_not_run_on_a_library_of_another_build() -> None:
    """It is refused, not run on the references: who mixed the files has to know."""
    code = """
import edgewise, edgewise.ops, numpy as np
from edgewise.ir.build import Builder
b = Builder("main")
x = b.input("x", (2,))
model = edgewise.Model()
model.add(b.finish(b.add(x, x)))
edgewise.Interpreter(model)(np.ones(2, np.float32))
"""
    assert "MixedBuild" in mixed("0", code)


def test_a_wrong_field_is_refused() -> None:
    with pytest.raises(InternalError, match="depth"):
        pack("ew_softmax", {"rows": 1})


def test_the_host_has_at_least_the_baseline() -> None:
    assert host_isa() >= Isa.BASELINE
