"""Custom operators of loaded libraries (`op_library.py`): their kernel, prepared for the node."""

from __future__ import annotations

import numpy as np

from edgewise.ops.opaque import Opaque
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import constant
from edgewise.runtime.op_library import NativeOp, Tensor


def custom(site: Site) -> Selection:
    """One call. A library that refuses makes a Host step of it, which says so when it runs."""
    node, op = site.node, site.node.op
    assert isinstance(op, Opaque)
    native = None if op.definition is None else op.definition.native
    require(native is not None, "register_op told a Python function")
    assert isinstance(native, NativeOp)
    tensors = [None if v is None else Tensor(v.type, site.known(v)) for v in node.inputs]
    said = native.prepare(op.custom_options, tensors, [v.type for v in node.outputs])
    for value, shape in zip(node.outputs, said.shapes, strict=True):
        require(shape == shape_of(value), f"the model declares {[*value.shape]}, not {[*shape]}")
    count = len(node.inputs) + len(node.outputs)
    most = constant("EW_MAX_OPERANDS")
    require(count <= most, f"{count} operands and results; a kernel takes {most}")
    operands = [np.zeros(1, np.uint8) if v is None else v for v in node.inputs]
    return [
        Call(
            native.kernel,
            said.params,
            (*operands, *node.outputs),
            said.n_tiles,
            said.scratch_bytes,
            results=len(node.outputs),
        )
    ]
