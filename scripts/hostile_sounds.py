"""Streams of sound that a decoder must refuse, made on purpose; ``golden.py`` writes them."""

from __future__ import annotations

import hashlib
import zlib

from golden_sounds import CARRIED, recording, waves
from hostile import Hostile, varint
from nacre.codecs.adaptive_audio import AdaptiveAudio, AdaptiveAudioSettings
from nacre.entropy.audio.frames import CASCADE, RAW, bytes_of, encode_frame
from nacre.entropy.audio.payload import PLANES
from nacre.stream import (
    AudioShape,
    Section,
    SectionKind,
    Stream,
    deflate,
    pack_segments,
)

SAMPLES = waves(40, 2)
GOOD = AdaptiveAudio().encode(recording(SAMPLES), AdaptiveAudioSettings(effort=1))
FRAME = encode_frame(SAMPLES, 16, predictor=CASCADE)
PCM = bytes_of(SAMPLES, 16)
FLOATS = AudioShape(40, 2, 44100, 32, floating=True)
TWO_CONSTANTS = bytes([CASCADE, 1, 8, 1, 8])
"""A frame of two channels that are 4 throughout, but for its messages."""


def checked(data: bytes) -> bytes:
    """``data`` and its CRC-32."""
    return data + zlib.crc32(data).to_bytes(4, "little")


def payload(frames: list[bytes], samples: int = 4096, count: int | None = None) -> bytes:
    """A payload of frames with right checksums, and the MD5 of PCM."""
    table = varint(samples) + varint(len(frames) if count is None else count)
    table += b"".join(varint(len(frame)) for frame in frames)
    body = b"".join(checked(frame) for frame in frames)
    return checked(table) + body + hashlib.md5(PCM, usedforsecurity=False).digest()


def stream(body: bytes, shape: AudioShape | None = None, extra: tuple[Section, ...] = ()) -> bytes:
    """A recording with that payload; the container's checksums are right."""
    sections = (*extra, Section(SectionKind.PAYLOAD, body))
    return Stream(11, None, shape or GOOD.shape, sections).to_bytes()


def framed(frame: bytes, shape: AudioShape | None = None) -> bytes:
    """A recording of that frame."""
    return stream(payload([frame]), shape)


def hostile_sounds() -> list[Hostile]:
    """All of them."""
    good = payload([FRAME])
    assert good[-16:] == GOOD.payload[-16:]
    table = 1 + len(varint(4096)) + len(varint(len(FRAME)))
    wrong_table = bytes([good[0] ^ 1]) + good[1:]
    wrong_frame = good[: table + 6] + bytes([good[table + 6] ^ 1]) + good[table + 7 :]
    none = pack_segments([])
    rows = [
        ("empty", "an empty payload", "Truncated", stream(b"")),
        ("samples", "frames of no samples", "FormatError", stream(payload([FRAME], 0))),
        ("long", "frames of 2^30 samples", "FormatError", stream(payload([FRAME], 1 << 30))),
        ("count", "two frames for one", "FormatError", stream(payload([FRAME, FRAME]))),
        ("many", "2^25 frames in a few bytes", "FormatError",
         stream(payload([], 4096, 1 << 20), AudioShape(1 << 32, 1, 44100))),
        ("limit", "2^48 samples less one", "LimitExceeded",
         stream(good, AudioShape((1 << 48) - 1, 255, 44100))),
        ("table", "a table that was changed", "ChecksumMismatch", stream(wrong_table)),
        ("table-crc", "a wrong CRC-32 of the table", "ChecksumMismatch",
         stream(good[:table] + bytes(4) + good[table + 4 :])),
        ("end", "bytes behind the MD5", "FormatError", stream(good + b"more")),
        ("frame", "a frame that was changed", "ChecksumMismatch", stream(wrong_frame)),
        ("frame-empty", "a frame of no bytes", "Truncated", framed(b"")),
        ("md5", "a wrong MD5", "ChecksumMismatch", stream(good[:-1] + bytes([good[-1] ^ 1]))),
        ("predictor", "predictor 9", "UnsupportedVersion", framed(b"\x09" + FRAME[1:])),
        ("raw", "PCM of a sample too few", "FormatError", framed(bytes([RAW]) + PCM[:-2])),
        ("kind", "a channel of kind 7", "FormatError",
         framed(bytes([CASCADE, 7, 0, 1, 0]) + none)),
        ("copy", "a first channel that equals an earlier one", "FormatError",
         framed(bytes([CASCADE, 2, 0, 1, 0]) + none)),
        ("copy-later", "a channel that equals a later one", "FormatError",
         framed(bytes([CASCADE, 1, 0, 2, 1]) + none)),
        ("zeros", "40 zero bits below each sample", "FormatError",
         framed(bytes([CASCADE, 0, 40, 1, 0]) + pack_segments([b"abcd"]))),
        ("depth", "a constant of 17 bits", "FormatError",
         framed(bytes([CASCADE, 1, 8, 1]) + varint(1 << 17) + none)),
        ("values", "a list of no values", "FormatError",
         framed(bytes([CASCADE, 3, 0, 0]) + none)),
        ("values-many", "a list of 2^20 values", "FormatError",
         framed(bytes([CASCADE, 3, 0]) + varint(1 << 20))),
        ("values-cut", "a list of 9,000 values that ends early", "Truncated",
         framed(bytes([CASCADE, 3, 0]) + varint(9000) + bytes(20))),
        ("messages", "a message of no channel", "FormatError",
         framed(TWO_CONSTANTS + pack_segments([b"abcd"]))),
        ("messages-none", "channels without a message", "FormatError",
         framed(bytes([CASCADE, 0, 0, 0, 0]) + none)),
        ("message", "a message of no bytes", "FormatError",
         framed(bytes([CASCADE, 0, 0, 0, 0]) + pack_segments([b""]))),
        ("message-long", "a message with bytes to spare", "FormatError",
         framed(bytes([CASCADE, 0, 0, 0, 0]) + pack_segments([FRAME[7:] + bytes(64)]))),
        ("exponent", "floats times 2^-41", "FormatError", framed(b"\x29" + FRAME, FLOATS)),
        ("planes", "floats of a byte too few", "FormatError",
         framed(bytes([PLANES]) + deflate(bytes(4 * 80 - 1)), FLOATS)),
        ("planes-bomb", "floats of a megabyte too many", "FormatError",
         framed(bytes([PLANES]) + deflate(bytes(1 << 20)), FLOATS)),
        ("section", "SOUND with a picture of 2^40 bytes", "Truncated",
         stream(good, extra=(Section(SectionKind.SOUND,
                b"\x00\x00\x00\x01\x03\x00\x00" + varint(1 << 40)),))),
        ("section-behind", "bytes behind SOUND", "FormatError",
         stream(good, extra=(behind(),))),
    ]  # fmt: skip
    return [Hostile(f"sound-{name}", what, error, data) for name, what, error, data in rows]


def behind() -> Section:
    """A SOUND section with a byte too many."""
    found = next(each for each in CARRIED.to_sections() if each.kind == SectionKind.SOUND)
    plain = found.data if found.data[0] == 0 else zlib.decompress(found.data[2:], -15)
    return Section(SectionKind.SOUND, plain + b"\x00")
