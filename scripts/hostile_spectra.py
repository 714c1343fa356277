"""Streams of ``walloc-stereo`` that a decoder must refuse; ``golden.py`` writes them."""

from __future__ import annotations

from dataclasses import replace

from golden_sounds import recording, waves
from hostile import Hostile, varint
from hostile_sounds import checked
from nacre.registry import codec_class, load_codec
from nacre.stream import AudioShape, Reader, Section, SectionKind, Stream


def hostile_spectra() -> list[Hostile]:
    """All of them."""
    settings = codec_class("walloc-stereo").settings(quality=50.0)
    good = load_codec("walloc-stereo").encode(recording(waves(3000)), settings)
    reader = Reader(good.payload)
    head = [reader.varint("field") for _ in range(6)]
    segment = bytes(good.payload[reader.position + 4 :])
    assert len(segment) == head[5]
    spectrum = Reader(segment[6:])
    spectrum.take(spectrum.varint("length"), "spectrum")
    noise = bytes(spectrum.rest())

    def table(*fields: int, body: bytes = segment) -> bytes:
        fields = (*fields, *head[len(fields) : 5], len(body))
        return checked(b"".join(map(varint, fields))) + body

    def framed(body: bytes) -> bytes:
        return table(body=checked(body)[-4:] + body)

    step = segment[4:6]
    rows = [
        ("empty", "an empty payload", "Truncated", b""),
        ("ratio", "a ratio of 0", "FormatError", table(0)),
        ("ratio-high", "a ratio of 900", "FormatError", table(900)),
        ("ratio-common", "a ratio of 2 to 2", "FormatError", table(2, 2)),
        ("latents", "a million latents", "FormatError", table(1, 1, 32, 1_000_000)),
        ("count", "two segments for one", "FormatError", table(1, 1, 32, 0, 2)),
        ("table", "a table that was changed", "ChecksumMismatch",
         good.payload[:2] + b"\x00" + good.payload[3:]),
        ("end", "bytes behind the segments", "FormatError", good.payload + b"more"),
        ("segment", "a segment that was changed", "ChecksumMismatch",
         good.payload[:-9] + bytes([good.payload[-9] ^ 1]) + good.payload[-8:]),
        ("segment-empty", "a segment of no bytes", "Truncated", table(body=b"")),
        ("step", "step code 1024", "FormatError", framed(b"\x00\x04" + segment[6:])),
        ("cut", "a spectrum of 4 bytes", "FormatError",
         framed(step + varint(4) + segment[7:11] + noise)),
        ("spare", "a spectrum of no bytes and noise of many", "FormatError",
         framed(step + varint(0) + segment[7:])),
        ("length", "a spectrum of 2^40 bytes", "Truncated",
         framed(step + varint(1 << 40) + segment[7:])),
    ]  # fmt: skip
    streams = [
        Hostile(f"walloc-{name}", what, error, _stream(good, body))
        for name, what, error, body in rows
    ]
    long = AudioShape(1 << 28, 1, 44100)
    many = _stream(good, table(1, 1, 32, 0, 607), long)
    return [
        *streams,
        Hostile("walloc-many", "607 segments in a few bytes", "Truncated", many),
    ]


def _stream(good: Stream, payload: bytes, shape: AudioShape | None = None) -> bytes:
    section = Section(SectionKind.PAYLOAD, payload)
    return replace(good, shape=shape or good.shape, sections=(section,)).to_bytes()
