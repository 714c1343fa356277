"""WAV, RF64 and W64 files: where the samples lie, and the metadata in the chunks around them.

Sources: Microsoft's "Multiple channel audio data and WAVE files"; the RIFF specification of 1991
(INFO, cue, adtl); EBU Tech 3306 (RF64); Sony's "Sony Pictures Digital Wave 64".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from nacre.errors import FormatError, InputError
from nacre.media.audio_id3 import read_id3
from nacre.media.audio_metadata import Found
from nacre.media.audio_pcm import RawFormat
from nacre.media.metadata import MAX_CONTENT

MAX_CHUNKS = 10_000
"""Chunks of one file that are looked at."""

W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
W64_SUFFIX = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
"""Behind ``wave``, ``fmt ``, ``data`` and so on, what makes a GUID of W64."""

GUID_SUFFIX = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
AMBISONIC_SUFFIX = b"\x00\x00\x21\x07\xd3\x11\x86\x44\xc8\xc1\xca\x00\x00\x00"
"""Behind the format tag, what makes the GUID of an extensible format."""

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE

INFO_KEYS = {
    "INAM": "TITLE", "IART": "ARTIST", "IPRD": "ALBUM", "ICRD": "DATE", "ICMT": "COMMENT",
    "IGNR": "GENRE", "ITRK": "TRACKNUMBER", "ICOP": "COPYRIGHT", "ISFT": "ENCODER",
    "IENG": "ENGINEER", "ITCH": "ENCODEDBY", "IMUS": "COMPOSER", "IWRI": "LYRICIST",
    "IPUB": "ORGANIZATION", "ILNG": "LANGUAGE", "IMED": "MEDIA", "ISBJ": "SUBJECT",
    "IKEY": "KEYWORDS", "ISRC": "SOURCE",
}  # fmt: skip
"""Vorbis's name of an INFO chunk; one that is not here keeps its own."""

_PLAIN = {b"fmt ", b"data", b"fact", b"ds64", b"JUNK", b"junk", b"PAD ", b"PEAK", b"FLLR", b"fake"}
"""Chunks that hold nothing to carry: room, or what follows from the samples."""


@dataclass(frozen=True)
class Pcm:
    """Where plain samples lie: so many frames of ``form`` from byte ``start`` on."""

    form: RawFormat
    start: int
    samples: int


@dataclass(frozen=True)
class Chunk:
    """A piece of a file: its name, and the first byte and length of what it holds."""

    name: bytes
    start: int
    size: int


def read_riff(file: BinaryIO, size: int, name: str, found: Found) -> Pcm | None:
    """Where the samples of a WAV, RF64 or W64 file lie; its metadata goes to ``found``.

    A length that cannot be true (0, 2^32 - 1, or beyond the end of the file: what programs write
    that write to pipes) is not obeyed; the samples reach to the end of the file.

    Args:
        file: seekable.
        size: of the file in bytes.
        name: how messages call it.
        found: gets metadata and notes.

    Returns:
        None: the samples are compressed.

    Raises:
        InputError: there are no samples, or they are of a kind that cannot be kept.
    """
    file.seek(0)
    head = file.read(40)
    chunks: dict[bytes, Chunk] = {}
    for chunk in _chunks(file, head):
        if chunk.name in (b"fmt ", b"data") and chunk.name in chunks:
            continue
        if chunk.name == b"data":
            chunk = _true_length(chunk, size, _declared_size(file, head, chunks), found)
        chunks[chunk.name] = chunk
        _read_metadata(file, chunk, found)
        if chunk.name == b"data" and chunk.start + chunk.size >= size:
            break
    if b"fmt " not in chunks or b"data" not in chunks:
        missing = "fmt" if b"fmt " not in chunks else "data"
        raise InputError(f"{name}: a WAV file without its {missing} chunk; it is cut short")
    form = _read_format(_body(file, chunks[b"fmt "]), name, found)
    if form is None:
        return None
    data = chunks[b"data"]
    samples, rest = divmod(data.size, form.frame_bytes)
    if rest:
        found.notes.append(f"the last {rest} bytes of samples are no whole frame and are left out")
    return Pcm(form, data.start, samples)


def _chunks(file: BinaryIO, head: bytes) -> Iterator[Chunk]:
    """All chunks, sizes as they are declared; a data chunk of RF64 takes its size from ds64."""
    wide = head[:16] == W64_RIFF
    place, long_size = 40 if wide else 12, 0xFFFFFFFF
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        start = file.read(24 if wide else 8)
        if len(start) < (24 if wide else 8):
            return
        if wide:
            (declared,) = struct.unpack("<Q", start[16:])
            name = start[:4] if start[4:].startswith(W64_SUFFIX) else b"?" + start[1:4]
            chunk = Chunk(name, place + 24, max(declared - 24, 0))
            place += 24 + (chunk.size + 7 & ~7)
        else:
            (declared,) = struct.unpack("<I", start[4:])
            if start[:4] == b"data" and declared == 0xFFFFFFFF:
                declared = long_size
            chunk = Chunk(start[:4], place + 8, declared)
            place += 8 + chunk.size + chunk.size % 2
        if chunk.name == b"ds64" and chunk.size >= 16:
            long_size = int.from_bytes(file.read(16)[8:], "little")
        yield chunk
        if place >= 1 << 63:
            return


def _true_length(chunk: Chunk, size: int, declared_size: int, found: Found) -> Chunk:
    """The data chunk with a length that a file of ``size`` bytes can hold."""
    left = max(size - chunk.start, 0)
    if 0 < chunk.size <= left or (chunk.size == 0 and abs(declared_size - size) <= 1):
        return chunk
    if left:
        found.notes.append(
            f"the header promises {chunk.size:,} bytes of samples; all {left:,} to the end of the "
            "file are taken"
        )
    elif chunk.size:
        found.notes.append(f"the header promises {chunk.size:,} bytes of samples, there are none")
    return Chunk(chunk.name, chunk.start, left)


def _declared_size(file: BinaryIO, head: bytes, chunks: dict[bytes, Chunk]) -> int:
    """Bytes of the whole file as its header has it."""
    if head[:16] == W64_RIFF:
        return int.from_bytes(head[16:24], "little")
    if b"ds64" in chunks:
        return 8 + int.from_bytes(_body(file, chunks[b"ds64"])[:8], "little")
    return 8 + int.from_bytes(head[4:8], "little")


def _body(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.start)
    return file.read(min(chunk.size, MAX_CONTENT))


def _read_format(body: bytes, name: str, found: Found) -> RawFormat | None:
    """The format of plain samples; None: they are compressed."""
    if len(body) < 16:
        raise InputError(f"{name}: the fmt chunk has {len(body)} bytes, at least 16 are expected")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    valid = bits
    if tag == EXTENSIBLE:
        if len(body) < 40:
            raise InputError(f"{name}: an extensible fmt chunk of {len(body)} bytes, not 40")
        valid, mask, tag = struct.unpack_from("<HIH", body, 18)
        found.channel_mask = mask
        if body[26:40] not in (GUID_SUFFIX, AMBISONIC_SUFFIX):
            return None
    if tag not in (PCM, FLOAT):
        return None
    if tag == FLOAT and bits != 32:
        raise InputError(
            f"{name}: samples are floats of {bits} bits, 32 can be kept; convert the file first"
        )
    # Samples fill whole bytes from the top; where the field lies, the length of a frame tells.
    depth = bits + 7 & ~7
    if channels and frame_bytes % channels == 0 and 1 <= frame_bytes // channels <= 4:
        depth = max(depth, 8 * (frame_bytes // channels))
    try:
        form = RawFormat(
            rate, channels, depth,
            "float" if tag == FLOAT else "unsigned" if depth == 8 else "signed",
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if 0 < valid < depth:
        found.notes.append(f"samples of {valid} bits are kept in {depth}")
    return form


def _read_metadata(file: BinaryIO, chunk: Chunk, found: Found) -> None:
    parsers = {
        b"cue ": ("the list of cue points", read_cues),
        b"id3 ": ("an ID3 tag", _read_id3),
        b"ID3 ": ("an ID3 tag", _read_id3),
        b"LIST": ("a list of texts", read_list),
    }
    if chunk.name in parsers:
        what, parse = parsers[chunk.name]
        if chunk.size > MAX_CONTENT:
            found.notes.append(f"{what} of {chunk.size:,} bytes is left out")
        else:
            found.take(what, parse, _body(file, chunk))
    elif chunk.name not in _PLAIN:
        found.notes.append(f"the chunk {_printable(chunk.name)} is left out")


def _printable(name: bytes) -> str:
    return repr(name.decode("latin-1").rstrip())


def _read_id3(body: bytes, found: Found) -> None:
    """An ID3 tag says more than INFO does: its tags come first, and count."""
    before, found.tags = found.tags, []
    try:
        read_id3(body, found)
    finally:
        found.add_missing(before)


def read_list(body: bytes, found: Found) -> None:
    """Add what a LIST chunk says: texts of INFO, or labels of cue points.

    Raises:
        FormatError: it ends early; what came before was added.
    """
    kind, place = body[:4], 4
    tags = []
    try:
        while place + 8 <= len(body):
            name, size = body[place : place + 4], struct.unpack_from("<I", body, place + 4)[0]
            if place + 8 + size > len(body):
                raise FormatError("a list of texts ends early")
            content = body[place + 8 : place + 8 + size]
            place += 8 + size + size % 2
            if kind == b"INFO":
                key = name.decode("latin-1")
                tags.append((INFO_KEYS.get(key.upper(), key), text_of(content)))
            elif kind == b"adtl" and name == b"labl":
                found.labels[struct.unpack_from("<I", content)[0]] = text_of(content[4:])
    finally:
        found.add_missing(tags)


def text_of(content: bytes) -> str:
    """A text that ends with a zero or not, in UTF-8 or else Windows's Western letters."""
    raw = content.split(b"\0")[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def read_cues(body: bytes, found: Found) -> None:
    """Add the cue points of a ``cue`` chunk.

    Raises:
        FormatError: it ends early; what came before was added.
    """
    (count,) = struct.unpack_from("<I", body)
    for entry in range(count):
        if 4 + 24 * (entry + 1) > len(body):
            raise FormatError(f"{count:,} cue points in {len(body):,} bytes")
        number, *_, sample = struct.unpack_from("<IIIIII", body, 4 + 24 * entry)
        found.marks.append((number, sample))
