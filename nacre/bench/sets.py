"""Codecs on a set of small pictures of one size: archives beside what else one could do.

Peers code the same samples: every picture as a PNG of its own, all pictures one below the other as
one tall picture (WebP takes several, for its height is bounded), and the raw bytes through xz.
"""

from __future__ import annotations

import io
import lzma
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image

import nacre
from nacre import registry
from nacre.bench.candidates import split_options
from nacre.errors import InputError
from nacre.media.image_sets import ImageSet
from nacre.media.pillow import from_pixels
from nacre.stream import is_nacre

Pixels = npt.NDArray[Any]
Files = list[bytes]
"""What a codec makes of a set; their sizes are added."""

WEBP_ROWS = 16383
"""The most that a WebP picture has."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class SetFigures:
    """One codec on one set.

    Attributes:
        codec: as it was asked for.
        files: that it made; their bytes count together.
        bytes: of them.
        bits_per_dimension: bits of file a sample (W x H x C of each picture).
        encode_msymbols: million samples a CPU second, median of the repeats.
        decode_msymbols: the same.
        model: id of the model that the archive names.
        float_bits_per_dimension: what the circuit in floating point says of the set, without any
            coding; None where there is no named circuit.
        loss: bits of file above that, as a fraction of it: integers, lanes and header.
        error: why there are no figures; None when there are.
    """

    codec: str
    files: int = 0
    bytes: int = 0
    bits_per_dimension: float = 0.0
    encode_msymbols: float = 0.0
    decode_msymbols: float = 0.0
    model: str | None = None
    float_bits_per_dimension: float | None = None
    loss: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class SetCandidate:
    """A codec of sets: ``encode`` to files, and ``decode`` back to pixels ``[N, H, W, C]``."""

    name: str
    encode: Callable[[ImageSet], Files]
    decode: Callable[[Files, tuple[int, ...]], Pixels]


def compare(
    images: ImageSet,
    candidates: Sequence[SetCandidate],
    *,
    repeats: int = 1,
    on_row: Callable[[SetFigures], None] = lambda _: None,
) -> list[SetFigures]:
    """Encode and decode ``images`` with every codec on this thread; each must give them back.

    Args:
        images: at least one picture.
        candidates: see :func:`set_candidate`.
        repeats: timings of which the median counts.
        on_row: called with each result as it is made.

    Raises:
        InputError: there are no pictures.
    """
    if not len(images):
        raise InputError("a set of no pictures cannot be measured")
    rows = []
    for one in candidates:
        try:
            row = _measure(images, one, repeats)
        except Exception as error:  # whatever a codec does, the others are measured
            text = " ".join(f"{type(error).__name__}: {error}".split())
            row = SetFigures(one.name, error=text)
        rows.append(row)
        on_row(row)
    return rows


def _measure(images: ImageSet, one: SetCandidate, repeats: int) -> SetFigures:
    few = ImageSet(images.pixels[:2], images.channel_axis)
    one.decode(one.encode(few), few.pixels.shape)  # loads and compiles, not timed
    encode_seconds, files = _timed(repeats, one.encode, images)
    decode_seconds, decoded = _timed(repeats, one.decode, files, images.pixels.shape)
    wanted = images.strip().pixels
    if not np.array_equal(decoded.reshape(wanted.shape), wanted):
        raise InputError(f"{one.name} does not give back what went in")
    size, samples = sum(map(len, files)), images.pixels.size
    model = nacre.info(files[0]).model if is_nacre(files[0]) else None
    ideal = None if model is None else -float(nacre.Circuit.load(model).likelihood(images).sum())
    return SetFigures(
        one.name, len(files), size, 8 * size / samples,
        samples / 1e6 / encode_seconds, samples / 1e6 / decode_seconds, model,
        None if ideal is None else ideal / samples,
        None if ideal is None else 8 * size / ideal - 1,
    )  # fmt: skip


def _timed(repeats: int, call: Callable[..., _T], *arguments: Any) -> tuple[float, _T]:
    """The median CPU seconds of ``call``, and what it returned last."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = call(*arguments)
        seconds.append(time.process_time() - start)
    return max(statistics.median(seconds), 1e-9), result


def set_candidate(text: str) -> SetCandidate:
    """A codec by name: one of :data:`SET_PEERS`, or one of nacre's, ``NAME:OPTION=VALUE:...``.

    A codec of nacre's that takes single pictures gets all of them as one tall picture.

    Raises:
        InputError: no codec has the name.
    """
    if text in SET_PEERS:
        return SET_PEERS[text]
    name, options = split_options(text)
    takes_sets = hasattr(registry.codec_class(name), "encode_set")
    model: Any = options.pop("model", None)

    def encode(images: ImageSet) -> Files:
        source: Any = images if takes_sets else images.strip()
        return [nacre.encode(source, codec=name, model=model, **options)]

    def decode(files: Files, shape: tuple[int, ...]) -> Pixels:
        decoder = nacre.Decoder(model=model)
        if takes_sets:
            return decoder.decode_set(files[0]).strip().pixels
        pixels: Pixels = decoder.decode(files[0]).pixels
        return pixels

    return SetCandidate(text, encode, decode)


def _file(pixels: Pixels, kind: str, options: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    from_pixels(pixels).save(out, kind, **options)
    return out.getvalue()


def _pixels(data: bytes, channels: int) -> Pixels:
    with PIL.Image.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture)
    if pixels.ndim == 2:
        return pixels.astype(pixels.dtype.newbyteorder("="))[..., None]
    return pixels[..., :channels]  # WebP gives grey back as RGB


def _items(kind: str, options: Mapping[str, Any]) -> SetCandidate:
    """Every picture as a file of its own."""
    return SetCandidate(
        f"{kind.lower()}-items",
        lambda images: [_file(images.item(i).pixels, kind, options) for i in range(len(images))],
        lambda files, shape: np.stack([_pixels(data, shape[3]) for data in files]),
    )


def _strip(name: str, kind: str, options: Mapping[str, Any], rows: int) -> SetCandidate:
    """All pictures as one, or as few as ``rows`` allow."""

    def encode(images: ImageSet) -> Files:
        if kind == "JXL":
            import pillow_jxl  # noqa: F401 - registers itself with Pillow
        tall = images.strip().pixels
        each = max(1, rows // images.pixels.shape[1]) * images.pixels.shape[1]
        return [_file(tall[top : top + each], kind, options) for top in range(0, len(tall), each)]

    def decode(files: Files, shape: tuple[int, ...]) -> Pixels:
        return np.concatenate([_pixels(data, shape[3]) for data in files])

    return SetCandidate(name, encode, decode)


def _xz() -> SetCandidate:
    def decode(files: Files, shape: tuple[int, ...]) -> Pixels:
        data = lzma.decompress(files[0])
        kind = np.uint16 if len(data) == 2 * int(np.prod(shape)) else np.uint8
        return np.frombuffer(data, kind).reshape(shape)

    return SetCandidate(
        "xz", lambda images: [lzma.compress(images.strip().pixels.tobytes(), preset=9)], decode
    )


_WEBP = {"lossless": True, "method": 6, "quality": 100}
_ALL = (
    _items("PNG", {"optimize": True}),
    _strip("png-strip", "PNG", {"optimize": True}, 1 << 30),
    _strip("webp-strip", "WEBP", _WEBP, WEBP_ROWS),
    _strip("jxl-strip", "JXL", {"lossless": True, "effort": 9}, 1 << 30),
    _xz(),
)
SET_PEERS: Mapping[str, SetCandidate] = MappingProxyType({peer.name: peer for peer in _ALL})
"""Peers of codecs of sets, by name."""


def set_table(images: ImageSet, rows: Sequence[SetFigures], *, command: str) -> str:
    """The figures as Markdown."""
    count, height, width, channels = images.pixels.shape
    lines = [
        f"    {command}",
        "",
        f"{count:,} pictures of {width} x {height} x {channels}, {images.shape.depth} bits. Bytes "
        "are whole files, added; times are CPU seconds of one thread.",
        "",
        "| codec | model | files | bytes | bits/dimension | circuit in floats | above it "
        "| encode Msamples/s | decode Msamples/s |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row.error is not None:
            lines.append(f"| {row.codec} | {row.error.replace('|', '/')} | | | | | | | |")
            continue
        ideal = "" if row.loss is None else f"{row.float_bits_per_dimension:.5f}"
        loss = "" if row.loss is None else f"{100 * row.loss:+.3f} %"
        lines.append(
            f"| {row.codec} | {row.model or ''} | {row.files:,} | {row.bytes:,} "
            f"| {row.bits_per_dimension:.5f} | {ideal} | {loss} "
            f"| {row.encode_msymbols:.2f} | {row.decode_msymbols:.2f} |"
        )
    return "\n".join(lines) + "\n"
