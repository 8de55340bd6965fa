"""What a SavedModel and its checkpoint are made of: tables of their messages.

**Source:** tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph,tensor_bundle,
trackable_object_graph}.proto and core/framework/tensor_slice.proto, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.frontends.protobuf import Later, Message
from edgewise.frontends.protobuf_fields import (
    fixed32,
    int64,
    later,
    many,
    mapping,
    nested,
    numbers,
    raw,
    text,
    texts,
    uint64,
)
from edgewise.frontends.tensorflow.messages import GraphDef, OpList, TensorShapeProto


class CooSparse(Message):
    """A sparse tensor as three."""

    values_tensor_name: str = text(1)
    indices_tensor_name: str = text(2)
    dense_shape_tensor_name: str = text(3)


class CompositeTensor(Message):
    """A ragged or other tensor as several."""

    components: Sequence[TensorInfo] = many(2, lambda: TensorInfo)


class TensorInfo(Message):
    """A tensor that a signature takes or gives: `node:output`."""

    name: str = text(1)
    dtype: int = uint64(2)
    tensor_shape: TensorShapeProto | None = nested(3, lambda: TensorShapeProto)
    coo_sparse: CooSparse | None = nested(4, lambda: CooSparse)
    composite_tensor: CompositeTensor | None = nested(5, lambda: CompositeTensor)

    @classmethod
    def named(cls, name: str) -> TensorInfo:
        """The tensor `name`, of which nothing else is told."""
        found = cls()
        found.name = name
        return found


class SignatureDef(Message):
    """What one use of the model takes and gives, by name."""

    inputs: Mapping[str, TensorInfo] = mapping(1, lambda: TensorInfo)
    outputs: Mapping[str, TensorInfo] = mapping(2, lambda: TensorInfo)
    method_name: str = text(3)


class AssetFileDef(Message):
    """A file in `assets/`, and the tensor that its path is fed to."""

    tensor_info: TensorInfo | None = nested(1, lambda: TensorInfo)
    filename: str = text(2)


class AnyMessage(Message):
    """A serialized message of some type."""

    type_url: str = text(1)
    value: memoryview = raw(2)


class AnyList(Message):
    """Serialized messages with their types."""

    value: Sequence[AnyMessage] = many(1, lambda: AnyMessage)


class CollectionDef(Message):
    """A collection of a TensorFlow 1 graph."""

    any_list: AnyList | None = nested(5, lambda: AnyList)


class MetaInfoDef(Message):
    """Tags, operations of the main graph, and who wrote the file."""

    stripped_op_list: OpList | None = nested(2, lambda: OpList)
    tags: Sequence[str] = texts(4)
    tensorflow_version: str = text(5)


class MetaGraphDef(Message):
    """A graph with signatures, assets and (TensorFlow 2) the objects that it was saved from."""

    meta_info_def: MetaInfoDef | None = nested(1, lambda: MetaInfoDef)
    graph_def: GraphDef | None = nested(2, lambda: GraphDef)
    collection_def: Mapping[str, CollectionDef] = mapping(4, lambda: CollectionDef)
    signature_def: Mapping[str, SignatureDef] = mapping(5, lambda: SignatureDef)
    asset_file_def: Sequence[AssetFileDef] = many(6, lambda: AssetFileDef)
    object_graph_def: SavedObjectGraph | None = nested(7, lambda: SavedObjectGraph)


class MetaGraphHead(Message):
    """The tags of a MetaGraphDef alone."""

    meta_info_def: MetaInfoDef | None = nested(1, lambda: MetaInfoDef)


class MetaGraphSignatures(Message):
    """The signatures of a MetaGraphDef alone."""

    signature_def: Mapping[str, SignatureDef] = mapping(5, lambda: SignatureDef)


class SavedModel(Message):
    """The file `saved_model.pb`."""

    saved_model_schema_version: int = int64(1)
    meta_graphs: Sequence[Later[MetaGraphDef]] = later(2, lambda: MetaGraphDef)


class ObjectReference(Message):
    """An attribute of an object that is another object."""

    node_id: int = int64(1)
    local_name: str = text(2)


class SavedUserObject(Message):
    """An object of Python."""

    identifier: str = text(1)


class SavedAsset(Message):
    """A file of the SavedModel."""

    asset_file_def_index: int = int64(1)


class SavedFunction(Message):
    """A `tf.function` and its traces."""

    concrete_functions: Sequence[str] = texts(1)


class SavedVariable(Message):
    """A variable."""

    dtype: int = uint64(1)
    shape: TensorShapeProto | None = nested(2, lambda: TensorShapeProto)
    name: str = text(6)


class SavedConstant(Message):
    """A tensor that functions capture: the node of the main graph that holds it."""

    operation: str = text(1)


class SavedResource(Message):
    """A table or another resource, made by functions of the object."""


class CapturedTensor(Message):
    """A tensor that a function captured from another."""

    name: str = text(1)
    concrete_function: str = text(2)


class SavedBareConcreteFunction(Message):
    """A concrete function by itself: a signature."""

    concrete_function_name: str = text(1)
    argument_keywords: Sequence[str] = texts(2)


class SavedObject(Message):
    """An object: its attributes, and one of the fields that say what it is."""

    children: Sequence[ObjectReference] = many(1, lambda: ObjectReference)
    user_object: SavedUserObject | None = nested(4, lambda: SavedUserObject)
    asset: SavedAsset | None = nested(5, lambda: SavedAsset)
    function: SavedFunction | None = nested(6, lambda: SavedFunction)
    variable: SavedVariable | None = nested(7, lambda: SavedVariable)
    bare_concrete_function: SavedBareConcreteFunction | None = nested(
        8, lambda: SavedBareConcreteFunction
    )
    constant: SavedConstant | None = nested(9, lambda: SavedConstant)
    resource: SavedResource | None = nested(10, lambda: SavedResource)
    captured_tensor: CapturedTensor | None = nested(12, lambda: CapturedTensor)


class SavedConcreteFunction(Message):
    """What the last arguments of a function stand for: objects, by position in `nodes`."""

    bound_inputs: np.ndarray = numbers(2, "int64")


class SavedObjectGraph(Message):
    """The objects that were saved, the root first."""

    nodes: Sequence[SavedObject] = many(1, lambda: SavedObject)
    concrete_functions: Mapping[str, SavedConcreteFunction] = mapping(
        2, lambda: SavedConcreteFunction
    )


class SerializedTensor(Message):
    """A tensor that a checkpoint keeps for an object."""

    name: str = text(1)
    full_name: str = text(2)
    checkpoint_key: str = text(3)


class TrackableObject(Message):
    """An object in a checkpoint."""

    children: Sequence[ObjectReference] = many(1, lambda: ObjectReference)
    attributes: Sequence[SerializedTensor] = many(2, lambda: SerializedTensor)


class TrackableObjectGraph(Message):
    """The objects of a checkpoint, the root first."""

    nodes: Sequence[TrackableObject] = many(1, lambda: TrackableObject)


class BundleHeaderProto(Message):
    """The first entry of a checkpoint's index."""

    num_shards: int = int64(1)
    endianness: int = uint64(2)


class Extent(Message):
    """Where a slice lies along one dimension; without `length` it is the whole of it."""

    start: int = int64(1)
    length: int = int64(2)


class TensorSliceProto(Message):
    """A part of a tensor."""

    extent: Sequence[Extent] = many(1, lambda: Extent)


class BundleEntryProto(Message):
    """Where a tensor's bytes are, or which slices it is stored as."""

    dtype: int = uint64(1)
    shape: TensorShapeProto | None = nested(2, lambda: TensorShapeProto)
    shard_id: int = int64(3)
    offset: int = int64(4)
    size: int = int64(5)
    crc32c: int = fixed32(6)
    slices: Sequence[TensorSliceProto] = many(7, lambda: TensorSliceProto)
