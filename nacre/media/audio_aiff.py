"""AIFF and AIFF-C files: where the samples lie, the metadata around them, and writing both.

Source: Apple's "Audio Interchange File Format" 1.3 (1989) and "AIFF-C" (1991).
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO, Literal

from nacre.errors import FormatError, InputError
from nacre.media.audio_id3 import read_id3, write_id3
from nacre.media.audio_metadata import AudioMetadata, Cue, Found, Tag
from nacre.media.audio_pcm import RawFormat
from nacre.media.audio_riff import MAX_CHUNKS, Pcm, text_of
from nacre.media.metadata import MAX_CONTENT
from nacre.stream import AudioShape

_TEXTS = {b"NAME": "TITLE", b"AUTH": "ARTIST", b"(c) ": "COPYRIGHT", b"ANNO": "COMMENT"}
_PLAIN = {b"COMM", b"SSND", b"FVER", b"PEAK", b"FLLR", b"JUNK"}

_Kind = tuple[Literal["signed", "unsigned", "float"], Literal["little", "big"]]
_KINDS: dict[bytes, _Kind] = {
    b"NONE": ("signed", "big"), b"twos": ("signed", "big"), b"sowt": ("signed", "little"),
    b"in24": ("signed", "big"), b"in32": ("signed", "big"), b"raw ": ("unsigned", "big"),
    b"fl32": ("float", "big"), b"FL32": ("float", "big"),
}  # fmt: skip
"""Ways of plain samples; all others are compressed."""

_VERSION = 0xA2805140
"""The date that an FVER chunk of AIFF-C must say."""


def read_aiff(file: BinaryIO, size: int, name: str, found: Found) -> Pcm | None:
    """Where the samples of an AIFF file lie; its metadata goes to ``found``.

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
    file.seek(8)
    compressible, place = file.read(4) == b"AIFC", 12
    common, data = b"", None
    texts: list[Tag] = []
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = head[:4], int.from_bytes(head[4:], "big")
        if kind == b"COMM":
            common = file.read(min(length, 300))
        elif kind == b"SSND" and data is None:
            offset = int.from_bytes(file.read(8)[:4], "big")
            data = (place + 16 + offset, length - 8 - offset)
        elif kind in _TEXTS and length <= MAX_CONTENT:
            texts.append((_TEXTS[kind], text_of(file.read(length))))
        elif length > MAX_CONTENT:
            found.notes.append(f"the chunk {kind.decode('latin-1').rstrip()!r} is left out")
        else:
            _read_metadata(kind, file.read(length), found)
        place += 8 + length + length % 2
    found.add_missing(texts)
    if len(common) < (22 if compressible else 18):
        raise InputError(f"{name}: an AIFF file without a whole COMM chunk")
    form, samples = _read_common(common, compressible, name, found)
    if form is None:
        return None
    if data is None and samples:
        raise InputError(f"{name}: an AIFF file without its SSND chunk; it is cut short")
    start, length = data if data is not None else (size, 0)
    left = max(size - start, 0)
    if length > left:
        found.notes.append(
            f"the header promises {length:,} bytes of samples; all {left:,} to the end of the file "
            "are taken"
        )
        left = min(left, (samples or left) * form.frame_bytes)
    elif samples * form.frame_bytes > length:
        raise InputError(f"{name}: {samples:,} samples are declared, but {length:,} bytes of them")
    else:
        left = samples * form.frame_bytes
    return Pcm(form, start, left // form.frame_bytes)


def _read_common(
    body: bytes, compressible: bool, name: str, found: Found
) -> tuple[RawFormat | None, int]:
    """The format of plain samples (None: compressed), and the number of frames."""
    channels, samples, bits = struct.unpack_from(">hIh", body)
    way = body[18:22] if compressible else b"NONE"
    if way.lower() == b"fl64":
        raise InputError(f"{name}: samples are floats of 64 bits, 32 can be kept; convert it first")
    if way not in _KINDS:
        return None, samples
    rate = _extended(body[8:18])
    if rate != int(rate):
        found.notes.append(f"a sample rate of {rate} Hz was rounded to {round(rate)}")
    kind, endian = _KINDS[way]
    depth = 32 if kind == "float" else bits + 7 & ~7
    try:
        form = RawFormat(round(rate), channels, depth, kind, endian)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if kind != "float" and bits < depth:
        found.notes.append(f"samples of {bits} bits are kept in {depth}")
    return form, samples


def _extended(octets: bytes) -> float:
    """An 80-bit float as far as rates need it; 0 for what is none."""
    exponent, mantissa = struct.unpack(">HQ", octets)
    if exponent >= 0x4000 + 64:
        return 0.0
    return math.ldexp(mantissa, exponent - 16383 - 63)


def _read_metadata(kind: bytes, body: bytes, found: Found) -> None:
    if kind == b"MARK":
        found.take("the list of markers", _read_marks, body)
    elif kind in (b"ID3 ", b"id3 "):
        found.take("an ID3 tag", read_id3, body)
    elif kind not in _PLAIN:
        found.notes.append(f"the chunk {kind.decode('latin-1').rstrip()!r} is left out")


def _read_marks(body: bytes, found: Found) -> None:
    (count,), place = struct.unpack_from(">H", body), 2
    for _ in range(count):
        number, sample, length = struct.unpack_from(">HIB", body, place)
        if place + 7 + length > len(body):
            raise FormatError("the list of markers ends early")
        found.marks.append((number, sample))
        found.labels[number] = text_of(body[place + 7 : place + 7 + length])
        place += 7 + length + (length + 1) % 2


def aiff_parts(shape: AudioShape, metadata: AudioMetadata) -> tuple[bytes, bytes, list[str]]:
    """What stands before and after the samples of an AIFF file, and notes on what it lacks.

    Integers make an AIFF file, floats an AIFF-C one; samples are big-endian and signed.

    Raises:
        InputError: more than 4 GiB.
    """
    notes = []
    if metadata.channel_mask is not None:
        notes.append("AIFF files do not hold a channel mask")
    tail = _texts(metadata)
    cues = [cue for cue in metadata.cues if cue[0] < 1 << 32][:65535]
    if len(cues) < len(metadata.cues):
        notes.append(f"AIFF files hold {len(cues)} of the {len(metadata.cues)} cue points")
    if cues:
        tail += _chunk(b"MARK", struct.pack(">H", len(cues)) + _marks(cues))
    data_bytes = shape.samples * shape.channels * shape.depth // 8
    common = struct.pack(">hIh", shape.channels, shape.samples & 0xFFFFFFFF, shape.depth)
    common += _pack_extended(shape.sample_rate_hz)
    body = b"AIFF"
    if shape.floating:
        body = b"AIFC" + _chunk(b"FVER", struct.pack(">I", _VERSION))
        common += b"fl32\x0bIEEE 32-bit"
    body += _chunk(b"COMM", common)
    body += b"SSND" + struct.pack(">I", data_bytes + 8 & 0xFFFFFFFF) + bytes(8)
    tail = bytes(data_bytes % 2) + tail
    size = len(body) + data_bytes + len(tail)
    if size >= 1 << 32:
        raise InputError("an AIFF file holds at most 4 GiB; use .wav, .w64 or .flac")
    return b"FORM" + struct.pack(">I", size) + body, tail, notes


def _marks(cues: list[Cue]) -> bytes:
    out = b""
    for number, (sample, label) in enumerate(cues, 1):
        text = label.encode("utf-8", "replace")[:255]
        out += struct.pack(">HIB", number, sample, len(text)) + text + bytes((len(text) + 1) % 2)
    return out


def _texts(metadata: AudioMetadata) -> bytes:
    """Chunks of texts, and an ID3 tag where these do not say everything."""
    names = {key: kind for kind, key in _TEXTS.items()}
    keys = [key.upper() for key, _ in metadata.tags]
    out = b""
    for key, (_, value) in zip(keys, metadata.tags, strict=True):
        if key in names and (key == "COMMENT" or keys.count(key) == 1):
            out += _chunk(names[key], value.encode("utf-8", "replace"))
    plain = all(
        key in names and value.isascii() and (key == "COMMENT" or keys.count(key) == 1)
        for key, (_, value) in zip(keys, metadata.tags, strict=True)
    )
    if not plain or metadata.pictures:
        out += _chunk(b"ID3 ", write_id3(metadata))
    return out


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body)) + body + bytes(len(body) % 2)


def _pack_extended(rate: int) -> bytes:
    """A whole number below 2^64 as an 80-bit float."""
    bits = rate.bit_length()
    return struct.pack(">HQ", 16383 + bits - 1, rate << (64 - bits))
