"""Libraries of the kernels for the tests: other compilations than the one that is shipped.

    emulated   the kernels of AVX-VNNI, AVX-512 and AMX for a lesser processor: products of bytes by
               shifts, vectors of 16 lanes, tiles in memory, no intrinsics of these
    asan       AddressSanitizer, by the system's GCC (ziglang has no run time for it)
    ubsan      UndefinedBehaviorSanitizer, which ends the process at the first finding

They lie in pytest's cache, by a checksum of everything they are made from. Each has the instruction
sets that tests run: compiling is most of what these tests cost.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
X86_64 = platform.machine() in ("x86_64", "AMD64")
# the vectors of simd.h in two halves; needs AVX2 to run
WIDE = ("-march=x86-64-v3", "-DEW_LANES=16")
UNLINKED = ("-shared", "-nostdlib")
EMULATED = {
    "avx_vnni": ("-march=x86-64-v3", "-DEW_QUADS=1"),
    "avx512": WIDE,
    "amx": (*WIDE, "-DEW_AMX"),
}


@dataclass(frozen=True)
class Build:
    """How a library differs from the shipped one."""

    compiler: str  # "zig" or "cc"
    suffixes: tuple[str, ...]  # of its variants; the others' tables are that of plain C
    options: tuple[str, ...] = ()
    optimize: str = "-O3"
    link: tuple[str, ...] | None = None


BUILDS: Mapping[str, Build] = {
    "emulated": Build("zig", ("scalar", *EMULATED)),
    "asan": Build(
        "cc",
        # GCC 12 takes minutes a file for vectors in two halves
        ("scalar", "baseline", "avx2"),
        (
            *("-fsanitize=address", "-g1", "-fno-omit-frame-pointer"),
            # checks are calls, not code in place: compiles in a third of the time
            *("--param", "asan-instrumentation-with-call-threshold=0"),
        ),
        "-O1",
        UNLINKED,
    ),
    "ubsan": Build(
        "zig",
        ("scalar", "baseline", "avx2", "avx512"),
        ("-fsanitize=undefined", "-fsanitize-trap=undefined", "-fno-stack-protector"),
        # compiles in an eighth of the time of -O1, and the matrix runs as fast
        "-O0",
        UNLINKED,  # memcpy and memset are Python's
    ),
}


def tool() -> ModuleType:
    """tools/build_kernels.py."""
    path = ROOT / "tools" / "build_kernels.py"
    spec = importlib.util.spec_from_file_location("build_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def library(name: str, cache: Path) -> Path:
    """The library of this build, made where the cache has none; skips without its compiler."""
    build, made_by = BUILDS[name], tool()
    if build.compiler == "zig":
        pytest.importorskip("ziglang", reason="ziglang, the compiler, is not installed")
    elif shutil.which("cc") is None:
        pytest.skip("needs a system compiler, cc")
    sources = sorted((ROOT / made_by.KERNELS).glob("*.[chd]*"))
    key = hashlib.sha256(repr(build).encode())
    for file in (Path(__file__), ROOT / "tools" / "build_kernels.py", *sources):
        key.update(file.name.encode() + file.read_bytes())
    path = cache / f"{name}-{key.hexdigest()[:16]}.so"
    # of processes that share the cache one builds, on all cores
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in cache.glob(f"{name}-*.so"):
                old.unlink()
            _configure(made_by, build)
            made_by.build(ROOT, library=path)
    return path


def _configure(made_by: ModuleType, build: Build) -> None:
    """Set the module up for this build; it is this function's own copy."""
    flags = [build.optimize if f == "-O3" else f for f in made_by.FLAGS]
    made_by.FLAGS = (*flags, *build.options)
    if build.link is not None:
        made_by.LINK = build.link
    if X86_64:
        shipped = {v.suffix: v.options for v in made_by.VARIANTS["x86_64"]}
        made_by.VARIANTS["x86_64"] = tuple(
            made_by.Variant(suffix, EMULATED.get(suffix, shipped[suffix]))
            for suffix in build.suffixes
        )
        absent = shipped.keys() - set(build.suffixes)
        made_by.FLAGS += tuple(f"-Dew_table_{s}=ew_table_scalar" for s in sorted(absent))
    if build.compiler == "cc":
        made_by.Compiler.__init__ = _system_compiler
    if "-fsanitize=undefined" in build.options:
        made_by.Compiler.command = _sanitizing(made_by.Compiler.command)


def _system_compiler(compiler: object, machine: str) -> None:
    vars(compiler).update(machine=machine, is_zig=False)


def _sanitizing(command: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """The compiler's command without the option that switches zig's sanitizers off for good."""
    return lambda *arguments: [o for o in command(*arguments) if o != "-fno-sanitize=all"]


def preload() -> dict[str, str]:
    """The environment in which a process may load the `asan` library; skips without GCC's."""
    command = ["cc", "-print-file-name=libasan.so"]
    path = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    if not path.is_absolute():
        pytest.skip("the system's compiler has no AddressSanitizer (libasan.so)")
    # Python itself keeps what it allocates
    return {
        "LD_PRELOAD": str(path.resolve()),
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16",
    }
