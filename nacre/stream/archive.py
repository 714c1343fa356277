"""Archives: many small items of one codec and one header.

A header of twenty bytes for an item of forty would be most of the file, so an archive writes it
once. The INDEX section lists the sizes of the items (and their shapes, where they differ), the
PAYLOAD section holds the items one after the other: a byte or two an item. Where even that is much,
a codec codes runs of items together, in lanes, and INDEX lists those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from nacre.errors import FormatError, InputError, Truncated
from nacre.limits import Limits
from nacre.stream.container import Entry, Header, Section, Stream, read_header, read_section
from nacre.stream.fields import SectionKind
from nacre.stream.shapes import ImageShape, Medium, Shape, resized
from nacre.stream.wire import Bytes, Reader, write_varint

SHARED, OWN, LANES = 0, 1, 3
"""First byte of INDEX: all items have the header's shape, or each its own, or they lie in lanes."""

INDEXED: dict[Medium, tuple[str, ...]] = {
    Medium.IMAGE: ("width", "height"),
    Medium.AUDIO: ("samples",),
    Medium.MESH: ("vertices", "faces"),
    Medium.SPLAT: ("splats",),
    Medium.POINTS: ("points",),
}
"""The sizes that may differ from item to item, in the order INDEX lists them."""


def build_archive(
    codec: int,
    items: Sequence[Stream],
    *,
    shape: Shape | None = None,
    sections: Sequence[Section] = (),
) -> Stream:
    """One stream of many, each of which has a PAYLOAD section alone.

    Args:
        codec: number of the codec of all items.
        items: streams of one codec, model, medium and sample format.
        shape: declared when ``items`` is empty (default: one grey 8-bit pixel).
        sections: metadata of the whole archive.

    Raises:
        InputError: the items differ in what they must share.
    """
    for i, item in enumerate(items):
        if item.codec != codec or item.model != items[0].model or len(item.sections) != 1:
            raise InputError(
                f"archive: item {i} has another codec or model, or sections beside PAYLOAD; "
                "keep it as a file of its own"
            )
    shapes = [item.shape for item in items] or [shape or ImageShape(1, 1, channels=1)]
    names = INDEXED[shapes[0].medium]
    largest = {name: max(getattr(s, name, 0) for s in shapes) for name in names}
    bound = resized(shapes[0], largest)
    for i, own in enumerate(shapes):
        if type(own) is not type(bound) or resized(own, largest) != bound:
            raise InputError(f"archive: item {i} is {own}, its samples differ from {shapes[0]}")
    index = bytearray([SHARED if all(own == bound for own in shapes) else OWN])
    for item in items:
        write_varint(index, len(item.payload))
    if index[0] == OWN:
        for own in shapes:
            for name in names:
                write_varint(index, getattr(own, name))
    payload = b"".join(item.payload for item in items)
    model = items[0].model if items else None
    parts = (Section(SectionKind.INDEX, bytes(index)), Section(SectionKind.PAYLOAD, payload))
    return Stream(codec, model, bound, (*sections, *parts), len(items))


@dataclass(frozen=True)
class Lanes:
    """Where the lanes of an archive lie in its PAYLOAD.

    Attributes:
        items: of the archive.
        each: items of a lane; the last lane has those that are left.
        offsets: where each lane begins, and where the last one ends; a head lies before the first.
    """

    items: int
    each: int
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, stream: Stream) -> Lanes:
        """The lanes of an archive in memory.

        Raises:
            FormatError: it has none, or INDEX does not describe its payload.
        """
        if stream.items is None:
            raise FormatError("the stream holds a single item; it is no archive")
        reader = Reader(stream.section(SectionKind.INDEX), "INDEX")
        kind = reader.unsigned(1, "kind of index")
        if kind != LANES:
            raise FormatError(f"INDEX: kind of index {kind}; {LANES} (lanes) is expected here")
        return _read_lanes(reader, stream.items, len(stream.payload))

    @property
    def counts(self) -> list[int]:
        """Items of each lane."""
        starts = range(0, self.items, self.each)
        return [min(self.each, self.items - start) for start in starts]

    def head(self, payload: Bytes) -> memoryview:
        """What lies before the first lane of ``payload``."""
        return memoryview(payload)[: self.offsets[0]]

    def lane(self, payload: Bytes, index: int) -> memoryview:
        """Lane ``index`` of ``payload``, not copied."""
        return memoryview(payload)[self.offsets[index] : self.offsets[index + 1]]


def build_lanes(
    codec: int,
    model: bytes | None,
    shape: Shape,
    items: int,
    lanes: Sequence[bytes],
    *,
    head: bytes,
    each: int,
    sections: Sequence[Section] = (),
) -> Stream:
    """An archive whose items lie in lanes.

    Args:
        codec, model, shape: of all items.
        items: their number.
        lanes: as many as that number takes.
        head: what the codec says of all items.
        each: items of a lane.
        sections: of the whole archive.

    Raises:
        InputError: there are more or fewer lanes than ``items`` and ``each`` make.
    """
    if not 1 <= each <= max(items, 1) or len(lanes) != -(-items // each):
        raise InputError(f"archive: {items} items, {each} to a lane, do not fill {len(lanes)}")
    index = bytearray([LANES])
    for value in (len(head), each, *map(len, lanes)):
        write_varint(index, value)
    payload = b"".join((head, *lanes))
    parts = (Section(SectionKind.INDEX, bytes(index)), Section(SectionKind.PAYLOAD, payload))
    return Stream(codec, model, shape, (*sections, *parts), items)


def _read_lanes(reader: Reader, items: int, payload_bytes: int) -> Lanes:
    """The rest of an INDEX of lanes."""
    head = reader.varint("length of the head")
    each = reader.varint("items of a lane", max(items, 1))
    if each == 0:
        raise FormatError("INDEX: lanes of no items; 1 or more are expected")
    count = -(-items // each)
    if count > reader.remaining:
        raise Truncated(f"INDEX: {count:,} lanes do not fit in {reader.remaining:,} bytes")
    sizes = [reader.varint(f"bytes of lane {i}") for i in range(count)]
    reader.expect_end()
    if head + sum(sizes) != payload_bytes:
        raise FormatError(
            f"INDEX: head and lanes of {head + sum(sizes):,} bytes in a PAYLOAD of "
            f"{payload_bytes:,}"
        )
    return Lanes(items, each, tuple(accumulate(sizes, initial=head)))


@dataclass(frozen=True)
class Archive:
    """An archive opened for reading single items; only header and INDEX have been read.

    Items are cut out of ``data`` without its payload's checksum: ``Stream.from_bytes`` checks that.
    Items in ``lanes`` are for their codec to take out (``decode_item``).
    """

    header: Header
    data: Bytes
    offsets: tuple[int, ...]
    shapes: tuple[Shape, ...] | None
    limits: Limits = Limits.DEFAULT
    lanes: Lanes | None = None

    @classmethod
    def from_bytes(cls, data: Bytes, *, limits: Limits = Limits.DEFAULT) -> Archive:
        """Open ``data`` (bytes or a memory map).

        Raises:
            FormatError: it is no archive, or its index does not describe its payload.
            LimitExceeded: it declares more than ``limits`` allow.
        """
        header = read_header(data, limits=limits)
        if header.items is None:
            raise FormatError("the stream holds a single item; it is no archive")
        entries = {entry.kind: entry for entry in header.sections}
        reader = Reader(read_section(data, entries[SectionKind.INDEX]), "INDEX")
        payload = entries[SectionKind.PAYLOAD]
        kind = reader.unsigned(1, "kind of index")
        if kind not in (SHARED, OWN, LANES):
            raise FormatError(f"INDEX: kind of index {kind}; 0, 1 or 3 are expected")
        if kind == LANES:
            lanes = _read_lanes(reader, header.items, payload.length)
            return cls(header, data, (), None, limits, lanes)
        if header.items > reader.remaining:
            raise Truncated(
                f"INDEX: {header.items:,} items do not fit in {reader.remaining:,} bytes"
            )
        sizes = [reader.varint(f"bytes of item {i}") for i in range(header.items)]
        shapes = _read_shapes(reader, header, limits) if kind == OWN else None
        reader.expect_end()
        if sum(sizes) != payload.length:
            raise FormatError(
                f"INDEX: items of {sum(sizes):,} bytes in a PAYLOAD of {payload.length:,}"
            )
        return cls(header, data, _offsets(sizes, payload), shapes, limits)

    def __len__(self) -> int:
        return self.header.items or 0

    @property
    def payload(self) -> memoryview:
        """The body of PAYLOAD, not copied and its checksum not checked."""
        entry = next(e for e in self.header.sections if e.kind == SectionKind.PAYLOAD)
        return memoryview(self.data)[entry.offset : entry.offset + entry.length]

    def section(self, kind: SectionKind) -> bytes | None:
        """The body of another section, its checksum checked; None when there is none."""
        entry = next((e for e in self.header.sections if e.kind == kind), None)
        return None if entry is None else read_section(self.data, entry)

    def check(self, index: int) -> None:
        """Raise :class:`InputError` when there is no item ``index``."""
        if not 0 <= index < len(self):
            raise InputError(f"archive: no item {index}; it has items 0..{len(self) - 1}")

    def item(self, index: int) -> Stream:
        """Item ``index`` (0 is the first) as a stream of its own.

        Raises:
            InputError: there is no such item, or it is in a lane with others.
        """
        self.check(index)
        if self.lanes is not None:
            raise InputError("archive: its items are in lanes; nacre.decode(data, item=...)")
        body = bytes(memoryview(self.data)[self.offsets[index] : self.offsets[index + 1]])
        shape = self.shapes[index] if self.shapes else self.header.shape
        sections = (Section(SectionKind.PAYLOAD, body),)
        return Stream(self.header.codec, self.header.model, shape, sections, None, self.limits)


def _offsets(sizes: list[int], payload: Entry) -> tuple[int, ...]:
    return tuple(accumulate(sizes, initial=payload.offset))


def _read_shapes(reader: Reader, header: Header, limits: Limits) -> tuple[Shape, ...]:
    """The shape of each item; none may exceed the header's."""
    names = INDEXED[header.shape.medium]
    shapes = []
    for i in range(header.items or 0):
        sizes = {
            name: reader.varint(f"{name} of item {i}", getattr(header.shape, name))
            for name in names
        }
        if isinstance(header.shape, ImageShape) and 0 in sizes.values():
            raise FormatError(f"INDEX: item {i} has no pixels")
        shape = resized(header.shape, sizes)
        shape.check(limits)
        shapes.append(shape)
    return tuple(shapes)
