"""PLY files of any elements: text and binary, scalars and lists, with headers that may lie.

Source: G. Turk, "The PLY Polygon File Format" (1994). This file knows the format alone; what the
elements mean is the business of ``mesh_ply.py`` and ``splat.py`` beside it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits

TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float": "f4",
    "double": "f8",
    "float32": "f4",
    "float64": "f8",
}
NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}
MOST_HEADER = 1 << 20
MOST_PROPERTIES = 4096


@dataclass(frozen=True)
class Property:
    """A column: ``kind`` of its items, and of the count before them if it is a list."""

    name: str
    kind: str
    count: str = ""


@dataclass(frozen=True)
class Element:
    """Rows of like properties, as the header declares them."""

    name: str
    rows: int
    properties: list[Property] = field(default_factory=list)


@dataclass(frozen=True)
class Lists:
    """A column of lists: ``sizes`` of each row ``[n]``, and all ``items`` one after another."""

    sizes: npt.NDArray[np.int64]
    items: npt.NDArray[Any]


Columns = dict[str, npt.NDArray[Any] | Lists]


@dataclass(frozen=True)
class Header:
    """What a PLY file says of itself; the body begins at byte ``start``."""

    form: str
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    start: int

    def element(self, name: str) -> Element | None:
        """The element of that name; None when there is none."""
        return next((each for each in self.elements if each.name == name), None)


def read_header(data: bytes) -> Header:
    """The header of a PLY file.

    Raises:
        InputError: it is none, or not one that can be read.
    """
    end = data.find(b"end_header", 0, MOST_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise InputError("PLY: the header has no end_header; the file is cut short or is no PLY")
    line_end = data.find(b"\n", end)
    if line_end < 0:
        line_end = len(data) - 1
    form, elements, comments = "", [], []
    for line in data[:end].decode("latin-1").splitlines()[1:]:
        words = line.split()
        if not words:
            continue
        if words[0] == "format" and len(words) >= 2:
            form = words[1]
        elif words[0] in ("comment", "obj_info"):
            comments.append(line.partition(" ")[2])
        elif words[0] == "element" and len(words) == 3 and words[2].isdecimal():
            elements.append(Element(words[1], int(words[2])))
        elif words[0] == "property" and elements:
            elements[-1].properties.append(_property(words, elements[-1]))
        else:
            raise InputError(f"PLY: header line {line!r} is not understood")
    if form not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise InputError(f"PLY: format {form!r} is not known")
    return Header(form, tuple(elements), tuple(comments), line_end + 1)


def _property(words: list[str], element: Element) -> Property:
    kinds = words[2:4] if words[1:2] == ["list"] else words[1:2]
    if len(words) != 2 + len(kinds) + (len(kinds) == 2) or any(k not in TYPES for k in kinds):
        raise InputError(f"PLY: property line {' '.join(words)!r} is not understood")
    if len(element.properties) >= MOST_PROPERTIES:
        raise InputError(f"PLY: element {element.name!r} has over {MOST_PROPERTIES} properties")
    if any(words[-1] == each.name for each in element.properties):
        raise InputError(f"PLY: element {element.name!r} has property {words[-1]!r} twice")
    if len(kinds) == 2 and TYPES[kinds[0]][0] == "f":
        raise InputError(f"PLY: the length of list {words[-1]!r} is a {kinds[0]}")
    *counts, kind = [TYPES[kind] for kind in kinds]
    return Property(words[-1], kind, counts[0] if counts else "")


def read_ply(data: bytes, limits: Limits) -> tuple[Header, dict[str, Columns]]:
    """Header and columns of each element of a PLY file.

    Raises:
        InputError: it is damaged, or its header promises more than the file holds.
        LimitExceeded: an element has more rows than ``limits.vertices``.
    """
    header = read_header(data)
    for element in header.elements:
        limits.check("vertices", element.rows, f"PLY file of {element.rows:,} x {element.name}")
    body = memoryview(data)[header.start :]
    if header.form == "ascii":
        return header, _read_text(header, bytes(body))
    order = "<" if header.form == "binary_little_endian" else ">"
    found: dict[str, Columns] = {}
    for element in header.elements:
        found[element.name], used = _read_binary(element, body, order)
        body = body[used:]
    return header, found


def _lies(element: Element, room: int) -> InputError:
    return InputError(
        f"PLY: the header promises {element.rows:,} x {element.name}, the file has room for "
        f"{max(room, 0):,}; it is cut short or its header is wrong"
    )


def _row_type(element: Element, order: str, lengths: Sequence[int]) -> np.dtype[Any]:
    """A row whose lists have ``lengths``."""
    fields: list[Any] = []
    for number, (each, length) in enumerate(zip(element.properties, lengths, strict=True)):
        if each.count:
            fields += [
                (f"c{number}", order + each.count),
                (f"i{number}", order + each.kind, (length,)),
            ]
        else:
            fields.append((f"i{number}", order + each.kind))
    return np.dtype(fields)


def _read_binary(element: Element, body: memoryview, order: str) -> tuple[Columns, int]:
    """Columns of an element at the beginning of ``body``, and the bytes that it took."""
    least = _row_type(element, order, [0] * len(element.properties))
    if not element.properties or not element.rows:
        return {each.name: _empty(each) for each in element.properties}, 0
    if element.rows > len(body) // least.itemsize:
        raise _lies(element, len(body) // least.itemsize)
    uniform = _first_lengths(element, body, order)
    dtype = _row_type(element, order, uniform)
    if element.rows <= len(body) // dtype.itemsize:
        rows = np.frombuffer(body, dtype, element.rows)
        lengths = [
            (f"c{number}", size)
            for number, (each, size) in enumerate(zip(element.properties, uniform, strict=True))
            if each.count
        ]
        if all((rows[name] == size).all() for name, size in lengths):
            return _columns(element, rows, uniform), element.rows * dtype.itemsize
    return _read_ragged(element, body, order)


def _empty(each: Property) -> npt.NDArray[Any] | Lists:
    nothing = np.zeros(0, each.kind)
    return Lists(np.zeros(0, np.int64), nothing) if each.count else nothing


def _columns(element: Element, rows: npt.NDArray[Any], lengths: Sequence[int]) -> Columns:
    found: Columns = {}
    for number, (each, size) in enumerate(zip(element.properties, lengths, strict=True)):
        values = np.ascontiguousarray(rows[f"i{number}"]).astype(each.kind, copy=False)
        if each.count:
            found[each.name] = Lists(np.full(len(rows), size, np.int64), values.ravel())
        else:
            found[each.name] = values
    return found


def _first_lengths(element: Element, body: memoryview, order: str) -> list[int]:
    """Lengths of the lists of the first row; 0 for scalars, and where the row does not fit."""
    lengths, place = [], 0
    for each in element.properties:
        count = 0
        if each.count:
            width = np.dtype(each.count).itemsize
            if place + width > len(body):
                return [0] * len(element.properties)
            count = int(np.frombuffer(body, order + each.count, 1, place)[0])
            if not 0 <= count <= len(body):
                return [0] * len(element.properties)
            place += width + count * np.dtype(each.kind).itemsize
        else:
            place += np.dtype(each.kind).itemsize
        lengths.append(count)
    return lengths


def _read_ragged(element: Element, body: memoryview, order: str) -> tuple[Columns, int]:
    """As :func:`_read_binary`, for rows of different lengths."""
    endian: Any = "little" if order == "<" else "big"
    widths = [(np.dtype(p.count or "u1").itemsize, np.dtype(p.kind).itemsize, bool(p.count))
              for p in element.properties]  # fmt: skip
    starts: list[list[int]] = [[] for _ in widths]
    sizes: list[list[int]] = [[] for _ in widths]
    place, end = 0, len(body)
    for row in range(element.rows):
        for column, (count_width, width, is_list) in enumerate(widths):
            count = 1
            if is_list:
                count = int.from_bytes(body[place : place + count_width], endian)
                place += count_width
            starts[column].append(place)
            sizes[column].append(count)
            place += count * width
        if place > end:
            raise _lies(element, row)
    raw = np.frombuffer(body, np.uint8)
    found: Columns = {}
    for column, each in enumerate(element.properties):
        counts, begin = np.array(sizes[column], np.int64), np.array(starts[column], np.int64)
        width = widths[column][1]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = (np.repeat(begin, counts) + within * width)[:, None] + np.arange(width)
        items = raw[places].reshape(-1).view(order + each.kind).astype(each.kind)
        found[each.name] = Lists(counts, items) if each.count else items
    return found, place


def _read_text(header: Header, body: bytes) -> dict[str, Columns]:
    numbers = parse_numbers(body, "PLY")
    found: dict[str, Columns] = {}
    for element in header.elements:
        found[element.name], used = _read_numbers(element, numbers)
        numbers = numbers[used:]
    return found


def parse_numbers(text: bytes, where: str) -> npt.NDArray[np.float64]:
    """The numbers of a text, apart by white space.

    Raises:
        InputError: something else is there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text, np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            raise InputError(f"{where}: the text holds something that is no number") from None


def _read_numbers(element: Element, numbers: npt.NDArray[np.float64]) -> tuple[Columns, int]:
    """Columns of an element at the beginning of ``numbers``, and how many it took."""
    properties, rows = element.properties, element.rows
    if not properties or not rows:
        return {each.name: _empty(each) for each in properties}, 0
    if rows > len(numbers) // len(properties):
        raise _lies(element, len(numbers) // len(properties))
    starts, sizes = _places(element, numbers)
    found: Columns = {}
    for column, each in enumerate(properties):
        count, begin = sizes[column], starts[column]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        items = _cast(numbers[np.repeat(begin, count) + within], each)
        found[each.name] = Lists(count, items) if each.count else items
    return found, int(starts[-1][-1] + sizes[-1][-1])


def _places(
    element: Element, numbers: npt.NDArray[np.float64]
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.int64]]]:
    """Where the items of each row begin and how many there are, by column."""
    lists = [bool(each.count) for each in element.properties]
    starts: list[list[int]] = [[] for _ in lists]
    sizes: list[list[int]] = [[] for _ in lists]
    place, end = 0, len(numbers)
    for row in range(element.rows):
        for column, is_list in enumerate(lists):
            count = 1
            if is_list:
                length = numbers[place] if place < end else -1.0
                if not 0 <= length <= end:
                    raise _lies(element, row)
                count = int(length)
                place += 1
            starts[column].append(place)
            sizes[column].append(count)
            place += count
        if place > end:
            raise _lies(element, row)
    return [np.array(each, np.int64) for each in starts], [np.array(s, np.int64) for s in sizes]


def _cast(values: npt.NDArray[np.float64], each: Property) -> npt.NDArray[Any]:
    """Text's numbers as what the header says they are."""
    kind = np.dtype(each.kind)
    if kind.kind != "f":
        bounds = np.iinfo(kind)
        if not ((values >= bounds.min) & (values <= bounds.max)).all():
            raise InputError(f"PLY: property {each.name!r} is over the range of its type")
    with np.errstate(over="ignore"):
        return values.astype(kind)


def write_ply(
    elements: Sequence[tuple[str, int, Sequence[tuple[str, npt.NDArray[Any], bool]]]],
    comments: Sequence[str] = (),
) -> bytes:
    """A binary little-endian PLY file.

    Args:
        elements: name, number of rows, and the columns: name, values ``[n]``, or ``[n, K]`` with
            True for lists of K.
        comments: lines for the header.
    """
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    bodies = []
    for name, rows, columns in elements:
        head.append(f"element {name} {rows}")
        fields: list[Any] = []
        for number, (column, values, is_list) in enumerate(columns):
            kind = values.dtype.str[1:]
            if is_list:
                head.append(f"property list uchar {NAMES[kind]} {column}")
                fields += [(f"c{number}", "u1"), (f"i{number}", "<" + kind, values.shape[1:])]
            else:
                head.append(f"property {NAMES[kind]} {column}")
                fields.append((f"i{number}", "<" + kind))
        body = np.zeros(rows, np.dtype(fields))
        for number, (_, values, is_list) in enumerate(columns):
            body[f"i{number}"] = values
            if is_list:
                body[f"c{number}"] = values.shape[1]
        bodies.append(body.tobytes())
    head.append("end_header")
    return ("\n".join(head) + "\n").encode("latin-1", "replace") + b"".join(bodies)
