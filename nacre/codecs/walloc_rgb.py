"""Codec 1, ``walloc-rgb``: photos, lossy, from thumbnails to visually lossless with one model.

Method: WaLLoC (D. Jacobellis, N. Yadwadkar, "Learned Compression for Compressed Learning",
DCC 2025): wavelet packets, a linear encoder, a learned decoder; to which nacre adds a rate term,
one model for all steps, a context model in integers, and tiles.

Good at: photos; fast encoding (two matrix products); latents at 1/8 resolution whose first 12 or 48
channels are input for learning. Bad at: drawings, text, anything that must be exact (alpha is).

Sections: PAYLOAD, ALPHA (exact, where the picture has one), ICC, EXIF, XMP and TAGS as carried.
PAYLOAD: step code (u8), channels (u8: which prefix), active channels (u8), then segments: for
every pass of ``entropy/grid.py`` and every tile of 128 x 128 latents one message, pass by pass, so
that the first part of a file is a coarser picture. docs/walloc.md is the specification.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from nacre.codecs.base import Region
from nacre.entropy.context import ContextCoder, under
from nacre.entropy.deflate import decode_plane, encode_plane
from nacre.entropy.grid import GROUPS, PASSES
from nacre.errors import FormatError, InputError, ModelError
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.models import find_model, load_arrays
from nacre.stream import (
    ImageShape,
    Reader,
    Section,
    SectionKind,
    Stream,
    pack_segments,
    unpack_segments,
)
from nacre.transforms.quantize import quantize, step_of
from nacre.transforms.walloc import (
    CHANNELS,
    DIMENSIONS,
    PACKET_REACH,
    STRIDE,
    analysis_from_arrays,
    synthesis_from_arrays,
)
from nacre.transforms.wavelet import pad_to_multiple

TILE = 128
"""Latent positions on a side of a tile: 1024 pixels."""
BLOCK = (128, 512)
"""Rows and columns of latents that are transformed at once; bounds memory, changes no stream."""
FINEST, COARSEST = 64, 224
"""Step codes of quality 100 and 0: steps of 4 and 128 (of 255)."""

Symbols = npt.NDArray[np.int16]


@dataclass(frozen=True)
class WallocRGBSettings:
    """What a user may choose.

    Attributes:
        quality: 0 (a step of 128) to 100 (a step of 4); 10 more are 29 % of the step less, and
            about 2 dB.
        channels: latent channels to keep: 192 (all), 48 (reduction by 4) or 12 (by 16).

    Raises:
        InputError: a value outside its range.
    """

    quality: float = 50.0
    channels: int = 192

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise InputError(f"quality {self.quality} is outside 0..100")
        if self.channels not in CHANNELS:
            raise InputError(f"channels {self.channels}; one of {', '.join(map(str, CHANNELS))}")

    @property
    def step_code(self) -> int:
        """The step that is stored, in 1/32 of an octave."""
        return COARSEST - round(self.quality / 100 * (COARSEST - FINEST))


@dataclass(frozen=True)
class _Payload:
    """The parsed payload: everything but the entropy coding."""

    step_code: int
    channels: int
    active: int
    segments: list[memoryview]


class WallocRGB:
    """The codec; see :class:`nacre.codecs.base.LatentCodec` for what its methods promise.

    Args:
        device: where transforms and networks run; the entropy coder stays on the CPU.
        model: path of a model file; None takes the one that ships.

    Raises:
        ModelError: the model file is missing or damaged.
    """

    name: ClassVar[str] = "walloc-rgb"
    number: ClassVar[int] = 1
    medium: ClassVar[str] = "image"
    lossless: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ("walloc-rgb", "walloc-rgb-12")
    settings: ClassVar[type] = WallocRGBSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        card = find_model(model or self.models[0], codec=self.name)
        self._id = bytes.fromhex(card.id)
        self._device = torch.device(device)
        arrays = load_arrays(card.path)
        try:
            self._prefixes = tuple(int(n) for n in arrays["prefixes"])
            self._analysis = analysis_from_arrays(under(arrays, "analysis.")).to(self._device)
            self._synthesis = synthesis_from_arrays(under(arrays, "synthesis.")).to(self._device)
            self._context = ContextCoder.from_arrays(under(arrays, "context."), device)
            _check_model(arrays, self._prefixes, self._context)
        except (KeyError, RuntimeError, ValueError) as error:
            raise ModelError(f"{card.path}: not a model of {self.name} ({error})") from error

    @staticmethod
    def model_for(settings: WallocRGBSettings) -> str:
        """The shipped model for some settings: 12 channels have an encoder of their own."""
        return "walloc-rgb-12" if settings.channels == 12 else "walloc-rgb"

    # ---- encode ----

    def encode(self, item: Image, settings: WallocRGBSettings) -> Stream:
        """A stream of ``item``; 16-bit samples are reduced to 8 bits first.

        Raises:
            InputError: the model was not trained for so many channels.
        """
        if settings.channels not in self._prefixes:
            known = ", ".join(map(str, self._prefixes))
            raise InputError(
                f"channels {settings.channels}: model {self._id.hex()} has {known}; choose one of "
                "them, or another model"
            )
        pixels, alpha = _split(item)
        shape = ImageShape(item.width, item.height, item.channels, 8)
        symbols = self._analyze(pixels, settings)
        sections = list(item.metadata.to_sections())
        if alpha is not None:
            sections.append(Section(SectionKind.ALPHA, encode_plane(alpha)))
        payload = self._write_payload(symbols, settings)
        return Stream(
            self.number, self._id, shape, (*sections, Section(SectionKind.PAYLOAD, payload))
        )

    def _analyze(self, pixels: npt.NDArray[np.uint8], settings: WallocRGBSettings) -> Symbols:
        """Symbols ``[channels, h, w]`` of pixels ``[H, W, 3]``, in bands of rows."""
        height, width = (-(-n // STRIDE) for n in pixels.shape[:2])
        symbols = np.empty((settings.channels, height, width), np.int16)
        step = step_of(settings.step_code)
        for rows, columns in _cut(height, width, BLOCK):
            # The packet reads as far to the sides as its inverse does.
            top, bottom = max(rows.start - PACKET_REACH, 0), min(rows.stop + PACKET_REACH, height)
            left = max(columns.start - PACKET_REACH, 0)
            right = min(columns.stop + PACKET_REACH, width)
            part = pixels[top * STRIDE : bottom * STRIDE, left * STRIDE : right * STRIDE]
            block = torch.from_numpy(np.ascontiguousarray(part)).to(self._device)
            with torch.inference_mode():
                samples = pad_to_multiple(block.permute(2, 0, 1)[None].float(), STRIDE, dims=2)
                latents = self._analysis(samples, settings.channels)[
                    0,
                    :,
                    rows.start - top : rows.stop - top,
                    columns.start - left : columns.stop - left,
                ]
                symbols[:, rows, columns] = quantize(latents, step).to(torch.int16).cpu().numpy()
        return symbols

    def _write_payload(self, symbols: Symbols, settings: WallocRGBSettings) -> bytes:
        used = np.flatnonzero(symbols.any(axis=(1, 2)))
        active = int(used[-1]) + 1 if len(used) else 0
        tiles = [
            self._context.encode(np.ascontiguousarray(symbols[:, y, x]), settings.step_code, active)
            for y, x in _cut(symbols.shape[1], symbols.shape[2], (TILE, TILE))
        ]
        head = bytes([settings.step_code, CHANNELS.index(settings.channels), active])
        return head + pack_segments(
            [segment for row in zip(*tiles, strict=True) for segment in row]
        )

    # ---- decode ----

    def decode(self, stream: Stream, *, region: Region | None = None) -> Image:
        """The picture, or the part inside ``region``; only tiles that it touches are decoded."""
        shape, payload = self._open(stream)
        x, y, width, height = region or (0, 0, shape.width, shape.height)
        pixels = np.empty((height, width, shape.channels), np.uint8)
        colours = self._synthesize(payload, shape, (x, y, width, height))
        if shape.channels <= 2:
            pixels[..., 0] = np.rint(colours.mean(axis=2))
        else:
            pixels[..., :3] = colours
        if shape.channels in (2, 4):
            plane = decode_plane(
                stream.section(SectionKind.ALPHA),
                shape.height,
                shape.width,
                rows=y + height,
                where="ALPHA",
            )
            pixels[..., -1] = plane[y : y + height, x : x + width]
        return Image(pixels, Metadata.from_stream(stream))

    def symbols(self, stream: Stream, *, channels: int | None = None) -> Symbols:
        """The integers that were coded, ``[channels, ceil(H / 8), ceil(W / 8)]``."""
        shape, payload = self._open(stream)
        return self._all_symbols(shape, payload, channels)

    def latents(self, stream: Stream, *, channels: int | None = None) -> npt.NDArray[np.float32]:
        """Symbols times the step, ``[channels, ceil(H / 8), ceil(W / 8)]``, of 8-bit samples."""
        shape, payload = self._open(stream)
        symbols = self._all_symbols(shape, payload, channels)
        return symbols.astype(np.float32) * np.float32(step_of(payload.step_code))

    def _all_symbols(self, shape: ImageShape, payload: _Payload, channels: int | None) -> Symbols:
        """The symbols of the whole grid, of the first ``channels``."""
        area = (0, 0, *_grid(shape))
        return self._decode_symbols(payload, shape, area, _prefix(payload, channels))

    def _open(self, stream: Stream) -> tuple[ImageShape, _Payload]:
        """Check the header against this codec and take the payload apart.

        Raises:
            FormatError: it is not what :meth:`encode` writes.
            ModelError: it was made with another model.
        """
        shape = stream.shape
        if not isinstance(shape, ImageShape) or shape.depth != 8:
            raise FormatError(f"codec {self.name} holds pictures of 8 bits, not {shape}")
        columns, rows = _grid(shape)
        padded = columns * rows * STRIDE**2  # what memory is taken for; a thin picture has far less
        stream.limits.check(
            "pixels", padded, f"picture of {shape.width} x {shape.height} in blocks"
        )
        has_alpha = stream.find(SectionKind.ALPHA) is not None
        if has_alpha != (shape.channels in (2, 4)):
            found = "an" if has_alpha else "no"
            raise FormatError(f"{shape.channels} channels and {found} ALPHA section do not agree")
        if stream.model != self._id:
            made_with = stream.model.hex() if stream.model else "none"
            raise ModelError(
                f"the stream was made with model {made_with}, this is {self._id.hex()}"
            )
        reader = Reader(stream.payload, "PAYLOAD")
        step_code, prefix, active = (
            reader.unsigned(1, name) for name in ("step code", "channels", "active channels")
        )
        if prefix >= len(CHANNELS) or active > CHANNELS[prefix]:
            raise FormatError(f"PAYLOAD: prefix {prefix} with {active} active channels")
        if CHANNELS[prefix] not in self._prefixes:
            raise FormatError(
                f"PAYLOAD: {CHANNELS[prefix]} channels, which its model does not have"
            )
        segments = unpack_segments(reader.rest(), where="PAYLOAD")
        expected = len(_passes(CHANNELS[prefix])) * sum(
            1 for _ in _cut(*_grid(shape)[::-1], (TILE, TILE))
        )
        if len(segments) != expected:
            raise FormatError(f"PAYLOAD: {len(segments)} segments, {expected} are expected")
        return shape, _Payload(step_code, CHANNELS[prefix], active, segments)

    def _decode_symbols(
        self, payload: _Payload, shape: ImageShape, area: Region, channels: int
    ) -> Symbols:
        """Symbols of the first ``channels`` in an area ``(x, y, w, h)`` of the latent grid."""
        x, y, width, height = area
        out = np.zeros((channels, height, width), np.int16)
        grid_width, grid_height = _grid(shape)
        tiles = list(_cut(grid_height, grid_width, (TILE, TILE)))
        passes = len(_passes(channels))
        for index, (rows, columns) in enumerate(tiles):
            top, bottom = max(rows.start, y), min(rows.stop, y + height)
            left, right = max(columns.start, x), min(columns.stop, x + width)
            if top >= bottom or left >= right:
                continue
            tile = self._context.decode(
                payload.segments[index :: len(tiles)][:passes],
                (channels, rows.stop - rows.start, columns.stop - columns.start),
                payload.step_code,
                payload.active,
            )
            out[:, top - y : bottom - y, left - x : right - x] = tile[
                :,
                top - rows.start : bottom - rows.start,
                left - columns.start : right - columns.start,
            ]
        return out

    def _synthesize(
        self, payload: _Payload, shape: ImageShape, region: Region
    ) -> npt.NDArray[np.uint8]:
        """RGB ``[height, width, 3]`` of a region, in bands of rows with a halo of latents."""
        x, y, width, height = region
        grid_width, grid_height = _grid(shape)
        halo = self._synthesis.halo
        left, right = max(x // STRIDE - halo, 0), min(-(-(x + width) // STRIDE) + halo, grid_width)
        top, bottom = y // STRIDE, -(-(y + height) // STRIDE)
        first, last = max(top - halo, 0), min(bottom + halo, grid_height)
        symbols = self._decode_symbols(
            payload, shape, (left, first, right - left, last - first), payload.channels
        )
        step = torch.full((1,), step_of(payload.step_code), device=self._device)
        out = np.empty((height, width, 3), np.uint8)
        area = (bottom - top, -(-(x + width) // STRIDE) - x // STRIDE)
        for rows, columns in _cut(*area, BLOCK):
            # In latents of the whole grid: the block, and the block with its halo.
            y0, y1 = top + rows.start, top + rows.stop
            x0, x1 = x // STRIDE + columns.start, x // STRIDE + columns.stop
            low, high = max(y0 - halo, 0), min(y1 + halo, grid_height)
            west, east = max(x0 - halo, 0), min(x1 + halo, grid_width)
            part = symbols[:, low - first : high - first, west - left : east - left]
            block = torch.from_numpy(np.ascontiguousarray(part)).to(self._device)
            with torch.inference_mode():
                colours = self._synthesis(block[None].float() * step, step)[0]
                rounded = colours.round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0)
            # Pixels of the block that lie inside the region, in the frames of both.
            above, below = max(y0 * STRIDE, y), min(y1 * STRIDE, y + height)
            start, stop = max(x0 * STRIDE, x), min(x1 * STRIDE, x + width)
            cut = rounded[
                above - low * STRIDE : below - low * STRIDE,
                start - west * STRIDE : stop - west * STRIDE,
            ]
            out[above - y : below - y, start - x : stop - x] = cut.cpu().numpy()
        return out


def _check_model(
    arrays: Mapping[str, npt.NDArray[np.generic]], prefixes: tuple[int, ...], context: ContextCoder
) -> None:
    """Raise :class:`ValueError` unless the arrays of a model file fit each other."""
    if not prefixes or not set(prefixes) <= set(CHANNELS):
        raise ValueError(f"prefixes {prefixes}")
    most = max(prefixes)
    if arrays["analysis.weight"].shape != (most, DIMENSIONS):
        raise ValueError(f"analysis.weight is {arrays['analysis.weight'].shape}")
    if len(context.nets) < len(_passes(most)):
        raise ValueError(f"{len(context.nets)} passes for {most} channels")
    for p, net in zip(PASSES, context.nets, strict=False):
        own = p.end - p.first
        seen = p.first + own * p.sees_group + 1
        ends = (net.deep.layers[0], net.deep.layers[-1], net.shortcut.layers[-1])
        if ends[0].weight.shape[1] != seen or any(len(layer.weight) != own for layer in ends[1:]):
            raise ValueError(f"the networks of pass {p.group}.{p.index} do not fit it")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")


def _split(image: Image) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]:
    """8-bit RGB ``[H, W, 3]`` and alpha ``[H, W]`` of a picture of any kind."""
    pixels: npt.NDArray[Any] = image.pixels
    if image.depth == 16:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    alpha = np.ascontiguousarray(pixels[..., -1]) if image.channels in (2, 4) else None
    colours = pixels[..., :3] if image.channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return np.ascontiguousarray(colours), alpha


def _grid(shape: ImageShape) -> tuple[int, int]:
    """Columns and rows of the latent grid."""
    return -(-shape.width // STRIDE), -(-shape.height // STRIDE)


def _cut(height: int, width: int, size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of every block of at most ``size`` of a grid, row by row."""
    for y in range(0, height, size[0]):
        for x in range(0, width, size[1]):
            yield slice(y, min(y + size[0], height)), slice(x, min(x + size[1], width))


@functools.cache
def _passes(channels: int) -> tuple[int, ...]:
    """Indices of the passes that code a prefix."""
    return tuple(i for i, p in enumerate(PASSES) if p.end <= channels)


def _prefix(payload: _Payload, channels: int | None) -> int:
    """The number of channels asked for, checked against the stream and the groups."""
    if channels is None:
        return payload.channels
    ends = [end for _, end in GROUPS if end <= payload.channels]
    if channels not in ends:
        raise InputError(f"channels {channels}; this stream can give {', '.join(map(str, ends))}")
    return channels
