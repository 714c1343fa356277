"""``nacre decode``: .ncr files become pictures, sound and meshes."""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nacre import registry
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
    parse_region,
    write_output,
)
from nacre.cli.records import Decoded, decoded_line, shape_of, size_of
from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media import detect
from nacre.stream import Bytes, Medium, medium_of_stream, read_header

SETS = (".npy", ".npz", ".idx", ".idx.gz", "-ubyte", "-ubyte.gz")
"""Ends of the names of files that hold a set of pictures."""

KEPT = frozenset(extension for each in detect.MEDIA.values() for extension in each.kept)
"""Extensions that are kept as they were: kinds of file that hold what was decoded."""


@dataclass(frozen=True)
class Options:
    """All that decides what is written for one file."""

    output: str | None
    item: int | None
    region: tuple[int, int, int, int] | None
    model: str | None
    device: str
    limits: Limits
    force: bool
    start: float | None = None
    stop: float | None = None
    allow_partial: bool = False
    raw: str | None = None


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help=".ncr files or folders; - is standard input."),
    ],
    output: OutputFlag = None,
    item: Annotated[
        int | None, typer.Option(min=0, help="Only this picture of an archive; 0 is the first.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="Only this part, in pixels from the top left."),
    ] = None,
    start: Annotated[
        float | None,
        typer.Option("--from", min=0, metavar="SECONDS", help="Only the sound from there on."),
    ] = None,
    stop: Annotated[
        float | None,
        typer.Option("--to", min=0, metavar="SECONDS", help="Only the sound before it."),
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option("--allow-partial", help="Of sound: damage becomes silence, and is reported."),
    ] = False,
    raw: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="Write plain samples, such as s16le or f32le."),
    ] = None,
    model: ModelFlag = None,
    device: DeviceFlag = "auto",
    limit: LimitFlag = "default",
    jobs: JobsFlag = 1,
    threads: ThreadsFlag = None,
    force: ForceFlag = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Turn .ncr files back into pictures, sound and meshes.

    The extension of OUT decides the kind of file. Without -o, photo.png.ncr becomes photo.png and
    photo.jpg.ncr becomes photo.jpg.png: nothing is put into a lossy file unless asked for.
    model.obj.ncr becomes model.obj. Standard output gets PNG, of sound WAV, of meshes GLB. A set of
    pictures becomes a folder, or OUT with the extension .npy, .npz, .idx or .idx.gz.
    """
    tasks, several = batch.plan(inputs, output, rename=_name_of, wanted=is_stream)
    if tasks[0].target == "-":
        if json:
            raise InputError("--json and the file cannot both go to standard output; use -o FILE")
        check_stdout()
    named = None if several else output
    if raw is not None and output is None and tasks[0].target != "-":
        raise InputError("--raw needs -o: a file, or - for standard output")
    options = Options(
        named, item, parse_region(region), model, device, Limits.parse(limit), force,
        start, stop, allow_partial, raw,
    )  # fmt: skip
    manner = batch.Manner("decoded", jobs, threads, force, json, quiet, verbose)
    return batch.run(tasks, functools.partial(decode_one, options=options), several, manner)


def _name_of(path: Path) -> str:
    """The output's file name from the path of a stream, at whose first bytes it looks."""
    medium = None
    if path.is_file():
        medium = medium_of_stream(_head(str(path)))
    return decoded_name(path.name, medium.name.lower() if medium is not None else "image")


def decoded_name(name: str, medium: str = "image") -> str:
    """The output's file name from the input's.

    >>> [decoded_name(name) for name in ("a.png.ncr", "a.jpg.ncr", "a.ncr", "a", "a.idx.gz.ncr")]
    ['a.png', 'a.jpg.png', 'a.png', 'a.png', 'a.idx.gz']
    >>> decoded_name("a.obj.ncr", "mesh"), decoded_name("a.ncr", "mesh")
    ('a.obj', 'a.glb')
    """
    plain = name.removesuffix(".ncr")
    known = detect.MEDIA.get(medium, detect.MEDIA["image"])
    kept = Path(plain).suffix.lower() in known.kept
    kept |= medium == "image" and plain.lower().endswith(SETS)
    return plain if kept else plain + known.default


def is_stream(name: str) -> bool:
    """Whether a folder's file of that name is decoded."""
    return name.endswith(".ncr")


def decode_one(task: batch.Task, options: Options) -> batch.Done:
    """Decode one file.

    Raises:
        NacreError: the input or an option cannot be used.
        OSError: the output cannot be written.
    """
    import nacre
    from nacre.decoding import read_bytes

    source = open_stdin() if task.source == "-" else None
    head = _head(task.source) if source is None else source.read_at(0, 16)
    if medium_of_stream(head) == Medium.AUDIO and options.item is None:
        from nacre.cli.sound import decode_sound

        return decode_sound(task, options, source)
    seconds_wanted = options.start is not None or options.stop is not None
    if seconds_wanted or options.allow_partial or options.raw is not None:
        raise InputError("--from, --to, --allow-partial and --raw are for sound; this is none")
    data = read_bytes(task.source) if source is None else source.read()
    info = nacre.info(data)
    if info.items is not None and options.item is None:
        return _decode_set(task, options, data)
    medium = detect.medium(info.shape.medium.name.lower())
    start = time.perf_counter()
    item = nacre.decode(
        data,
        region=options.region,
        item=options.item,
        device=options.device,
        model=options.model,
        limits=options.limits,
    )
    seconds = time.perf_counter() - start
    target = Path(task.target if task.target != "-" else f"standard-output{medium.default}")
    files = medium.write(item, target)
    if task.target != "-":
        _check_free(target, files[1:], force=options.force)
    write_output(task.target, files[0][1], force=options.force)
    if task.target != "-":
        for name, content in files[1:]:
            write_output(str(target.parent / name), content, force=options.force)
    record = Decoded(
        input=task.source,
        output=task.target,
        ok=True,
        codec=info.codec,
        medium=medium.name,
        shape=shape_of(item.shape),
        items=info.items,
        input_bytes=len(data),
        bytes=sum(len(content) for _, content in files),
        seconds=seconds,
    )
    return batch.Done(decoded_line(record), record, len(data), record.bytes)


def _head(path: str) -> bytes:
    """The first bytes of a file; none where it cannot be read, which whoever reads it reports."""
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        return file.read(16)
    return b""


def _check_free(target: Path, files: detect.Files, *, force: bool) -> None:
    """Raise :class:`OSError` if a file to be written beside ``target`` is there already."""
    for name, _ in files:
        path = target.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not force:
            raise OSError(f"{path} exists; choose another folder with -o, or --force")


def _decode_set(task: batch.Task, options: Options, data: Bytes) -> batch.Done:
    """Decode an archive into a folder, or into a file of an array."""
    from nacre.decoding import Decoder

    if task.target == "-":
        raise InputError("a set of pictures needs -o: a folder, .npy, .npz, .idx or .idx.gz")
    if options.region is not None:
        raise InputError("--region cuts one picture; name it with --item")
    decoder = Decoder(options.device, model=options.model, limits=options.limits)
    start = time.perf_counter()
    images = decoder.decode_set(data)
    seconds = time.perf_counter() - start
    # The name that was planned is that of a picture: what a folder is called has no extension.
    target = options.output or task.target.removesuffix(".png")
    images.save(target, force=options.force)
    record = Decoded(
        input=task.source,
        output=target,
        ok=True,
        codec=registry.entry(read_header(data).codec).name,
        medium="image",
        shape=shape_of(images.shape),
        items=len(images),
        input_bytes=len(data),
        bytes=images.pixels.nbytes,
        seconds=seconds,
    )
    line = (
        f"{record.input} -> {target}: {record.codec}, {size_of(record.shape, len(images))}, "
        f"{record.seconds:.2f} s"
    )
    return batch.Done(line, record, len(data), record.bytes)
