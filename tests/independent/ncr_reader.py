"""A second reader of .ncr files that hold pictures, written from docs/format.md alone.

It is short rather than fast, and imports nothing of nacre: test_independent.py compares the two.
"""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAYLOAD, INDEX, ICC, EXIF, XMP, TAGS, ALPHA, MODEL = range(8)
METADATA = (ICC, EXIF, XMP, TAGS)
MOST_PIXELS = 2**28
MOST_METADATA_BYTES = 2**26


class RefusedError(ValueError):
    """The documents do not permit these bytes, or this reader does not know what they hold."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise RefusedError(message)


class Cursor:
    """Reads fields one after the other and never past the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        require(count <= len(self.data) - self.place, "truncated")
        self.place += count
        return self.data[self.place - count : self.place]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value = 0
        for position in range(10):
            byte = self.byte()
            value |= (byte & 127) << 7 * position
            if byte < 128:
                require(byte > 0 or position == 0, "varint longer than need be")
                require(value < 2**64, "varint of 2^64 or more")
                return value
        raise RefusedError("varint of more than 10 bytes")

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.place)

    def expect_end(self) -> None:
        require(self.place == len(self.data), "superfluous bytes")


@dataclass(frozen=True)
class Stream:
    """One picture, or an archive of ``items``; ``sections`` are the known ones, by kind."""

    codec: int
    model: bytes | None
    width: int
    height: int
    channels: int
    depth: int
    items: int | None
    sections: dict[int, bytes]


def read(data: bytes) -> Stream:
    """A whole file: header and all sections, every checksum verified."""
    cursor = Cursor(data)
    require(cursor.take(4) == b"\x81N\r\n", "signature or version")
    codec, layout = cursor.varint(), cursor.byte()
    sample_format = layout & 31
    require(sample_format <= 8, "not a picture of 1, 8 or 16 bits")
    model = cursor.take(3) if layout & 32 else None
    width, height = cursor.varint(), cursor.varint()
    items = cursor.varint() if layout & 128 else None
    count = cursor.varint() if layout & 64 else None
    require(count is None or 2 <= count <= 64, "number of sections")
    table = [
        (cursor.varint() if layout & 64 else 2 * PAYLOAD, cursor.varint())
        for _ in range(count or 1)
    ]
    header = data[: cursor.place]
    require(cursor.take(4) == checksum(header), "header_crc")
    require(codec < 2**32 and (items or 0) < 2**32, "field out of range")
    require(1 <= width <= 2**31 and 1 <= height <= 2**31, "width or height")
    check_kinds([code for code, _ in table], archive=items is not None)
    require(width * height <= MOST_PIXELS, "too large for this reader")
    expected = cursor.place + sum(length + 4 for _, length in table)
    require(len(data) == expected, "length of the file")
    sections = {}
    for code, length in table:
        body = cursor.take(length)
        require(cursor.take(4) == checksum(body), f"checksum of section {code >> 1}")
        if code >> 1 <= MODEL:
            sections[code >> 1] = body
    channels, depth = sample_format % 4 + 1, (8, 16, 1)[sample_format // 4]
    return Stream(codec, model, width, height, channels, depth, items, sections)


def checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def check_kinds(codes: list[int], *, archive: bool) -> None:
    """Refuse a table of sections that the format does not permit."""
    kinds = [code >> 1 for code in codes]
    require(len(set(kinds)) == len(kinds), "a kind of section twice")
    require(PAYLOAD in kinds, "no PAYLOAD")
    require((INDEX in kinds) == archive, "INDEX without archive, or archive without INDEX")
    for code in codes:
        kind, ancillary = code >> 1, code & 1
        require(code < 2**32, "section_code")
        require(kind <= MODEL or ancillary == 1, f"critical section of unknown kind {kind}")
        require(kind > MODEL or ancillary == (kind in METADATA), f"ancillary bit of kind {kind}")


def pictures_in(stream: Stream) -> list[Stream]:
    """The items of an archive, each as a stream of its own; otherwise the stream itself."""
    if stream.items is None:
        return [stream]
    index, payload = Cursor(stream.sections[INDEX]), Cursor(stream.sections[PAYLOAD])
    kind = index.byte()
    require(kind in (0, 1), "kind of INDEX")
    lengths = [index.varint() for _ in range(stream.items)]
    sizes = [(stream.width, stream.height)] * stream.items
    if kind == 1:
        sizes = [(index.varint(), index.varint()) for _ in lengths]
    index.expect_end()
    for width, height in sizes:
        require(0 < width <= stream.width and 0 < height <= stream.height, "size of an item")
    bodies = [payload.take(length) for length in lengths]
    payload.expect_end()
    return [
        dataclasses.replace(
            stream, width=width, height=height, items=None, sections={PAYLOAD: body}
        )
        for (width, height), body in zip(sizes, bodies, strict=True)
    ]


def lanes_in(stream: Stream) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Head of an archive in lanes, and of each lane the number of items and the bytes."""
    require(stream.items is not None, "not an archive")
    index, payload = Cursor(stream.sections[INDEX]), Cursor(stream.sections[PAYLOAD])
    require(index.byte() == 3, "kind of INDEX")
    head, each, left = payload.take(index.varint()), index.varint(), stream.items or 0
    require(1 <= each <= max(left, 1), "items in a lane")
    lanes = []
    while left:
        lanes.append((min(each, left), payload.take(index.varint())))
        left -= lanes[-1][0]
    index.expect_end()
    payload.expect_end()
    return head, lanes


def metadata(stream: Stream) -> dict[int, bytes]:
    """The contents of the metadata sections, by kind."""
    contents = {}
    for kind in METADATA:
        if kind in stream.sections:
            cursor = Cursor(stream.sections[kind])
            method = cursor.byte()
            require(method in (0, 1), "method of metadata")
            if method == 0:
                contents[kind] = cursor.rest()
            else:
                length = cursor.varint()
                require(length <= MOST_METADATA_BYTES, "metadata too large")
                contents[kind] = inflate(cursor.rest(), length)
    return contents


def tags(content: bytes) -> list[tuple[str, str]]:
    """The pairs in the content of TAGS."""
    cursor, texts = Cursor(content), []
    while cursor.place < len(content):
        try:
            texts.append(cursor.take(cursor.varint()).decode())
        except UnicodeDecodeError as error:
            raise RefusedError("a tag that is not UTF-8") from error
    require(len(texts) % 2 == 0, "a key without a value")
    return list(zip(texts[::2], texts[1::2], strict=True))


def segments(data: bytes) -> list[bytes]:
    """The segments of a payload, or of what is left of it."""
    cursor = Cursor(data)
    count = cursor.varint()
    require(count <= len(data), "more segments than bytes")
    lengths = [cursor.varint() for _ in range(count)]
    bodies = [cursor.take(length) for length in lengths]
    cursor.expect_end()
    return bodies


def inflate(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes from all of ``data``."""
    worker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = worker.decompress(data, size + 1)
    except zlib.error as error:
        raise RefusedError("deflate") from error
    require(len(content) == size and worker.eof and not worker.unused_data, "deflate")
    return content


def filtered_samples(
    data: bytes, height: int, width: int, channels: int, depth: int
) -> npt.NDArray[np.unsignedinteger]:
    """Samples ``[height, width, channels]`` (uint8 or uint16)."""
    cursor = Cursor(data)
    method, body = cursor.byte(), cursor.rest()
    sample = np.dtype("u1" if depth == 8 else "<u2")
    size = height * width * channels * sample.itemsize
    require(method <= 4, "method of filtered samples")
    if method == 0:
        require(len(body) == size, "number of samples")
        return np.frombuffer(body, sample).reshape(height, width, channels)
    residuals = np.frombuffer(inflate(body, size), np.uint8)
    if depth == 16:
        low_high = residuals.reshape(height, 2, width * channels).astype(sample)
        residuals = low_high[:, 0] + 256 * low_high[:, 1]
    samples = residuals.reshape(height, width, channels)
    if method in (2, 4):
        samples = np.cumsum(samples, axis=1, dtype=sample)
    if method in (3, 4):
        samples = np.cumsum(samples, axis=0, dtype=sample)
    return samples


def stored_picture(stream: Stream) -> npt.NDArray[np.unsignedinteger]:
    """Codec 0: pixels ``[height, width, channels]``."""
    require(stream.codec == 0 and stream.model is None, "not a stream of codec 0")
    return filtered_samples(
        stream.sections[PAYLOAD], stream.height, stream.width, stream.channels, stream.depth
    )
