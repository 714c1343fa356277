"""Photos of ``make demo``: lossy at several settings, and without loss."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import nacre
from demo_rows import Coded, Panel, Pixels, Shown, coded, sheet_of
from nacre.bench.metrics import psnr_db
from nacre.bench.peers import find_peer
from nacre.bench.records import distances
from nacre.bench.runner import load_rgb
from nacre.errors import InputError
from nacre.registry import default_codec

# Photos inside installed packages; nothing is downloaded.
PHOTOS = {
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png"),
    "sklearn": ("datasets/images/china.jpg",),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
CODEC = default_codec("image", lossless=False).name
EXACT = "adaptive-image"
SETTINGS: tuple[dict[str, Any], ...] = (
    {"quality": 10},
    {"quality": 30},
    {"quality": 50},
    {"quality": 40, "channels": 12},
)
SHOWN = 1
"""The one of them that is put beside JPEG."""
DETAIL = 96
"""Side of the magnified detail, in pixels of the photo."""


@dataclass(frozen=True, eq=False)
class Jpeg:
    """A JPEG file.

    Attributes:
        quality: 1 to 100.
        bytes: size of the file.
        pixels: decoded.
    """

    quality: int
    bytes: int
    pixels: Pixels


def installed() -> list[Path]:
    """Photos that installed packages carry."""
    found: list[Path] = []
    for package, files in PHOTOS.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent
            found += [folder / name for name in files if (folder / name).is_file()]
    return found


def show(path: Path, out: Path) -> Shown:
    """A photo in files and in a picture, in ``out``.

    Raises:
        InputError: it is no picture, or one that photo codecs do not take.
    """
    original = load_rgb(path)
    nacre.encode(np.zeros((64, 64, 3), np.uint8), codec=CODEC)  # models and compiled code
    rows = []
    for number, settings in enumerate(SETTINGS):
        short = [f"{key[0]}{value}" for key, value in settings.items()]
        stream = out / f"{'-'.join([path.stem, *short])}.ncr"
        made = coded(original, stream, CODEC, **settings)
        psnr = psnr_db(original, np.asarray(made.decoded.pixels, dtype=np.uint8))
        peer = jpeg_of_quality(original, psnr)
        beside = ("JPEG", peer.bytes) if peer is not None else ("", 0)
        rows.append(made.row(" ".join([CODEC, *short]), f"{psnr:.2f} dB", beside))
        if number == SHOWN:
            jpeg = jpeg_of_size(original, len(made.data))
            draw(original, made, f"nacre {' '.join(short)}", jpeg).save(out / f"{path.stem}.png")
    made = coded(original, out / f"{path.stem}-lossless.ncr", EXACT)
    rows.append(made.row(EXACT, "exact", lossless_peer(original)))
    return Shown(path.name, original.size, tuple(rows))


def jpeg_of_size(original: Pixels, size_bytes: int) -> Jpeg:
    """The best JPEG of at most this size; the smallest if none is."""
    jpeg = find_peer("jpeg")
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        if len(jpeg.encode(original, middle, 1)) <= size_bytes:
            low = middle
        else:
            high = middle - 1
    return _jpeg(original, low)


def jpeg_of_quality(original: Pixels, psnr: float) -> Jpeg | None:
    """The smallest JPEG of at least this PSNR (dB); None if none has it."""
    low, high = 1, 101
    while low < high:
        middle = (low + high) // 2
        if psnr_db(original, _jpeg(original, middle).pixels) >= psnr:
            high = middle
        else:
            low = middle + 1
    return _jpeg(original, low) if low <= 100 else None


def _jpeg(original: Pixels, quality: int) -> Jpeg:
    peer = find_peer("jpeg")
    data = peer.encode(original, quality, 1)
    return Jpeg(quality, len(data), peer.decode(data, 1))


def lossless_peer(original: Pixels) -> tuple[str, int]:
    """JPEG XL's name and bytes, or PNG's where that is not installed."""
    try:
        return "JPEG XL", len(find_peer("jxl-lossless-7").encode(original, None, 1))
    except InputError:
        return "PNG", len(find_peer("png").encode(original, None, 1))


def draw(original: Pixels, ours: Coded, name: str, jpeg: Jpeg) -> Image.Image:
    """Original, nacre and JPEG side by side; below each, the same detail magnified."""
    pixels = np.asarray(ours.decoded.pixels, dtype=np.uint8)
    columns = [
        ("original", f"{original.size:,} bytes of pixels", original),
        (name, caption(original, pixels, len(ours.data)), pixels),
        (f"JPEG q{jpeg.quality}", caption(original, jpeg.pixels, jpeg.bytes), jpeg.pixels),
    ]
    height, width = original.shape[:2]
    x, y, side = busiest(original)
    frame = x / width, y / height, (x + side) / width, (y + side) / height
    return sheet_of(
        [
            Panel(title, words, picture, picture[y : y + side, x : x + side], frame)
            for title, words, picture in columns
        ]
    )


def caption(original: Pixels, pixels: Pixels, size_bytes: int) -> str:
    """Size and quality in words."""
    found = distances(original, pixels)
    psnr, similarity = found["psnr_db"], found["ms_ssim"]
    words = "exact" if psnr is None else f"{psnr:.2f} dB"
    words += "" if psnr is None or similarity is None else f", MS-SSIM {similarity:.3f}"
    return f"{size_bytes:,} bytes, {words}"


def busiest(pixels: Pixels) -> tuple[int, int, int]:
    """Left, top and side of the square detail with the most edges."""
    height, width = pixels.shape[:2]
    side = min(DETAIL, height, width)
    grey = pixels.mean(axis=2)
    edges = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(
        np.diff(grey, axis=1, append=grey[:, -1:])
    )
    step = max(1, side // 4)
    places = [
        (float(edges[y : y + side, x : x + side].sum()), x, y)
        for y in range(0, height - side + 1, step)
        for x in range(0, width - side + 1, step)
    ]
    _, x, y = max(places)
    return x, y, side
