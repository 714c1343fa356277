"""Ogg files: whether they are whole, their comments, and splicing others in.

Sources: RFC 3533 (pages), RFC 7845 (Opus), the Vorbis I specification (packets).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from nacre.errors import FormatError, InputError
from nacre.media.audio_comments import read_comments, tags_with_pictures, write_comments
from nacre.media.audio_metadata import AudioMetadata, Found
from nacre.media.metadata import MAX_CONTENT

CONTINUED, FIRST, LAST = 1, 2, 4
"""Bits of a page's flags."""

_HEAD = struct.Struct("<4sBBqIIIB")

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


class Page:
    """One page: flags, position, serial number, lengths of its segments, and its body."""

    __slots__ = ("body", "flags", "position", "segments", "serial")

    def __init__(
        self, flags: int, position: int, serial: int, segments: bytes, body: bytes
    ) -> None:
        self.flags, self.position, self.serial = flags, position, serial
        self.segments, self.body = segments, body

    def to_bytes(self, sequence: int) -> bytes:
        """The page with a sequence number and its checksum."""
        head = _HEAD.pack(
            b"OggS", 0, self.flags, self.position, self.serial, sequence & 0xFFFFFFFF, 0,
            len(self.segments),
        )  # fmt: skip
        page = bytearray(head + self.segments + self.body)
        page[22:26] = checksum(page).to_bytes(4, "little")
        return bytes(page)


def checksum(data: bytes | bytearray) -> int:
    """Ogg's CRC-32 (polynomial 0x04C11DB7, most significant bit first, from 0).

    zlib's is the same with all bits in reverse order and other constants at both ends.
    """
    mirrored = zlib.crc32(bytes(data).translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def pages(file: BinaryIO, *, bodies: bool) -> Iterator[Page]:
    """All pages from the beginning of ``file`` on; without ``bodies``, these stay empty.

    Raises:
        FormatError: the last page is cut short, or other data stands where a page should.
    """
    place = 0
    size = file.seek(0, 2)
    while place < size:
        file.seek(place)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise FormatError("it ends within a page")
        magic, _, flags, position, serial, _, _, count = _HEAD.unpack(head)
        if magic != b"OggS":
            raise FormatError(f"no page begins at byte {place:,}")
        segments = file.read(count)
        length = sum(segments)
        place += _HEAD.size + count + length
        if place > size or len(segments) < count:
            raise FormatError("it ends within a page")
        yield Page(flags, position, serial, segments, file.read(length) if bodies else b"")


def _packets(file: BinaryIO) -> Iterator[bytes]:
    """The packets of the first stream in ``file``, up to the first that is too long to keep."""
    serial, packet = None, bytearray()
    for page in pages(file, bodies=True):
        serial = page.serial if serial is None else serial
        if page.serial != serial:
            continue
        place = 0
        for segment in page.segments:
            packet += page.body[place : place + segment]
            place += segment
            if segment < 255:
                yield bytes(packet)
                packet.clear()
        if len(packet) > MAX_CONTENT:
            return


def read_ogg(file: BinaryIO, name: str, found: Found) -> int:
    """Read the comments into ``found``, and see that the file is whole.

    Returns:
        The last position: samples of one channel (with Opus: at 48 kHz, pre-skip included).

    Raises:
        InputError: it is cut short or damaged.
    """
    try:
        packets = _packets(file)
        next(packets, b"")
        comments = next(packets, b"")
        ended, position = False, 0
        for page in pages(file, bodies=False):
            ended = bool(page.flags & LAST)
            position = max(position, page.position)
    except FormatError as error:
        raise InputError(f"{name}: an Ogg file that is cut short or damaged: {error}") from None
    if not ended:
        found.notes.append("the last page is not marked as such; the end may be missing")
    for start in (b"\3vorbis", b"OpusTags"):
        if comments.startswith(start):
            found.take("the block of comments", read_comments, comments[len(start) :])
    return position


def splice(
    coded: BinaryIO, target: BinaryIO, metadata: AudioMetadata, *, length: int | None = None
) -> None:
    """Copy an Ogg file of Vorbis or Opus with ``metadata`` instead of its comments.

    Args:
        coded: the file.
        target: gets the copy.
        metadata: tags, pictures and channel mask.
        length: of an Opus file, samples at 48 kHz after which it is to end; None: as it does.

    Raises:
        FormatError: ``coded`` is no such file.
    """
    source = pages(coded, bodies=True)
    first = next(source)
    vorbis = first.body.startswith(b"\1vorbis")
    headers, sequence = _header_packets(source, 2 if vorbis else 1), 0
    comments = write_comments(tags_with_pictures(metadata))
    headers[0] = b"\3vorbis" + comments + b"\1" if vorbis else b"OpusTags" + comments
    target.write(first.to_bytes(sequence))
    for page in _paged(headers, first.serial):
        sequence += 1
        target.write(page.to_bytes(sequence))
    skipped = int.from_bytes(first.body[10:12], "little")
    for page in source:
        sequence += 1
        if length is not None and page.position >= skipped + length:
            page.position, page.flags = skipped + length, page.flags | LAST
            target.write(page.to_bytes(sequence))
            return
        target.write(page.to_bytes(sequence))


def _header_packets(source: Iterator[Page], count: int) -> list[bytes]:
    """The next ``count`` packets; samples begin on a page of their own."""
    packets: list[bytes] = []
    packet = b""
    while len(packets) < count:
        page = next(source)
        place = 0
        for segment in page.segments:
            packet += page.body[place : place + segment]
            place += segment
            if segment < 255:
                packets.append(packet)
                packet = b""
    return packets


def _paged(packets: list[bytes], serial: int) -> Iterator[Page]:
    """Pages that hold ``packets``, none of which ends a page with samples."""
    body = b"".join(packets)
    lengths: list[int] = []
    ends: list[int] = []
    for packet in packets:
        lengths += [255] * (len(packet) // 255) + [len(packet) % 255]
        ends.append(len(lengths))
    place = 0
    for first in range(0, len(lengths), 255):
        segments = bytes(lengths[first : first + 255])
        continued = first > 0 and first not in ends
        finishes = any(first < end <= first + 255 for end in ends)
        piece = body[place : place + sum(segments)]
        place += len(piece)
        yield Page(CONTINUED if continued else 0, 0 if finishes else -1, serial, segments, piece)
