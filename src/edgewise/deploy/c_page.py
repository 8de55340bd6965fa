"""A plan as one C source and its header: constants, parameters, calls in order.

Constants keep their types, parameters their field names, floats all their bits. Nothing is
allocated: the caller gives one arena of exactly the planned size, and scratch memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from edgewise.deploy.c_text import (
    COLUMNS,
    array,
    c_type,
    comment,
    identifier,
    literal,
    paragraph,
    structure,
)
from edgewise.errors import InternalError
from edgewise.ir.graph import Graph
from edgewise.ir.model import Signature
from edgewise.ir.resources import Variable
from edgewise.ir.types import TensorType
from edgewise.runtime.library import kernel_source, structures
from edgewise.runtime.plan import If, Kernel, Operand, Plan, Region, Step, While

ALIGNMENT = 16  # bytes, of constants and of the memory a caller gives
FLAGS = "-std=c11 -O2 -ffreestanding -fwrapv -ffp-contract=off -ffunction-sections -fdata-sections"

_HEADER = """\
/* {opening}
 */
#ifndef {upper}_H
#define {upper}_H
#include <stdint.h>

{macros}
#ifdef __cplusplus
extern "C" {{
#endif

/* Runs one inference. What arena and scratch hold before does not matter, and nothing of it is
 * needed after; no array may overlap another. */
{prototype};
{reset}
#ifdef __cplusplus
}}
#endif
#endif
"""


_RESET = """
/* Gives the model's variables their first values; `state` keeps them from run to run. */
{prototype};
"""


class CPage:
    """A plan as text. Names of inputs and outputs are the signature's. Where `is_stateless`,
    variables start anew in every run. `first`: of variables that operators name."""

    def __init__(
        self,
        plan: Plan,
        graph: Graph,
        signature: Signature,
        name: str,
        *,
        is_stateless: bool,
        first: Mapping[Variable, np.ndarray] | None = None,
    ) -> None:
        self.plan, self.name, self._is_stateless = plan, name, is_stateless
        self._first = first or {}
        self._tree = plan.steps
        self._steps = list(_kernels(self._tree))
        self.kernels = sorted({s.name for s in self._steps})
        ins = [v.type for v in graph.inputs]
        outs = [v.type for v in graph.outputs]
        inputs = _names(signature.inputs, len(ins), ())
        outputs = _names(signature.outputs, len(outs), inputs)
        self._inputs = dict(zip(inputs, ins, strict=True))
        self._outputs = dict(zip(outputs, outs, strict=True))
        self._constants = _constants((*_operands(self._tree), *plan.outputs))

    @property
    def constant_bytes(self) -> int:
        """Bytes of constants and parameters: what the model adds to read-only memory."""
        params = sum(structures().sizeof(kernel_source(s.name)[1]) for s in self._steps)
        first = sum(a.nbytes for a in self._first.values() if a.any())
        return params + first + sum(o.nbytes for _, o in self._constants.values())

    def header(self) -> str:
        """NAME.h."""
        made, tensors = self.plan, {**self._inputs, **self._outputs}
        opening = [
            f"{self.name}: a model as C, exported by Edgewise. To change it, export it anew.",
            "",
            *(f"input  {_described(n, t)}" for n, t in self._inputs.items()),
            *(f"output {_described(n, t)}" for n, t in self._outputs.items()),
            "",
            f"Memory: {self.constant_bytes} bytes of constants, which may lie in flash,",
            f"{made.arena_bytes} bytes of arena and {made.scratch_bytes} of scratch"
            + (f", {made.state_bytes} of state." if made.state_bytes else "."),
            "",
            *paragraph(f"Kernels: {', '.join(self.kernels)}."),
            "",
            "Compile every .c file of this folder and of kernels/ with",
            f"  cc {FLAGS}",
            "and link with -Wl,--gc-sections, which drops the kernels that are not called.",
        ]
        facts = {
            "ARENA_BYTES": str(made.arena_bytes),
            "SCRATCH_BYTES": str(made.scratch_bytes),
            "ALIGNMENT": f"{ALIGNMENT} /* bytes, of this memory */",
        }
        if made.state_bytes:
            facts["STATE_BYTES"] = str(made.state_bytes)
        for name, type_ in tensors.items():
            facts |= _tensor_facts(name.upper(), type_)
        upper = self.name.upper()
        return _HEADER.format(
            opening="\n".join(f" * {line}".rstrip() for line in opening)[3:],
            upper=upper,
            macros="".join(f"#define {upper}_{k} {v}\n" for k, v in facts.items()),
            prototype=self._prototype(),
            reset=_RESET.format(prototype=self._reset()) if made.state_bytes else "",
        )

    def source(self) -> str:
        """NAME.c."""
        kinds = sorted({kernel_source(k)[1] for k in self.kernels})
        size = structures().sizeof
        parts = [
            f'#include "{self.name}.h"\n#include "kernels/kernel.h"\n\n',
            *(f"extern ew_kernel ew_{k}_scalar;\n" for k in self.kernels),
            "\n",
            *(f'_Static_assert(sizeof({k}) == {size(k)}, "another params.h");\n' for k in kinds),
            *(self._constant(name, o) for name, o in self._constants.values()),
            *(_params(index, step) for index, step in enumerate(self._steps)),
            f"\n{self._prototype()} {{\n",
            *self._body(),
            "}\n",
            *self._reset_body(),
        ]
        return "".join(parts)

    def _prototype(self) -> str:
        ins = [f"const {_c_type(t)} *{n}" for n, t in self._inputs.items()]
        outs = [f"{_c_type(t)} *{n}" for n, t in self._outputs.items()]
        state = ["void *state"] if self.plan.state_bytes else []
        words = [*ins, *outs, "void *arena", "void *scratch", *state]
        line = f"void {self.name}_run({', '.join(words)})"
        return line if len(line) < COLUMNS - 1 else line.replace(", ", ",\n    ")

    def _constant(self, name: str, operand: Operand) -> str:
        data = self.plan.constants[operand.offset : operand.offset + operand.nbytes]
        declared = f"static const _Alignas({ALIGNMENT}) {c_type(operand.dtype)} {name}"
        return f"\n/* {list(operand.shape)} */\n{array(declared, data.view(operand.dtype))}"

    # -- calls ------------------------------------------------------------------------------

    def _body(self) -> Iterator[str]:
        yield "    uint8_t *memory = arena, *own = scratch;\n"
        yield "    EW_UNUSED(memory);\n    EW_UNUSED(own);\n"
        if self.plan.state_bytes and self._is_stateless:
            yield f"    {self.name}_reset(state);\n"
        numbers = {id(step): index for index, step in enumerate(self._steps)}
        yield from self._block(self._tree, numbers, "    ")
        for index, (name, place) in enumerate(zip(self._outputs, self.plan.outputs, strict=True)):
            if self._output_at(place) != index:
                source = f"(const uint8_t *){self._address(place).removeprefix('(void *)')}"
                yield f"    ew_copy((uint8_t *){name}, {source}, {place.nbytes});\n"

    def _block(
        self, steps: Sequence[Step], numbers: Mapping[int, int], indent: str
    ) -> Iterator[str]:
        """Steps in their order. `numbers` are those of the parameters, by identity of a step."""
        rest = list(steps)
        while rest:
            step = rest.pop(0)
            if isinstance(step, Kernel):
                locked, rest = rest[: step.locked], rest[step.locked :]
                group = [step, *(s for s in locked if isinstance(s, Kernel))]
                if step.n_tiles:
                    yield from self._group(group, numbers, indent)
            elif isinstance(step, If):
                yield f"{indent}if (*(const uint8_t *){self._address(step.condition)}) {{\n"
                yield from self._block(step.then, numbers, indent + "    ")
                yield f"{indent}}} else {{\n"
                yield from self._block(step.otherwise, numbers, indent + "    ")
                yield f"{indent}}}\n"
            elif isinstance(step, While):
                yield f"{indent}for (;;) {{\n"
                yield from self._block(step.test, numbers, indent + "    ")
                condition = self._address(step.condition)
                yield f"{indent}    if (!*(const uint8_t *){condition}) break;\n"
                yield from self._block(step.body, numbers, indent + "    ")
                yield f"{indent}}}\n"
            else:
                raise InternalError(f"a step of Python's cannot be printed: {step}")

    def _group(
        self, group: Sequence[Kernel], numbers: Mapping[int, int], indent: str
    ) -> Iterator[str]:
        """A kernel step and those locked to it: all tiles, or tile by tile."""
        nodes = dict(enumerate(p.node for p in self.plan.placement))
        labels = dict.fromkeys(comment(nodes.get(s.node, s.name)) for s in group)
        label = "; ".join(labels)[: COLUMNS - 9 - len(indent)]
        yield f"{indent}{{ /* {label} */\n"
        for i, step in enumerate(group):
            yield f"{indent}    void *const operand_{i}[] = {{\n"
            yield "".join(f"{indent}        {self._address(o)},\n" for o in step.operands)
            yield f"{indent}    }};\n"
        tiles, inner = f"0, {group[0].n_tiles}", indent + "    "
        if len(group) > 1:
            yield f"{inner}for (uint32_t tile = 0; tile < {group[0].n_tiles}; tile++) {{\n"
            tiles, inner = "tile, tile + 1", inner + "    "
        for i, step in enumerate(group):
            arguments = f"&params_{numbers[id(step)]}, operand_{i}, {tiles}, scratch"
            yield f"{inner}ew_{step.name}_scalar({arguments});\n"
        yield f"{indent}    }}\n" * (len(group) > 1) + f"{indent}}}\n"

    def _reset(self) -> str:
        return f"void {self.name}_reset(void *state)"

    def _reset_body(self) -> Iterator[str]:
        """Variables start at zero, quantized ones at their zero point, named ones as CALL_ONCE
        left them."""
        if not self.plan.state_bytes:
            return
        firsts: list[tuple[Operand, str]] = []
        for value, place in self.plan.variables.items():
            zero = 0 if value.quant is None else value.quant.zero_point.flat[0]
            firsts.append((place, str(zero)))
        for number, (name, named) in enumerate(self.plan.named.items()):
            data = self._first.get(name, np.zeros(1))
            if data.any():
                declared = f"static const {c_type(named.place.dtype)} first_{number}"
                yield f"\n/* {comment(str(name))} {list(data.shape)} */\n{array(declared, data)}"
            firsts.append((named.place, f"first_{number}[i]" if data.any() else "0"))
        yield f"\n{self._reset()} {{\n"
        for place, first in firsts:
            kind, count = c_type(place.dtype), int(np.prod(place.shape, dtype=np.int64))
            to = f"(({kind} *)((uint8_t *)state + {place.offset}))"
            yield f"    for (uint32_t i = 0; i < {count}; i++) {to}[i] = {first};\n"
        yield "}\n"

    def _address(self, place: Operand) -> str:
        """A place of the plan as an expression. Kernels do not write where they only read."""
        if place.region is Region.CONST:
            return f"(void *){self._constants[place.offset][0]}"
        if place.region is not Region.IO:
            base = {Region.ARENA: "memory", Region.SCRATCH: "own", Region.STATE: "(uint8_t *)state"}
            return f"(void *)({base[place.region]} + {place.offset})"
        if place.offset < self.plan.n_inputs:
            name = f"(void *){list(self._inputs)[place.offset]}"
        else:
            index = self._output_at(place)
            assert index is not None, "a place of no output"
            name = list(self._outputs)[index]
        return f"(uint8_t *){name} + {place.start}" if place.start else name

    def _output_at(self, place: Operand) -> int | None:
        """The output whose array lies at this place; the others that share it are copies."""
        if place.region is not Region.IO or place.offset < self.plan.n_inputs:
            return None
        places = [(o.region, o.offset) for o in self.plan.outputs]
        return places.index((place.region, place.offset))


def _names(places: Mapping[str, int], count: int, taken: Sequence[str]) -> list[str]:
    """An identifier for each position; those that the signature leaves out are numbered."""
    by_place = {place: name for name, place in places.items()}
    used = {"arena", "scratch", "state", "memory", "own", "tile", *taken}
    names: list[str] = []
    for index in range(count):
        names.append(identifier(by_place.get(index, f"value_{index}"), used))
        used.add(names[-1])
    return names


def _kernels(steps: Sequence[Step]) -> Iterator[Kernel]:
    """Kernel steps, those inside of others included, in the order of the text."""
    for step in steps:
        if isinstance(step, Kernel):
            yield step
        elif isinstance(step, If):
            yield from (*_kernels(step.then), *_kernels(step.otherwise))
        elif isinstance(step, While):
            yield from (*_kernels(step.test), *_kernels(step.body))


def _operands(steps: Sequence[Step]) -> Iterator[Operand]:
    """Of kernels, and the conditions of the others."""
    for step in steps:
        if isinstance(step, Kernel):
            yield from step.operands
        elif isinstance(step, If):
            yield from (step.condition, *_operands(step.then), *_operands(step.otherwise))
        elif isinstance(step, While):
            yield from (step.condition, *_operands(step.test), *_operands(step.body))


def _constants(operands: Iterable[Operand]) -> dict[int, tuple[str, Operand]]:
    """Name and largest view of each constant, by its offset in the plan."""
    found: dict[int, Operand] = {}
    for operand in operands:
        if operand.region is Region.CONST:
            known = found.get(operand.offset, operand)
            found[operand.offset] = max(known, operand, key=lambda o: o.nbytes)
    return {at: (f"constant_{i}", found[at]) for i, at in enumerate(sorted(found))}


def _params(index: int, step: Kernel) -> str:
    kind = kernel_source(step.name)[1]
    return f"\nstatic const {kind} params_{index} = {{\n{structure(kind, step.params)}}};\n"


def _c_type(type_: TensorType) -> str:
    return c_type(type_.dtype.numpy)


def _described(name: str, type_: TensorType) -> str:
    text = f"{name}: {type_}"
    if type_.quant is None:
        return text
    if type_.quant.scale.size > 1:
        return f"{text}, {type_.quant.scale.size} scales along axis {type_.quant.axis}"
    scale, zero = type_.quant.scale.flat[0], type_.quant.zero_point.flat[0]
    return f"{text}, real = {scale} * (stored - {zero})"


def _tensor_facts(prefix: str, type_: TensorType) -> dict[str, str]:
    """Macros of an input or output: elements and, where it has one, its quantization."""
    shape = [d for d in type_.shape or () if isinstance(d, int)]
    facts = {f"{prefix}_ELEMENTS": str(int(np.prod(shape, dtype=np.int64)))}
    if type_.quant is not None and type_.quant.scale.size == 1:
        facts[f"{prefix}_SCALE"] = literal(float(type_.quant.scale.flat[0]))
        facts[f"{prefix}_ZERO_POINT"] = f"({type_.quant.zero_point.flat[0]})"
    return facts
