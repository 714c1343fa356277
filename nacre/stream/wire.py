"""The alphabet of the container: bounded reads, varints, segments, and deflate with a known size.

Everything here is little-endian and refuses what a writer would not have written, so that one
content has one encoding. Codecs use the same pieces for the first bytes of their payloads.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from nacre.errors import FormatError, InputError, Truncated

Bytes = bytes | bytearray | memoryview

MAX_VARINT = (1 << 64) - 1


def write_varint(out: bytearray, value: int) -> None:
    """Append ``value`` (0 <= value < 2^64) as LEB128: 7 bits a byte, lowest first, top bit = more.

    >>> out = bytearray()
    >>> write_varint(out, 300)
    >>> out.hex()
    'ac02'
    """
    if not 0 <= value <= MAX_VARINT:
        raise InputError(f"varint: {value} is outside 0..2^64-1")
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


class Reader:
    """Reads forward through bytes and never past their end.

    Args:
        data: what to read; it is not copied.
        where: how messages call it, such as ``"header"``.
    """

    def __init__(self, data: Bytes, where: str = "data") -> None:
        self._view = memoryview(data).cast("B") if not isinstance(data, bytes) else memoryview(data)
        self._where = where
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes that were not read yet."""
        return len(self._view) - self.position

    def take(self, count: int, what: str) -> memoryview:
        """The next ``count`` bytes, not copied.

        Raises:
            Truncated: fewer are left.
        """
        if count > self.remaining:
            raise Truncated(
                f"{self._where}: {what} at byte {self.position} takes {count:,} bytes, "
                f"{self.remaining:,} are left; the file ends {count - self.remaining:,} bytes early"
            )
        start = self.position
        self.position += count
        return self._view[start : self.position]

    def unsigned(self, size: int, what: str) -> int:
        """An unsigned little-endian integer of ``size`` bytes."""
        return int.from_bytes(self.take(size, what), "little")

    def varint(self, what: str, maximum: int = MAX_VARINT) -> int:
        """A varint as :func:`write_varint` writes it.

        Raises:
            Truncated: the data ends inside it.
            FormatError: it is longer than it need be, or above ``maximum``.
        """
        start, value = self.position, 0
        for shift in range(0, 70, 7):
            byte = self.unsigned(1, what)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift > 0:
                    raise FormatError(
                        f"{self._where}: {what} at byte {start} is a varint with a superfluous byte"
                    )
                break
        else:
            value = MAX_VARINT + 1
        if value > maximum:
            raise FormatError(f"{self._where}: {what} at byte {start} is over {maximum:,}")
        return value

    def rest(self) -> memoryview:
        """All bytes that are left."""
        return self.take(self.remaining, "rest")

    def expect_end(self) -> None:
        """Raise :class:`FormatError` unless everything was read."""
        if self.remaining:
            raise FormatError(
                f"{self._where}: {self.remaining:,} bytes follow the end at byte {self.position:,}"
            )


def pack_segments(segments: Sequence[Bytes]) -> bytes:
    """Many byte strings as one: their number, their lengths (varints), then the bodies.

    Tiles and channel groups lie in a payload this way, so that one is found without the others.

    >>> pack_segments([b"ab", b"", b"c"]).hex()
    '03020001616263'
    """
    out = bytearray()
    write_varint(out, len(segments))
    for segment in segments:
        write_varint(out, len(segment))
    for segment in segments:
        out += segment
    return bytes(out)


def unpack_segments(data: Bytes, *, where: str = "segments") -> list[memoryview]:
    """The byte strings that :func:`pack_segments` joined, as views into ``data``.

    Raises:
        Truncated: the index or a body is cut short.
        FormatError: bytes follow the last body.
    """
    reader = Reader(data, where)
    count = reader.varint("number of segments")
    if count > reader.remaining:
        raise Truncated(
            f"{where}: an index of {count:,} segments does not fit in {reader.remaining:,} bytes"
        )
    lengths = [reader.varint(f"length of segment {i}") for i in range(count)]
    segments = [reader.take(length, f"segment {i}") for i, length in enumerate(lengths)]
    reader.expect_end()
    return segments


def deflate(data: Bytes, *, level: int = 9) -> bytes:
    """``data`` as a raw deflate stream (RFC 1951, no zlib or gzip frame)."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def inflate(data: Bytes, size: int, *, where: str, whole: bool = True) -> bytes:
    """Undo :func:`deflate`, never producing more than ``size`` + 1 bytes.

    Args:
        data: a raw deflate stream.
        size: bytes wanted.
        where: how messages call the data.
        whole: ``data`` must hold exactly ``size`` bytes; else its first ``size`` are returned.

    Raises:
        FormatError: ``data`` is damaged, or holds another number of bytes.
    """
    decompressor = zlib.decompressobj(-15)
    try:
        out = decompressor.decompress(data, size + 1)
    except zlib.error as error:
        raise FormatError(f"{where}: damaged deflate data ({error})") from None
    ended = decompressor.eof and not decompressor.unused_data
    if whole and (len(out) != size or not ended):
        found = f"{len(out):,}" if len(out) <= size else f"over {size:,}"
        raise FormatError(f"{where}: deflate data gives {found} bytes, {size:,} are expected")
    if len(out) < size:
        raise FormatError(f"{where}: deflate data gives {len(out):,} bytes, {size:,} are needed")
    return out[:size]
