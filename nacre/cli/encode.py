"""``nacre encode``: pictures, sound and meshes become .ncr files."""

from __future__ import annotations

import functools
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
    open_stdin,
    parse_raw,
    write_output,
)
from nacre.cli.records import Encoded, encoded_line, shape_of
from nacre.errors import FormatError, InputError
from nacre.files import PICTURES
from nacre.limits import Limits
from nacre.media import detect
from nacre.registry import codec_class, entry
from nacre.stream import ImageShape, PipeSource

if TYPE_CHECKING:
    from nacre.inspection import Info
    from nacre.media.audio import RawFormat


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
    textures: str
    raw: RawFormat | None
    limits: Limits
    verify: bool
    force: bool


def encode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Pictures, sound, meshes, folders, sets (idx, npy, npz); - is standard input.",
        ),
    ],
    output: OutputFlag = None,
    quality: Annotated[
        float | None,
        typer.Option("-q", "--quality", min=0, max=100, help="0 (smallest) to 100 (best)."),
    ] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Every sample or number comes back as it was.")
    ] = False,
    codec: Annotated[str | None, typer.Option(help="A codec (nacre codecs lists them).")] = None,
    model: ModelFlag = None,
    channels: Annotated[
        int | None,
        typer.Option(min=1, help="Latents to keep, of codecs that have them; of --raw, channels."),
    ] = None,
    effort: Annotated[
        int | None, typer.Option("-e", "--effort", min=1, max=9, help="1 (fast) to 9 (small).")
    ] = None,
    kbps: Annotated[
        float | None, typer.Option(min=0, help="Of lossy sound: kilobits a second of the file.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option(min=0, help="Of lossy sound: noise for what was lost, 0 to 3.")
    ] = None,
    reduction: Annotated[
        int | None, typer.Option(min=1, help="Of lossy sound: keep 1 of 1, 5 or 20 latents.")
    ] = None,
    lanes: Annotated[
        int | None, typer.Option(min=1, help="Of a set: runs of pictures that decode alone.")
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Of a set: put the model into the file.")
    ] = False,
    bits: Annotated[
        int | None, typer.Option(min=1, help="Of a mesh: bits of a position's coordinate, 8..24.")
    ] = None,
    normal_bits: Annotated[
        int | None, typer.Option(min=1, help="Of a mesh: bits of normals (10).")
    ] = None,
    uv_bits: Annotated[
        int | None, typer.Option(min=1, help="Of a mesh: bits of texture coordinates (12).")
    ] = None,
    color_bits: Annotated[
        int | None, typer.Option(min=1, help="Of a mesh: bits of colours that are floats (8).")
    ] = None,
    generic_bits: Annotated[
        int | None, typer.Option(min=1, help="Of a mesh: bits of other floats (12).")
    ] = None,
    grid: Annotated[
        str | None, typer.Option(help="Of a scene: one grid for the scene, or one a mesh.")
    ] = None,
    keep_order: Annotated[
        bool, typer.Option("--keep-order", help="Of a mesh: keep the order of vertices and faces.")
    ] = False,
    textures: Annotated[
        str, typer.Option(help="Of a mesh's textures: keep, or code as pixels: lossless, lossy.")
    ] = "keep",
    target_size: Annotated[
        int | None, typer.Option(min=1, metavar="BYTES", help="Best quality of at most this size.")
    ] = None,
    target_bpp: Annotated[
        float | None, typer.Option(min=0, help="Bits per pixel, met within 2 %.")
    ] = None,
    target_psnr: Annotated[
        float | None, typer.Option(min=0, metavar="DB", help="Smallest file that reaches this.")
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="The input is plain samples, such as s16le or f32le."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(min=1, metavar="HZ", help="Sample rate of --raw.")
    ] = None,
    strip: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="Leave out icc,exif,xmp,tags or all; of sound tags,pictures,cues; of meshes "
            "normals,uvs,colors,attributes,textures,scene.",
        ),
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
    """Turn pictures, sound and meshes into .ncr files.

    photo.png becomes photo.png.ncr beside it, or below the folder OUT in the same place. In a batch
    (several inputs or a folder) finished outputs are skipped and bad files do not stop the rest.
    Sets of pictures of one size become one file: an idx, npy or npz file, and with --codec
    circuit-image a folder.
    """
    takes_sets = codec is not None and hasattr(codec_class(codec), "encode_set")
    tasks, several = batch.plan(
        inputs, output, rename=encoded_name, wanted=is_source, whole=takes_sets
    )
    if tasks[0].target == "-":
        if json:
            raise InputError("--json and the file cannot both go to standard output; use -o FILE")
        check_stdout()
    form = None if raw is None else parse_raw(raw, rate, channels or 1)
    settings = {
        "quality": quality,
        "channels": channels if raw is None else None,
        "effort": effort,
        "kbps": kbps,
        "noise": noise,
        "reduction": reduction,
        "lanes": lanes,
        "embed": embed or None,
        "bits": bits,
        "normal_bits": normal_bits,
        "uv_bits": uv_bits,
        "color_bits": color_bits,
        "generic_bits": generic_bits,
        "grid": grid,
        "keep_order": keep_order or None,
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
        textures=textures,
        raw=form,
        limits=Limits.parse(limit),
        verify=verify,
        force=force,
    )
    manner = batch.Manner("encoded", jobs, threads, force, json, quiet, verbose)
    return batch.run(tasks, functools.partial(encode_one, options=options), several, manner)


def encoded_name(path: Path) -> str:
    """The output's file name from the input's path."""
    return path.name + ".ncr"


def is_picture(name: str) -> bool:
    """Whether a folder's file of that name is a picture."""
    return Path(name).suffix.lower() in PICTURES


def is_source(name: str) -> bool:
    """Whether a folder's file of that name is encoded."""
    return Path(name).suffix.lower() in detect.EXTENSIONS


def encode_one(task: batch.Task, options: Options) -> batch.Done:
    """Encode one file.

    Raises:
        NacreError: the input or an option cannot be used.
        FormatError: ``--verify`` found that the file does not decode to what it should.
        OSError: the output cannot be written.
    """
    import nacre

    source: Any = task.source
    if task.source == "-":
        source = open_stdin()
        head = source.read_at(0, detect.HEAD_BYTES)
        if not _is_sound(head, options):
            source = source.read()
    if isinstance(source, PipeSource) or _is_sound(source, options):
        from nacre.cli.sound import encode_sound

        return encode_sound(task, options, source)
    item = _load(source, options)
    start = time.perf_counter()
    data = nacre.encode(
        item,
        codec=options.codec,
        lossless=options.lossless,
        model=options.model,
        device=options.device,
        limits=options.limits,
        strip=options.strip,
        textures=options.textures,
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
            original=item,
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
    pixels, vertices = _amounts(info)
    record = Encoded(
        input=task.source,
        output=task.target,
        ok=True,
        codec=info.codec,
        model=info.model,
        medium=info.shape.medium.name.lower(),
        shape=shape_of(info.shape),
        items=info.items,
        input_bytes=size,
        bytes=len(data),
        bpp=8 * len(data) / pixels if pixels else None,
        bpv=8 * len(data) / vertices if vertices else None,
        kbps=info.kbps,
        seconds=seconds,
        psnr_db=psnr_db,
    )
    notes = item.notes
    deep = getattr(item.shape, "depth", 0)
    if isinstance(info.shape, ImageShape) and 8 <= info.shape.depth < deep:
        notes += (f"16-bit samples were reduced to {info.shape.depth} bits; --lossless keeps them",)
    return batch.Done(encoded_line(record), record, size, len(data), notes=notes)


def _is_sound(source: str | bytes, options: Options) -> bool:
    if options.codec is not None:
        return entry(options.codec).medium == "audio"
    return options.raw is not None or detect.medium_of(source) == "audio"


def _amounts(info: Info) -> tuple[int, int]:
    """Pixels and vertices of a stream."""
    shape = info.shape
    if isinstance(shape, ImageShape):
        return shape.width * shape.height * max(1, info.items or 1), 0
    return 0, int(getattr(shape, "vertices", 0))


def _load(source: str | bytes, options: Options) -> Any:
    """What is in ``source``: a picture, a set of them, or something of another medium."""
    medium = detect.medium_of(source) if options.codec is None else entry(options.codec).medium
    if medium == "image":
        from nacre.media.image_sets import is_image_set, load_image_set

        takes_sets = options.codec is None or hasattr(codec_class(options.codec), "encode_set")
        if takes_sets and is_image_set(source, wanted=options.codec is not None):
            return load_image_set(source, limits=options.limits)
    names = tuple(name.strip() for name in options.strip.split(",") if name.strip())
    return detect.medium(medium).load(source, limits=options.limits, strip=names)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in and below a folder."""
    paths = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in paths if each.is_file())
