"""The whole TFLite schema as data: tables, unions and enumerations, driving reader and writer.

A row lists a table's fields in slot order as `name:type`, `name:type=default` or
`name:type(deprecated)`. Types are scalars (`bool byte ubyte short ushort int uint long ulong float
double`), `string`, an enumeration, a table, a union, and `[type]` for a vector of scalars,
enumerations, strings or tables. `[ubyte:16]` also aligns the first element to 16 bytes. A union
takes two slots, its type code and its value. Deprecated fields are read and written like others, so
that old files survive a round trip.

Source: schema.fbs of LiteRT 2.3 (Apache-2.0); checked against its generated Python by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache

from edgewise.format.schema_enums import ENUMS
from edgewise.format.schema_options import BUILTIN_OPTIONS, BUILTIN_OPTIONS_2, OPTION_ROWS
from edgewise.values import dataclass

FILE_IDENTIFIER = b"TFL3"
ROOT_TABLE = "Model"

ROWS: dict[str, str] = {
    "CustomQuantization": "custom:[ubyte:16]",
    "BlockwiseQuantization": "scales:int zero_points:int block_size:int block_shape:[int]",
    "MultiAxisQuantization": "scales:int zero_points:int block_size:int quantized_dimensions:[int]",
    "QuantizationParameters": "min:[float] max:[float] scale:[float] zero_point:[long]"
    " details:QuantizationDetails quantized_dimension:int",
    "Int32Vector": "values:[int]",
    "Uint16Vector": "values:[ushort:4]",
    "Uint8Vector": "values:[ubyte:4]",
    "DimensionMetadata": "format:DimensionType dense_size:int array_segments:SparseIndexVector"
    " array_indices:SparseIndexVector",
    "SparsityParameters": "traversal_order:[int] block_map:[int] dim_metadata:[DimensionMetadata]",
    "VariantSubType": "shape:[int] type:TensorType has_rank:bool",
    "Tensor": "shape:[int] type:TensorType buffer:uint name:string"
    " quantization:QuantizationParameters is_variable:bool sparsity:SparsityParameters"
    " shape_signature:[int] has_rank:bool variant_tensors:[VariantSubType] external_buffer:uint",
    "OperatorCode": "deprecated_builtin_code:byte custom_code:string version:int=1"
    " builtin_code:int",
    "Operator": "opcode_index:uint inputs:[int] outputs:[int] builtin_options:BuiltinOptions"
    " custom_options:[ubyte:16] custom_options_format:CustomOptionsFormat"
    " mutating_variable_inputs:[bool] intermediates:[int] large_custom_options_offset:ulong"
    " large_custom_options_size:ulong builtin_options_2:BuiltinOptions2"
    " debug_metadata_index:int=-1",
    "SubGraph": "tensors:[Tensor] inputs:[int] outputs:[int] operators:[Operator] name:string"
    " debug_metadata_index:int=-1",
    "Buffer": "data:[ubyte:16] offset:ulong size:ulong",
    "ExternalBufferGroup": "name:string",
    "ExternalBuffer": "id:uint group:uint offset:ulong length:ulong packing:string",
    "Metadata": "name:string buffer:uint",
    "TensorMap": "name:string tensor_index:uint",
    "SignatureDef": "inputs:[TensorMap] outputs:[TensorMap] signature_key:string"
    " deprecated_tag:string(deprecated) subgraph_index:uint",
    "Model": "version:uint operator_codes:[OperatorCode] subgraphs:[SubGraph] description:string"
    " buffers:[Buffer] metadata_buffer:[int] metadata:[Metadata] signature_defs:[SignatureDef]"
    " external_buffer_groups:[ExternalBufferGroup] external_buffers:[ExternalBuffer]",
    **OPTION_ROWS,
}

# The code of a member is its position counted from 1; code 0 is "none".
UNIONS: dict[str, tuple[str, ...]] = {
    "QuantizationDetails": ("CustomQuantization", "BlockwiseQuantization", "MultiAxisQuantization"),
    "SparseIndexVector": ("Int32Vector", "Uint16Vector", "Uint8Vector"),
    "BuiltinOptions": tuple(BUILTIN_OPTIONS.split()),
    "BuiltinOptions2": tuple(BUILTIN_OPTIONS_2.split()),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar type: `struct` code, NumPy dtype (little-endian) and width in bytes."""

    code: str
    dtype: str
    width: int


SCALARS: dict[str, Scalar] = {
    "bool": Scalar("?", "?", 1),
    "byte": Scalar("b", "i1", 1),
    "ubyte": Scalar("B", "u1", 1),
    "short": Scalar("h", "<i2", 2),
    "ushort": Scalar("H", "<u2", 2),
    "int": Scalar("i", "<i4", 4),
    "uint": Scalar("I", "<u4", 4),
    "long": Scalar("q", "<i8", 8),
    "ulong": Scalar("Q", "<u8", 8),
    "float": Scalar("f", "<f4", 4),
    "double": Scalar("d", "<f8", 8),
}


class Kind(Enum):
    """What a field holds."""

    SCALAR = "scalar"
    ENUM = "enum"
    STRING = "string"
    STRING_VECTOR = "vector of strings"
    VECTOR = "vector of scalars"
    ENUM_VECTOR = "vector of enumeration codes"
    TABLE = "table"
    TABLE_VECTOR = "vector of tables"
    UNION = "union"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    `slot` is its vtable slot (a union's type code is in the slot before), `type` the name of the
    scalar, enumeration, table or union, `align` the alignment of a vector's first element.
    `default` is what an absent field means, `stored_default` the same as a number: both are None
    for everything that is not stored inline.
    """

    name: str
    slot: int
    kind: Kind
    type: str
    align: int
    default: bool | int | float | Enum | None
    stored_default: int | float | None
    deprecated: bool

    @property
    def scalar(self) -> Scalar:
        """Storage of the field or of a vector's elements; only for scalars and enumerations."""
        return _storage(self.type)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table's fields in slot order, and by name; there is one Table object per name."""

    name: str
    fields: tuple[Field, ...]
    by_name: Mapping[str, Field]


@cache
def table(name: str) -> Table:
    """The definition of a table. Raises KeyError for a name that is not in the schema."""
    fields: list[Field] = []
    slot = 0
    for text in ROWS[name].split():
        field = _field(text, slot)
        fields.append(field)
        slot = field.slot + 1
    return Table(name, tuple(fields), {f.name: f for f in fields})


def _field(text: str, slot: int) -> Field:
    """The field of a row's part, in this slot; a union in the next one."""
    # not by a regular expression, which takes as long to compile as all tables that a model has
    name, _, rest = text.removesuffix("(deprecated)").partition(":")
    rest, _, given = rest.partition("=")
    type_, _, alignment = rest.strip("[]").partition(":")
    kind = _kind(type_, vector=rest.startswith("["))
    align = max(4, int(alignment or 1))
    number = int(given or 0)
    default: bool | int | float | Enum | None = None
    stored: int | float | None = None
    if kind is Kind.ENUM:
        default, stored = ENUMS[type_].members[number], number
    elif kind is Kind.SCALAR:
        as_type = {"bool": bool, "float": float, "double": float}.get(type_, int)
        default = stored = as_type(number)
    elif kind in (Kind.VECTOR, Kind.ENUM_VECTOR):
        align = max(align, _storage(type_).width)
    deprecated = text.endswith("(deprecated)")
    slot += kind is Kind.UNION
    return Field(name, slot, kind, type_, align, default, stored, deprecated)


def _kind(type_: str, *, vector: bool) -> Kind:
    if type_ in SCALARS:
        return Kind.VECTOR if vector else Kind.SCALAR
    if type_ in ENUMS:
        return Kind.ENUM_VECTOR if vector else Kind.ENUM
    if type_ in ROWS:
        return Kind.TABLE_VECTOR if vector else Kind.TABLE
    if type_ in UNIONS:
        return Kind.UNION
    assert type_ == "string", f"unknown schema type {type_}"
    return Kind.STRING_VECTOR if vector else Kind.STRING


def _storage(type_: str) -> Scalar:
    return SCALARS[ENUMS[type_].scalar if type_ in ENUMS else type_]
