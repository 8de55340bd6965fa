"""`edgewise.values.dataclass` behaves as the standard decorator, which is the reference here."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import pytest

from edgewise.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Point:
    """A value."""

    x: int
    y: int = 2
    tags: dict[str, int] = field(default_factory=dict)
    limit: ClassVar[int] = 7

    def __post_init__(self) -> None:
        if self.x > self.limit:
            raise ValueError("too far")


@dataclass(frozen=True, slots=True)
class Single:
    a: object


@dataclass(frozen=True, slots=True)
class Empty:
    """No fields."""


@dataclass
class Open:
    a: int
    b: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    a: int


@dataclass(frozen=True, slots=True)
class Tagged(Single):
    b: int = 1


def test_fields_of_a_base_come_first() -> None:
    tagged = Tagged(5)
    assert (tagged.a, tagged.b) == (5, 1)
    assert Tagged(5) == Tagged(a=5, b=1) != Single(5)
    assert repr(tagged) == "Tagged(a=5, b=1)"
    assert not hasattr(tagged, "__dict__")


def test_init_takes_positions_names_and_defaults() -> None:
    point = Point(1, tags={"a": 1})
    assert (point.x, point.y, point.tags) == (1, 2, {"a": 1})
    assert Point(1).tags is not Point(1).tags
    for wrong in ({}, {"x": 1, "z": 2}):
        with pytest.raises(TypeError):
            Point(**wrong)
    with pytest.raises(TypeError):
        Point(1, 2, {}, 4)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="too far"):
        Point(8)


def test_frozen_instances_do_not_change() -> None:
    point: Any = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 3
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    with pytest.raises(AttributeError):
        object.__setattr__(point, "other", 1)
    plain = Open(1)
    plain.a = 2
    assert plain == Open(2)


def test_equality_and_hash_follow_the_fields() -> None:
    assert Single(1) == Single(1) != Single(2)
    assert hash(Single((1, 2))) == hash(Single((1, 2)))
    assert Single(1) != Open(1)
    assert Empty() == Empty()
    assert len({Empty(), Empty()}) == 1
    assert Identity(1) != Identity(1)
    assert len({Identity(1), Identity(1)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open(1))


def test_repr_names_the_fields() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2, tags={})"
    assert repr(Empty()) == "Empty()"


@pytest.mark.parametrize("value", [Point(1, 3), Single("a"), Empty(), Open(1, [2])])
def test_copies_and_pickles(value: object) -> None:
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301  # what was just written


@pytest.mark.parametrize("given", [replace, dataclasses.replace])
def test_replace(given: Callable[..., Any]) -> None:
    assert given(Point(1, 2, {"a": 1}), x=3) == Point(3, 2, {"a": 1})
    assert given(Tagged(5), a=2) == Tagged(2)
    assert given(Empty()) == Empty()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        given(Point(1), z=2)
    with pytest.raises(ValueError, match="too far"):
        given(Point(1), x=8)


def test_standard_functions_work() -> None:
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2, "tags": {}}
    assert [f.name for f in dataclasses.fields(Point)] == ["x", "y", "tags"]
    assert dataclasses.is_dataclass(Point)
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_defaults_stand_last() -> None:
    @dataclass(frozen=True, slots=True)
    class Base:
        a: int = 1

    with pytest.raises(TypeError, match="fields with defaults stand behind those without"):

        @dataclass(frozen=True, slots=True)
        class Derived(Base):
            b: int
