"""A signature of a SavedModel: the tensors that it takes and gives, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow.messages_saved import SignatureDef, TensorInfo
from edgewise.frontends.tensorflow.tensors import shape_of
from edgewise.frontends.tensorflow.types import element_type


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature takes and gives: tensors by name."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]

    def __str__(self) -> str:
        """`image float32[?,224,224,3] -> scores float32[?,1000]`."""
        ins, outs = (
            ", ".join(f"{name} {_type(infos[name])}" for name in sorted(infos))
            for infos in (self.inputs, self.outputs)
        )
        return f"{ins or 'no inputs'} -> {outs or 'no results'}"


def _type(info: TensorInfo) -> str:
    if not info.dtype:
        return "of a type that is not told"  # a part of a sparse tensor
    kind = element_type(info.dtype)
    text = kind.text if isinstance(kind, DType) else kind
    shape = shape_of(info.tensor_shape)
    if shape.dims is None:
        return f"{text} of any rank"
    return f"{text}[{','.join('?' if d is None else str(d) for d in shape.dims)}]"


def flat(signature: SignatureDef) -> Signature:
    """A sparse or ragged tensor `x` as its tensors `x`, `x_1`, ..., which is how TensorFlow's own
    signatures name those of arguments."""
    return Signature(_tensors(signature.inputs), _tensors(signature.outputs))


def _tensors(infos: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
    found: dict[str, TensorInfo] = {}
    for name, info in infos.items():
        for place, part in enumerate(_parts(info)):
            found[f"{name}_{place}" if place else name] = part
    return found


def _parts(info: TensorInfo) -> Sequence[TensorInfo]:
    if info.coo_sparse:
        sparse = info.coo_sparse
        names = (
            sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name
        )  # fmt: skip
        return [TensorInfo.named(name) for name in names]
    return info.composite_tensor.components if info.composite_tensor else [info]
