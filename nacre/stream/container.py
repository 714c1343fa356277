"""A stream as an object, and its header alone. The layout is docs/format.md's."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from nacre.errors import ChecksumMismatch, FormatError, InputError, NacreError, Truncated
from nacre.errors import UnsupportedVersion as Unsupported
from nacre.limits import Limits
from nacre.stream.fields import (
    ANCILLARY,
    CHECKSUM,
    FORMATS,
    VERSION,
    Row,
    SectionKind,
    check_values,
    join_layout,
    section_name,
    write_header,
)
from nacre.stream.fields import read_header as read_fields
from nacre.stream.shapes import (
    AudioShape,
    ImageShape,
    Medium,
    MeshShape,
    PointsShape,
    Shape,
    SplatShape,
)
from nacre.stream.signature import check_signature
from nacre.stream.wire import Bytes, Reader

_SHAPES: Mapping[Medium, type[Shape]] = {
    shape.medium: shape for shape in (ImageShape, AudioShape, MeshShape, SplatShape, PointsShape)
}
CRC_BYTES = 4


@dataclass(frozen=True)
class Section:
    """``kind`` is a :class:`SectionKind`, or the number of an unknown ancillary one."""

    kind: int
    data: bytes


@dataclass(frozen=True)
class Entry:
    """Where a section lies in its file: ``length`` bytes of body at ``offset``, then their CRC."""

    kind: int
    offset: int
    length: int


@dataclass(frozen=True)
class Header:
    """All that a stream says before its sections.

    Attributes:
        version: of the format.
        codec: number of the codec (docs/format.md lists them).
        model: 3 bytes, or None for codecs without weights.
        shape: size of the medium; of an archive whose items differ, the greatest of each size.
        items: of an archive; None for a single item.
        sections: where each section lies.
        header_bytes: length of the header, its CRC included.
        total_bytes: length of the whole file.
    """

    version: int
    codec: int
    model: bytes | None
    shape: Shape
    items: int | None
    sections: tuple[Entry, ...]
    header_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Stream:
    """One .ncr file in memory.

    Attributes:
        codec: number of the codec.
        model: first 3 bytes of the SHA-256 of the model file; None for codecs without weights.
        shape: size of the medium; of an archive whose items differ, the greatest of each size.
        sections: in file order; one of them is ``PAYLOAD``, and no kind occurs twice.
        items: number of items of an archive; None for a single item.
        limits: what whoever read it allows; codecs check what they inflate or pad against it.
    """

    codec: int
    model: bytes | None
    shape: Shape
    sections: tuple[Section, ...]
    items: int | None = None
    limits: Limits = field(default=Limits.DEFAULT, compare=False)

    def to_bytes(self) -> bytes:
        """The file's bytes: equal streams give equal bytes.

        Raises:
            InputError: a value that the format does not permit.
        """
        out = pack_header(self, [(section.kind, len(section.data)) for section in self.sections])
        for section in self.sections:
            out += section.data
            out += zlib.crc32(section.data).to_bytes(CRC_BYTES, "little")
        return bytes(out)

    @classmethod
    def from_bytes(cls, data: Bytes, *, limits: Limits = Limits.DEFAULT) -> Stream:
        """The stream in ``data``, every checksum checked.

        Raises:
            FormatError: or one of its kinds, when ``data`` is not exactly one intact stream.
            LimitExceeded: the header declares more than ``limits`` allow.
        """
        header = read_header(data, limits=limits)
        view = memoryview(data)
        if len(view) > header.total_bytes:
            extra = len(view) - header.total_bytes
            raise FormatError(
                f"{extra:,} bytes follow the end of the stream at byte {header.total_bytes:,}; "
                "the file is damaged or two files were joined"
            )
        sections = tuple(Section(e.kind, read_section(view, e)) for e in header.sections)
        return cls(header.codec, header.model, header.shape, sections, header.items, limits)

    def find(self, kind: SectionKind) -> bytes | None:
        """The body of the section of that kind; None when there is none."""
        return next((section.data for section in self.sections if section.kind == kind), None)

    def section(self, kind: SectionKind) -> bytes:
        """The body of the section of that kind.

        Raises:
            FormatError: there is none.
        """
        found = self.find(kind)
        if found is None:
            raise FormatError(f"the stream has no {section_name(kind)} section; it is needed here")
        return found

    @property
    def payload(self) -> bytes:
        """The body of the PAYLOAD section."""
        return self.section(SectionKind.PAYLOAD)


def read_header(data: Bytes, *, limits: Limits = Limits.DEFAULT, whole: bool = True) -> Header:
    """The header of the stream that ``data`` begins with; no section is read, nothing allocated.

    Args:
        data: the stream.
        limits: what it may declare.
        whole: ``data`` is all of it, not only its beginning.

    Raises:
        NotNacre, UnsupportedVersion, Truncated, ChecksumMismatch, FormatError: it is not intact,
            or ``data`` is shorter than it declares (if ``whole``).
        LimitExceeded: it declares more than ``limits`` allow.
    """
    check_signature(data)
    reader = Reader(data, "header")
    values, table = read_fields(reader)
    actual = zlib.crc32(memoryview(data)[: reader.position - CRC_BYTES])
    if values[CHECKSUM.name] != actual:
        raise ChecksumMismatch(
            f"header: its CRC-32 is {actual:08x}, {values[CHECKSUM.name]:08x} is written; "
            "the file was damaged, fetch it again"
        )
    check_values(values, FormatError)
    items = values.get("items")
    kinds = [(_kind(code), length) for code, length in table]
    _check_kinds(kinds, items, FormatError)
    if values["has_table"] and len(kinds) == 1:
        raise FormatError("header: a table of sections with PAYLOAD alone; it must be left out")
    shape = _shape(values)
    shape.check(limits)
    if items is not None:
        limits.check("items", items, "archive")
    entries, offset = [], reader.position
    for kind, length in kinds:
        limits.check("bytes", length, f"section {section_name(kind)}")
        entries.append(Entry(kind, offset, length))
        offset += length + CRC_BYTES
    if whole and len(data) < offset:
        raise Truncated(
            f"the file ends {offset - len(data):,} bytes early: it has {len(data):,} bytes of "
            f"{offset:,}"
        )
    model = values["model"].to_bytes(3, "little") if values["has_model"] else None
    return Header(
        VERSION, values["codec"], model, shape, items, tuple(entries), reader.position, offset
    )


def medium_of_stream(head: Bytes) -> Medium | None:
    """The medium of the stream that ``head`` (16 bytes are enough) begins; None: not to be told."""
    try:
        check_signature(head)
        reader = Reader(bytes(head)[4:], "header")
        reader.varint("codec")
        form = FORMATS.get(reader.unsigned(1, "layout") & 31)
    except FormatError:
        return None
    return form.medium if form is not None else None


def read_section(data: Bytes, entry: Entry) -> bytes:
    """The body of one section, its checksum checked; the others are not touched.

    Raises:
        ChecksumMismatch: the body was changed.
    """
    view = memoryview(data)
    end = entry.offset + entry.length
    body = view[entry.offset : end]
    written = int.from_bytes(view[end : end + CRC_BYTES], "little")
    actual = zlib.crc32(body)
    if actual != written:
        raise ChecksumMismatch(
            f"section {section_name(entry.kind)} at byte {entry.offset:,}: its CRC-32 is "
            f"{actual:08x}, {written:08x} is written; the file was damaged, fetch it again"
        )
    return bytes(body)


def describe(data: Bytes, *, limits: Limits = Limits.DEFAULT) -> tuple[Row, ...]:
    """Every field and section of a stream in file order, for printing.

    >>> from nacre.stream import ImageShape, Section, SectionKind, Stream
    >>> stream = Stream(0, None, ImageShape(2, 1), (Section(SectionKind.PAYLOAD, b"abc"),))
    >>> [row.text for row in describe(stream.to_bytes()) if row.name in ("width", "PAYLOAD")]
    ['2', '3 bytes']
    """
    header = read_header(data, limits=limits)
    rows: list[Row] = []
    read_fields(Reader(data, "header"), rows)
    for entry in header.sections:
        name, end = section_name(entry.kind), entry.offset + entry.length
        written = bytes(memoryview(data)[end : end + CRC_BYTES])
        crc = int.from_bytes(written, "little")
        text = f"{entry.length:,} bytes"
        rows.append(Row(name, "body of the section", entry.offset, entry.length, entry.kind, text))
        rows.append(Row(f"{name}_crc", "CRC-32 of that body", end, CRC_BYTES, crc, written.hex()))
    return tuple(rows)


class Declared(Protocol):
    """What a header says beside its table of sections."""

    @property
    def codec(self) -> int:
        """Number of the codec."""

    @property
    def model(self) -> bytes | None:
        """Its model."""

    @property
    def shape(self) -> Shape:
        """Size of the medium."""

    @property
    def items(self) -> int | None:
        """Number of items of an archive."""


def pack_header(stream: Declared, sections: list[tuple[int, int]]) -> bytearray:
    """The header of ``stream``, its CRC included.

    Args:
        stream: what it says.
        sections: kind and length of each, in file order.

    Raises:
        InputError: a value that the format does not permit.
    """
    _check_kinds(sections, stream.items, InputError)
    values = _header_values(stream, sections)
    check_values(values, InputError)
    out = write_header(values, [(_code(kind), length) for kind, length in sections])
    CHECKSUM.write(out, zlib.crc32(out))
    return out


def _header_values(stream: Declared, sections: list[tuple[int, int]]) -> dict[str, int]:
    """The values of all header fields that ``stream`` has."""
    shape = stream.shape
    values = {
        "version": 0x80 + VERSION,
        "signature": int.from_bytes(b"N\r\n", "little"),
        "codec": stream.codec,
        "medium": int(shape.medium),
        "format": _format(shape),
        "has_model": int(stream.model is not None),
        "has_table": int(len(sections) > 1),
        "archive": int(stream.items is not None),
        "items": stream.items or 0,
        "payload_bytes": sections[0][1],
        "sections": len(sections),
    }
    if stream.model is not None:
        if len(stream.model) != 3:
            raise InputError(f"a model id has 3 bytes, this one has {len(stream.model)}")
        values["model"] = int.from_bytes(stream.model, "little")
    values |= {f.name: int(getattr(shape, f.name)) for f in fields(shape)}
    values["layout"] = join_layout(values)
    return values


def _format(shape: Shape) -> int:
    """The ``format`` bits for ``shape``."""
    for number, form in FORMATS.items():
        if form.medium != shape.medium:
            continue
        if isinstance(shape, ImageShape) and (form.channels, form.depth) != (
            shape.channels,
            shape.depth,
        ):
            continue
        if isinstance(shape, AudioShape) and form.floating != shape.floating:
            continue
        return number
    raise InputError(f"header: no format holds {shape}")


def _shape(values: Mapping[str, int]) -> Shape:
    """The shape that the header's ``values`` declare."""
    form = FORMATS[values["format"]]
    named: dict[str, Any] = dict(values)
    if form.medium == Medium.IMAGE:
        named |= {"channels": form.channels, "depth": form.depth}
    elif form.medium == Medium.AUDIO:
        named["floating"] = form.floating
    kind = _SHAPES[form.medium]
    return kind(**{f.name: named[f.name] for f in fields(kind)})


def _code(kind: int) -> int:
    """The section code: unknown kinds can only be ancillary."""
    known = kind in SectionKind._value2member_map_
    return kind << 1 | int(kind in ANCILLARY or not known)


def _kind(code: int) -> int:
    """The kind of a section code.

    Raises:
        UnsupportedVersion: a critical section that is not known.
        FormatError: a known kind whose ancillary bit is wrong.
    """
    kind, ancillary = code >> 1, code & 1
    if kind not in SectionKind._value2member_map_:
        if not ancillary:
            raise Unsupported(
                f"header: section of kind {kind} is critical and not known to this release; "
                "use a newer nacre"
            )
    elif ancillary != int(kind in ANCILLARY):
        raise FormatError(f"header: section {section_name(kind)} with a wrong ancillary bit")
    return kind


def _check_kinds(kinds: list[tuple[int, int]], items: int | None, error: type[NacreError]) -> None:
    """Raise ``error`` unless the sections ``(kind, bytes)`` may stand together."""
    names = [kind for kind, _ in kinds]
    for kind in names:
        if names.count(kind) > 1:
            raise error(f"header: section {section_name(kind)} occurs {names.count(kind)} times")
    if SectionKind.PAYLOAD not in names:
        raise error("header: there is no PAYLOAD section")
    if (SectionKind.INDEX in names) != (items is not None):
        raise error("header: an INDEX section and the archive bit must come together")
