"""``nacre compare``: how near pictures are to an original, in figures and on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.common import (
    DeviceFlag,
    ForceFlag,
    JsonFlag,
    LimitFlag,
    ModelFlag,
    parse_region,
    print_json,
    say,
)
from nacre.errors import InputError
from nacre.limits import Limits

if TYPE_CHECKING:
    from nacre.decoding import Decoder
    from nacre.media.image import Image


@dataclass(frozen=True)
class Compared:
    """The ``--json`` record of one file; ``ms_ssim`` is null where it is not defined."""

    original: str
    input: str
    bytes: int
    bpp: float
    equal: bool
    psnr_db: float
    ms_ssim: float | None


def compare(
    original: Annotated[str, typer.Argument(metavar="A", help="The original: a picture.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="B...", help="Pictures and .ncr files made of it.")
    ],
    page: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also write an HTML page that shows them side by side."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="The part that the page shows, in pixels.")
    ] = None,
    model: ModelFlag = None,
    device: DeviceFlag = "auto",
    limit: LimitFlag = "default",
    force: ForceFlag = False,
    json: JsonFlag = False,
) -> int:
    """Compare pictures and .ncr files with the picture that they were made of.

    Other media: nacre verify B --original A.
    """
    from nacre.decoding import Decoder

    window = parse_region(region)
    if window is not None and page is None:
        raise InputError("--region is of the page; ask for one with --page FILE")
    if page is not None and Path(page).exists() and not force:
        raise InputError(f"{page} exists; choose another name, or overwrite with --force")
    decoder = Decoder(device, model=model, limits=Limits.parse(limit))
    first = _load(original, decoder)
    pictures, records = [], []
    for name in inputs:
        picture = _load(name, decoder)
        record = _compare(original, first, name, picture)
        if json:
            print_json(record)
        else:
            print(_line(record))
        records.append(record)
        pictures.append(picture)
    if page is not None:
        _write_page(Path(page), first, pictures, records, window, force=force)
        say(f"written: {page}")
    return 0


def _load(name: str, decoder: Decoder) -> Image:
    """A picture out of a file of any kind.

    Raises:
        NacreError: it cannot be read, or it is not a picture.
    """
    from nacre.media.image import Image, load_image
    from nacre.stream import Medium, is_nacre, medium_of_stream

    try:
        with Path(name).open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None
    if not is_nacre(head):
        return load_image(name, limits=decoder.limits)
    decoded = None
    if medium_of_stream(head) in (Medium.IMAGE, None):  # others may be long
        decoded = decoder.decode(name)
    if not isinstance(decoded, Image):
        raise InputError(f"{name} holds no picture; nacre verify --original compares other media")
    return decoded


def _compare(original: str, first: Image, name: str, picture: Image) -> Compared:
    from nacre.compare import equal_pixels, psnr_db

    try:
        psnr = psnr_db(first, picture)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    size = Path(name).stat().st_size
    return Compared(
        original,
        name,
        size,
        8 * size / (first.width * first.height),
        equal_pixels(first, picture),
        psnr,
        _similarity(first, picture),
    )


def _similarity(first: Image, picture: Image) -> float | None:
    """MS-SSIM of colours; None where it is not defined, or what measures it is not installed."""
    from importlib.util import find_spec

    import numpy as np

    from nacre.bench.metrics import MS_SSIM_SHORTEST_SIDE, ms_ssim

    small = min(first.width, first.height) < MS_SSIM_SHORTEST_SIDE
    if small or first.depth != 8 or picture.depth != 8 or find_spec("pytorch_msssim") is None:
        return None
    a, b = (
        each.pixels.astype(np.uint8)[..., : 1 if each.channels <= 2 else 3]
        for each in (first, picture)
    )
    return ms_ssim(a, b)


def _line(record: Compared) -> str:
    distance = "equal" if record.equal else f"{record.psnr_db:.2f} dB"
    if math.isinf(record.psnr_db) and not record.equal:
        distance = "equal colours"  # but not transparency or depth
    similar = "" if record.ms_ssim is None else f", MS-SSIM {record.ms_ssim:.4f}"
    size = f"{record.bytes:,} bytes, {record.bpp:.3f} bits a pixel"
    return f"{record.input}: {size}, {distance}{similar}"


def _write_page(
    path: Path,
    first: Image,
    pictures: Sequence[Image],
    records: Sequence[Compared],
    region: tuple[int, int, int, int] | None,
    *,
    force: bool,
) -> None:
    """The original and the others on one page."""
    from nacre.bench.page import MOST_PIXELS, Level, Photo, Picture, Window, cut, make_page, middle
    from nacre.bench.side_by_side import figures_in_words
    from nacre.files import write_atomically

    width, height = first.width, first.height
    window = middle(width, height, MOST_PIXELS) if region is None else Window(*region)
    if region is not None:
        x, y, across, down = region
        if not (across and down) or x + across > width or y + down > height:
            raise InputError(f"--region {','.join(map(str, region))} is not in {width} x {height}")
    shown = []
    for name, picture, record in zip(_labels(records), pictures, records, strict=True):
        figures: dict[str, Any] = {
            "psnr_db": None if math.isinf(record.psnr_db) else record.psnr_db,
            "ms_ssim": record.ms_ssim,
            "identical": record.equal,
        }
        words = figures_in_words(record.bytes, width * height, figures)
        shown.append(Picture(name, cut(_eight_bits(picture), window), words))
    name = Path(records[0].original).name
    size = Path(records[0].original).stat().st_size
    original = Picture(
        "original",
        cut(_eight_bits(first), window),
        {"bytes": f"{size:,}", "pixels": f"{width} × {height}"},
    )
    notes = ["Bytes are whole files."]
    if any(each.depth > 8 for each in (first, *pictures)):
        notes.append("16 bits a sample are shown as 8; figures are of all bits.")
    photo = Photo(name, width, height, original, (Level("files", tuple(shown)),))
    text = make_page(f"nacre compare: {name}", [photo], notes=notes)
    write_atomically(path, text.encode(), force=force)


def _labels(records: Sequence[Compared]) -> list[str]:
    """Names of files, with their folders where two are called alike."""
    names = [Path(record.input).name for record in records]
    alike = len(set(names)) < len(names) or "original" in names
    return [record.input for record in records] if alike else names


def _eight_bits(image: Image) -> Any:
    """Pixels as a browser can show them: ``[H, W, 1, 3 or 4]`` uint8."""
    import numpy as np

    pixels = image.pixels if image.depth == 8 else (image.pixels >> 8).astype(np.uint8)
    if image.channels != 2:
        return pixels
    return np.concatenate([np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:]], axis=2)
