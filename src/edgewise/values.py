"""`dataclass`, declared without compiling: importing the package makes some seventy of them.

The standard decorator writes and compiles six methods for every class when it is declared, 0.7 ms
each: 48 of the 122 ms that importing the planner took. Here the methods are closures over the
fields: a class costs 0.08 ms, an instance of four fields 1.2 us instead of 0.7, and 2.4 where
defaults are filled in. Type checkers see the standard decorator, and its functions (`replace`,
`fields`, `asdict`) work on these classes.

Supported are the options `frozen`, `slots` and `eq`, defaults and `field(default_factory=...)`,
`ClassVar`, `__post_init__`, and fields of base classes that have this decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import get_annotations
from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """The class with the methods of a value."""
        if cls is None:
            return lambda cls: _value(cls, frozen, slots, eq)
        return _value(cls, frozen, slots, eq)


__all__ = ["dataclass"]


def _value(cls: type, frozen: bool, slots: bool, eq: bool) -> type:
    own = {n: k for n, k in get_annotations(cls).items() if not str(k).startswith("ClassVar")}
    given = {n: cls.__dict__[n] for n in own if n in cls.__dict__}
    fields = _Fields(own, given)
    for base in reversed(cls.__mro__[1:]):
        inherited = base.__dict__.get("__dataclass_fields__")
        if isinstance(inherited, _Fields):
            fields.kinds = {**inherited.kinds, **fields.kinds}
            fields.defaults = {**inherited.defaults, **fields.defaults}
    names = list(fields.kinds)
    body = dict(cls.__dict__)
    for name in (*given, "__dict__", "__weakref__"):
        body.pop(name, None)
    if slots:
        body["__slots__"] = tuple(own)
    else:
        body.update({n: default for n, default in given.items() if not _is_factory(default)})
    body.update(__match_args__=tuple(names), __dataclass_fields__=fields)
    if not frozen and eq:
        body.setdefault("__hash__", None)
    elif body.get("__hash__") is None:  # of a class that defines `__eq__`
        body.pop("__hash__", None)
    for name, method in _methods(names, frozen, eq).items():
        body.setdefault(name, method)
    made = type(cls)(cls.__name__, cls.__bases__, body)
    if "__init__" not in body:
        made.__init__ = _init(made, names, fields.defaults)  # type: ignore[misc]
    return made


def _is_factory(default: object) -> bool:
    """`field(default_factory=...)`, whose class is imported by whoever calls it."""
    return hasattr(default, "default_factory")


def _methods(names: list[str], frozen: bool, eq: bool) -> dict[str, Callable[..., Any]]:
    """All methods but `__init__`."""
    values = _values(names)

    def __repr__(self: object) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    found: dict[str, Callable[..., Any]] = {"__repr__": __repr__}
    if eq:

        def __eq__(self: object, other: object) -> bool:
            if type(self) is not type(other):
                return NotImplemented
            return bool(values(self) == values(other))

        found["__eq__"] = __eq__
    if frozen:

        def __hash__(self: object) -> int:
            return hash(values(self))

        def __setattr__(self: object, name: str, value: object) -> None:
            raise _frozen(f"cannot assign to field {name!r}")

        def __delattr__(self: object, name: str) -> None:
            raise _frozen(f"cannot delete field {name!r}")

        # pickle and copy would set attributes
        def __reduce__(self: object) -> tuple[type, tuple[object, ...]]:
            return type(self), values(self)

        found.update(__setattr__=__setattr__, __delattr__=__delattr__, __reduce__=__reduce__)
        if eq:
            found["__hash__"] = __hash__
    return found


def _values(names: list[str]) -> Callable[[object], tuple[object, ...]]:
    """The values of all fields."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple([getattr(instance, name) for name in names])


def _frozen(text: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(text)


def _init(cls: type, names: list[str], defaults: dict[str, Any]) -> Callable[..., None]:
    """`__init__`; `cls` has its slots."""
    setters = [_setter(cls, name) for name in names]
    count, finish = len(names), getattr(cls, "__post_init__", None)
    is_plain = not any(map(_is_factory, defaults.values()))
    tail = tuple(defaults[n] for n in names if n in defaults) if is_plain else ()
    needed = count - len(tail)

    def __init__(self: object, *args: object, **kwargs: object) -> None:
        given = len(args)
        if kwargs or not needed <= given <= count:
            args = _bind(cls, names, defaults, args, kwargs)
        elif given < count:
            args += tail[given - needed :]
        for set_field, value in zip(setters, args, strict=True):
            set_field(self, value)
        if finish is not None:
            finish(self)

    return __init__


def _setter(cls: type, name: str) -> Callable[[object, object], None]:
    slot = getattr(cls, name, None)
    if type(slot) is not MemberDescriptorType:  # kept in the instance's dict
        return lambda instance, value: object.__setattr__(instance, name, value)
    set_slot: Callable[[object, object], None] = slot.__set__
    return set_slot


def _bind(
    cls: type,
    names: list[str],
    defaults: dict[str, Any],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> tuple[object, ...]:
    """The values of all fields. Raises TypeError as a call of a function does."""
    what = f"{cls.__name__}.__init__()"
    if len(args) > len(names):
        raise TypeError(f"{what} takes {len(names)} values; got {len(args)}")
    given = set(names[: len(args)])
    for name in kwargs:
        if name not in names:
            raise TypeError(f"{what} got an unexpected keyword argument {name!r}")
        if name in given:
            raise TypeError(f"{what} got multiple values for argument {name!r}")
    found = list(args)
    for name in names[len(args) :]:
        if name in kwargs:
            found.append(kwargs[name])
        elif name not in defaults:
            raise TypeError(f"{what} missing the required argument {name!r}")
        else:
            default = defaults[name]
            found.append(default.default_factory() if _is_factory(default) else default)
    return tuple(found)


class _Fields:
    """`__dataclass_fields__`, which the standard functions read: made when one of them does."""

    def __init__(self, kinds: dict[str, Any], defaults: dict[str, Any]) -> None:
        self.kinds, self.defaults = kinds, defaults
        self._made: dict[str, Any] | None = None

    def __get__(self, instance: object, owner: type) -> dict[str, Any]:
        if self._made is None:
            from dataclasses import make_dataclass

            rows = [
                (name, kind, *([self.defaults[name]] if name in self.defaults else []))
                for name, kind in self.kinds.items()
            ]
            self._made = make_dataclass("Fields", rows).__dict__["__dataclass_fields__"]
        return self._made
