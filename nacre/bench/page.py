"""One HTML page that shows pictures side by side: no server, no network, no other file.

    from nacre.bench.page import Photo, Picture, Level, make_page

The pictures are in the page itself, as data URLs of lossless WebP, so that a browser shows the
pixels that were decoded and nothing else. A page stays below :data:`PAGE_BYTES`: of photos that are
too large for that it shows the middle, and says so.
"""

from __future__ import annotations

import base64
import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image

from nacre.errors import InputError

Pixels = npt.NDArray[np.uint8]

PAGE_BYTES = 10_000_000
"""Of a page at most, about."""
MOST_PIXELS = 1 << 20
"""Of a picture that are shown at most."""
FEWEST_PIXELS = 64 * 64
"""Of a picture that are shown, however many pictures there are."""
COUNTED = ("bytes", "bits a pixel", "pixels")
"""Names of figures that follow their number."""
_ROUNDS = 4
_DECODED = 0.75
"""Bytes of what is decoded against those of its original, both lossless; a guess to begin with."""


class Window(NamedTuple):
    """The part of a picture that is shown, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Picture:
    """A picture, or the part of it that is to be seen.

    Attributes:
        name: of the codec, or ``original``.
        pixels: ``[H, W, C]`` of grey, RGB or RGBA, 8 bits a sample.
        figures: what is known of it, by name, in words.
    """

    name: str
    pixels: Pixels
    figures: Mapping[str, str]


@dataclass(frozen=True)
class Level:
    """Pictures of about as many bytes, and how many these are, in words."""

    label: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Photo:
    """A photo and what codecs make of it; all pictures have one size.

    Attributes:
        name: as the page calls it.
        width, height: of the whole photo in pixels, of which the pictures may be the middle.
        original: what the codecs were given.
        levels: one or more, small files first.
    """

    name: str
    width: int
    height: int
    original: Picture
    levels: tuple[Level, ...]

    @property
    def pictures(self) -> list[Picture]:
        """The original and all others."""
        return [self.original, *(each for level in self.levels for each in level.pictures)]


def middle(width: int, height: int, pixels: int) -> Window:
    """The middle of a picture, of its shape and at most about so many pixels.

    >>> middle(4000, 3000, 1_000_000)
    Window(x=1423, y=1067, width=1154, height=866)
    >>> middle(40, 30, 1_000_000)
    Window(x=0, y=0, width=40, height=30)
    """
    share = min(1.0, math.sqrt(pixels / (width * height)))
    across, down = max(1, int(width * share)), max(1, int(height * share))
    return Window((width - across) // 2, (height - down) // 2, across, down)


def cut(pixels: Pixels, window: Window) -> Pixels:
    """The part of a picture in a window, as an array of its own."""
    x, y, width, height = window
    return np.ascontiguousarray(pixels[y : y + height, x : x + width])


def lossless_file(pixels: Pixels) -> bytes:
    """Pixels as lossless WebP, or as PNG where a side is too long for WebP."""
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    out = io.BytesIO()
    picture = PIL.Image.fromarray(flat)
    if max(picture.size) > 16383:
        picture.save(out, "PNG")
    else:
        picture.save(out, "WEBP", lossless=True, exact=True, method=3)
    return out.getvalue()


def make_page(
    title: str,
    photos: Sequence[Photo],
    *,
    notes: Sequence[str] = (),
    plot: bytes | None = None,
    page_bytes: int = PAGE_BYTES,
) -> str:
    """The text of the page.

    Args:
        title: in words.
        photos: one or more.
        notes: sentences above the pictures.
        plot: a PNG with curves of rate and distortion.
        page_bytes: that the page may have, about; below that, pictures are cut to their middle.

    Raises:
        InputError: there is no photo, or the pictures of one differ in size.
    """
    if not photos:
        raise InputError("there is no picture to show on a page")
    for photo in photos:
        if len({picture.pixels.shape[:2] for picture in photo.pictures}) > 1:
            raise InputError(f"{photo.name}: pictures of several sizes cannot be shown together")
    room = int(0.74 * page_bytes) - len(plot or b"")  # base64 takes 4 bytes for 3
    files = _files_that_fit(photos, room)
    shown = [_size(files[id(photo.original)]) for photo in photos]
    parts = {
        "title": html.escape(title),
        "notes": "\n".join(
            f"<li>{html.escape(note)}</li>" for note in [*notes, *_cut_notes(photos, shown)]
        ),
        "tables": "\n".join(_tables(photos)),
        "plot": _plot(plot),
        "pictures": "\n".join(_figures(photos, files)),
    }
    template = resources.files("nacre.bench").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"@@(\w+)@@", lambda found: parts[found[1]], template)


def _files_that_fit(photos: Sequence[Photo], room: int) -> dict[int, bytes]:
    """Files of all pictures, by identity of the picture, together of at most about ``room`` bytes.

    The same share of every photo is kept.
    """
    guess = sum(
        len(lossless_file(each.original.pixels)) * (1 + _DECODED * (len(each.pictures) - 1))
        for each in photos
    )
    share = min(1.0, room / guess)
    for _ in range(_ROUNDS):
        files: dict[int, bytes] = {}
        for photo in photos:
            height, width = photo.original.pixels.shape[:2]
            window = middle(width, height, max(int(width * height * share), FEWEST_PIXELS))
            for picture in photo.pictures:
                files[id(picture)] = lossless_file(cut(picture.pixels, window))
        total = sum(map(len, files.values()))
        if total <= room:
            break
        share *= 0.95 * room / total
    return files


def _size(data: bytes) -> tuple[int, int]:
    with PIL.Image.open(io.BytesIO(data)) as picture:
        return picture.size


def _cut_notes(photos: Sequence[Photo], shown: Sequence[tuple[int, int]]) -> list[str]:
    """What is not shown, so that nobody takes a part for the whole."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for photo, part in zip(photos, shown, strict=True):
        if part != (photo.width, photo.height):
            alike.setdefault((*part, photo.width, photo.height), []).append(photo.name)
    return [
        f"{', '.join(names)}: {across} × {down} of {width} × {height} pixels are shown; "
        "figures are of the whole."
        for (across, down, width, height), names in alike.items()
    ]


def _figures(photos: Sequence[Photo], files: Mapping[int, bytes]) -> list[str]:
    """Every picture with what is said of it; the script of the page shows two of them at a time."""
    lines = []
    for number, photo in enumerate(photos):
        every = [("", "", photo.original)]
        for place, level in enumerate(photo.levels):
            every += [(str(place), level.label, picture) for picture in level.pictures]
        for place_text, label, picture in every:
            data = {
                "photo": str(number), "file": photo.name, "level": place_text, "label": label,
                "name": picture.name,
            }  # fmt: skip
            words = ", ".join(_words(name, text) for name, text in picture.figures.items())
            caption = f"{picture.name}: {words}" if words else picture.name
            alt = f"{photo.name}, {picture.name}"
            lines.append(
                f"<figure {_attributes(data)}>{_image(files[id(picture)], alt)}"
                f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            )
    return lines


def _words(name: str, text: str) -> str:
    """``quality 20``, but ``12,000 bytes``."""
    return f"{text} {name}" if name in COUNTED or text.endswith("%") else f"{name} {text}"


def _attributes(data: Mapping[str, str]) -> str:
    return " ".join(f'data-{name}="{html.escape(text)}"' for name, text in data.items())


def _image(data: bytes, alt: str, kind: str = "") -> str:
    width, height = _size(data)
    mime = "image/png" if data.startswith(b"\x89PNG") else "image/webp"
    source = f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
    return f'<img{kind} src="{source}" width="{width}" height="{height}" alt="{html.escape(alt)}">'


def _tables(photos: Sequence[Photo]) -> list[str]:
    """The figures of every level."""
    lines = ["<h2>Figures</h2>", '<div class="scroll">']
    for number, photo in enumerate(photos):
        for place, level in enumerate(photo.levels):
            names = list(dict.fromkeys(name for each in level.pictures for name in each.figures))
            head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
            lines += [
                f'<table data-photo="{number}" data-level="{place}">',
                f"<caption>{html.escape(f'{photo.name}: {level.label}')}</caption>",
                f"<tr><th></th>{head}</tr>",
            ]
            for each in level.pictures:
                cells = "".join(f"<td>{html.escape(each.figures.get(n, ''))}</td>" for n in names)
                lines.append(f"<tr><th>{html.escape(each.name)}</th>{cells}</tr>")
            lines.append("</table>")
    return [*lines, "</div>"]


def _plot(plot: bytes | None) -> str:
    if plot is None:
        return ""
    picture = _image(plot, "Quality over bits per pixel of every codec", ' class="plot"')
    return f'<section id="plot">\n<h2>Rate and distortion</h2>\n{picture}\n</section>'
