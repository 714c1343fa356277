"""The page of a benchmark: a few of its photos through every lossy codec, at matched bytes.

Bytes are those of files of one codec, the anchor, that the run has measured; of every other codec
the quality is searched, between those measured, whose file is nearest to them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.bench.equal_bytes import closest
from nacre.bench.medium import Figures
from nacre.bench.page import MOST_PIXELS, Level, Photo, Picture, Window, cut, make_page, middle
from nacre.bench.peers import BPP, PEERS, PERCENT, Candidate
from nacre.bench.records import Record
from nacre.bench.runner import Plan, file_name, load, torch_set_up
from nacre.files import write_atomically

PHOTOS = 3
"""On a page at most."""
RATES = (0.25, 0.5, 1.0)
"""Bits a pixel that the anchor's files are to be near."""
TRIALS, NEAR = 5, 0.01
"""Encodings at most to find a quality, and the share of the bytes that is near enough."""


@dataclass(frozen=True)
class _Anchor:
    """The file whose bytes the others are to have."""

    codec: str
    quality: float | None
    bytes: int


def write_page(
    plan: Plan,
    records: Sequence[Record],
    folder: Path,
    *,
    command: str,
    reference: str | None = None,
) -> list[Path]:
    """Write ``page.html``; gives its path, or nothing where no lossy codec has a result.

    Args:
        plan: of pictures, that was run.
        records: of the run.
        folder: of the run's results; ``rate_distortion.png`` in it is shown.
        command: that was typed.
        reference: the codec whose bytes the others are to have; None, or one that is not among the
            lossy ones: the first of them.

    Raises:
        InputError: the page cannot be written.
    """
    lossy, paths = _to_show(plan, records)
    if not paths:
        return []
    anchor = next((one for one in lossy if one.name == reference), lossy[0])
    failures: list[str] = []
    with torch_set_up(plan):
        photos = [_photo(plan, path, lossy, anchor, records, failures) for path in paths]
    drawn = folder / "rate_distortion.png"
    notes = [
        f"Made by: {command}",
        f"{len(paths)} of {len(plan.files)} pictures; every codec at the quality whose file is "
        f"nearest to the bytes of one of {anchor.name}'s. Bytes are whole files.",
        *failures,
    ]
    text = make_page(
        f"nacre bench: {', '.join(one.name for one in lossy)}",
        photos,
        notes=notes,
        plot=drawn.read_bytes() if drawn.exists() else None,
    )
    path = folder / "page.html"
    write_atomically(path, text.encode(), force=True)
    return [path]


def _to_show(plan: Plan, records: Sequence[Record]) -> tuple[list[Candidate], list[Path]]:
    """The lossy codecs that have results, and pictures on which they all do, evenly spaced."""
    lossy_records = [r for r in records if not (r.error or r.metrics.get("identical"))]
    names = {record.codec for record in lossy_records}
    lossy = [one for one in plan.candidates if one.name in names and not one.lossless]
    working = {one.name for one in lossy}
    failed = {r.file for r in records if r.error is not None and r.codec in working}
    paths = [path for path in plan.files if file_name(plan, path) not in failed]
    count = min(PHOTOS, len(paths)) if lossy else 0
    return lossy, [paths[(2 * i + 1) * len(paths) // (2 * count)] for i in range(count)]


def _photo(
    plan: Plan,
    path: Path,
    codecs: Sequence[Candidate],
    anchor: Candidate,
    records: Sequence[Record],
    failures: list[str],
) -> Photo:
    """A picture and what the codecs make of it; what fails is left out and said."""
    name = file_name(plan, path)
    pixels = load(plan, path)
    height, width = pixels.shape[:2]
    window = middle(width, height, MOST_PIXELS)
    sizes: dict[str, dict[float | None, int]] = {one.name: {} for one in codecs}
    for record in records:
        if record.file == name and record.codec in sizes and record.bytes is not None:
            sizes[record.codec][record.quality] = record.bytes
    levels = []
    for aim in _anchors(anchor.name, sizes, width * height):
        pictures = []
        for one in [anchor, *(each for each in codecs if each is not anchor)]:
            try:
                quality = aim.quality if one is anchor else _quality(plan, one, pixels, aim, sizes)
                pictures.append(_picture(plan, one, pixels, quality, aim, window))
            except Exception as error:  # whatever a codec does, the others are shown
                why = " ".join(f"{type(error).__name__}: {error}".split())
                failures.append(f"{one.name} failed on {name} at {aim.bytes:,} bytes: {why}")
        bits = 8 * aim.bytes / (width * height)
        levels.append(Level(f"{aim.bytes:,} bytes, {bits:.2f} bits a pixel", tuple(pictures)))
    original = Picture("original", cut(pixels, window), {"pixels": f"{width} × {height}"})
    return Photo(name, width, height, original, tuple(levels))


def _anchors(
    codec: str, sizes: Mapping[str, Mapping[float | None, int]], pixels: int
) -> list[_Anchor]:
    """Files of a codec near :data:`RATES`, of sizes that all codecs reach if there are any."""
    spans = [each.values() for each in sizes.values() if len(each) > 1]
    low, high = max(map(min, spans), default=0), min(map(max, spans), default=math.inf)
    every = [_Anchor(codec, quality, size) for quality, size in sizes[codec].items()]
    inside = [each for each in every if low <= each.bytes <= high] or every
    chosen = {
        min(inside, key=lambda each: abs(math.log(8 * each.bytes / pixels / rate)))
        for rate in RATES
    }
    return sorted(chosen, key=lambda each: each.bytes)


def _quality(
    plan: Plan,
    one: Candidate,
    pixels: Any,
    aim: _Anchor,
    sizes: Mapping[str, dict[float | None, int]],
) -> float | None:
    """The quality whose file is nearest to those bytes; None of a codec that has none."""
    known: Any = sizes[one.name]
    if None in known:
        return None
    return closest(
        one, pixels, aim.bytes, plan.threads, at_most=False, sizes=known,
        whole=one.name in PEERS and one.scale == PERCENT, trials=TRIALS, near=NEAR,
    )  # fmt: skip


def _picture(
    plan: Plan, one: Candidate, pixels: Any, quality: float | None, aim: _Anchor, window: Window
) -> Picture:
    """What a codec makes of a picture, with its figures."""
    data = one.encode(pixels, quality, plan.threads)
    decoded = one.decode(data, plan.threads)
    distances = plan.medium.distances(one, pixels, decoded, quality)
    unit = " bpp" if one.scale == BPP else ""
    figures = {
        **({} if quality is None else {"quality": f"{quality:.4g}{unit}"}),
        **figures_in_words(len(data), pixels.shape[0] * pixels.shape[1], distances),
    }
    if one.name != aim.codec:
        figures[f"bytes against {aim.codec}"] = f"{100 * (len(data) / aim.bytes - 1):+.1f} %"
    return Picture(one.name, cut(decoded, window), figures)


def figures_in_words(size: int, pixels: int, distances: Figures) -> dict[str, str]:
    """Bytes and distances of a picture as the page shows them."""
    psnr, similarity = distances.get("psnr_db"), distances.get("ms_ssim")
    figures = {"bytes": f"{size:,}", "bits a pixel": f"{8 * size / pixels:.3f}"}
    if distances.get("identical"):
        return {**figures, "PSNR": "exact"}
    if psnr is not None:
        figures["PSNR"] = f"{psnr:.2f} dB"
    if similarity is not None:
        figures["MS-SSIM"] = f"{similarity:.4f}"
    return figures
