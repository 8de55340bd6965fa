"""The pickles inside torch checkpoints, read as data: bytes in, plain values and tensors out.

A pickle is a program. This module does not run it: it interprets the few instructions that a
checkpoint needs (numbers, strings, tuples, lists, dictionaries, references) and knows the few
globals that describe tensors (`torch_globals`). Every other instruction or global is an error that
names it, so that nothing from the file is ever imported or called. Python's own unpickler is not
used, because even with an allow-list BUILD may set attributes on what the list returns, and
LONG_BINPUT may make its memo table as large as the file asks.

Time and memory are linear in the pickle's length: every entry of the stack or the memo costs an
instruction of at least one byte, and references share what they refer to.

**Source:** `pickle.py` and `pickletools.py` of Python 3.11 (the instructions, protocols 2 to 5).
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from edgewise.errors import FormatError, listing
from edgewise.zoo.torch_globals import GLOBALS, Global, Storage, rebuild, storage_of

_INT64 = range(-(1 << 63), 1 << 63)


def read_pickle(stream: BytesIO, *, file: str) -> tuple[object, dict[str, Storage]]:
    """The value of one pickle and the storages it mentions; leaves `stream` behind its end.

    Values are None, bool, int, float, str, tuple, list, dict (also for OrderedDict) and Tensor.

    Raises:
        FormatError: the bytes are no pickle, or use an instruction or a global that is not listed
            here; all refused globals are named at once.
    """
    machine = _Machine()
    try:
        for code, argument in _instructions(stream):
            if code == pickle.STOP:
                return machine.pop(), machine.storages
            if code == pickle.GLOBAL and argument not in GLOBALS:
                raise ValueError(_refusal(argument, stream))
            _STEPS[code](machine, argument)
    except ValueError as error:
        raise FormatError(str(error), file=file, offset=stream.tell()) from None
    raise FormatError("the pickle has no STOP instruction", file=file, offset=stream.tell())


def _instructions(stream: BytesIO) -> Iterator[tuple[bytes, Any]]:
    """Each instruction up to STOP with its argument (None where it takes none)."""
    while code := stream.read(1):
        if code not in _STEPS and code != pickle.STOP:
            name = _NAMES.get(code, f"0x{code.hex()}")
            raise ValueError(f"instruction {name} has no place in a checkpoint")
        yield code, _READERS[code](stream) if code in _READERS else None


def _refusal(name: str, rest: BytesIO) -> str:
    """The sentence for a refused global, with all the others that follow it in the file."""
    names = {name: None}
    try:
        for code, argument in _instructions(rest):
            if code == pickle.GLOBAL and argument not in GLOBALS:
                names[argument] = None
    except ValueError:
        pass  # the rest is malformed; the globals so far are the answer
    return (
        listing([n.replace(" ", ".") for n in names], "globals are not allowed in a checkpoint")
        + "\nSave the state_dict() of the model instead of the model."
    )


def _take(stream: BytesIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise ValueError(f"the file ends inside an instruction of {count} bytes")
    return data


def _number(form: str) -> Callable[[BytesIO], Any]:
    """A reader of one number in `struct` notation."""
    width = struct.calcsize(form)
    return lambda stream: struct.unpack(form, _take(stream, width))[0]


def _text(form: str) -> Callable[[BytesIO], str]:
    """A reader of UTF-8 text behind its length; UnicodeDecodeError is a ValueError."""
    length = _number(form)
    return lambda stream: _take(stream, length(stream)).decode()


def _long(stream: BytesIO) -> int:
    return int.from_bytes(_take(stream, _take(stream, 1)[0]), "little", signed=True)


def _two_lines(stream: BytesIO) -> str:
    """Module and name of a global, as "module name"."""
    return f"{stream.readline().decode().rstrip()} {stream.readline().decode().rstrip()}"


class _Machine:
    """Stack, marks and memo of one pickle."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}

    def pop(self) -> object:
        """The top of the stack; a mark is a floor."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("the pickle takes a value from an empty stack")
        return self.stack.pop()

    def pop_to_mark(self) -> list[object]:
        """What was pushed since the last mark."""
        if not self.marks:
            raise ValueError("the pickle closes a group that it did not open")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def push(self, value: object) -> None:
        self.stack.append(value)


def _push_argument(machine: _Machine, argument: object) -> None:
    machine.push(argument)


def _ignore(machine: _Machine, argument: object) -> None:
    """PROTO and FRAME carry nothing that a reader of instructions needs."""


def _mark(machine: _Machine, argument: object) -> None:
    machine.marks.append(len(machine.stack))


def _tuple_of(count: int) -> Callable[[_Machine, object], None]:
    def step(machine: _Machine, argument: object) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return step


def _append(machine: _Machine, argument: object) -> None:
    _extend(machine, [machine.pop()])


def _appends(machine: _Machine, argument: object) -> None:
    _extend(machine, machine.pop_to_mark())


def _extend(machine: _Machine, values: list[object]) -> None:
    target = machine.pop()
    if not isinstance(target, list):
        raise ValueError(f"the pickle appends to a {type(target).__name__}")
    target.extend(values)
    machine.push(target)


def _set_item(machine: _Machine, argument: object) -> None:
    value, key = machine.pop(), machine.pop()
    _update(machine, [key, value])


def _set_items(machine: _Machine, argument: object) -> None:
    _update(machine, machine.pop_to_mark())


def _update(machine: _Machine, flat: list[object]) -> None:
    """Set key, value, key, value, ... on the dictionary on top of the stack."""
    target = machine.pop()
    if not isinstance(target, dict) or len(flat) % 2:
        raise ValueError("the pickle sets items on something that is not a dictionary")
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        # Strings have random hashes and few 64-bit integers share one: no quadratic dictionaries.
        if not isinstance(key, str) and not (isinstance(key, int) and key in _INT64):
            raise ValueError(f"a dictionary's key is a {type(key).__name__}, not a name")
        target[key] = value
    machine.push(target)


def _put(machine: _Machine, index: object) -> None:
    assert isinstance(index, int)
    machine.memo[index] = _top(machine)


def _memoize(machine: _Machine, argument: object) -> None:
    machine.memo[len(machine.memo)] = _top(machine)


def _top(machine: _Machine) -> object:
    value = machine.pop()
    machine.push(value)
    return value


def _get(machine: _Machine, index: object) -> None:
    assert isinstance(index, int)
    if index not in machine.memo:
        raise ValueError(f"the pickle refers to value {index}, which it did not store")
    machine.push(machine.memo[index])


def _global(machine: _Machine, name: object) -> None:
    assert isinstance(name, str)
    machine.push(Global(name))


def _stack_global(machine: _Machine, argument: object) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("a global's name is not a string")
    if f"{module} {name}" not in GLOBALS:
        raise ValueError(_refusal(f"{module} {name}", BytesIO()))
    machine.push(Global(f"{module} {name}"))


def _persistent_id(machine: _Machine, argument: object) -> None:
    storage = storage_of(machine.pop())
    if machine.storages.setdefault(storage.key, storage) != storage:
        raise ValueError(f"storage '{storage.key}' is described twice and differently")
    machine.push(storage)


def _reduce(machine: _Machine, argument: object) -> None:
    arguments, function = machine.pop(), machine.pop()
    if not isinstance(function, Global) or not isinstance(arguments, tuple):
        raise ValueError("the pickle calls something that is not a function")
    machine.push(rebuild(function, arguments))


def _build(machine: _Machine, argument: object) -> None:
    """Drop the attributes of an OrderedDict (torch keeps module versions there)."""
    machine.pop()
    if not isinstance(_top(machine), dict):
        raise ValueError("the pickle sets attributes on something other than a dictionary")


_NAMES = {code: name for name, code in vars(pickle).items() if isinstance(code, bytes)}
_READERS: dict[bytes, Callable[[BytesIO], Any]] = {
    pickle.PROTO: _number("<B"),
    pickle.FRAME: _number("<Q"),
    pickle.BININT: _number("<i"),
    pickle.BININT1: _number("<B"),
    pickle.BININT2: _number("<H"),
    pickle.LONG1: _long,
    pickle.BINFLOAT: _number(">d"),
    pickle.BINUNICODE: _text("<I"),
    pickle.SHORT_BINUNICODE: _text("<B"),
    pickle.BINPUT: _number("<B"),
    pickle.LONG_BINPUT: _number("<I"),
    pickle.BINGET: _number("<B"),
    pickle.LONG_BINGET: _number("<I"),
    pickle.GLOBAL: _two_lines,
}

_STEPS: dict[bytes, Callable[[_Machine, Any], None]] = {
    pickle.PROTO: _ignore,
    pickle.FRAME: _ignore,
    pickle.MARK: _mark,
    pickle.NONE: _push_argument,
    pickle.NEWTRUE: lambda machine, _: machine.push(True),
    pickle.NEWFALSE: lambda machine, _: machine.push(False),
    pickle.BININT: _push_argument,
    pickle.BININT1: _push_argument,
    pickle.BININT2: _push_argument,
    pickle.LONG1: _push_argument,
    pickle.BINFLOAT: _push_argument,
    pickle.BINUNICODE: _push_argument,
    pickle.SHORT_BINUNICODE: _push_argument,
    pickle.EMPTY_TUPLE: lambda machine, _: machine.push(()),
    pickle.TUPLE: lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    pickle.TUPLE1: _tuple_of(1),
    pickle.TUPLE2: _tuple_of(2),
    pickle.TUPLE3: _tuple_of(3),
    pickle.EMPTY_LIST: lambda machine, _: machine.push([]),
    pickle.APPEND: _append,
    pickle.APPENDS: _appends,
    pickle.EMPTY_DICT: lambda machine, _: machine.push({}),
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: _set_items,
    pickle.BINPUT: _put,
    pickle.LONG_BINPUT: _put,
    pickle.MEMOIZE: _memoize,
    pickle.BINGET: _get,
    pickle.LONG_BINGET: _get,
    pickle.GLOBAL: _global,
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: _reduce,
    pickle.BUILD: _build,
    pickle.BINPERSID: _persistent_id,
}
