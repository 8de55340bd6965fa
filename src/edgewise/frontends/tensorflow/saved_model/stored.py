"""What a SavedModel keeps beside its graph: checkpoint and assets, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, FormatError, listing
from edgewise.frontends.tensorflow.checkpoint import Bundle
from edgewise.frontends.tensorflow.saved_model.assets import Assets


class Stored:
    """Tensors of the checkpoint by key. What is missing becomes a sentence in `problems`."""

    def __init__(self, folder: Path, assets: Assets) -> None:
        self.name, self.file = folder.name, f"{folder.name}/saved_model.pb"
        self.assets = assets
        self.problems: list[str] = []
        self._prefix = folder / "variables" / "variables"
        self._bundle: Bundle | None = None

    @property
    def bundle(self) -> Bundle | None:
        """The checkpoint; None: there is none.

        Raises:
            FormatError: a damaged index.
            ConversionError: data files are missing.
        """
        if self._bundle is None and self._prefix.with_suffix(".index").exists():
            self._bundle = Bundle(self._prefix, f"{self.name}/{self._prefix.parent.name}")
        return self._bundle

    def tensor(self, key: str, name: str, dtype: DType) -> np.ndarray | None:
        """The value of variable `name`, or None and a problem."""
        bundle = self.bundle
        if bundle is None or key not in bundle:
            self.problems.append(
                f"variable '{name}': the checkpoint has no tensor '{key}'"
                if bundle
                else f"variable '{name}': there is no checkpoint (variables/variables.index)"
            )
            return None
        value = bundle.tensor(key)
        if value.dtype != dtype.numpy:
            self.problems.append(f"variable '{name}' ({dtype.text}) is stored as {value.dtype}")
            return None
        return value

    def text(self, key: str) -> bytes | None:
        """A tensor of one string, for example a serialized message; None: there is none."""
        bundle = self.bundle
        if bundle is None or key not in bundle:
            return None
        value = bundle.tensor(key)
        if value.size != 1 or value.dtype != np.object_:
            raise FormatError(f"tensor '{key}' must be one string", file=bundle.file)
        found = value.reshape(-1)[0]
        assert isinstance(found, bytes)
        return found

    def check(self) -> None:
        """Raise ConversionError where there were problems."""
        if self.problems:
            problems = list(dict.fromkeys(self.problems))
            what = "values of variables and tables are not to be had"
            raise ConversionError(
                f"{self.name}: {listing(problems, what, most=20)}\n"
                "Copy the whole folder, with variables/ and assets/, or save the model again."
            )
