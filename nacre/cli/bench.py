"""``nacre bench``: codecs beside their peers.

``nacre bench DIR ...`` measures a folder; more measurements have a name of their own. A
folder that is called like one of them is written ``./memory``.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nacre.cli import batch
from nacre.cli.bench_progress import bench_bar
from nacre.cli.common import (
    FAILED,
    DeviceFlag,
    ForceFlag,
    JsonFlag,
    ModelFlag,
    print_json,
    say,
)
from nacre.errors import InputError
from nacre.files import PICTURES

if TYPE_CHECKING:
    from nacre.bench.records import Record

MEASURE = "files"
LINE = "nacre.bench.line"
SET_CODECS = "circuit-image,png-items,png-strip,webp-strip,jxl-strip,xz"

InputArgument = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="Folder of pictures, sounds, meshes or splats, or one."),
]
QualitiesFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--qualities",
        metavar="LIST",
        help="20,50,80 for every codec of the usual scale, or CODEC=20,50,80; may be repeated.",
    ),
]
ThreadsFlag = Annotated[int, typer.Option("--threads", min=1, help="Threads of each codec.")]


class _Bench(TyperGroup):
    """Subcommands by name; anything else is the folder to measure."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[LINE] = shlex.join(["nacre", "bench", *args])
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [MEASURE, *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    cls=_Bench,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(subcommand_metavar="DIR | COMMAND")
def _group() -> None:
    """Compare codecs on a folder of files: nacre bench DIR --out OUT."""


@app.command(MEASURE)
def files(
    ctx: typer.Context,
    source: InputArgument,
    out: Annotated[Path, typer.Option(metavar="OUT", help="Folder for the results.")],
    codecs: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Codecs and peers, each NAME or NAME:OPTION=VALUE:..., such as "
            "walloc-rgb:channels=12; none: the usual ones of the files' medium.",
        ),
    ] = "",
    qualities: QualitiesFlag = None,
    bits: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Of the grids of meshes' positions, such as 11,14."),
    ] = None,
    kbps: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Of sounds: the first codec at so many kbit/s, the others at its bytes.",
        ),
    ] = None,
    threads: ThreadsFlag = 1,
    repeat: Annotated[int, typer.Option(min=1, help="Timings; their median counts.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the order of work.")] = 0,
    reference: Annotated[
        str | None,
        typer.Option(
            help="The codec that BD-rates, or the totals of lossless codecs, are against."
        ),
    ] = None,
    halved: Annotated[
        bool, typer.Option("--halve", help="Halve the pictures first, by means of 2 x 2 pixels.")
    ] = False,
    keep_streams: Annotated[
        bool, typer.Option("--keep-streams", help="Keep the encoded files, in OUT/streams.")
    ] = False,
    page: Annotated[
        bool,
        typer.Option("--page/--no-page", help="Of lossy codecs of pictures: a page to look at."),
    ] = True,
    device: DeviceFlag = "cpu",
    force: ForceFlag = False,
) -> int:
    """Every codec on every file at several qualities (the name may be left out).

    OUT gets records.json, table.md and, of lossy codecs of pictures and sounds,
    rate_distortion.png, of pictures also page.html, which shows them side by side; the table is
    also printed. While it runs, records.jsonl has what was measured so far.
    """
    from nacre.bench.candidates import candidate
    from nacre.bench.equal_bytes import run_at_equal_bytes
    from nacre.bench.media import MEDIA, medium_of
    from nacre.bench.peers import BITS
    from nacre.bench.records import append_record, write_records
    from nacre.bench.runner import Plan, parse_qualities, run

    records_path = out / "records.json"
    if records_path.exists() and not force:
        raise InputError(f"{records_path} exists; choose another --out, or overwrite with --force")
    medium = medium_of(source)
    candidates = [candidate(name, device=device) for name in (codecs or medium.codecs).split(",")]
    if codecs:
        medium = MEDIA[candidates[0].medium]
    if kbps is not None and medium.name != "audio":
        raise InputError(f"--kbps is for sounds; {medium.things} have --qualities")
    rates = parse_qualities([kbps]).get("", ()) if kbps is not None else None
    if bits is not None and medium.scale != BITS:
        raise InputError(f"--bits is for meshes; {medium.things} have --qualities")
    plan = Plan.of(
        source if source.is_dir() else source.parent,
        _files(source, medium.is_file),
        candidates,
        qualities=parse_qualities([*(qualities or []), *([] if bits is None else [bits])]),
        threads=threads,
        repeats=repeat,
        seed=seed,
        streams=out / "streams" if keep_streams else None,
        halve=halved,
        medium=medium,
    )
    _make_folder(out)
    # Kept while the run lasts, so that one that is cut off has not been for nothing.
    partial = out / "records.jsonl"
    partial.unlink(missing_ok=True)
    total = len(plan) if rates is None else len(rates) * len(candidates) * len(plan.files)
    with bench_bar(total) as step:

        def done(record: Record) -> None:
            append_record(record, partial)
            step(f"{record.codec} {record.file}")

        records = run(plan, done) if rates is None else run_at_equal_bytes(plan, rates, done)
    write_records(records, records_path)
    partial.unlink(missing_ok=True)
    written = medium.report(records, out, command=ctx.meta[LINE], reference=reference)
    if page and medium.name == "image":
        from nacre.bench.side_by_side import write_page

        written += write_page(plan, records, out, command=ctx.meta[LINE], reference=reference)
    print(written[0].read_text(encoding="utf-8"), end="")
    for path in (records_path, *written):
        say(f"written: {path}")
    failed = [record for record in records if record.error is not None]
    if failed:
        say(f"nacre: {len(failed)} of {len(records)} measurements failed; {written[0]} lists them")
    return FAILED if failed else 0


@app.command()
def coder(
    symbols: Annotated[int, typer.Option(min=1, help="How many are coded.")] = 1_000_000,
    json: JsonFlag = False,
) -> None:
    """The entropy coder beside CompressAI's: the same symbols and tables on one thread."""
    from nacre.bench.coder import compare

    rows = compare(symbols=symbols)
    if json:
        for row in rows:
            print_json(row)
        return
    print("| coder | bits/symbol | above entropy | encode Msymbols/s | decode Msymbols/s |")
    print("|---|---:|---:|---:|---:|")
    for row in rows:
        print(
            f"| {row.coder} | {row.bits_per_symbol:.4f} | {100 * row.above_entropy:+.3f} % "
            f"| {row.encode_msymbols:.1f} | {row.decode_msymbols:.1f} |"
        )


@app.command()
def latents(
    source: InputArgument,
    codec: Annotated[str, typer.Option(help="A codec with latents.")] = "walloc-rgb",
    model: ModelFlag = None,
    qualities: QualitiesFlag = None,
    json: JsonFlag = False,
) -> None:
    """A codec's payload beside lossless WebP of the same latents, in bytes."""
    from nacre.bench.candidates import own_candidate
    from nacre.bench.latents import compare
    from nacre.bench.runner import Plan, parse_qualities

    codec = codec if model is None else f"{codec}:model={model}"
    worker = own_candidate(codec)
    paths = _files(source, _is_picture)
    plan = Plan.of(
        source if source.is_dir() else source.parent,
        paths,
        [worker],
        qualities=parse_qualities(qualities or []),
    )
    grid = plan.qualities[worker.name]
    with bench_bar(len(plan)) as step:
        rows = compare(paths, worker, grid, model=model, on_row=lambda row: step(row.file))
    if json:
        for row in rows:
            print_json(row)
        return
    print("| quality | channels | files | payload bytes | WebP bytes | of WebP |")
    print("|---:|---:|---:|---:|---:|---:|")
    for quality in grid:
        chosen = [row for row in rows if row.quality == quality]
        payload = sum(row.payload_bytes for row in chosen)
        webp = sum(row.webp_bytes for row in chosen)
        name = "" if quality is None else f"{quality:g}"
        print(
            f"| {name} | {chosen[0].channels} | {len(chosen)} | {payload:,} | {webp:,} "
            f"| {100 * payload / webp:.1f} % |"
        )


@app.command("low-rates")
def low_rates(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of meshes, or one.")],
    targets: Annotated[
        str, typer.Option("--bytes", metavar="LIST", help="Files of at most so many.")
    ] = "3000,6000,12000",
    codecs: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Codecs of nacre's, decimate+draco-10, fit+draco-10."),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Meshes of few bytes and faces, beside decimation in front of Draco."""
    from nacre.bench.low_rates import CODECS, compare, low_rate_table
    from nacre.bench.runner import parse_qualities
    from nacre.bench.triangles import is_mesh_file

    sizes = [int(size) for size in parse_qualities([targets]).get("", ())]
    names = (codecs or CODECS).split(",")
    paths = _files(source, is_mesh_file)
    with bench_bar(len(paths) * len(names) * len(sizes)) as step:
        rows = compare(paths, names, sizes, on_row=lambda row: step(f"{row.codec} {row.file}"))
    if json:
        for row in rows:
            print_json(row)
    else:
        print(low_rate_table(rows, command=ctx.meta[LINE]), end="")
    return FAILED if any(row.error is not None for row in rows) else 0


@app.command("set")
def image_set(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="SET", help="An idx, npy or npz file, or a folder.")
    ],
    codecs: Annotated[
        str, typer.Option(metavar="LIST", help="Codecs of nacre's, and peers of sets.")
    ] = SET_CODECS,
    repeat: Annotated[int, typer.Option(min=1, help="Timings; their median counts.")] = 1,
    json: JsonFlag = False,
) -> int:
    """An archive of small pictures of one size beside what else one could do with them."""
    from nacre.bench.sets import compare, set_candidate, set_table
    from nacre.media.image_sets import load_image_set

    names = codecs.split(",")
    candidates = [set_candidate(name) for name in names]
    images = load_image_set(source)
    with bench_bar(len(names)) as step:
        rows = compare(images, candidates, repeats=repeat, on_row=lambda row: step(row.codec))
    if json:
        for row in rows:
            print_json(row)
    else:
        print(set_table(images, rows, command=ctx.meta[LINE]), end="")
    return FAILED if any(row.error is not None for row in rows) else 0


@app.command()
def memory(
    photo: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A picture; none: a sample photo.")
    ] = None,
    pixels: Annotated[
        float | None,
        typer.Option(
            metavar="MILLIONS",
            help="Tile the picture to so many million pixels; 24 when no FILE is given.",
        ),
    ] = None,
    codec: Annotated[str, typer.Option(help="A codec of nacre's.")] = "walloc-rgb",
    model: ModelFlag = None,
    threads: ThreadsFlag = 1,
    json: JsonFlag = False,
) -> None:
    """Peak memory of an encode and of a decode, each in a fresh process."""
    from nacre.bench.memory import measure, tile_photo

    with tempfile.TemporaryDirectory(prefix="nacre-bench-") as name:
        folder = Path(name)
        source = photo if photo is not None else _sample_photo()
        if photo is None or pixels is not None:
            tile_photo(source, 24 if pixels is None else pixels, folder / "photo.png")
            source = folder / "photo.png"
        report = measure(source, folder, codec=codec, model=model, threads=threads)
    if json:
        print_json(report)
        return
    size = f"{report.width} x {report.height} pixels"
    print(f"{report.codec}, {size}, {report.stream_bytes:,} bytes, {threads} thread(s)")
    print(f"start   {_mebibytes(report.start_bytes)}  (codec imported)")
    print(f"encode  {_mebibytes(report.encode_bytes)}")
    print(f"decode  {_mebibytes(report.decode_bytes)}")


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):8,.0f} MiB"


def _files(source: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """The files of a kind in and below a folder, or the one file."""
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    tasks, _ = batch.plan_readers([str(source)], lambda name: True)
    found = [Path(task.source) for task in tasks]
    chosen = [path for path in found if wanted(path)] if source.is_dir() else found
    if not chosen:
        raise InputError(f"{source}: the folder has no file of this kind")
    return chosen


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES


def _sample_photo() -> Path:
    """The photo that matplotlib carries."""
    try:
        from matplotlib import get_data_path
    except ModuleNotFoundError:
        raise InputError(
            "no FILE was given and matplotlib, whose sample photo would do, is not installed; "
            "name a picture"
        ) from None
    return Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror or error})") from None
