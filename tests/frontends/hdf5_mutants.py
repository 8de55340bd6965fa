"""HDF5 files changed by somebody who knows the format: structures and addresses, or its objects."""

from __future__ import annotations

import io
import random
import re

import h5py
import numpy as np

from tests.format.mutants import mutate

# and object headers of version 1: up to 32 messages, one reference
_STRUCTURE = re.compile(
    rb"TREE|SNOD|HEAP|GCOL|OHDR|OCHK|FRHP|BTHD|\x89HDF|\x01\x00[\x01-\x20]\x00\x01\x00\x00\x00"
)
_NUMBERS = (0, 1, 2, 7, 8, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 16, 2**32, 2**40, 2**63, 2**64 - 1)
_TYPES = ("f2", "f4", "f8", ">f4", "i1", "i4", "u8", "?", "c8", "S3", "V2", "V7")


def change_hdf5(data: bytes, generator: random.Random) -> bytes:
    """Bytes, structures, the end, or objects."""
    match generator.randrange(10):
        case 0:
            return mutate(data, generator)
        case 1:
            return data[: generator.randrange(8, len(data))]
        case 2 | 3 | 4 | 5 | 6:
            if generator.random() < 0.3:
                data = rewritten(data, generator)
            if generator.random() < 0.1:
                data = circle(data, generator)
            for _ in range(generator.choice((1, 1, 2, 4))):
                data = change_structure(data, generator)
            return data
        case _:
            return change_objects(data, generator)


def rewritten(data: bytes, generator: random.Random) -> bytes:
    """The same objects in the structures of another version, chunked and compressed."""
    buffer = io.BytesIO()
    with (
        h5py.File(io.BytesIO(data), "r") as source,
        h5py.File(buffer, "w", libver=generator.choice(("earliest", "latest"))) as file,
    ):
        _copy_attributes(source, file)

        def copy(name: str, node: h5py.Group | h5py.Dataset) -> None:
            if isinstance(node, h5py.Group):
                made = file.create_group(name)
            else:
                filters = generator.choice(({}, {"compression": "gzip"}, {"fletcher32": True},
                                            {"compression": "lzf", "shuffle": True}))  # fmt: skip
                options = {"chunks": True, **filters} if node.shape and node.size else {}
                made = file.create_dataset(name, data=node[()], **options)
            _copy_attributes(node, made)

        source.visititems(copy)
    return buffer.getvalue()


def _copy_attributes(source: h5py.HLObject, made: h5py.HLObject) -> None:
    for name, value in source.attrs.items():
        made.attrs[name] = value


def change_structure(data: bytes, generator: random.Random) -> bytes:
    """A number near the beginning of a structure becomes an edge, or another one's address."""
    starts = [match.start() for match in _STRUCTURE.finditer(data)]
    at = generator.choice(starts) + generator.randrange(generator.choice((16, 64, 300)))
    width = generator.choice((1, 1, 2, 4, 8))
    at = min(at & ~(width - 1), len(data) - width)
    match generator.randrange(4):
        case 0:
            number = generator.choice(starts)
        case 1:
            number = generator.choice(_NUMBERS)
        case 2:
            old = int.from_bytes(data[at : at + width], "little")
            number = old + generator.choice((-8, -1, 1, 8, 24))
        case _:
            number = generator.randrange(256)
    changed = (number % (1 << 8 * width)).to_bytes(width, "little")
    return data[:at] + changed + data[at + width :]


def circle(data: bytes, generator: random.Random) -> bytes:
    """A B-tree node becomes its own child or another's parent."""
    nodes = [match.start() for match in re.finditer(b"TREE", data)]
    if not nodes:
        return data
    at, child = generator.choice(nodes), generator.choice(nodes)
    key = 8 if data[at + 4] == 0 else 8 * generator.randrange(3, 7)
    changed = bytearray(data)
    changed[at + 5] = generator.choice((1, 2, 255))
    changed[at + 24 + key : at + 32 + key] = child.to_bytes(8, "little")
    return bytes(changed)


def change_objects(data: bytes, generator: random.Random) -> bytes:
    """Arrays, attributes and links are replaced, through h5py."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        paths: list[str] = []
        file.visit(paths.append)
        chosen = generator.sample(paths, min(len(paths), generator.choice((1, 1, 3))))
        for path in sorted(chosen, reverse=True):  # what is inside comes first
            _change_object(file, path, paths, generator)
    return buffer.getvalue()


def _change_object(file: h5py.File, path: str, paths: list[str], generator: random.Random) -> None:
    node = file[path]
    kind = generator.randrange(10)
    if kind < 3 and node.attrs:
        name = generator.choice(sorted(node.attrs))
        values = ("x", "", b"\xff", 3, 1.5, np.zeros(3), np.zeros((0,)), ["a", "b"], "y" * 5000,
                  np.array([b"a/kernel:0", b"a/kernel:0"]), h5py.Empty("f4"))  # fmt: skip
        node.attrs[name] = generator.choice(values)
        return
    shape = getattr(node, "shape", None) or ()
    del file[path]
    match kind:
        case 3:
            return
        case 4:
            target = "/" + generator.choice([*paths, ""])
            links = (h5py.SoftLink(target), h5py.ExternalLink("/etc/passwd", target))
            file[path] = generator.choice((*links, file["/"]))
        case 5:
            file.create_dataset(path, (4,), "f4", external=[("/etc/passwd", 0, 16)])
        case 6:
            layout = h5py.VirtualLayout(shape or (2,), "f4")
            layout[...] = h5py.VirtualSource("other.h5", "x", shape=shape or (2,))
            file.create_virtual_dataset(path, layout)
        case 7:
            options = {"compression": generator.choice((None, "gzip", "lzf"))}
            size = generator.choice((1 << 20, 1 << 31, 1 << 40))
            array = file.create_dataset(path, (size,), "f4", chunks=(1 << 10,), **options)
            array[:10] = 1
        case _:
            sizes = list(shape) if generator.random() < 0.6 else [2, 3]
            generator.shuffle(sizes)
            if generator.random() < 0.3:
                sizes = [*sizes, generator.choice((0, 1, 5))]
            sizes = [min(size, 64) for size in sizes]
            file.create_dataset(path, data=np.zeros(sizes, generator.choice(_TYPES)))
