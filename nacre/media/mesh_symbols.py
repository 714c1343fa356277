"""Attributes and positions of meshes as integers, and the few bytes that say how.

A :class:`Form` is what a decoder needs to make values of integers again: on a grid of so many bits,
an octahedral pair, a lattice of decimals that holds them exactly, or every bit kept. It is written
and read by the two functions at the end; docs/format.md, "Codec 8", has the layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import FormatError, InputError
from nacre.media.mesh import DOMAINS, DTYPES, KINDS, MOST_COLUMNS, Attribute, Domain, Kind
from nacre.stream import Reader, write_varint
from nacre.transforms.attribute_values import (
    Box,
    dequantize_values,
    from_ordered_integers,
    ordered_integers,
    quantize_values,
)
from nacre.transforms.lattice import Grid, find_lattice
from nacre.transforms.octahedral import dequantize_normals, quantize_normals

Integers = npt.NDArray[np.int64]

EXACT, GRID, OCTAHEDRAL, LATTICE = range(4)
"""How integers stand for values: order-preserving bits, a box, a unit vector, a lattice."""

MOST_NAME = 1 << 12
MOST_NORMAL_BITS = 20
MOST_SEAMS = 1 << 10
DECIMAL, BINARY, WIDE = range(3)
"""Kinds of lattice: steps of 10^-k, steps of 2^-k, steps of 2^k."""


@dataclass(frozen=True)
class Form:
    """How the integers of an attribute stand for its values.

    Attributes:
        name, kind, domain: as of the attribute.
        dtype: of the values, such as ``"f4"``.
        columns: of the values.
        method: :data:`EXACT`, :data:`GRID`, :data:`OCTAHEDRAL` or :data:`LATTICE`.
        seams: number of the seams of a corner attribute; 0 for others.
        bits: of OCTAHEDRAL.
        absent: some corners have no value: one column more says which have (1).
        single: float64 values that float32 holds.
        box: of GRID.
        grid: of LATTICE.
    """

    name: str
    kind: Kind
    domain: Domain
    dtype: str
    columns: int
    method: int
    seams: int = 0
    bits: int = 0
    absent: bool = False
    single: bool = False
    box: Box | None = None
    grid: Grid | None = None

    @property
    def channels(self) -> int:
        """Columns of the integers."""
        wide = self.method == EXACT and self.dtype == "f8" and not self.single
        own = 2 if self.method == OCTAHEDRAL else self.columns * (1 + wide)
        return own + self.absent

    @property
    def coded_as(self) -> Kind:
        """The kind that the integers are coded as."""
        plain = self.absent or (self.kind == "normal" and self.method != OCTAHEDRAL)
        return "generic" if plain else self.kind


def to_integers(attribute: Attribute, bits: int, *, lossless: bool) -> tuple[Integers, Form]:
    """The integers ``[n, K]`` of an attribute's values, and their form, seams left open.

    Whole numbers are always kept. So are, where losing bits was allowed, values of which one is
    NaN or infinite: they have no place on a grid.

    Args:
        attribute: whose values they are.
        bits: of the grid or of a normal's coordinate.
        lossless: keep every bit.
    """
    values, dtype = attribute.values, attribute.values.dtype.str[1:]
    common: Common = (attribute.name, attribute.kind, attribute.domain, dtype, values.shape[1])
    if values.dtype.kind != "f":
        return ordered_integers(values), Form(*common, EXACT)
    if lossless or not np.isfinite(values).all():
        return _exactly(values, common)
    if attribute.kind == "normal" and values.shape[1] == 3:
        fine = min(bits, MOST_NORMAL_BITS)
        return quantize_normals(values, fine), Form(*common, OCTAHEDRAL, bits=fine)
    box = None
    if attribute.kind == "color" and values.size and values.min() >= 0 and values.max() <= 1:
        box = Box((0.0,) * values.shape[1], 1 / ((1 << bits) - 1))
    integers, found = quantize_values(values, bits, box)
    origin = tuple(value + 0.0 for value in found.origin)  # what is decoded has no -0
    return integers, Form(*common, GRID, box=Box(origin, found.step))


Common = tuple[str, Kind, Domain, str, int]


def _exactly(values: npt.NDArray[Any], common: Common) -> tuple[Integers, Form]:
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = np.ascontiguousarray(values.astype(np.float32))
    single = values.dtype == np.float64 and narrow.astype(np.float64).tobytes() == values.tobytes()
    if values.dtype != np.float32 and not single:
        return ordered_integers(values), Form(*common, EXACT)
    padded = np.zeros((-(-narrow.size // 3), 3), np.float32)
    padded.ravel()[: narrow.size] = narrow.ravel()
    grid = find_lattice(padded)
    if grid is None:
        return ordered_integers(narrow), Form(*common, EXACT, single=single)
    integers = grid.quantize(padded).ravel()[: narrow.size].reshape(narrow.shape)
    return integers, Form(*common, LATTICE, single=single, grid=grid)


def from_integers(integers: Integers, form: Form) -> npt.NDArray[Any]:
    """The values of integers.

    Args:
        integers: int64 ``[n, channels]``, without what says that a value is absent.
        form: how they stand for values.

    Raises:
        FormatError: they are out of the range of the values' type.
    """
    dtype = np.dtype(form.dtype)
    if form.method == OCTAHEDRAL:
        return dequantize_normals(integers, form.bits).astype(dtype)
    if form.method == GRID and form.box is not None:
        with np.errstate(over="ignore"):
            return dequantize_values(integers, form.box).astype(dtype)
    if form.method == LATTICE and form.grid is not None:
        flat = np.zeros((-(-integers.size // 3), 3), np.int64)
        flat.ravel()[: integers.size] = integers.ravel()
        with np.errstate(over="ignore"):
            values = form.grid.dequantize(flat).ravel()[: integers.size]
        return values.reshape(integers.shape).astype(dtype)
    if dtype.kind != "f":
        bounds = np.iinfo(dtype)
        low, high = int(integers.min(initial=0)), int(integers.max(initial=0))
        if low < bounds.min or high > bounds.max:
            raise FormatError(f"attribute {form.name!r}: values outside of {dtype}")
        return integers.astype(dtype)
    plain = np.float32 if form.single or dtype == np.float32 else dtype
    _check_words(integers, plain == np.float32, form.name)
    return from_ordered_integers(integers, plain).astype(dtype)


def _check_words(integers: Integers, single: bool, name: str) -> None:
    """Raise unless integers are those of floats (halves of float64)."""
    half = integers.shape[1] // 2
    low = integers[:, half:] if not single else integers[:, :0]
    high = integers[:, :half] if not single else integers
    wrong = high.size and (high.min() < -(1 << 31) or high.max() >= 1 << 31)
    if wrong or (low.size and (low.min() < 0 or low.max() >= 1 << 32)):
        raise FormatError(f"attribute {name!r}: integers that are no floats")


def write_form(out: bytearray, form: Form) -> None:
    """Append a form: name, kind and domain, type, columns, method, and what the method needs."""
    name = form.name.encode("utf-8", "replace")[:MOST_NAME]
    write_varint(out, len(name))
    out += name
    out.append(KINDS.index(form.kind) | DOMAINS.index(form.domain) << 2 | form.method << 4)
    out.append(DTYPES.index(form.dtype) | form.single << 3 | form.absent << 4)
    out.append(form.columns)
    if form.domain == "corner":
        write_varint(out, form.seams)
    if form.method == OCTAHEDRAL:
        out.append(form.bits)
    if form.box is not None:
        out += struct.pack(f"<{form.columns}fd", *form.box.origin, form.box.step)
    if form.grid is not None:
        write_lattice(out, form.grid)


def read_form(reader: Reader) -> Form:
    """The form at the reader's position.

    Raises:
        FormatError: no writer writes it.
    """
    length = reader.varint("length of a name", MOST_NAME)
    name = read_text(reader, length, "name of an attribute")
    code, dtype = reader.unsigned(1, "kind"), reader.unsigned(1, "type")
    columns = reader.unsigned(1, "columns")
    kind, domain, method = code & 3, code >> 2 & 3, code >> 4
    single, absent = bool(dtype & 8), bool(dtype & 16)
    if domain >= len(DOMAINS) or method > LATTICE or not 1 <= columns <= MOST_COLUMNS:
        raise FormatError(f"attribute {name!r}: a form that is not known")
    if dtype > 31 or (absent and DOMAINS[domain] != "corner"):
        raise FormatError(f"attribute {name!r}: a type that is not known")
    seams = reader.varint("seams", MOST_SEAMS) if DOMAINS[domain] == "corner" else 0
    box = grid = None
    floating = DTYPES[dtype & 7][0] == "f"
    if (single and DTYPES[dtype & 7] != "f8") or (method and not floating):
        raise FormatError(f"attribute {name!r}: a method that its type does not have")
    bits = reader.unsigned(1, "bits of normals") if method == OCTAHEDRAL else 0
    if method == OCTAHEDRAL and (columns != 3 or not 2 <= bits <= MOST_NORMAL_BITS):
        raise FormatError(f"attribute {name!r}: normals of {columns} numbers and {bits} bits")
    if method == GRID:
        *origin, step = struct.unpack(f"<{columns}fd", reader.take(4 * columns + 8, "grid"))
        if not np.isfinite([*origin, step]).all() or step < 0:
            raise FormatError(f"attribute {name!r}: a grid that is none")
        box = Box(tuple(origin), step)
    if method == LATTICE:
        grid = read_lattice(reader)
    return Form(
        name, KINDS[kind], DOMAINS[domain], DTYPES[dtype & 7], columns, method,
        seams, bits, absent, single, box, grid,
    )  # fmt: skip


def read_text(reader: Reader, length: int, what: str) -> str:
    """UTF-8 of so many bytes.

    Raises:
        FormatError: it is none.
    """
    try:
        return str(reader.take(length, what), "utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8 ({error.reason})") from None


def write_lattice(out: bytearray, grid: Grid) -> None:
    """Append a lattice of :func:`nacre.transforms.lattice.find_lattice`: kind and exponent."""
    if grid.origin != (0.0, 0.0, 0.0):
        raise InputError(f"a lattice whose origin is {grid.origin}")
    if grid.side != 1.0:
        exponent = round(np.log2(grid.side))
        out += bytes([WIDE, exponent])
    elif grid.steps & (grid.steps - 1):
        out += bytes([DECIMAL, round(np.log10(grid.steps))])
    else:
        out += bytes([BINARY, grid.steps.bit_length() - 1])


def read_lattice(reader: Reader) -> Grid:
    """The lattice at the reader's position.

    Raises:
        FormatError: there is none.
    """
    kind, exponent = reader.unsigned(1, "lattice"), reader.unsigned(1, "exponent")
    most = {DECIMAL: 18, BINARY: 62, WIDE: 127}.get(kind, -1)
    if exponent > most:
        raise FormatError(f"a lattice of kind {kind} and exponent {exponent} is not known")
    origin = (0.0, 0.0, 0.0)
    if kind == WIDE:
        return Grid(origin, float(2**exponent), 1)
    return Grid(origin, 1.0, 10**exponent if kind == DECIMAL else 1 << exponent)


def write_grid(out: bytearray, grid: Grid) -> None:
    """Append a grid: 0 or 1 (float32 or float64), bits, origin and side."""
    numbers = (*grid.origin, grid.side)
    with np.errstate(over="ignore"):
        narrow = all(float(np.float32(number)) == number for number in numbers)
    out += bytes([0 if narrow else 1, (grid.steps + 1).bit_length() - 1])
    out += struct.pack("<4f" if narrow else "<4d", *numbers)


def read_grid(reader: Reader) -> Grid:
    """The grid at the reader's position.

    Raises:
        FormatError: there is none.
    """
    wide, bits = reader.unsigned(1, "grid"), reader.unsigned(1, "bits of a grid")
    if wide > 1 or not 1 <= bits <= 30:
        raise FormatError(f"a grid of kind {wide} and {bits} bits is not known")
    x, y, z, side = struct.unpack("<4d" if wide else "<4f", reader.take(32 if wide else 16, "grid"))
    if not np.isfinite([x, y, z, side]).all() or side < 0:
        raise FormatError("a grid whose origin or side is no number")
    return Grid((x, y, z), side, (1 << bits) - 1)
