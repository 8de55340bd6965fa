"""The kernels as compiled: inner loops without spills, other machines, nothing imported."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from edgewise.runtime.library import host_isa, structures

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def kernels() -> ModuleType:
    """tools/build_kernels.py."""
    pytest.importorskip("ziglang", reason="ziglang, the compiler of the kernels, is not installed")
    path = ROOT / "tools" / "build_kernels.py"
    spec = importlib.util.spec_from_file_location("build_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


QUIET = "-Wno-unused-command-line-argument"  # zig passes -c, too
PRODUCT = r"fmadd|mul[ps]s|fmla|dpbf16ps"
SPILL = r"[er][sb]p\)|\[sp\b"  # stack access in a listing
VECTOR_SPILL = r"zmm.*\(%r[sb]p|%r[sb]p\).*zmm"
# bodies of the functions of a file by name, for a variant and a pattern of names
Listed = Callable[[str, str, str], dict[str, str]]

# by weights of float32, and those of 16 bits that are widened on the way or multiplied as they are
VARIANTS = {
    "x86_64-scalar": ("f32",),
    "x86_64-baseline": ("f32", "bf16"),
    "x86_64-avx2": ("f32", "f16", "bf16"),
    "x86_64-avx512": ("f32", "f16", "bf16"),
    "x86_64-avx512_bf16": ("f32", "f16", "bf16", "dpbf16"),
    "aarch64-baseline": ("f32", "bf16"),
}


@pytest.fixture
def listed(kernels: ModuleType, tmp_path: Path) -> Listed:
    """Compiles a file of the kernels for a variant."""

    def bodies(variant: str, file: str, pattern: str) -> dict[str, str]:
        machine, suffix = variant.split("-")
        chosen = next(v for v in kernels.VARIANTS[machine] if v.suffix == suffix)
        options = (*chosen.options, *kernels.FLAGS, f"-DEW_SUFFIX={suffix}", "-g0", QUIET)
        listing = tmp_path / "listing.s"
        kernels.Compiler(machine).run(options, "-S", ROOT / kernels.KERNELS / file, "-o", listing)
        function = re.compile(rf"^({pattern}):(.*?)^\.Lfunc_end", re.MULTILINE | re.DOTALL)
        return dict(function.findall(listing.read_text()))

    return bodies


def require_free(bodies: dict[str, str], product: str, spill: str) -> None:
    """The inner loops that multiply, of which each function has one, do not touch the stack."""
    assert bodies
    for name, body in bodies.items():
        loops = [text for text in inner_loops(body) if re.search(product, text)]
        assert loops, name
        for loop in loops:
            assert not re.search(spill, loop), f"{name} spills:\n{loop}"


@pytest.mark.parametrize(("variant", "kind"), [(v, k) for v, ks in VARIANTS.items() for k in ks])
def test_float_products_keep_their_accumulators(listed: Listed, variant: str, kind: str) -> None:
    """No stack access in the inner loop of any tile: one spill halves its speed (measured)."""
    tiles = listed(variant, f"gemm_{kind}.c", r"(?:gemm|few)_(?:f32|dpbf16)_\d+x\d+(?:_low)?")
    require_free(tiles, PRODUCT, SPILL)


@pytest.mark.parametrize("variant", ["x86_64-avx2", "x86_64-avx512", "aarch64-baseline"])
def test_depthwise_walks_keep_their_weights(listed: Listed, variant: str) -> None:
    """No stack access where a block of channels walks along a line."""
    walks = listed(variant, "depthwise_f32.c", r"ew_walk_\dx\d_\d")
    assert len(walks) == (12 if variant == "x86_64-avx512" else 6)
    require_free(walks, r"fmadd|fmla", SPILL)


def test_depthwise_walks_of_bytes_keep_their_weights(listed: Listed) -> None:
    """No vector on the stack where a block of channels walks along a line, or two, under 3 x 3."""
    walks = listed("x86_64-avx512_bf16", "depthwise_b8.c", r"walk_\d\w+")
    assert len(walks) == 15
    require_free(walks, "vpdpbusd", VECTOR_SPILL)


def test_depthwise_bands_keep_their_sums(listed: Listed) -> None:
    """No vector on the stack while the sums of several rows are held."""
    bands = listed("x86_64-avx512", "depthwise_f32.c", r"ew_band_\w+")
    assert len(bands) == 16
    for name, body in bands.items():
        assert body.count("vfmadd") >= 36
        assert not re.search(VECTOR_SPILL, body), name


def inner_loops(body: str) -> list[str]:
    """The innermost loops of a function's listing: from a label to the jump back to it."""
    lines = body.split("\n")
    labels: dict[str, int] = {}
    loops = []
    for number, line in enumerate(lines):
        label = re.match(r"(\.LBB\w+):", line)
        jump = re.search(r"^\s+(?:j|b\.|cbn?z|tbn?z).*(\.LBB\w+)", line)
        if label:
            labels[label[1]] = number
        elif jump and jump[1] in labels:
            loops.append(range(labels[jump[1]], number + 1))
    innermost = [a for a in loops if not any(set(b) < set(a) for b in loops)]
    return ["\n".join(lines[i] for i in loop) for loop in innermost]


TARGETS = (
    "x86_64-linux-gnu",
    "aarch64-linux-gnu",
    "wasm32-freestanding",
    "thumb-freestanding-eabi",
)


@pytest.mark.parametrize("target", TARGETS)
def test_structures_have_one_layout(kernels: ModuleType, tmp_path: Path, target: str) -> None:
    """Python (cffi) and C agree on every field of params.h, on 32 and 64-bit machines."""
    header = ROOT / kernels.KERNELS / "params.h"
    lines = [f'#include "{header}"']
    texts = "".join(p.read_text() for p in sorted(header.parent.glob("params*.h")))
    for name in re.findall(r"^} (ew_\w+);", texts, re.MULTILINE):
        kind = structures().typeof(name)
        size = structures().sizeof(kind)
        lines.append(f'_Static_assert(sizeof({name}) == {size}, "{name}");')
        for field, what in kind.fields:
            is_placed = f"offsetof({name}, {field}) == {what.offset}"
            lines.append(f'_Static_assert({is_placed}, "{name}.{field}");')
    assert len(lines) > 100
    source = tmp_path / "layout.c"
    source.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-ffreestanding", "-c"]
    subprocess.run([*command, source, "-o", tmp_path / "layout.o"], check=True)


@pytest.mark.parametrize("dtype", ["b8", "h8", "s16"])
@pytest.mark.parametrize("suffix", ["baseline", "avx2", "avx_vnni", "avx512", "amx"])
def test_integer_products_keep_their_accumulators(
    kernels: ModuleType, tmp_path: Path, suffix: str, dtype: str
) -> None:
    """No stack access in the inner loop of any tile on any instruction set."""
    compiler = kernels.Compiler("x86_64")
    variant = next(v for v in kernels.VARIANTS["x86_64"] if v.suffix == suffix)
    options = (*variant.options, *kernels.FLAGS, f"-DEW_SUFFIX={suffix}", "-g0", QUIET)
    listing = tmp_path / "gemm.s"
    compiler.run(options, "-S", ROOT / kernels.KERNELS / f"gemm_{dtype}.c", "-o", listing)
    instruction, most = "pmaddwd", 14 if suffix in ("avx512", "amx") else 6
    if suffix not in ("baseline", "avx2"):
        # clang may take the instruction apart again
        instruction = "vpdpwssd|pmaddwd" if dtype == "s16" else "vpdpbusd"
    functions = re.findall(
        rf"^gem[mv]_{dtype}_(\d+)x(\d):(.*?)^\.Lfunc_end",
        listing.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert {(int(r), int(v)) for r, v, _ in functions} >= {(most, 1), (most, 2), (1, 2), (1, 8)}
    for rows, vectors, body in functions:
        loops = [
            b for b in re.split(r"^\.LBB", body, flags=re.MULTILINE) if re.search(instruction, b)
        ]
        assert len(loops) == 1, (rows, vectors)
        inner = loops[0].split("\n\tjne")[0]
        assert len(re.findall(instruction, inner)) == int(rows) * int(vectors)
        assert "(%rsp)" not in inner, f"{rows}x{vectors} spills"
        assert "(%rbp)" not in inner, f"{rows}x{vectors} spills"


def test_the_kernels_compile_for_arm(kernels: ModuleType, tmp_path: Path) -> None:
    """AArch64, from the same sources. Linking with -z defs shows that nothing is imported."""
    library = kernels.build(ROOT, "aarch64", tmp_path / "kernels.so")
    machine = library.read_bytes()[18:20]
    assert machine == (183).to_bytes(2, "little")  # e_machine of ELF


@pytest.mark.ci
def test_the_system_compiler_builds_them_too(
    kernels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ziglang has no wheel, `cc` makes the library; GCC's own warnings do not stop it."""
    if shutil.which("cc") is None:
        pytest.skip("needs a system compiler, cc")
    monkeypatch.setattr(kernels.importlib.util, "find_spec", lambda name: None)
    library = kernels.build(ROOT, library=tmp_path / "kernels.so")
    isa = ctypes.CDLL(str(library)).ew_isa_supported()
    assert isa == host_isa()
