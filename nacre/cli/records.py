"""What ``nacre encode`` and ``nacre decode`` say of a file: for ``--json``, and for people."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Encoded:
    """The ``--json`` record of one file.

    Attributes:
        medium: such as ``image``.
        shape: its size in the words of docs/format.md, such as ``width`` and ``height``.
        items: of a set of pictures; None for one picture.
        bpp, bpv, kbps: bits of the file per pixel or vertex, thousands a second of sound.
        seconds: for encoding alone, without reading, checking and writing; the first file of a
            process also waits for torch and the model.
        psnr_db: with ``--verify``.
    """

    input: str
    output: str
    ok: bool
    codec: str | None
    model: str | None
    medium: str
    shape: dict[str, int | bool]
    items: int | None
    input_bytes: int
    bytes: int
    bpp: float | None
    bpv: float | None
    kbps: float | None
    seconds: float
    psnr_db: float | None


@dataclass(frozen=True)
class Decoded:
    """The ``--json`` record of one file; ``items`` are those of an archive, of whose pictures
    ``shape`` is, and ``bytes`` are those of their samples.

    ``seconds`` are for decoding; the first file of a process also waits for torch and the model.
    ``damaged`` are stretches of sound that are silence with ``--allow-partial``, in seconds.
    """

    input: str
    output: str
    ok: bool
    codec: str | None
    medium: str
    shape: dict[str, int | bool]
    items: int | None
    input_bytes: int
    bytes: int
    seconds: float
    damaged: tuple[tuple[float, float], ...] = ()


def encoded_line(record: Encoded) -> str:
    """What was done, for people."""
    measured = ""
    if record.psnr_db is not None:
        measured = ", exact" if math.isinf(record.psnr_db) else f", {record.psnr_db:.2f} dB"
    rate = "" if record.bpp is None else f", {record.bpp:.3f} bpp"
    if record.bpv is not None:
        rate = f", {record.bpv:.2f} bits a vertex"
    if record.kbps is not None:
        rate = f", {record.kbps:.1f} kbit/s"
    size = size_of(record.shape, record.items)
    return (
        f"{record.input} -> {record.output}: {record.codec}, {size}, "
        f"{record.bytes:,} bytes{rate}{measured}, {record.seconds:.2f} s"
    )


def decoded_line(record: Decoded) -> str:
    """What was done, for people."""
    return (
        f"{record.input} -> {record.output}: {record.codec}, {size_of(record.shape)}, "
        f"{record.bytes:,} bytes, {record.seconds:.2f} s"
    )


def shape_of(shape: Any) -> dict[str, int | bool]:
    """A size in the words of docs/format.md."""
    return {field.name: getattr(shape, field.name) for field in dataclasses.fields(shape)}


def size_of(shape: Mapping[str, int | bool], items: int | None = None) -> str:
    """A size for people: ``64 x 48``, ``1,024 of 28 x 28``, ``8 vertices, 12 faces``.

    >>> size_of({"samples": 88200, "channels": 2, "sample_rate_hz": 44100, "depth": 16})
    '2.00 s, 2 channels, 44,100 Hz, 16 bits'
    """
    if "sample_rate_hz" in shape:
        seconds = shape["samples"] / shape["sample_rate_hz"]
        channels = f"{shape['channels']} channel{'s' if shape['channels'] > 1 else ''}"
        return (
            f"{seconds:,.2f} s, {channels}, {shape['sample_rate_hz']:,} Hz, {shape['depth']} bits"
        )
    if "width" in shape:
        count = "" if items is None else f"{items:,} of "
        return f"{count}{shape['width']} x {shape['height']}"
    return ", ".join(f"{value:,} {name}" for name, value in shape.items())
