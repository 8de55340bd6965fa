"""The function library: FunctionDef -> Function, those that are called and no others.

Files keep functions that nothing calls any more (traces for training, restoring, other shapes): in
an export of Keras most of the bytes. They are found by name and decoded when something calls them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from edgewise.errors import ConversionError
from edgewise.frontends.protobuf import Later
from edgewise.frontends.tensorflow.attr_values import attributes
from edgewise.frontends.tensorflow.debug_info import Locations
from edgewise.frontends.tensorflow.messages import (
    ArgAttrEntry,
    FunctionDef,
    FunctionDefLibrary,
    FunctionHead,
    OpDef,
    OpList,
    OpName,
)
from edgewise.frontends.tensorflow.nodes import Scope, read_nodes
from edgewise.frontends.tensorflow.op_defs import OpInfo, described, op_info
from edgewise.frontends.tensorflow.program import (
    Argument,
    Attr,
    Function,
    FunctionName,
    Ref,
    TFNode,
    TFShape,
)
from edgewise.frontends.tensorflow.tensors import Budget
from edgewise.frontends.tensorflow.types import dtype_of


class Library:
    """The functions of one graph, decoded when asked for."""

    def __init__(
        self,
        library: FunctionDefLibrary | None,
        budget: Budget,
        locations: Locations,
        ops: OpList | None = None,
    ) -> None:
        self._budget, self._locations = budget, locations
        self._ops = {stored.read_as(OpName).name: stored for stored in (ops.op if ops else ())}
        self._stored: dict[str, Later[FunctionDef]] = {}
        self._read: dict[str, Function] = {}
        self._infos: dict[str, OpInfo] = {}
        for stored in library.function if library else ():
            head = stored.read_as(FunctionHead)
            name = head.signature.name if head.signature else ""
            if name in self._stored:
                raise budget.error(f"the function library has '{name}' twice")
            self._stored[name] = stored

    def __contains__(self, name: str) -> bool:
        return name in self._stored

    def function(self, name: str) -> Function:
        """The function called `name`.

        Raises:
            FormatError: there is none, or it is damaged.
        """
        if name not in self._read:
            stored = self._stored.get(name)
            if stored is None:
                raise self._budget.error(f"the function library has no function '{name}'")
            self._read[name] = self._function(stored.read())
        return self._read[name]

    def info(self, op: str) -> OpInfo:
        """What a node of the operation `op` gives: TensorFlow's, a function, or somebody else's."""
        known = op_info(op)
        if known.results is None and (op in self._stored or op in self._ops):
            if op not in self._infos:
                signature = self._stored[op].read().signature if op in self._stored else None
                signature = signature or (self._ops[op].read() if op in self._ops else OpDef())
                self._infos[op] = described(signature, self._budget)
            return self._infos[op]
        return known

    def reached(self, roots: Iterable[Function]) -> dict[str, Function]:
        """The functions that `roots` call, and those that these call, by name.

        Raises:
            FormatError: one is called that there is not, or is damaged.
            ConversionError: one calls itself, perhaps through others.
        """
        found: dict[str, Function] = {}
        for root in roots:
            path = {root.name: iter(self._calls(root))}
            while path:
                name, calls = path.popitem()
                callee = next(calls, None)
                if callee is None:
                    continue
                path[name] = calls
                if callee in path:
                    names = list(path)
                    raise _cycle([*names[names.index(callee) :], callee])
                if callee not in found:
                    found[callee] = self.function(callee)
                    path[callee] = iter(self._calls(found[callee]))
        return found

    def _calls(self, function: Function) -> list[str]:
        """Functions that nodes are, or that their attributes name; each once."""
        calls: dict[str, None] = {}
        for node in function.nodes.values():
            if node.op in self:
                calls[node.op] = None
            calls.update(dict.fromkeys(name for name in functions_in(node) if name))
        return list(calls)

    def _function(self, stored: FunctionDef) -> Function:
        signature = stored.signature or OpDef()
        where = f"function '{signature.name}'"
        arguments = tuple(
            _argument(arg.name, arg.type, attrs)
            for arg, attrs in zip(
                signature.input_arg,
                self._argument_attrs(stored.arg_attr, len(signature.input_arg), where),
                strict=True,
            )
        )
        if any(arg.number_attr or arg.type_list_attr for arg in signature.input_arg):
            raise self._budget.error(f"{where}: an argument must be one tensor; found a list")
        names = [argument.name for argument in arguments]
        scope = Scope(where, self._budget.file, names)
        nodes = read_nodes(
            stored.node_def,
            signature.name,
            self._budget,
            self._locations,
            called=self.info,
            scope=scope,
        )
        results = [self._result(arg.name, stored.ret, scope) for arg in signature.output_arg]
        controls = [name for name in stored.control_ret.values() if name in nodes]
        scope.check()
        return Function(
            signature.name,
            arguments,
            nodes,
            tuple(ref for ref in results if ref is not None),
            tuple(dict.fromkeys(controls)),
        )

    def _result(self, name: str, returned: Mapping[str, str], scope: Scope) -> Ref | None:
        text = returned.get(name)
        found = "nothing is returned for it" if text is None else scope.ref(text)
        if isinstance(found, Ref):
            return found
        scope.problems.append(f"result '{name}' ({text}): {found}")
        return None

    def _argument_attrs(
        self, entries: Iterable[ArgAttrEntry], count: int, where: str
    ) -> list[Mapping[str, Attr]]:
        found: list[Mapping[str, Attr]] = [{} for _ in range(count)]
        for entry in entries:
            if entry.value is not None and entry.key < count:
                found[entry.key] = attributes(entry.value.attr, where, self._budget)
        return found


def functions_in(node: TFNode) -> Iterator[str]:
    """Names of the functions that the node's attributes name."""
    stack: list[Attr] = list(node.attrs.values())
    while stack:
        attr = stack.pop()
        if isinstance(attr, FunctionName):
            yield attr.name
            stack.extend(attr.attrs.values())
        elif isinstance(attr, tuple):
            stack.extend(attr)


def _argument(name: str, code: int, attrs: Mapping[str, Attr]) -> Argument:
    shapes = attrs.get("_output_shapes")
    shape = shapes[0] if isinstance(shapes, tuple) and len(shapes) == 1 else None
    return Argument(name, dtype_of(code), shape if isinstance(shape, TFShape) else TFShape(None))


def _cycle(names: list[str]) -> ConversionError:
    chain = " -> ".join(f"'{name}'" for name in names)
    return ConversionError(
        f"a function must not call itself; found {chain}. Write the recursion as a tf.while_loop."
    )
