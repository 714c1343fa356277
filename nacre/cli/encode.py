"""``nacre encode``: pictures become .ncr files."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli import batch
from nacre.cli.common import (
    DeviceFlag,
    ForceFlag,
    JobsFlag,
    JsonFlag,
    LimitFlag,
    ModelFlag,
    OutputFlag,
    QuietFlag,
    ThreadsFlag,
    VerboseFlag,
    check_stdout,
    read_stdin,
    write_output,
)
from nacre.errors import FormatError, InputError
from nacre.files import PICTURES
from nacre.limits import Limits
from nacre.registry import codec_class
from nacre.stream import ImageShape

if TYPE_CHECKING:
    from nacre.media.image import Image
    from nacre.media.image_sets import ImageSet


@dataclass(frozen=True)
class Options:
    """All that decides what is written for one file."""

    codec: str | None
    lossless: bool
    model: str | None
    device: str
    settings: dict[str, Any]
    target_size: int | None
    target_bpp: float | None
    target_psnr: float | None
    strip: str
    limits: Limits
    verify: bool
    force: bool


@dataclass(frozen=True)
class Encoded:
    """The ``--json`` record of one file.

    Attributes:
        width, height: of one picture.
        items: of a set of pictures; None for one picture.
        seconds: for encoding alone, without reading, checking and writing; the first file of a
            process also waits for torch and the model.
        psnr_db: with ``--verify``.
    """

    input: str
    output: str
    ok: bool
    codec: str | None
    model: str | None
    width: int
    height: int
    items: int | None
    input_bytes: int
    bytes: int
    bpp: float
    seconds: float
    psnr_db: float | None


def encode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Pictures, folders, idx, npy or npz files; - is standard input.",
        ),
    ],
    output: OutputFlag = None,
    quality: Annotated[
        float | None,
        typer.Option("-q", "--quality", min=0, max=100, help="0 (smallest) to 100 (best)."),
    ] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Every sample comes back as it was.")
    ] = False,
    codec: Annotated[str | None, typer.Option(help="A codec (nacre codecs lists them).")] = None,
    model: ModelFlag = None,
    channels: Annotated[
        int | None, typer.Option(min=1, help="Latent channels to keep, for codecs with latents.")
    ] = None,
    effort: Annotated[
        int | None, typer.Option("-e", "--effort", min=1, max=9, help="1 (fast) to 9 (small).")
    ] = None,
    lanes: Annotated[
        int | None, typer.Option(min=1, help="Of a set: runs of pictures that decode alone.")
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Of a set: put the model into the file.")
    ] = False,
    target_size: Annotated[
        int | None, typer.Option(min=1, metavar="BYTES", help="Best quality of at most this size.")
    ] = None,
    target_bpp: Annotated[
        float | None, typer.Option(min=0, help="Bits per pixel, met within 2 %.")
    ] = None,
    target_psnr: Annotated[
        float | None, typer.Option(min=0, metavar="DB", help="Smallest file that reaches this.")
    ] = None,
    strip: Annotated[
        str, typer.Option(metavar="KINDS", help="Leave out icc,exif,xmp,tags or all of them.")
    ] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Decode each result and compare before it is written.")
    ] = False,
    device: DeviceFlag = "auto",
    limit: LimitFlag = "default",
    jobs: JobsFlag = 1,
    threads: ThreadsFlag = None,
    force: ForceFlag = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Turn pictures into .ncr files.

    photo.png becomes photo.png.ncr beside it, or below the folder OUT in the same place. In a batch
    (several inputs or a folder) finished outputs are skipped and bad files do not stop the rest.
    Sets of pictures of one size become one file: an idx, npy or npz file, and with --codec
    circuit-image a folder.
    """
    takes_sets = codec is not None and hasattr(codec_class(codec), "encode_set")
    tasks, several = batch.plan(
        inputs, output, rename=encoded_name, wanted=is_picture, whole=takes_sets
    )
    if tasks[0].target == "-":
        if json:
            raise InputError("--json and the file cannot both go to standard output; use -o FILE")
        check_stdout()
    settings = {
        "quality": quality,
        "channels": channels,
        "effort": effort,
        "lanes": lanes,
        "embed": embed or None,
    }
    options = Options(
        codec=codec,
        lossless=lossless,
        model=model,
        device=device,
        settings={name: value for name, value in settings.items() if value is not None},
        target_size=target_size,
        target_bpp=target_bpp,
        target_psnr=target_psnr,
        strip=strip,
        limits=Limits.parse(limit),
        verify=verify,
        force=force,
    )
    manner = batch.Manner("encoded", jobs, threads, force, json, quiet, verbose)
    return batch.run(tasks, functools.partial(encode_one, options=options), several, manner)


def encoded_name(name: str) -> str:
    """The output's file name from the input's."""
    return name + ".ncr"


def is_picture(name: str) -> bool:
    """Whether a folder's file of that name is encoded."""
    return Path(name).suffix.lower() in PICTURES


def encode_one(task: batch.Task, options: Options) -> batch.Done:
    """Encode one file.

    Raises:
        NacreError: the input or an option cannot be used.
        FormatError: ``--verify`` found that the file does not decode to what it should.
        OSError: the output cannot be written.
    """
    import nacre

    source = read_stdin() if task.source == "-" else task.source
    picture = _load(source, options)
    start = time.perf_counter()
    data = nacre.encode(
        picture,
        codec=options.codec,
        lossless=options.lossless,
        model=options.model,
        device=options.device,
        limits=options.limits,
        strip=options.strip,
        target_size=options.target_size,
        target_bpp=options.target_bpp,
        target_psnr=options.target_psnr,
        **options.settings,
    )
    seconds = time.perf_counter() - start
    psnr_db = None
    if options.verify:
        report = nacre.verify(
            data,
            original=picture,
            device=options.device,
            model=options.model,
            limits=options.limits,
        )
        if not report.ok:
            raise FormatError(f"nothing was written, verification failed: {report.problem}")
        psnr_db = report.psnr_db
    write_output(task.target, data, force=options.force)
    info = nacre.info(data)
    size = len(source) if isinstance(source, bytes) else _size(Path(source))
    shape = picture.shape
    pixels = shape.width * shape.height * (1 if info.items is None else max(1, info.items))
    record = Encoded(
        input=task.source,
        output=task.target,
        ok=True,
        codec=info.codec,
        model=info.model,
        width=shape.width,
        height=shape.height,
        items=info.items,
        input_bytes=size,
        bytes=len(data),
        bpp=8 * len(data) / pixels,
        seconds=seconds,
        psnr_db=psnr_db,
    )
    notes = picture.notes
    if isinstance(info.shape, ImageShape) and 8 <= info.shape.depth < shape.depth:
        notes += (f"16-bit samples were reduced to {info.shape.depth} bits; --lossless keeps them",)
    return batch.Done(_line(record), record, size, len(data), notes=notes)


def _load(source: str | bytes, options: Options) -> Image | ImageSet:
    """The picture, or the set of them, in ``source``."""
    from nacre.media.image import load_image
    from nacre.media.image_sets import is_image_set, load_image_set

    takes_sets = options.codec is None or hasattr(codec_class(options.codec), "encode_set")
    if takes_sets and is_image_set(source, wanted=options.codec is not None):
        return load_image_set(source, limits=options.limits)
    names = [name for name in options.strip.split(",") if name]
    return load_image(source, limits=options.limits, strip=names)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in and below a folder."""
    paths = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in paths if each.is_file())


def _line(record: Encoded) -> str:
    measured = ""
    if record.psnr_db is not None:
        measured = ", exact" if math.isinf(record.psnr_db) else f", {record.psnr_db:.2f} dB"
    count = "" if record.items is None else f"{record.items:,} of "
    return (
        f"{record.input} -> {record.output}: {record.codec}, {count}{record.width} x "
        f"{record.height}, "
        f"{record.bytes:,} bytes, {record.bpp:.3f} bpp{measured}, {record.seconds:.2f} s"
    )
