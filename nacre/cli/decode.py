"""``nacre decode``: .ncr files become pictures."""

from __future__ import annotations

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
    parse_region,
    read_stdin,
    write_output,
)
from nacre.errors import InputError
from nacre.limits import Limits
from nacre.stream import Bytes, read_header

SETS = (".npy", ".npz", ".idx", ".idx.gz", "-ubyte", "-ubyte.gz")
"""Ends of the names of files that hold a set of pictures."""

EXACT = frozenset({".png", ".tif", ".tiff"})
"""Extensions that are kept as they were: kinds of file that hold pixels and metadata exactly."""


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


@dataclass(frozen=True)
class Decoded:
    """The ``--json`` record of one file; ``items`` are those of an archive, of whose pictures
    ``width`` and the like are, and ``bytes`` are those of their samples.

    ``seconds`` are for decoding; the first file of a process also waits for torch and the model.
    """

    input: str
    output: str
    ok: bool
    codec: str | None
    width: int
    height: int
    channels: int
    depth: int
    items: int | None
    input_bytes: int
    bytes: int
    seconds: float


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
    """Turn .ncr files back into pictures.

    The extension of OUT decides the kind of file. Without -o, photo.png.ncr becomes photo.png and
    photo.jpg.ncr becomes photo.jpg.png: nothing is put into a lossy file unless asked for. Standard
    output gets PNG. A set of pictures becomes a folder, or OUT with the extension .npy, .npz, .idx
    or .idx.gz.
    """
    tasks, several = batch.plan(inputs, output, rename=decoded_name, wanted=is_stream)
    if tasks[0].target == "-":
        if json:
            raise InputError("--json and the file cannot both go to standard output; use -o FILE")
        check_stdout()
    named = None if several else output
    options = Options(named, item, parse_region(region), model, device, Limits.parse(limit), force)
    manner = batch.Manner("decoded", jobs, threads, force, json, quiet, verbose)
    return batch.run(tasks, functools.partial(decode_one, options=options), several, manner)


def decoded_name(name: str) -> str:
    """The output's file name from the input's.

    >>> [decoded_name(name) for name in ("a.png.ncr", "a.jpg.ncr", "a.ncr", "a", "a.idx.gz.ncr")]
    ['a.png', 'a.jpg.png', 'a.png', 'a.png', 'a.idx.gz']
    """
    plain = name.removesuffix(".ncr")
    exact = Path(plain).suffix.lower() in EXACT or plain.lower().endswith(SETS)
    return plain if exact else plain + ".png"


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
    from nacre.media.pillow import to_file

    data = read_stdin() if task.source == "-" else read_bytes(task.source)
    items = nacre.info(data).items
    if items is not None and options.item is None:
        return _decode_set(task, options, data)
    start = time.perf_counter()
    image = nacre.decode(
        data,
        region=options.region,
        item=options.item,
        device=options.device,
        model=options.model,
        limits=options.limits,
    )
    seconds = time.perf_counter() - start
    kind = Path("standard-output.png") if task.target == "-" else Path(task.target)
    picture = to_file(image.pixels, image.metadata, kind)
    write_output(task.target, picture, force=options.force)
    record = Decoded(
        input=task.source,
        output=task.target,
        ok=True,
        codec=nacre.info(data).codec,
        width=image.width,
        height=image.height,
        channels=image.channels,
        depth=image.depth,
        items=items,
        input_bytes=len(data),
        bytes=len(picture),
        seconds=seconds,
    )
    line = (
        f"{record.input} -> {record.output}: {record.codec}, {record.width} x {record.height}, "
        f"{record.bytes:,} bytes, {record.seconds:.2f} s"
    )
    return batch.Done(line, record, len(data), len(picture))


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
    shape = images.shape
    record = Decoded(
        input=task.source,
        output=target,
        ok=True,
        codec=registry.entry(read_header(data).codec).name,
        width=shape.width,
        height=shape.height,
        channels=shape.channels,
        depth=shape.depth,
        items=len(images),
        input_bytes=len(data),
        bytes=images.pixels.nbytes,
        seconds=seconds,
    )
    line = (
        f"{record.input} -> {target}: {record.codec}, {len(images):,} of {record.width} x "
        f"{record.height}, {record.seconds:.2f} s"
    )
    return batch.Done(line, record, len(data), record.bytes)
