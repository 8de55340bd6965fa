"""Kernels on machines this one is not: AArch64 emulated, and compilers that must accept them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.ir import Graph
from edgewise.ir.evaluate import evaluate
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Precision, Target
from edgewise.runtime.planner import plan
from edgewise.runtime.select import conv_bf16
from tests.deploy.elf import undefined_symbols
from tests.ops.case import inputs_of, model_of

from . import bf16_worker, builds
from .isolated import Isolated, isolate
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


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The objects of the library, of all its instruction sets."""
    pytest.importorskip("ziglang", reason="ziglang, the compiler, is not installed")
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed: apt-get install qemu-user")
    folder = tmp_path_factory.mktemp("aarch64")
    return list(builds.tool().compile_objects(builds.ROOT, "aarch64", folder))


def run_on_aarch64(
    cases: Sequence[tuple[Isa, Isolated, Sequence[np.ndarray]]], objects: list[Path], folder: Path
) -> set[int]:
    """Which cases the runner finds to differ."""
    (folder / "cases.bin").write_bytes(serialized(cases))
    program = folder / "runner"
    target = ("-target", "aarch64-linux-musl", "-O2", "-ffreestanding", "-fno-sanitize=all")
    folders = [f"-I{builds.ROOT / builds.tool().KERNELS}", f"-I{DEPLOY}", f"-I{folder}"]
    sources = [str(Path(__file__).with_name("machine_runner.c")), str(DEPLOY / "linux.c")]
    linked = ("-nostdlib", "-static", "-o", str(program), *map(str, objects))
    call(*ZIG, *target, *folders, f"-Wa,-I{folder}", *sources, *linked)
    text = call("qemu-aarch64", "-cpu", "max", str(program))
    assert f"ran {len(cases)}\n" in text
    return {int(n) for n in re.findall(r"^failed (\d+)$", text, re.MULTILINE)}


def test_integers_on_aarch64(aarch64: list[Path], tmp_path: Path) -> None:
    """Plain C and NEON give the reference's bits for every integer case that is all kernels'."""
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
    assert [names[n] for n in run_on_aarch64(written, aarch64, tmp_path)] == []
    assert len(names) > 500
    print(f"{len(names)} runs on AArch64")


def test_bf16_on_aarch64(aarch64: list[Path], tmp_path: Path) -> None:
    """bfmmla gives the reference's bits where numbers are so small that no sum is rounded, and
    what it reads is rounded to them."""
    rng, written, names = np.random.default_rng(4), [], []

    def add(name: str, graph: Graph, target: Target, shape: tuple[int, ...]) -> None:
        made = plan(graph, target)
        assert any("conv_2d_bf16" in p.detail for p in made.placement), name
        x = rng.integers(-3, 4, shape).astype(np.float32)
        wanted = [y + 0.0 for y in evaluate(graph, [x])]  # sums are no -0
        inputs = [x * np.float32(1 + 2.0**-10)]
        written.append((Isa.NEON_BF16, isolate(made, inputs), wanted))
        names.append(name)

    few = Target(Isa.NEON_BF16, block_bytes=2048, precision=Precision.BFLOAT16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(conv_bf16.MOST_WASTE, Isa.NEON_BF16, 1e9)  # any shape
        for target in (replace(few, block_bytes=1 << 17), few):
            for op, shape, of_weights in bf16_worker.cases():
                w = rng.integers(-1, 2, of_weights).astype(np.float32)
                bias = np.full(of_weights[0], 0.5, np.float32)
                graph = bf16_worker.graph_of(op, shape, w, bias)
                add(f"{op} {shape} {of_weights}", graph, target, shape)
            for image in bf16_worker.IMAGES:
                for channels, between in bf16_worker.BETWEEN:
                    graph = bf16_worker.chain((*image, 5), channels, between, rng)
                    add(f"{image} {channels} {between}", graph, target, (*image, 5))
    assert [names[n] for n in run_on_aarch64(written, aarch64, tmp_path)] == []
    assert len(names) > 250


@pytest.mark.parametrize(
    ("cpu", "isa"), [("max", Isa.NEON_BF16), ("cortex-a72", Isa.BASELINE)], ids=["max", "a72"]
)
def test_the_processor_says_whether_it_has_bf16(
    cpu: str, isa: Isa, aarch64: list[Path], tmp_path: Path
) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(
        "#include <stdio.h>\n#include <sys/auxv.h>\n"
        "unsigned ew_isa_supported(void);\n"
        'int main(void) { return !printf("%u %d", ew_isa_supported(), getauxval(26) != 0); }\n'
    )
    target = ("-target", "aarch64-linux-musl", "-static", "-fno-sanitize=all")
    call(*ZIG, *target, str(source), *map(str, aarch64), "-o", str(program))
    assert call("qemu-aarch64", "-cpu", cpu, str(program)).split()[0] == str(int(isa))


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
