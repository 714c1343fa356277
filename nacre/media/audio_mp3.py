"""MP3 files: how many frames there are, and a first frame that says so where none does.

libsndfile guesses the length of a file without a Xing frame from its first bit rate, and gives no
sample beyond its guess. Counting frames is quick, and shows files that are cut short.

Sources: ISO 11172-3, 2.4.2.3 (frame header); Xing's and LAME's documents of their first frame.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from nacre.errors import InputError
from nacre.media.audio_flac import skip_id3
from nacre.media.audio_id3 import read_id3, read_id3v1
from nacre.media.audio_joined import Joined
from nacre.media.audio_metadata import Found
from nacre.media.metadata import MAX_CONTENT

_KILOBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of layer III, by version (2 is 2.5 too)."""

_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By the two bits of the version."""

_SAME = 0xFFFE0C00
"""Bits of a header that are the same in all frames: sync, version, layer, rate."""

RESYNC_BYTES = 1 << 16
"""How far the next frame is looked for where one is damaged."""


@dataclass(frozen=True)
class _Header:
    """A frame header of layer III: the word, bytes of the frame, where Xing's text would lie."""

    word: int
    size: int
    text_at: int


def _header(octets: bytes) -> _Header | None:
    """The header in four bytes; None: it is none of layer III, or its length is not said."""
    if len(octets) < 4:
        return None
    (word,) = struct.unpack(">I", octets)
    version, rate = word >> 19 & 3, word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or word >> 17 & 3 != 1 or rate == 3:
        return None
    index = word >> 12 & 15
    if index in (0, 15):
        return None
    first = version == 3
    bits = 1000 * _KILOBITS[1 if first else 2][index]
    size = (144 if first else 72) * bits // _RATES_HZ[version][rate] + (word >> 9 & 1)
    mono = word >> 6 & 3 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return _Header(word, size, 4 + side)


def read_mp3(file: BinaryIO, size: int, name: str, found: Found) -> Joined | None:
    """Read the tags into ``found``, and see that the file is whole.

    Returns:
        A file to decode instead, which says how long it is; None: this one does, or it is not of
        layer III.

    Raises:
        InputError: there are fewer frames than the first one declares, or none.
    """
    start = _read_tags(file, size, found)
    file.seek(start)
    head = file.read(512).ljust(512, b"\0")
    first = _header(head[:4])
    if first is None:
        return None
    text = head[first.text_at : first.text_at + 4]
    declared = None
    if text in (b"Xing", b"Info"):
        flags, frames = struct.unpack_from(">II", head, first.text_at + 4)
        declared = frames if flags & 1 else None
    silent = declared is None and (text in (b"Xing", b"Info") or head[36:40] == b"VBRI")
    start += first.size if declared is not None or silent else 0
    counted, rest = _count(file, start, first.word & _SAME)
    if declared is not None:
        if counted < declared:
            raise InputError(
                f"{name}: an MP3 file of {counted:,} whole frames, {declared:,} are declared; it "
                "is cut short or damaged"
            )
        return None
    if not counted:
        raise InputError(f"{name}: an MP3 file without a whole frame; it is cut short or damaged")
    if rest:
        found.notes.append("the last frame is not whole and is left out")
    return Joined(_info_frame(first, counted), file, start)


def _read_tags(file: BinaryIO, size: int, found: Found) -> int:
    """Read the tags at both ends; the first byte behind those at the beginning."""
    start = skip_id3(file)
    if start:
        file.seek(0)
        found.take("an ID3 tag", read_id3, file.read(min(start, MAX_CONTENT)))
    if size >= start + 128:
        file.seek(size - 128)
        found.take("an ID3 tag", read_id3v1, file.read(128))
    return start


def _count(file: BinaryIO, place: int, same: int) -> tuple[int, bool]:
    """Whole frames from ``place`` on, and whether one that is not whole ends the file."""
    size, count = file.seek(0, 2), 0
    while True:
        file.seek(place)
        octets = file.read(4)
        header = _header(octets)
        if header is not None and header.word & _SAME == same:
            place += header.size
            if place > size:
                return count, True
            count += 1
            continue
        if len(octets) < 4 or octets[:3] == b"TAG" or octets == b"APET":
            return count, False
        skipped = _next_frame(octets + file.read(RESYNC_BYTES), same)
        if skipped is None:
            return count, False
        place += skipped


def _next_frame(data: bytes, same: int) -> int | None:
    """Bytes up to the next frame in ``data``."""
    place = data.find(b"\xff", 1)
    while place >= 0:
        header = _header(data[place : place + 4])
        if header is not None and header.word & _SAME == same:
            return place
        place = data.find(b"\xff", place + 1)
    return None


def _info_frame(first: _Header, frames: int) -> bytes:
    """A frame without sound that declares ``frames`` others.

    It has the version, rate and channels of ``first``, no checksum, and a bit rate that gives it
    room enough.
    """
    word = first.word & ~0xF200 | 0x10000 | 9 << 12
    header = _header(struct.pack(">I", word))
    if header is None:
        raise InputError("an MP3 file whose first frame cannot be read")
    body = struct.pack(">I", word).ljust(header.text_at, b"\0") + b"Info"
    return (body + struct.pack(">II", 1, frames)).ljust(header.size, b"\0")
