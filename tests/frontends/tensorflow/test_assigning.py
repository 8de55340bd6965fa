"""Writes into places of a variable, run twice: the state is that of NumPy's own writes."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import UnsupportedOp
from edgewise.frontends.tensorflow.lower import lower
from edgewise.frontends.tensorflow.program import TFShape, Variable
from edgewise.runtime.interpreter import Interpreter
from tests.frontends.tensorflow.programs import argument, constant, function, node, program, run

HANDLE = argument("handle", (), DType.RESOURCE)
START = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
ROWS = np.array([3, 1], np.int32)
POINTS = np.array([[3, 0], [1, 1]], np.int32)
BY = np.array([[2.0, -5.0], [4.0, 8.0]], np.float32)

CHANGES = {
    "Update": lambda old, by: by,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
}
POINT_CHANGES = ("Update", "Add", "Sub", "Max", "Min")


def writing(op: str, *constants, **attributes):
    """A model that writes `by` into its variable and returns the variable."""
    names = [given.name for given in constants]
    write = node("write", op, "handle", *names, **attributes)
    nodes = [*constants, write, node("y", "ReadVariableOp", "handle", "^write")]
    main = function("main", [HANDLE], nodes, ["y"])
    variable = Variable("v", DType.FLOAT32, TFShape((4, 2)), START)
    return lower(program(main, bound={"handle": variable}))


def twice(model) -> np.ndarray:
    interpreter = Interpreter(model)
    interpreter()
    (y,) = interpreter().values()
    return y


@pytest.mark.parametrize("prefix", ["Resource", ""])
@pytest.mark.parametrize("name", CHANGES)
def test_rows(prefix, name):
    model = writing(f"{prefix}Scatter{name}", constant("rows", ROWS, np.int32), constant("by", BY))
    want = START.copy()
    for _ in range(2):
        want[ROWS] = CHANGES[name](want[ROWS], BY)
    np.testing.assert_array_equal(twice(model), want)


@pytest.mark.parametrize("name", POINT_CHANGES)
def test_points(name):
    by = BY[0]
    model = writing(
        f"ResourceScatterNd{name}", constant("at", POINTS, np.int32), constant("by", by)
    )
    want = START.copy()
    for _ in range(2):
        want[tuple(POINTS.T)] = CHANGES[name](want[tuple(POINTS.T)], by)
    np.testing.assert_array_equal(twice(model), want)


def test_one_number_for_all_rows():
    model = writing("ResourceScatterAdd", constant("rows", ROWS, np.int32), constant("by", 2))
    want = START.copy()
    want[ROWS] += 4
    np.testing.assert_array_equal(twice(model), want)


def test_a_row_by_a_scalar_index():
    model = writing("ResourceScatterSub", constant("row", 2, np.int32), constant("by", [1, 2]))
    want = START.copy()
    want[2] -= [2, 4]
    np.testing.assert_array_equal(twice(model), want)


def test_a_slice():
    bounds = [
        constant("begin", [1, 0], np.int32),
        constant("end", [4, 0], np.int32),
        constant("steps", [2, 1], np.int32),
    ]
    masks = dict.fromkeys(("begin_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    model = writing("ResourceStridedSliceAssign", *bounds, constant("by", BY), end_mask=2, **masks)
    want = START.copy()
    want[1:4:2] = BY
    np.testing.assert_array_equal(twice(model), want)


def test_equal_rows_are_refused_where_the_last_would_count():
    rows = constant("rows", [1, 1], np.int32)
    with pytest.raises(UnsupportedOp, match="ScatterUpdate: it writes to one place twice"):
        writing("ScatterUpdate", rows, constant("by", BY))


def test_a_write_into_no_variable():
    nodes = [
        constant("x", START),
        constant("rows", ROWS, np.int32),
        constant("by", BY),
        node("y", "ScatterAdd", "x", "rows", "by"),
    ]
    with pytest.raises(UnsupportedOp, match="it writes into no variable; save the model with"):
        lower(program(function("main", [], nodes, ["y"])))


@pytest.mark.parametrize(("size", "want"), [(5, [1, 2, 3, 0, 0]), (2, [1, 2]), (3, [1, 2, 3])])
def test_a_list_of_another_length(size, want):
    nodes = [
        constant("items", [1, 2, 3]),
        constant("shape", [], np.int32),
        constant("size", size, np.int32),
        node("list", "TensorListFromTensor", "items", "shape"),
        node("longer", "TensorListResize", "list", "size"),
        node("y", "TensorListStack", "longer", "shape"),
    ]
    model = lower(program(function("main", [], nodes, ["y"])))
    np.testing.assert_array_equal(run(model)[0], want)


def test_a_list_with_elements_written_over():
    nodes = [
        constant("items", [[1, 2], [3, 4], [5, 6]]),
        constant("shape", [2], np.int32),
        constant("rows", [[7, 8]]),
        constant("places", [2], np.int32),
        node("list", "TensorListFromTensor", "items", "shape"),
        node("other", "TensorListScatterIntoExistingList", "list", "rows", "places"),
        node("y", "TensorListStack", "other", "shape"),
    ]
    model = lower(program(function("main", [], nodes, ["y"])))
    np.testing.assert_array_equal(run(model)[0], [[1, 2], [3, 4], [7, 8]])
