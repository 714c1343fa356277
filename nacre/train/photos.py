"""Crops from a folder of photos, without decoding a photo twice.

Every photo is decoded once into one flat file of bytes next to a small index (both in a cache
folder, named by what they were made of). Training then reads crops through a memory map: no decoder
runs while the network waits, several processes share one copy in the page cache, and a set larger
than memory still works.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError, NacreError
from nacre.media.image import load_image

SUFFIXES = frozenset({".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def find_photos(sources: Sequence[Path]) -> list[Path]:
    """Every photo below ``sources`` (files or folders), sorted.

    Raises:
        InputError: there is none, or a source does not exist.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            found += [p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES]
        elif source.is_file():
            found.append(source)
        else:
            raise InputError(f"{source}: no such file or folder")
    if not found:
        raise InputError(
            f"no photos ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, sources))}"
        )
    return sorted(set(found))


@dataclass(frozen=True)
class PhotoSet:
    """Decoded photos in one memory map.

    Attributes:
        pixels: every photo's RGB bytes, one after the other.
        sizes: ``[N, 2]`` height and width.
        offsets: ``[N]`` where each begins in ``pixels``.
    """

    pixels: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sizes)

    def split(self, every: int) -> tuple[PhotoSet, PhotoSet]:
        """All but every ``every``-th photo, and those."""
        held = np.arange(len(self)) % every == every - 1
        return (
            PhotoSet(self.pixels, self.sizes[~held], self.offsets[~held]),
            PhotoSet(self.pixels, self.sizes[held], self.offsets[held]),
        )

    def photo(self, index: int) -> npt.NDArray[np.uint8]:
        """Photo ``index`` as ``[H, W, 3]``, not copied."""
        height, width = self.sizes[index]
        start = self.offsets[index]
        flat = self.pixels[start : start + height * width * 3]
        return flat.reshape(int(height), int(width), 3)

    def crops(self, seed: int, step: int, count: int, side: int) -> npt.NDArray[np.uint8]:
        """``count`` random crops ``[count, side, side, 3]`` for one step.

        A photo is drawn with a chance proportional to its area; half of the crops are mirrored,
        half turned on their diagonal. The draw depends on ``(seed, step)`` alone, so a run that was
        stopped goes on with the very crops that it would have seen.
        """
        rng = np.random.default_rng([seed, step])
        fits = np.flatnonzero(self.sizes.min(axis=1) >= side)
        if not len(fits):
            raise InputError(f"no photo is at least {side} x {side} pixels; choose a smaller crop")
        area = self.sizes[fits].prod(axis=1).astype(np.float64)
        out = np.empty((count, side, side, 3), np.uint8)
        for k, index in enumerate(rng.choice(fits, size=count, p=area / area.sum())):
            height, width = (int(n) for n in self.sizes[index])
            y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
            crop = self.photo(int(index))[y : y + side, x : x + side]
            mirror, turn = rng.integers(2, size=2)
            crop = crop[:, ::-1] if mirror else crop
            out[k] = crop.transpose(1, 0, 2) if turn else crop
        return out


def open_photos(sources: Sequence[Path], cache: Path) -> PhotoSet:
    """Decode every photo of ``sources`` into ``cache`` (once) and open the result.

    Raises:
        InputError: no photo could be read.
    """
    photos = find_photos(sources)
    state = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in photos]
    key = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
    flat, index = cache / f"{key}.rgb", cache / f"{key}.json"
    if not index.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = flat.with_suffix(f".{os.getpid()}")
        sizes: list[tuple[int, int]] = []
        with partial.open("wb") as file:
            for pixels in _decode(photos):
                file.write(pixels.tobytes())
                sizes.append((pixels.shape[0], pixels.shape[1]))
        partial.replace(flat)
        partial.write_text(json.dumps({"sizes": sizes}))
        partial.replace(index)
    sizes_array = np.asarray(json.loads(index.read_text())["sizes"], np.int64).reshape(-1, 2)
    if not len(sizes_array):
        raise InputError(f"none of {len(photos)} photos could be read")
    ends = np.cumsum(sizes_array.prod(axis=1) * 3)
    offsets = np.concatenate([[0], ends[:-1]])
    return PhotoSet(np.memmap(flat, np.uint8, mode="r"), sizes_array, offsets)


def _decode(photos: Sequence[Path]) -> Iterator[npt.NDArray[np.uint8]]:
    """The RGB pixels of every photo that can be read; the others are left out."""
    for path in photos:
        try:
            image = load_image(path)
        except NacreError:
            continue
        pixels = (image.pixels >> (image.depth - 8)).astype(np.uint8)
        if image.channels in (2, 4):
            pixels = pixels[..., :-1]
        yield np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
