"""The header of a stream, declared once.

:data:`HEADER` lists every field: name, type, permitted values, and on which earlier value its
presence depends. Writing, reading and printing are loops over that list, so a field cannot be
written and not read, or read and not shown. ``docs/format.md`` repeats the list for people.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from nacre.errors import FormatError, NacreError, UnsupportedVersion
from nacre.stream.shapes import Medium
from nacre.stream.wire import MAX_VARINT, Reader, write_varint

VERSION = 1
SIGNATURE = b"N\r\n"
MAGIC = bytes([0x80 + VERSION]) + SIGNATURE
MAX_SECTIONS = 64
MAX_SIZE = (1 << 32) - 1
MAX_SIDE = 1 << 31


class SectionKind(enum.IntEnum):
    """What the body of a section is. Numbers are never reused."""

    PAYLOAD = 0
    INDEX = 1
    ICC = 2
    EXIF = 3
    XMP = 4
    TAGS = 5
    ALPHA = 6
    MODEL = 7
    SCENE = 8
    SOUND = 9


ANCILLARY = frozenset(
    {
        *(SectionKind.ICC, SectionKind.EXIF, SectionKind.XMP, SectionKind.TAGS),
        *(SectionKind.SCENE, SectionKind.SOUND),
    }
)
"""Sections that a decoder may skip when it does not know them; all other kinds are critical."""


@dataclass(frozen=True)
class Format:
    """One value of the ``format`` bits: the medium and, for images and audio, its samples."""

    medium: Medium
    text: str
    channels: int = 0
    depth: int = 0
    floating: bool = False


FORMATS: Mapping[int, Format] = MappingProxyType(
    {
        0: Format(Medium.IMAGE, "8-bit grey", 1, 8),
        1: Format(Medium.IMAGE, "8-bit grey and alpha", 2, 8),
        2: Format(Medium.IMAGE, "8-bit RGB", 3, 8),
        3: Format(Medium.IMAGE, "8-bit RGBA", 4, 8),
        4: Format(Medium.IMAGE, "16-bit grey", 1, 16),
        5: Format(Medium.IMAGE, "16-bit grey and alpha", 2, 16),
        6: Format(Medium.IMAGE, "16-bit RGB", 3, 16),
        7: Format(Medium.IMAGE, "16-bit RGBA", 4, 16),
        8: Format(Medium.IMAGE, "1-bit grey", 1, 1),
        16: Format(Medium.AUDIO, "integer audio"),
        17: Format(Medium.AUDIO, "float audio", floating=True),
        18: Format(Medium.MESH, "mesh"),
        19: Format(Medium.SPLAT, "splats"),
        20: Format(Medium.POINTS, "points"),
    }
)


@dataclass(frozen=True)
class Field:
    """One field of the header; its value is an unsigned integer.

    Attributes:
        name: as messages, ``nacre info`` and docs/format.md call it.
        wire: ``varint``, or a little-endian integer of 8, 24 or 32 bits.
        meaning: one phrase.
        low, high: the least and the greatest permitted value.
        values: permitted values by name; empty: every value from ``low`` to ``high``.
        when: ``(name, value)`` of an earlier field; present only if that field has that value.
        shown: how a value is printed.
    """

    name: str
    wire: Literal["u8", "u24", "u32", "varint"]
    meaning: str
    low: int = 0
    high: int = MAX_VARINT
    values: Mapping[int, str] = field(default_factory=dict)
    when: tuple[str, int] | None = None
    shown: Literal["number", "hex"] = "number"

    def present(self, values: Mapping[str, int]) -> bool:
        """Whether a header whose earlier fields are ``values`` has this field."""
        return self.when is None or values[self.when[0]] == self.when[1]

    def read(self, reader: Reader) -> int:
        """The value at the reader's position; whether it is permitted is checked by `check`."""
        if self.wire == "varint":
            return reader.varint(self.name)
        return reader.unsigned(int(self.wire[1:]) // 8, self.name)

    def write(self, out: bytearray, value: int) -> None:
        """Append ``value``."""
        if self.wire == "varint":
            write_varint(out, value)
        else:
            out += value.to_bytes(int(self.wire[1:]) // 8, "little")

    def check(self, value: int, error: type[NacreError]) -> None:
        """Raise ``error`` when ``value`` is not permitted."""
        if self.values and value not in self.values:
            known = ", ".join(f"{number} {text}" for number, text in self.values.items())
            raise UnsupportedVersion(
                f"header: {self.name} {value} is not known to this release (known: {known})"
            )
        if not self.low <= value <= self.high:
            raise error(f"header: {self.name} is {value:,}, outside {self.low:,}..{self.high:,}")

    def text(self, value: int) -> str:
        """``value`` for people."""
        if self.shown == "hex":
            return value.to_bytes(int(self.wire[1:]) // 8, "little").hex()
        return self.values.get(value, str(value))


@dataclass(frozen=True)
class Bits:
    """A part of the ``layout`` byte: ``width`` bits from bit ``first`` (bit 0 is the lowest)."""

    name: str
    first: int
    width: int
    meaning: str
    values: Mapping[int, str]


_NO_YES = MappingProxyType({0: "no", 1: "yes"})

LAYOUT = (
    Bits("format", 0, 5, "medium and samples", {n: f.text for n, f in FORMATS.items()}),
    Bits("has_model", 5, 1, "a model id follows", _NO_YES),
    Bits("has_table", 6, 1, "a table of sections follows; else one PAYLOAD", _NO_YES),
    Bits("archive", 7, 1, "many items share this header", _NO_YES),
)


def _size(name: str, medium: Medium, meaning: str, low: int = 0, high: int = MAX_SIZE) -> Field:
    return Field(name, "varint", meaning, low, high, when=("medium", medium))


_DEPTHS = {8: "8 bits", 16: "16 bits", 24: "24 bits", 32: "32 bits"}

HEADER = (
    Field("version", "u8", "0x80 + format version", values={0x80 + VERSION: str(VERSION)}),
    Field(
        "signature", "u24", "'N', CR, LF", values={int.from_bytes(SIGNATURE, "little"): "N CR LF"}
    ),
    Field("codec", "varint", "codec number", high=MAX_SIZE),
    Field("layout", "u8", "bit field, see the layout byte"),
    Field(
        "model", "u24", "first 3 bytes of the model file's SHA-256", when=("has_model", 1),
        shown="hex",
    ),
    _size("width", Medium.IMAGE, "pixels in a row", low=1, high=MAX_SIDE),
    _size("height", Medium.IMAGE, "rows of pixels", low=1, high=MAX_SIDE),
    _size("samples", Medium.AUDIO, "samples of one channel", high=(1 << 48) - 1),
    _size("channels", Medium.AUDIO, "channels", low=1, high=255),
    _size("sample_rate_hz", Medium.AUDIO, "samples in a second", low=1),
    Field("depth", "varint", "bits of a sample", values=_DEPTHS, when=("medium", Medium.AUDIO)),
    _size("vertices", Medium.MESH, "vertices"),
    _size("faces", Medium.MESH, "faces"),
    _size("splats", Medium.SPLAT, "splats"),
    _size("degree", Medium.SPLAT, "degree of spherical harmonics", high=4),
    _size("points", Medium.POINTS, "points"),
    Field("items", "varint", "items of the archive", high=MAX_SIZE, when=("archive", 1)),
    Field("payload_bytes", "varint", "bytes of PAYLOAD", when=("has_table", 0)),
    Field(
        "sections", "varint", "entries of the table", 2, MAX_SECTIONS, when=("has_table", 1)
    ),
)  # fmt: skip
"""All fields before the table of sections, in their order."""

TABLE = (
    Field("section_code", "varint", "2 x kind, + 1 if ancillary", high=MAX_SIZE),
    Field("section_bytes", "varint", "bytes of that section"),
)
"""The fields of one entry of the table of sections."""

CHECKSUM = Field("header_crc", "u32", "CRC-32 of all bytes before it", high=MAX_SIZE, shown="hex")
"""The last field of the header."""


@dataclass(frozen=True)
class Row:
    """One field as it stands in a stream, for printing.

    Attributes:
        name, meaning: of the field, or of the part of the layout byte.
        offset, length: where its bytes lie.
        value: the integer.
        text: the value for people.
    """

    name: str
    meaning: str
    offset: int
    length: int
    value: int
    text: str


def section_name(kind: int) -> str:
    """``"PAYLOAD"`` and so on; ``"kind 9"`` for kinds that this release does not know."""
    return SectionKind(kind).name if kind in SectionKind._value2member_map_ else f"kind {kind}"


def write_header(values: Mapping[str, int], table: list[tuple[int, int]]) -> bytearray:
    """The header but for its checksum; ``table`` lists ``(section code, bytes)``."""
    out = bytearray()
    for declared in HEADER:
        if declared.present(values):
            declared.write(out, values[declared.name])
    if values["has_table"]:
        for entry in table:
            for declared, value in zip(TABLE, entry, strict=True):
                declared.write(out, value)
    return out


def read_header(
    reader: Reader, rows: list[Row] | None = None
) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """Values and table of sections; only what reading on depends on is checked.

    Args:
        reader: at the first byte of a stream.
        rows: gets one row for each field, for printing.
    """
    values: dict[str, int] = {}

    def read(declared: Field, name: str) -> int:
        start = reader.position
        value = declared.read(reader)
        if rows is not None:
            length = reader.position - start
            rows.append(Row(name, declared.meaning, start, length, value, declared.text(value)))
        return value

    table: list[tuple[int, int]] = []
    for declared in HEADER:
        if not declared.present(values):
            continue
        values[declared.name] = read(declared, declared.name)
        if declared.name == "layout":
            _split_layout(values)
            if rows is not None:
                rows.extend(_layout_rows(values, rows[-1].offset))
        if declared.name == "payload_bytes":
            table.append((SectionKind.PAYLOAD << 1, values["payload_bytes"]))
        if declared.name == "sections":
            declared.check(values["sections"], FormatError)
            table.extend(
                (read(TABLE[0], f"section_code[{i}]"), read(TABLE[1], f"section_bytes[{i}]"))
                for i in range(values["sections"])
            )
    values[CHECKSUM.name] = read(CHECKSUM, CHECKSUM.name)
    return values, table


def _split_layout(values: dict[str, int]) -> None:
    """Add the parts of ``values["layout"]`` to ``values``, and the medium that follows from them.

    Raises:
        UnsupportedVersion: a format that this release does not know, so that no field after the
            layout byte can be found.
    """
    for bits in LAYOUT:
        value = values["layout"] >> bits.first & (1 << bits.width) - 1
        if value not in bits.values:
            raise UnsupportedVersion(
                f"header: {bits.name} {value} in the layout byte is not known to this release; "
                "the file is damaged or was written by a newer nacre"
            )
        values[bits.name] = value
    values["medium"] = FORMATS[values["format"]].medium


def _layout_rows(values: Mapping[str, int], offset: int) -> Iterator[Row]:
    for bits in LAYOUT:
        value = values[bits.name]
        yield Row(bits.name, bits.meaning, offset, 1, value, bits.values[value])


def join_layout(values: Mapping[str, int]) -> int:
    """The layout byte of the parts in ``values``."""
    return sum(values[bits.name] << bits.first for bits in LAYOUT)


def check_values(values: Mapping[str, int], error: type[NacreError]) -> None:
    """Raise ``error`` when a field of the header has a value that is not permitted."""
    for declared in HEADER:
        if declared.present(values):
            declared.check(values[declared.name], error)
