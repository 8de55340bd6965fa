"""The build hook: compile the kernels whenever a wheel or an editable install is made."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the library into the source tree and adds it to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        root = Path(self.root)
        path = root / "tools" / "build_kernels.py"
        spec = importlib.util.spec_from_file_location("build_kernels", path)
        assert spec is not None
        assert spec.loader is not None
        kernels = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = kernels
        spec.loader.exec_module(kernels)
        made = (kernels.build(root), kernels.describe(root))
        build_data["artifacts"] += [f"/{p.relative_to(root).as_posix()}" for p in made]
        build_data["pure_python"] = False
        # no Python ABI and no C library: one wheel per platform serves every Python version
        system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{system.replace('linux_', 'manylinux_2_17_')}"
