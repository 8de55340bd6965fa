"""A plan as one C source and its header: constants, parameters, calls in order.

Constants keep their types, parameters their field names, floats all their bits. Nothing is
allocated: the caller gives one arena of exactly the planned size, and scratch memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
from edgewise.ir.graph import Graph
from edgewise.ir.model import Signature
from edgewise.ir.types import TensorType
from edgewise.runtime.library import kernel_source, structures
from edgewise.runtime.plan import Kernel, Operand, Plan, Region

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

#ifdef __cplusplus
}}
#endif
#endif
"""


class CPage:
    """A plan as text. Names of inputs and outputs are the signature's."""

    def __init__(self, plan: Plan, graph: Graph, signature: Signature, name: str) -> None:
        self.plan, self.name = plan, name
        self._steps = [s for s in plan.steps if isinstance(s, Kernel)]
        self.kernels = sorted({s.name for s in self._steps})
        ins = [v.type for v in graph.inputs]
        outs = [v.type for v in graph.outputs]
        inputs = _names(signature.inputs, len(ins), ())
        outputs = _names(signature.outputs, len(outs), inputs)
        self._inputs = dict(zip(inputs, ins, strict=True))
        self._outputs = dict(zip(outputs, outs, strict=True))
        self._constants = _constants(plan)

    @property
    def constant_bytes(self) -> int:
        """Bytes of constants and parameters: what the model adds to read-only memory."""
        params = sum(len(s.params) for s in self._steps)
        return params + sum(o.nbytes for _, o in self._constants.values())

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
            f"{made.arena_bytes} bytes of arena and {made.scratch_bytes} of scratch.",
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
            "ALIGNMENT": f"{ALIGNMENT} /* bytes, of arena and scratch */",
        }
        for name, type_ in tensors.items():
            facts |= _tensor_facts(name.upper(), type_)
        upper = self.name.upper()
        return _HEADER.format(
            opening="\n".join(f" * {line}".rstrip() for line in opening)[3:],
            upper=upper,
            macros="".join(f"#define {upper}_{k} {v}\n" for k, v in facts.items()),
            prototype=self._prototype(),
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
        ]
        return "".join(parts)

    def _prototype(self) -> str:
        ins = [f"const {_c_type(t)} *{n}" for n, t in self._inputs.items()]
        outs = [f"{_c_type(t)} *{n}" for n, t in self._outputs.items()]
        words = [*ins, *outs, "void *arena", "void *scratch"]
        line = f"void {self.name}_run({', '.join(words)})"
        return line if len(line) < COLUMNS - 1 else line.replace(", ", ",\n    ")

    def _constant(self, name: str, operand: Operand) -> str:
        data = self.plan.constants[operand.offset : operand.offset + operand.nbytes]
        declared = f"static const _Alignas({ALIGNMENT}) {c_type(operand.dtype)} {name}"
        return f"\n/* {list(operand.shape)} */\n{array(declared, data.view(operand.dtype))}"

    # -- calls ------------------------------------------------------------------------------

    def _body(self) -> Iterator[str]:
        yield "    uint8_t *memory = arena;\n    EW_UNUSED(memory);\n    EW_UNUSED(scratch);\n"
        for index, step in enumerate(self._steps):
            if step.n_tiles == 0:
                continue
            label = comment(self.plan.placement[step.node].node)[: COLUMNS - 16]
            yield f"    {{ /* {label} */\n        void *const operand[] = {{\n"
            yield "".join(f"            {self._address(o)},\n" for o in step.operands)
            call = f"ew_{step.name}_scalar(&params_{index}, operand, 0, {step.n_tiles}, scratch)"
            yield f"        }};\n        {call};\n    }}\n"
        for index, (name, place) in enumerate(zip(self._outputs, self.plan.outputs, strict=True)):
            if self._output_at(place) != index:
                source = f"(const uint8_t *){self._address(place).removeprefix('(void *)')}"
                yield f"    ew_copy((uint8_t *){name}, {source}, {place.nbytes});\n"

    def _address(self, place: Operand) -> str:
        """A place of the plan as an expression. Kernels do not write where they only read."""
        if place.region is Region.ARENA:
            return f"(void *)(memory + {place.offset})"
        if place.region is Region.CONST:
            return f"(void *){self._constants[place.offset][0]}"
        if place.offset < self.plan.n_inputs:
            return f"(void *){list(self._inputs)[place.offset]}"
        index = self._output_at(place)
        assert index is not None, "a place of no output"
        return list(self._outputs)[index]

    def _output_at(self, place: Operand) -> int | None:
        """The output whose array lies at this place; the others that share it are copies."""
        if place.region is not Region.IO or place.offset < self.plan.n_inputs:
            return None
        places = [(o.region, o.offset) for o in self.plan.outputs]
        return places.index((place.region, place.offset))


def _names(places: Mapping[str, int], count: int, taken: Sequence[str]) -> list[str]:
    """An identifier for each position; those that the signature leaves out are numbered."""
    by_place = {place: name for name, place in places.items()}
    used = {"arena", "scratch", "memory", "operand", *taken}
    names: list[str] = []
    for index in range(count):
        names.append(identifier(by_place.get(index, f"value_{index}"), used))
        used.add(names[-1])
    return names


def _constants(plan: Plan) -> dict[int, tuple[str, Operand]]:
    """Name and largest view of each constant, by its offset in the plan."""
    found: dict[int, Operand] = {}
    steps = (s for s in plan.steps if isinstance(s, Kernel))
    for operand in (*(o for s in steps for o in s.operands), *plan.outputs):
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
