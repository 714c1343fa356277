"""Two small lossy codecs, as another package would add them: uniform quantisation and deflate.

They stand for third parties in the tests of the registry, of the API and of the command line, and
they are real: what they write is smaller, and it decodes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nacre.errors import InputError
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.models import load_arrays, model_id
from nacre.stream import Reader, Section, SectionKind, Stream, deflate, inflate, write_varint


@dataclass(frozen=True)
class ToySettings:
    """``quality`` 0 (smallest) to 100 (every sample exact); ``channels`` of latents to keep."""

    quality: float = 50.0
    channels: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise InputError(f"quality {self.quality} is outside 0..100")


class Toy:
    """Samples on a grid whose step falls from 128 to 1 as quality rises."""

    name: ClassVar[str] = "toy"
    number: ClassVar[int] = 64
    medium: ClassVar[str] = "image"
    lossless: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type] = ToySettings

    def __init__(self, device: str = "cpu", model: Path | None = None) -> None:
        self.model = model_id(model) if model else None
        self.gain = float(load_arrays(model)["gain"]) if model else 1.0

    def encode(self, item: Image, settings: ToySettings) -> Stream:
        if item.depth != 8:
            raise InputError(f"codec {self.name} takes 8-bit samples, not {item.depth}-bit ones")
        step = 128 ** ((100 - settings.quality) / 100)
        symbols = np.rint(item.pixels.transpose(2, 0, 1) / (step * self.gain)).astype("<i2")
        payload = bytearray(np.float32(step).tobytes())
        write_varint(payload, symbols.nbytes)
        payload += deflate(symbols.tobytes(), level=1)
        sections = (*item.metadata.to_sections(), Section(SectionKind.PAYLOAD, bytes(payload)))
        return Stream(codec=self.number, model=self.model, shape=item.shape, sections=sections)

    def symbols(self, stream: Stream, *, channels: int | None = None) -> np.ndarray:
        return self._read(stream, channels)[0]

    def latents(self, stream: Stream, *, channels: int | None = None) -> np.ndarray:
        symbols, step = self._read(stream, channels)
        return symbols.astype(np.float32) * np.float32(step * self.gain)

    def decode(self, stream: Stream, *, region: tuple[int, int, int, int] | None = None) -> Image:
        values = np.rint(self.latents(stream)).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
        x, y, width, height = region or (0, 0, stream.shape.width, stream.shape.height)
        cut = np.ascontiguousarray(values[y : y + height, x : x + width])
        return Image(cut, Metadata.from_stream(stream))

    def _read(self, stream: Stream, channels: int | None) -> tuple[np.ndarray, float]:
        reader = Reader(stream.payload, "PAYLOAD")
        step = float(np.frombuffer(reader.take(4, "step"), "<f4")[0])
        shape = (stream.shape.channels, stream.shape.height, stream.shape.width)
        reader.varint("bytes of symbols", 2 * np.prod(shape))
        symbols = inflate(reader.rest(), 2 * int(np.prod(shape)), where="PAYLOAD")
        if channels is not None and not 1 <= channels <= shape[0]:
            raise InputError(f"channels {channels} is outside 1..{shape[0]}")
        return np.frombuffer(symbols, "<i2").reshape(shape)[:channels].astype(np.int16), step


def die(task: object) -> None:
    """Work at which a process ends at once, as one does that the system kills."""
    os._exit(1)


class ToyModel(Toy):
    """The same with a gain that comes out of a model file."""

    name: ClassVar[str] = "toy-model"
    number: ClassVar[int] = 65
    models: ClassVar[tuple[str, ...]] = ("toy-model-1",)
