"""Kernels on machines this one is not: AArch64 emulated, and compilers that must accept them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgewise.ir.evaluate import evaluate
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from tests.deploy.elf import undefined_symbols
from tests.ops.case import inputs_of, model_of

from . import builds
from .isolated import isolate
from .matrix import cases, is_native, planned
from .serialized import serialized

pytestmark = pytest.mark.ci

DEPLOY = builds.ROOT / "tests" / "deploy" / "machine"
ZIG = (sys.executable, "-m", "ziglang", "cc")


def call(*command: str) -> str:
    """Run a command; what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_integers_on_aarch64(tmp_path: Path) -> None:
    """Plain C and NEON give the reference's bits for every integer case that is all kernels'."""
    pytest.importorskip("ziglang", reason="ziglang, the compiler, is not installed")
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed: apt-get install qemu-user")
    written, names = [], []
    for case in cases():
        graph = model_of(case).main
        if any(v.dtype.is_float for v in (*graph.inputs, *graph.outputs)):
            continue
        for isa in (Isa.SCALAR, Isa.BASELINE):
            made = planned(graph, Target(isa))
            if made is None or not is_native(made):
                continue
            inputs = inputs_of(case)
            written.append((isa, isolate(made, inputs), evaluate(graph, inputs)))
            names.append(f"{case.id} on {isa.name.lower()}")
    (tmp_path / "cases.bin").write_bytes(serialized(written))
    made_by = builds.tool()
    objects = made_by.compile_objects(builds.ROOT, "aarch64", tmp_path)
    program = tmp_path / "runner"
    target = ("-target", "aarch64-linux-musl", "-O2", "-ffreestanding", "-fno-sanitize=all")
    folders = [f"-I{builds.ROOT / made_by.KERNELS}", f"-I{DEPLOY}", f"-I{tmp_path}"]
    sources = [str(Path(__file__).with_name("machine_runner.c")), str(DEPLOY / "linux.c")]
    include = f"-Wa,-I{tmp_path}"
    linked = ("-nostdlib", "-static", "-o", str(program), *map(str, objects))
    call(*ZIG, *target, *folders, include, *sources, *linked)
    text = call("qemu-aarch64", str(program))
    failed = [names[int(n)] for n in re.findall(r"^failed (\d+)$", text, re.MULTILINE)]
    assert failed == []
    assert f"ran {len(names)}\n" in text
    assert len(names) > 500
    print(f"{len(names)} runs on AArch64")


@pytest.mark.parametrize(
    ("machine", "options"),
    [
        ("wasm32", ("-target", "wasm32-freestanding", "-mcpu=generic+simd128")),
        ("cortex-m4", ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp")),
        ("cortex-m0", ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus")),
    ],
)
def test_kernels_compile_for(machine: str, options: tuple[str, ...], tmp_path: Path) -> None:
    """The plain build and, on WebAssembly, vectors; objects import each other and compiler
    support (`__aeabi_...`) only."""
    pytest.importorskip("ziglang", reason="ziglang, the compiler, is not installed")
    made_by = builds.tool()
    variants = [("-DEW_SCALAR", "-DEW_SUFFIX=scalar")]
    if machine == "wasm32":
        variants.append(("-DEW_SUFFIX=baseline",))
    sources = [
        s for s in sorted((builds.ROOT / made_by.KERNELS).glob("*.c")) if s.name not in made_by.ONCE
    ]
    flags = [f for f in made_by.FLAGS if f not in ("-fPIC", "-O3")]
    missing: set[str] = set()
    for variant in variants:
        for source in sources:
            made = tmp_path / f"{source.stem}.o"
            command = (*ZIG, *options, *flags, "-O1", "-fno-sanitize=all", *variant)
            call(*command, "-c", str(source), "-o", str(made))
            if machine != "wasm32":
                missing |= undefined_symbols(made)
    foreign = {n for n in missing if not n.startswith(("ew_", "__aeabi_", "__"))}
    assert foreign == set()
