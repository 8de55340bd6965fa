"""Compile the C kernels into one shared library and describe their structures for Python.

    python tools/build_kernels.py            # into the source tree, as an editable install has it

Every source is compiled once per instruction set (a symbol suffix tells them apart; the choice is
made at run time) into freestanding objects, which are linked without a C library. The compiler is
clang from the package `ziglang`, or `cc` where that is not installed. `params.h` is preprocessed
and compiled by cffi (out of line, ABI mode), so that importing it parses nothing. Library and
description have a digest of it, which must be the same where both are loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent.parent
KERNELS = Path("src/edgewise/kernels")
LIBRARY = KERNELS / "edgewise_kernels.so"
STRUCTURES = Path("src/edgewise/runtime/_structures.py")
# compiled for the weakest processor only
ONCE = ("checksum.c", "isa.c", "pack.c", "posix.c", "python.c", "run.c", "threads.c")

FLAGS = (
    *("-std=c11", "-O3", "-ffreestanding", "-fPIC", "-fvisibility=hidden", "-fwrapv"),
    # else what is linked before a micro-kernel moves its loop, which costs up to 5 %
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-falign-functions=64"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-function"),
)
LINK = ("-shared", "-nostdlib", *(f"-Wl,{o}" for o in ("-z,defs", "-z,noexecstack", "-s")))
DOCSTRING = (
    '"""Structures and functions of the kernels. Made from kernels/params.h; not edited."""\n'
)


@dataclass(frozen=True)
class Variant:
    """One compilation of all kernels: symbol suffix, compiler options."""

    suffix: str
    options: tuple[str, ...]


AVX512 = ("-march=x86-64-v4", "-mavx512vnni")
AVX512_BF16 = (*AVX512, "-mavx512vbmi", "-mavx512bf16")
AMX = (*AVX512_BF16, "-DEW_AMX", "-mamx-tile", "-mamx-int8", "-mamx-bf16")
SCALAR = Variant("scalar", ("-DEW_SCALAR", "-fno-tree-vectorize"))
VARIANTS = {
    "x86_64": (
        SCALAR,
        Variant("baseline", ("-march=x86-64",)),
        Variant("avx2", ("-march=x86-64-v3",)),
        Variant("avx_vnni", ("-march=x86-64-v3", "-mavxvnni")),
        Variant("avx512", AVX512),
        Variant("avx512_bf16", AVX512_BF16),
        Variant("amx", AMX),
    ),
    "aarch64": (
        SCALAR,
        Variant("baseline", ()),
        Variant("neon_bf16", ("-march=armv8.2-a+bf16",)),
    ),
}
ZIG_CPU = {
    "-march=x86-64": "-mcpu=x86_64",
    "-march=x86-64-v3": "-mcpu=x86_64_v3",
    "-march=x86-64-v4": "-mcpu=x86_64_v4",
    "-march=armv8.2-a+bf16": "-mcpu=generic+v8_2a+bf16",
}


class Compiler:
    """clang of ziglang for a machine, or the system's `cc` for this one."""

    def __init__(self, machine: str) -> None:
        self.machine = machine
        self.is_zig = importlib.util.find_spec("ziglang") is not None
        if not self.is_zig and shutil.which("cc") is None:
            raise SystemExit("the kernels need a compiler: pip install ziglang, or a system's cc")
        if not self.is_zig and machine != platform.machine():
            raise SystemExit(f"cc compiles for this machine only, not for {machine}: use ziglang")

    def command(self, options: tuple[str, ...]) -> list[str]:
        """The compiler with options that both understand."""
        if not self.is_zig:
            # a compiler we have not chosen may warn of what it likes; GCC 12 does, wrongly
            return ["cc", *(o for o in options if o != "-Werror")]
        target = f"{self.machine}-linux-gnu.2.17" if sys.platform == "linux" else "native"
        translated = [ZIG_CPU.get(o, o) for o in options]
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-fno-sanitize=all"]
        return [*zig, *translated]

    def run(self, options: tuple[str, ...], *arguments: str | Path) -> str:
        """Compile; the output. Raises SystemExit with the compiler's words."""
        command = [*self.command(options), *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout


def build(root: Path, machine: str | None = None, library: Path | None = None) -> Path:
    """Compile the kernels under `root` for a machine (None: this one); the library's path."""
    machine = machine or platform.machine().replace("AMD64", "x86_64")
    library = library or root / LIBRARY
    with tempfile.TemporaryDirectory() as folder:
        objects = compile_objects(root, machine, Path(folder))
        fresh = Path(folder) / library.name
        Compiler(machine).run((), *LINK, "-o", fresh, *objects)
        # a rename, so that a process which has the old library open keeps it
        partial = library.with_suffix(".partial")
        shutil.copyfile(fresh, partial)
        partial.replace(library)
    return library


def compile_objects(root: Path, machine: str, folder: Path) -> list[Path]:
    """The objects of the library, each source for every instruction set, written to `folder`."""
    variants = VARIANTS.get(machine, (SCALAR, Variant("baseline", ())))
    compiler = Compiler(machine)
    abi = f"-DEW_ABI={digest_of(declarations(root)):#x}u"
    jobs = [
        (compiler, variant, abi, source, folder / f"{source.stem}-{variant.suffix}.o")
        for source in sorted((root / KERNELS).glob("*.c"))
        for variant in (variants[1:2] if source.name in ONCE else variants)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_compile, jobs))


def describe(root: Path) -> Path:
    """Write Python's view of the kernels, and where every one of them stands; its path."""
    text = declarations(root)
    path = root / STRUCTURES
    kernels = {}
    for source in sorted((root / KERNELS).glob("*.c")):
        for name, structure in _kernels_in(source):
            kernels[name] = (source.name, structure)
    path.write_text(f"{DOCSTRING}{text}ABI = {digest_of(text):#x}\nKERNELS = {kernels!r}\n")
    return path


@cache
def declarations(root: Path) -> str:
    """What cffi makes of `run.h`, which includes params.h: every structure, function and number."""
    header = root / KERNELS / "run.h"
    ffi = FFI()
    ffi.cdef(Compiler(platform.machine()).run((), "-E", "-P", "-DEW_PARSED", header))
    ffi.set_source(STRUCTURES.stem, None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / STRUCTURES.name
        ffi.emit_python_code(str(path))
        return path.read_text()


def digest_of(text: str) -> int:
    """32 bits: what tells apart the declarations of two builds."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def _kernels_in(source: Path) -> list[tuple[str, str]]:
    """Kernels that a source defines and the structure of their parameters, as the compiler sees
    them: macros define some. A kernel says `const ew_... *p = params;`; "" where it does not."""
    scalar = (*SCALAR.options, f"-DEW_SUFFIX={SCALAR.suffix}")
    text = Compiler(platform.machine()).run(scalar, "-E", "-P", source)
    found = []
    _, *parts = re.split(r"\bew_(\w+)_scalar\(const void \*params\b[^)]*\)\s*\{", text)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        structure = re.search(r"const (ew_\w+) \*\w+ = params;", body)
        found.append((name, structure[1] if structure else ""))
    return found


def _compile(job: tuple[Compiler, Variant, str, Path, Path]) -> Path:
    compiler, variant, abi, source, target = job
    options = (*variant.options, *FLAGS, abi, f"-DEW_SUFFIX={variant.suffix}")
    compiler.run(options, "-c", source, "-o", target)
    return target


if __name__ == "__main__":
    print(build(ROOT))
    print(describe(ROOT))
