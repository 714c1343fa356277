"""Peak memory of an encode and of a decode, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nacre
from nacre import registry
from nacre.bench.runner import load_rgb
from nacre.errors import InputError
from nacre.media.image import Image, load_image

PLATFORMS = ("linux", "darwin")


@dataclass(frozen=True)
class MemoryReport:
    """What one picture took.

    Attributes:
        codec: name.
        width, height: of the picture, pixels.
        stream_bytes: of the encoded file.
        start_bytes: peak resident memory of a process that only imports the codec.
        encode_bytes: the same of one that reads the picture file and writes the stream.
        decode_bytes: the same of one that reads the stream into pixels.
    """

    codec: str
    width: int
    height: int
    stream_bytes: int
    start_bytes: int
    encode_bytes: int
    decode_bytes: int


def tile_photo(photo: Path, megapixels: float, target: Path) -> None:
    """Write a PNG of so many million pixels (3:2), tiled with mirror images of a real photo.

    Enlarging would leave no detail, and noise is not a photo; mirrored tiles have a photo's
    detail everywhere and no seams.

    Raises:
        InputError: the photo cannot be read, or so large a picture makes no sense.
    """
    if not 0 < megapixels <= 256:
        raise InputError(f"{megapixels} megapixels; more than 0 and at most 256 are expected")
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(megapixels * 1e6 / height)
    pixels = load_rgb(photo)
    for axis, size in enumerate((height, width)):
        both = np.concatenate([pixels, np.flip(pixels, axis)], axis)
        copies = -(-size // both.shape[axis])
        pixels = np.concatenate([both] * copies, axis).take(range(size), axis)
    Image(np.ascontiguousarray(pixels)).pil().save(target, compress_level=1)


def measure(
    photo: Path, folder: Path, *, codec: str, model: str | None = None, threads: int = 1
) -> MemoryReport:
    """Encode and decode ``photo``, each in a fresh process, and ask how much memory it took.

    Args:
        photo: picture file.
        folder: for the stream, ``memory.ncr``.
        codec: name.
        model: as for :func:`nacre.encode`.
        threads: that each process may use.

    Raises:
        InputError: memory cannot be measured on this system, or the process was killed.
        NacreError: whatever encoding or decoding raises.
    """
    if sys.platform not in PLATFORMS:
        raise InputError(f"peak memory can be measured on {' and '.join(PLATFORMS)} only")
    stream = folder / "memory.ncr"
    start = _in_fresh_process(_start, threads, codec)
    encode = _in_fresh_process(_encode, threads, codec, photo, stream, model)
    decode = _in_fresh_process(_decode, threads, codec, stream, model)
    image = load_image(photo)
    return MemoryReport(
        codec, image.width, image.height, stream.stat().st_size, start, encode, decode
    )


def _in_fresh_process(work: Callable[..., None], *arguments: Any) -> int:
    """Peak resident bytes of a new interpreter that did ``work`` and nothing else."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_peak_after, work, *arguments).result()
        except BrokenProcessPool:
            raise InputError(
                f"the process that was to {work.__name__.strip('_')} was killed, probably for want "
                "of memory; measure a smaller picture"
            ) from None


def _peak_after(work: Callable[..., None], *arguments: Any) -> int:
    work(*arguments)
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its figure is inherited from the process that started this one.
        for line in status.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _start(threads: int, codec: str) -> None:
    """Import what the codec needs, with so many threads for its networks."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is first imported
    registry.codec_class(codec)


def _encode(threads: int, codec: str, photo: Path, stream: Path, model: str | None) -> None:
    _start(threads, codec)
    stream.write_bytes(nacre.encode(photo, codec=codec, model=model))


def _decode(threads: int, codec: str, stream: Path, model: str | None) -> None:
    _start(threads, codec)
    nacre.decode(stream, model=model)
