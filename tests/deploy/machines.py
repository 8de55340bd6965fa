"""Compiling an exported model for a machine and running it there, in an emulator or natively.

The program is the model, its kernels, and `machine/`: a harness that runs vectors and prints the
outputs, with what it needs of the machine in place of a C library.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgewise.deploy import CExport
from edgewise.deploy.c_page import FLAGS
from edgewise.deploy.c_text import array, c_type

FOLDER = Path(__file__).with_name("machine")
# zig adds sanitizers by itself; tables for unwinding would ask for functions of a C library
CHECKS = (
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-function"),
    *("-fno-sanitize=all", "-fno-unwind-tables", "-Wframe-larger-than=2048"),
)
ZIG = (sys.executable, "-m", "ziglang", "cc")
QEMU_ARM = ("-nographic", "-semihosting-config", "enable=on,target=native", "-icount", "shift=0")


@dataclass(frozen=True)
class Machine:
    """Options of the compiler, the platform's source and its own options, how to run."""

    name: str
    options: tuple[str, ...]
    platform: str
    platform_options: tuple[str, ...]
    link: tuple[str, ...]
    run: tuple[str, ...]
    instructions_per_tick: float = 0.0

    def require(self) -> None:
        """Skip the test where the compiler or the emulator is missing."""
        pytest.importorskip("ziglang", reason="ziglang, the compiler, is not installed")
        if self.run and shutil.which(self.run[0]) is None:
            pytest.skip(
                f"{self.run[0]} is not installed: apt-get install qemu-user qemu-system-arm"
            )


def _linux(name: str, machine: str, *run: str) -> Machine:
    target = ("-target", f"{machine}-linux-musl")
    return Machine(name, target, "linux.c", target, ("-static",), run)


def _cortex(name: str, cpu: str, board: str, megahertz: float) -> Machine:
    target = ("-target", "thumb-freestanding-eabihf")
    run = ("qemu-system-arm", "-M", board, *QEMU_ARM, "-kernel")
    link = ("-T", str(FOLDER / "cortex_m.ld"), "-Wl,-e,start")
    # `-icount shift=0`: an instruction takes a nanosecond, and the clock counts those
    ticks = 1000 / megahertz
    start = (*target, "-mcpu=cortex_m4")
    return Machine(name, (*target, f"-mcpu={cpu}"), "cortex_m.c", start, link, run, ticks)


MACHINES = (
    _linux("host", platform.machine().replace("AMD64", "x86_64")),
    _linux("aarch64", "aarch64", "qemu-aarch64"),
    _cortex("cortex-m4", "cortex_m4+vfp4d16sp", "mps2-an386", 25),
    _cortex("cortex-m55", "cortex_m55+mve+mve_fp", "mps3-an547", 32),
)
HOST = MACHINES[0]


@dataclass(frozen=True)
class Found:
    """What a program printed: outputs of each vector one after the other, guards, instructions."""

    outputs: list[bytes]
    broken_guards: int
    instructions: int


@dataclass(frozen=True)
class Program:
    """An executable, and the objects of the exported sources that are in it."""

    path: Path
    objects: list[Path]


class Workshop:
    """Compiles programs; each kernel once per machine, because models share them."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder

    def build(
        self,
        machine: Machine,
        exported: CExport,
        vectors: Sequence[Sequence[np.ndarray]],
        outputs: Sequence[np.ndarray],
        *,
        arena_bytes: int | None = None,
    ) -> Program:
        """The program that runs the model on every vector. `outputs` give shapes and dtypes;
        `arena_bytes` overrides what the header asks for."""
        machine.require()
        folder = exported.files[0].parent
        name, has_state = exported.files[0].stem, exported.state_bytes > 0
        header = vectors_header(name, vectors, outputs, arena_bytes, has_state)
        (folder / "vectors.h").write_text(header)
        jobs = [
            (f, machine.options, self._objects if f.parent.name == "kernels" else folder)
            for f in exported.files
            if f.suffix == ".c"
        ]
        count = len(jobs)
        jobs.append((FOLDER / "harness.c", (*machine.options, f"-I{folder}"), folder))
        jobs.append((FOLDER / machine.platform, machine.platform_options, self._objects))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda job: self._object(machine, *job), jobs))
        path = folder / f"{machine.name}.elf"
        link = (*machine.options, "-nostdlib", *machine.link, "-Wl,--gc-sections")
        _call(*ZIG, *link, "-o", str(path), *map(str, objects))
        return Program(path, objects[:count])

    def _object(self, machine: Machine, source: Path, options: Sequence[str], folder: Path) -> Path:
        made = folder / f"{machine.name}-{source.stem}.o"
        if folder != self._objects or not made.exists():
            command = (*ZIG, *options, *FLAGS.split(), *CHECKS, "-c", str(source), "-o", str(made))
            _call(*command)
        return made


def run_program(machine: Machine, program: Program) -> Found:
    """Run it and read what it prints."""
    text = _call(*machine.run, str(program.path))
    outputs = [bytes.fromhex(h) for h in re.findall(r"^output \d+ (\w*)$", text, re.MULTILINE)]
    guard = re.search(r"^guard (\d+)$", text, re.MULTILINE)
    ticks = re.search(r"^ticks (\d+)$", text, re.MULTILINE)
    assert guard is not None, text
    assert ticks is not None, text
    return Found(outputs, int(guard[1]), round(int(ticks[1]) * machine.instructions_per_tick))


def vectors_header(
    model: str,
    vectors: Sequence[Sequence[np.ndarray]],
    outputs: Sequence[np.ndarray],
    arena_bytes: int | None,
    has_state: bool,
) -> str:
    """`vectors.h`: the inputs of all vectors, arrays for the outputs, and the call."""
    upper = model.upper()
    arena = f"{upper}_ARENA_BYTES" if arena_bytes is None else str(arena_bytes)
    # C has no empty arrays; the harness wants one byte more than nothing
    text = [f'#include "{model}.h"', f"enum {{ VECTORS = {len(vectors)} }};"]
    text.append(f"enum {{ ARENA_BYTES = {arena} ? {arena} : 1 }};")
    text.append(f"enum {{ SCRATCH_BYTES = {upper}_SCRATCH_BYTES ? {upper}_SCRATCH_BYTES : 1 }};")
    arguments = []
    for index, given in enumerate(zip(*vectors, strict=True)):
        joined = np.concatenate([a.reshape(-1) for a in given])
        text.append(array(f"static const {c_type(joined.dtype)} in_{index}", joined))
        arguments.append(f"in_{index} + (v) * {given[0].size}")
    for index, output in enumerate(outputs):
        text.append(f"static {c_type(output.dtype)} out_{index}[{output.size}];")
        arguments.append(f"out_{index}")
    if has_state:
        text.append(f"static uint8_t state[{upper}_STATE_BYTES];")
        text.append(f"#define RESET {model}_reset(state)")
    call = ", ".join([*arguments, "arena", "scratch", *["state"] * has_state])
    text.append(f"#define RUN(v, arena, scratch) {model}_run({call})")
    text.append("#define OUTPUTS " + " ".join(f"OUTPUT(out_{i})" for i in range(len(outputs))))
    return "\n".join(text) + "\n"


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout + done.stderr  # where semihosting prints
