"""`edgewise doctor`: versions, CPU, extras: what to send along with a question."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import click

from edgewise import __version__
from edgewise.cli.screen import say, size_text
from edgewise.runtime.cache import default_folder

_FEATURES = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "avx512_vbmi",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "neon",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
)
_EXTRAS = {
    "demo": "the weights of `edgewise demo` (EfficientNet-Lite0)",
    "train": "`edgewise train` (Keras on JAX)",
    "pages": "charts of `edgewise benchmark` and `edgewise profile`",
}


@click.command("doctor")
def command() -> None:
    """Show versions, CPU features and which extras are installed.

    \b
    Example:
      edgewise doctor
    """
    say(
        f"edgewise {__version__}, Python {platform.python_version()} "
        f"({sys.implementation.name}), {platform.platform()}"
    )
    say("" if _declared() else "edgewise is not installed", title="packages")
    for requirement in _requirements(None):
        say(f"  {requirement} {_version(requirement) or 'is missing'}")
    name, flags = cpu()
    say(name or platform.machine(), title="CPU")
    say(f"  {' '.join(f for f in _FEATURES if f in flags) or 'features unknown'}")
    say(title="extras")
    for extra, gives in _EXTRAS.items():
        missing = [r for r in _requirements(extra) if _version(r) is None]
        state = f"not installed: pip install 'edgewise[{extra}]'" if missing else "installed"
        say(f"  {extra}: {gives}: {state}")
    folder = Path(default_folder())
    say(f"{folder} (remove what you like: it is made or fetched anew)", title="caches")
    for name, path in (
        ("plans", folder),
        ("features", folder / "features"),
        ("zoo", folder / "zoo"),
    ):
        say(f"  {name}: {size_text(_size(path, is_deep=path != folder))}")


def _size(folder: Path, *, is_deep: bool) -> int:
    """Bytes of the files in a folder; 0 where it is none."""
    files = folder.rglob("*") if is_deep else folder.glob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def cpu() -> tuple[str, set[str]]:
    """(name, feature flags) as the system tells them; empty where it does not."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor(), set()
    fields = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line]
    facts = {key.strip(): value.strip() for key, value in reversed(fields)}
    return facts.get("model name", ""), set(
        (facts.get("flags") or facts.get("Features", "")).split()
    )


def _requirements(extra: str | None) -> list[str]:
    """Names of the packages Edgewise (or one of its extras) requires."""
    names = []
    for line in _declared():
        requirement, _, marker = line.partition(";")
        if (f'extra == "{extra}"' in marker.replace("'", '"')) if extra else "extra" not in marker:
            names.append(_name(requirement.strip()))
    return names


def _declared() -> list[str]:
    """What the installed package declares; nothing where the source is run without installing."""
    try:
        return requires("edgewise") or []
    except PackageNotFoundError:
        return []


def _name(requirement: str) -> str:
    for index, char in enumerate(requirement):
        if not (char.isalnum() or char in "-_."):
            return requirement[:index]
    return requirement


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
