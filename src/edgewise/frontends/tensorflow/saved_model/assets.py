"""Files in a SavedModel's `assets/`: by position and by the tensor that holds their path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from edgewise.errors import ConversionError, FormatError
from edgewise.files import read_model_file
from edgewise.frontends.protobuf import decode
from edgewise.frontends.tensorflow.messages_saved import AssetFileDef, MetaGraphDef

MAX_BYTES = 256 << 20  # of all assets that are read
MAX_NAME = 255


class Assets:
    """The assets of one graph; files are read when they are asked for."""

    def __init__(self, folder: Path, meta: MetaGraphDef) -> None:
        self._folder, self._left = folder, MAX_BYTES
        self.names = [asset.filename for asset in meta.asset_file_def]
        older = meta.collection_def.get("saved_model_assets")
        stored = older.any_list.value if older and older.any_list else ()
        file = f"{folder.name}/saved_model.pb"
        assets = [*meta.asset_file_def, *(decode(AssetFileDef, a.value, file=file) for a in stored)]
        self._by_tensor = {
            asset.tensor_info.name.removesuffix(":0"): asset.filename
            for asset in assets
            if asset.tensor_info
        }

    @property
    def folder(self) -> str:
        """What errors call the SavedModel."""
        return self._folder.name

    def of_tensor(self, node: str) -> str | None:
        """The asset whose path the node holds; None: it holds none."""
        return self._by_tensor.get(node)

    def read(self, name: str) -> bytes:
        """The content of an asset.

        Raises:
            FormatError: a name that leaves the folder.
            ConversionError: the file is missing.
        """
        parts = PurePosixPath(name).parts
        outside = not parts or name.startswith("/") or ".." in parts or set(name) & set("\\:\0")
        if outside or len(name.encode()) > MAX_NAME:
            raise FormatError(
                f"an asset must lie in the SavedModel's own folder; found '{name[:80]}'",
                file=f"{self._folder.name}/saved_model.pb",
            )
        path = self._folder / "assets" / name
        if not path.is_file():
            raise ConversionError(
                f"{self._folder.name}: the asset assets/{name} is missing; copy the whole folder"
            )
        size = path.stat().st_size
        self._left -= size
        if self._left < 0:
            raise ConversionError(f"{self._folder.name}: assets have more than {MAX_BYTES} bytes")
        return read_model_file(path) if size else b""
