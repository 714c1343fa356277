"""Pictures of meshes and splats without a display: a z-buffer and blended discs in software.

    python scripts/render.py bunny.ply bunny.ncr -o bunny.png       # original, decoded, distance
    python scripts/render.py bunny.ply -o bunny.png --smooth --size 800
    python scripts/render.py statue.sog statue.ncr -o statue.png --up -y

From Python (with ``scripts`` on the path), arrays in and a Pillow picture out:

    import render
    sheet = render.compare_meshes((vertices, faces), (decoded_vertices, decoded_faces))
    sheet = render.compare_splats(splats, decoded_splats, up="-y")
    sheet.save("sheet.png")
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import nacre
from nacre.bench.rendering import (
    SIZE,
    UPS,
    Camera,
    Floats,
    Pixels,
    Surface,
    render_mesh,
    render_splats,
)
from nacre.errors import InputError, NacreError
from nacre.transforms.nearest import Tree
from nacre.transforms.surface_distance import box_diagonal

GAP, LABEL = 8, 64
HEAT = np.array([[0.92, 0.92, 0.92], [0.99, 0.85, 0.46], [0.94, 0.40, 0.25], [0.50, 0.0, 0.15]])
SH0 = 0.28209479177387814
"""The spherical harmonic of degree 0: colour is 0.5 + SH0 x coefficient."""


def distances_percent(original: Surface, decoded: Surface) -> Floats:
    """Of the decoded vertices to the original surface, in % of its box diagonal, ``[V]``."""
    corners = original[0].astype(np.float64)[original[1]]
    found, _ = Tree.of(corners).nearest(decoded[0].astype(np.float64))
    return 100 * found / (box_diagonal(corners) or 1.0)


def heat(values: Floats, top: float) -> Floats:
    """Colours ``[N, 3]`` of values from 0 to ``top``."""
    at = (values / (top or 1.0)).clip(0, 1) * (len(HEAT) - 1)
    stops = np.arange(len(HEAT))
    return np.stack([np.interp(at, stops, HEAT[:, k]) for k in range(3)], axis=1)


def compare_meshes(
    original: Surface,
    decoded: Surface | None = None,
    *,
    titles: tuple[str, str] = ("original", "decoded"),
    captions: tuple[str, str] = ("", ""),
    size: int = SIZE,
    smooth: bool = False,
    colours: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None] = (None, None),
    **view: Any,
) -> Image.Image:
    """Original, decoded, and the decoded coloured by its distance from the original.

    Args:
        original, decoded: vertices ``[V, 3]`` and faces ``[F, 3]``; without the second, one panel.
        titles, captions: above the first two panels.
        size, smooth, colours: as of :func:`render_mesh`.
        **view: ``azimuth``, ``elevation`` and ``up`` of the camera.
    """
    camera = Camera.around(original[0], **view)
    pair = [original] if decoded is None else [original, decoded]
    panels = []
    for surface, title, caption, colour in zip(pair, titles, captions, colours, strict=False):
        pixels = render_mesh(surface, camera, size=size, smooth=smooth, colours=colour)
        words = f"{len(surface[0]):,} vertices, {len(surface[1]):,} faces"
        panels.append((pixels, title, caption or words))
    if decoded is not None:
        far = distances_percent(original, decoded)
        top = float(np.quantile(far, 0.99)) or float(far.max())
        pixels = render_mesh(decoded, camera, size=size, smooth=smooth, colours=heat(far, top))
        words = f"grey 0 to dark red {top:.2g} % of the diagonal"
        panels.append((pixels, "distance from the original", words))
    return sheet_of(panels)


def compare_splats(
    original: Any,
    decoded: Any = None,
    *,
    titles: tuple[str, str] = ("original", "decoded"),
    captions: tuple[str, str] = ("", ""),
    size: int = SIZE,
    **view: Any,
) -> Image.Image:
    """Original, decoded, and eight times the difference of the pictures.

    Args:
        original, decoded: :class:`nacre.media.splat.Splats`; without the second, one panel.
        titles, captions, size: as of :func:`compare_meshes`.
        **view: ``azimuth``, ``elevation`` and ``up`` of the camera; up is y in SPZ files and -y
            in others, when it is not said.
    """
    # A few splats far off must not make all others small.
    low, high = np.quantile(original.positions, (0.01, 0.99), axis=0)
    inside = ((original.positions >= low) & (original.positions <= high)).all(axis=1)
    view.setdefault("up", "-y" if _kind(original) != "spz" else "y")
    camera = Camera.around(original.positions[inside], **view)
    pair = [original] if decoded is None else [original, decoded]
    panels = []
    for one, title, caption in zip(pair, titles, captions, strict=False):
        pixels = render_splats(*_splat_arrays(one), camera, size=size)
        panels.append((pixels, title, caption or f"{len(one.positions):,} splats"))
    if decoded is not None:
        gap = panels[0][0].astype(int) - panels[1][0]
        pixels = (255 - 8 * np.abs(gap)).clip(0).astype(np.uint8)
        panels.append((pixels, "difference", "times 8, white is none"))
    return sheet_of(panels)


def _kind(splats: Any) -> str:
    """The format whose integers splats have; "" of floats."""
    return "" if splats.quantized is None else str(splats.quantized.scheme.kind)


def _splat_arrays(splats: Any) -> tuple[Floats, ...]:
    alphas = 1 / (1 + np.exp(-splats.opacities.astype(np.float64).ravel().clip(-60, 60)))
    colours = (0.5 + SH0 * splats.sh0.astype(np.float64)).clip(0, 1)
    scales = np.exp(splats.log_scales.astype(np.float64).clip(-60, 60))
    return splats.positions, scales, splats.rotations, alphas, colours


def sheet_of(panels: list[tuple[Pixels, str, str]]) -> Image.Image:
    """Pictures side by side, each under a title and a caption."""
    size = len(panels[0][0])
    sheet = Image.new("RGB", (len(panels) * (size + GAP) + GAP, LABEL + size + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (pixels, title, caption) in enumerate(panels):
        left = GAP + number * (size + GAP)
        draw.text((left, 2), title, fill="black", font=ImageFont.load_default(25))
        draw.text((left, 34), caption, fill="#555555", font=ImageFont.load_default(19))
        sheet.paste(Image.fromarray(pixels), (left, LABEL))
    return sheet


def _load(path: Path) -> Any:
    """A scene or splats from a file of nacre's or of another kind."""
    from nacre.media.detect import MEDIA, medium_of
    from nacre.stream import is_nacre

    data = path.read_bytes()
    if is_nacre(data):
        return nacre.decode(data)
    return MEDIA[medium_of(path)].load(path, limits=nacre.Limits.DEFAULT)


def _surface(item: Any, path: Path) -> tuple[Surface, npt.NDArray[Any] | None]:
    """Vertices and faces of a scene, and the colours of vertices that it may have."""
    if not hasattr(item, "flattened"):
        raise InputError(f"{path}: neither a mesh nor splats, or not the same as the other file")
    mesh = item.flattened()
    if not len(mesh.faces):
        raise InputError(f"{path}: no faces; there is nothing to draw")
    colour = mesh.attribute("color")
    if colour is None or colour.domain != "vertex" or colour.values.shape[1] < 3:
        return (mesh.vertices, mesh.faces), None
    top = 255 if colour.values.dtype == np.uint8 else 1
    return (mesh.vertices, mesh.faces), colour.values[:, :3].astype(np.float64) / top


def main() -> int:
    """Draw the one or two files that were named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="the original, and what became of it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a PNG")
    parser.add_argument("--size", type=int, default=SIZE, help="pixels of a panel")
    parser.add_argument("--smooth", action="store_true", help="normals of vertices")
    parser.add_argument("--azimuth", type=float, default=30.0)
    parser.add_argument("--elevation", type=float, default=20.0)
    parser.add_argument("--up", choices=[*UPS, *(f"-{axis}" for axis in UPS)])
    options = parser.parse_args()
    view: dict[str, Any] = {"azimuth": options.azimuth, "elevation": options.elevation}
    view |= {} if options.up is None else {"up": options.up}
    try:
        items = [_load(path) for path in options.files[:2]]
        captions = [f"{path.stat().st_size:,} bytes" for path in options.files[:2]]
        named: dict[str, Any] = {"captions": (*captions, "")[:2], "size": options.size, **view}
        if hasattr(items[0], "log_scales"):
            sheet = compare_splats(*items, **named)
        else:
            found = [_surface(*pair) for pair in zip(items, options.files, strict=False)]
            colours = (*(colour for _, colour in found), None)[:2]
            surfaces = [surface for surface, _ in found]
            sheet = compare_meshes(*surfaces, smooth=options.smooth, colours=colours, **named)
        sheet.save(options.output)
    except (NacreError, OSError) as error:
        print(f"render: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"written: {options.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
