"""What the parts of ``make demo`` hand to its table, and the sheets that they draw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import nacre

WIDTH, LABEL, GAP = 1472, 64, 8
"""Pixels: width of a sheet, height of the labels, space between panels."""
TITLE, CAPTION = 25, 19
"""Sizes of letters, legible where a sheet is shown at half its width."""
GREY, RED = "#555555", "#ff3b30"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """One file through one codec.

    Attributes:
        codec: with its settings.
        bytes: size of the file.
        quality: ``exact``, or a figure with its unit.
        encode_seconds, decode_seconds: CPU time of one run.
        verified: by :func:`nacre.verify`.
        peer: what else makes a file of the same quality; "" when there is nothing.
        peer_bytes: the size of that.
    """

    codec: str
    bytes: int
    quality: str
    encode_seconds: float
    decode_seconds: float
    verified: bool
    peer: str = ""
    peer_bytes: int = 0


@dataclass(frozen=True)
class Shown:
    """One file of the demo.

    Attributes:
        name: of the file.
        bytes: of what is in it, uncompressed; of splats, of the file.
        rows: one a codec.
    """

    name: str
    bytes: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Coded:
    """A file that was made, decoded and verified.

    Attributes:
        data: the file.
        decoded: what came back.
        encode_seconds, decode_seconds: CPU time of one run.
        verified: by :func:`nacre.verify`, against what went in.
    """

    data: bytes
    decoded: Any
    encode_seconds: float
    decode_seconds: float
    verified: bool

    def row(self, codec: str, quality: str, peer: tuple[str, int] = ("", 0)) -> Row:
        """As the table shows it; ``peer`` is a name and bytes."""
        times = self.encode_seconds, self.decode_seconds
        return Row(codec, len(self.data), quality, *times, self.verified, *peer)


def coded(item: Any, stream: Path, codec: str, **settings: Any) -> Coded:
    """``item`` as the file ``stream``, and back."""
    start = time.process_time()
    data = nacre.encode(item, codec=codec, **settings)
    encoded = time.process_time()
    stream.write_bytes(data)
    begin = time.process_time()
    decoded = nacre.decode(stream)
    end = time.process_time()
    verified = nacre.verify(stream, original=item).ok
    return Coded(data, decoded, encoded - start, end - begin, verified)


@dataclass(frozen=True, eq=False)
class Panel:
    """A column of a sheet.

    Attributes:
        title, caption: above it.
        picture: uint8 ``[H, W, 3]``; the same size in all columns.
        detail: shown below it; None: nothing is.
        frame: left, top, right and bottom of the detail in the picture, as shares of its width and
            height; None where it cannot be framed.
    """

    title: str
    caption: str
    picture: Pixels
    detail: Pixels | None = None
    frame: tuple[float, float, float, float] | None = None


def sheet_of(panels: list[Panel]) -> Image.Image:
    """Columns side by side, each under a title and a caption, details magnified below."""
    side = (WIDTH - GAP) // len(panels) - GAP
    top = _height(panels[0].picture, side)
    details = [panel.detail for panel in panels if panel.detail is not None]
    below = GAP + _height(details[0], side) if details else 0
    sheet = Image.new("RGB", (WIDTH, LABEL + top + below + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, panel in enumerate(panels):
        left = GAP + number * (side + GAP)
        draw.text((left, 2), panel.title, fill="black", font=ImageFont.load_default(TITLE))
        draw.text((left, 34), panel.caption, fill=GREY, font=ImageFont.load_default(CAPTION))
        sheet.paste(_scaled(panel.picture, side), (left, LABEL))
        if panel.frame is not None:
            x, y, right, bottom = panel.frame
            corners = (left + x * side, LABEL + y * top, left + right * side, LABEL + bottom * top)
            draw.rectangle(corners, outline=RED, width=2)
        if panel.detail is not None:
            sheet.paste(_scaled(panel.detail, side), (left, LABEL + top + GAP))
    return sheet


def _height(pixels: Pixels, width: int) -> int:
    """Of a picture that is made so wide."""
    return max(1, round(pixels.shape[0] * width / pixels.shape[1]))


def _scaled(pixels: Pixels, width: int) -> Image.Image:
    """A picture made so wide; one that is enlarged shows its pixels."""
    larger = width > pixels.shape[1]
    how = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).resize((width, _height(pixels, width)), how)
