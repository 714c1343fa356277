"""What ``make demo`` shows: real photos become .ncr files and come back.

    python scripts/demo.py [PHOTO or FOLDER ...] [--out demo]

Every photo is encoded at several settings; the files are decoded, verified and measured. For each
photo, a picture shows the original, nacre and a JPEG of the same size, with a magnified detail.
Without arguments the photos are those that installed packages carry.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

import nacre
from nacre.bench.metrics import Pixels, bits_per_pixel
from nacre.bench.peers import find_peer
from nacre.bench.records import distances
from nacre.bench.runner import load_rgb
from nacre.cli.encode import is_picture
from nacre.errors import InputError, NacreError
from nacre.registry import default_codec

# Photos inside installed packages; nothing is downloaded.
PHOTOS = {
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png"),
    "sklearn": ("datasets/images/china.jpg",),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
CODEC = default_codec("image", lossless=False).name
SETTINGS: tuple[dict[str, Any], ...] = (
    {"quality": 10},
    {"quality": 30},
    {"quality": 50},
    {"quality": 40, "channels": 12},
)
SHOWN = 1
"""The one of them that is put beside JPEG."""

PANEL, DETAIL, LABEL, GAP = 480, 96, 44, 8
"""Pixels: width of a panel, side of the magnified detail, height of a label, space between."""


@dataclass(frozen=True)
class Result:
    """One photo through one codec.

    Attributes:
        photo: file name.
        codec: with its settings.
        bytes: size of the file.
        pixels: decoded.
        metrics: see :func:`nacre.bench.records.distances`.
        encode_seconds, decode_seconds: one run.
        verified: by :func:`nacre.verify`; None for other codecs.
    """

    photo: str
    codec: str
    bytes: int
    pixels: Pixels
    metrics: dict[str, float | bool | None]
    encode_seconds: float
    decode_seconds: float
    verified: bool | None


def main() -> int:
    """Exit code: 0 when every file came back as promised, 1 when one did not, 2 without photos."""
    options = _arguments()
    console, messages = Console(), Console(stderr=True)
    try:
        photos = _photos(options.input)
        left_out = len(photos) - options.limit
        options.out.mkdir(parents=True, exist_ok=True)
        rows = _measure(photos[: options.limit], options.out, messages)
    except (NacreError, OSError) as error:
        print(f"demo: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    console.print(_table(rows))
    if left_out > 0:
        print(f"demo: {left_out} more photos; --limit N takes more", file=sys.stderr)
    print(f"files and pictures are in {options.out}/", file=sys.stderr)
    return 0 if rows and all(row.verified is not False for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("input", nargs="*", help="photos or folders")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--limit", type=int, default=8, help="photos at most (default 8)")
    return parser.parse_args()


def _photos(names: list[str]) -> list[Path]:
    """The photos that were named, or those of installed packages.

    Raises:
        InputError: there is none.
    """
    found: list[Path] = []
    for path in [Path(name) for name in names if name]:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        inside = (
            sorted(p for p in path.rglob("*") if is_picture(p.name)) if path.is_dir() else [path]
        )
        if not inside:
            raise InputError(f"{path}: no pictures in this folder")
        found += inside
    if not any(names):
        for package, files in PHOTOS.items():
            spec = importlib.util.find_spec(package)
            if spec is not None and spec.origin is not None:
                folder = Path(spec.origin).parent
                found += [folder / name for name in files if (folder / name).is_file()]
    if not found:
        raise InputError(
            "no installed package carries photos (scikit-image, scikit-learn, matplotlib); "
            "name a photo or a folder: make demo IN=photo.jpg"
        )
    return found


def _measure(photos: list[Path], out: Path, messages: Console) -> list[Result]:
    """Results of every photo; a photo that cannot be used is reported and left out."""
    rows = []
    nacre.encode(np.zeros((64, 64, 3), np.uint8), codec=CODEC)  # load model and compiled code
    with Progress(console=messages, disable=not messages.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=len(photos) * len(SETTINGS))
        for path in photos:
            try:
                original = load_rgb(path)
            except NacreError as error:
                messages.print(f"demo: {error}", markup=False, highlight=False, soft_wrap=True)
                continue
            mine = []
            for settings in SETTINGS:
                bar.update(task, advance=1, description=path.name)
                mine.append(_nacre(path, original, settings, out))
            jpeg = _jpeg(path, original, mine[SHOWN].bytes)
            _draw(original, mine[SHOWN], jpeg).save(out / f"{path.stem}.png")
            mine.insert(SHOWN + 1, jpeg)
            rows += mine
    return rows


def _nacre(path: Path, original: Pixels, settings: dict[str, Any], out: Path) -> Result:
    start = time.perf_counter()
    data = nacre.encode(original, codec=CODEC, **settings)
    encoded = time.perf_counter()
    pixels = np.asarray(nacre.decode(data).pixels, dtype=np.uint8)
    decoded = time.perf_counter()
    short = [f"{key[0]}{value}" for key, value in settings.items()]
    stream = out / f"{'-'.join([path.stem, *short])}.ncr"
    stream.write_bytes(data)
    return Result(
        path.name,
        " ".join([CODEC, *short]),
        stream.stat().st_size,
        pixels,
        distances(original, pixels),
        encoded - start,
        decoded - encoded,
        nacre.verify(stream, original=original).ok,
    )


def _jpeg(path: Path, original: Pixels, size_bytes: int) -> Result:
    """The best JPEG of at most this size; the smallest if none is."""
    jpeg = find_peer("jpeg")
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        if len(jpeg.encode(original, middle, 1)) <= size_bytes:
            low = middle
        else:
            high = middle - 1
    start = time.perf_counter()
    data = jpeg.encode(original, low, 1)
    encoded = time.perf_counter()
    pixels = jpeg.decode(data, 1)
    decoded = time.perf_counter()
    return Result(
        path.name,
        f"JPEG q{low}",
        len(data),
        pixels,
        distances(original, pixels),
        encoded - start,
        decoded - encoded,
        None,
    )


def _table(rows: list[Result]) -> Table:
    table = Table(box=box.SIMPLE, padding=0, title="Real photos, there and back")
    table.add_column("photo, codec", no_wrap=True)
    for name in ("bytes", "ratio", "bpp", "PSNR dB", "MS-SSIM", "enc s", "dec s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verified", no_wrap=True)
    for photo in dict.fromkeys(row.photo for row in rows):
        mine = [row for row in rows if row.photo == photo]
        height, width = mine[0].pixels.shape[:2]
        table.add_section()
        table.add_row(f"[bold]{escape(photo)}", f"{3 * width * height:,}")
        for row in mine:
            table.add_row(
                f"  {row.codec}",
                f"{row.bytes:,}",
                f"{3 * width * height / row.bytes:.1f}",
                f"{bits_per_pixel(row.bytes, width * height):.3f}",
                _number(row.metrics["psnr_db"], 2),
                _number(row.metrics["ms_ssim"], 4),
                f"{row.encode_seconds:.2f}",
                f"{row.decode_seconds:.2f}",
                {True: "yes", False: "[red]NO", None: ""}[row.verified],
            )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _draw(original: Pixels, ours: Result, jpeg: Result) -> Image.Image:
    """Original, nacre and JPEG side by side; below each, the same detail magnified."""
    panels = [
        (original, "original", f"{original.size:,} bytes of pixels"),
        (ours.pixels, f"nacre: {ours.codec}", _caption(ours)),
        (jpeg.pixels, jpeg.codec, _caption(jpeg)),
    ]
    height, width = original.shape[:2]
    scale = PANEL / width
    top = max(1, round(height * scale))
    x, y, side = _busiest(original)
    sheet = Image.new(
        "RGB",
        (len(panels) * (PANEL + GAP) + GAP, LABEL + top + GAP + PANEL + GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for number, (pixels, title, caption) in enumerate(panels):
        left = GAP + number * (PANEL + GAP)
        draw.text((left, 3), title, fill="black", font=ImageFont.load_default(18))
        draw.text((left, 24), caption, fill="#555555", font=ImageFont.load_default(14))
        picture = Image.fromarray(pixels)
        sheet.paste(picture.resize((PANEL, top), Image.Resampling.LANCZOS), (left, LABEL))
        corner = (left + x * scale, LABEL + y * scale)
        far = (corner[0] + side * scale, corner[1] + side * scale)
        draw.rectangle((*corner, *far), outline="#ff3b30", width=2)
        detail = picture.crop((x, y, x + side, y + side))
        sheet.paste(
            detail.resize((PANEL, PANEL), Image.Resampling.NEAREST), (left, LABEL + top + GAP)
        )
    return sheet


def _caption(row: Result) -> str:
    psnr = row.metrics["psnr_db"]
    return f"{row.bytes:,} bytes, " + ("exact" if psnr is None else f"{psnr:.2f} dB")


def _busiest(pixels: Pixels) -> tuple[int, int, int]:
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


if __name__ == "__main__":
    sys.exit(main())
