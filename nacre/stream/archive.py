"""Archives: many small items of one codec and one header.

A header of twenty bytes for an item of forty would be most of the file, so an archive writes it
once. The INDEX section lists the sizes of the items (and their shapes, where they differ), the
PAYLOAD section holds the items one after the other: a byte or two an item.
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

SHARED, OWN = 0, 1
"""First byte of INDEX: all items have the header's shape, or each has its own."""

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
class Archive:
    """An archive opened for reading single items; only header and INDEX have been read.

    Items are cut out of ``data`` without its payload's checksum: ``Stream.from_bytes`` checks that.
    """

    header: Header
    data: Bytes
    offsets: tuple[int, ...]
    shapes: tuple[Shape, ...] | None
    limits: Limits = Limits.DEFAULT

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
        kind = reader.unsigned(1, "kind of index")
        if kind not in (SHARED, OWN):
            raise FormatError(f"INDEX: kind of index {kind}; 0 or 1 are expected")
        if header.items > reader.remaining:
            raise Truncated(
                f"INDEX: {header.items:,} items do not fit in {reader.remaining:,} bytes"
            )
        sizes = [reader.varint(f"bytes of item {i}") for i in range(header.items)]
        shapes = _read_shapes(reader, header, limits) if kind == OWN else None
        reader.expect_end()
        payload = entries[SectionKind.PAYLOAD]
        if sum(sizes) != payload.length:
            raise FormatError(
                f"INDEX: items of {sum(sizes):,} bytes in a PAYLOAD of {payload.length:,}"
            )
        return cls(header, data, _offsets(sizes, payload), shapes, limits)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def item(self, index: int) -> Stream:
        """Item ``index`` (0 is the first) as a stream of its own.

        Raises:
            InputError: there is no such item.
        """
        if not 0 <= index < len(self):
            raise InputError(f"archive: no item {index}; it has items 0..{len(self) - 1}")
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
