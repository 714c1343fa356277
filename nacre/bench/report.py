"""From records to ``table.md`` and ``rate_distortion.png``."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.bench.lossless import lossless_table
from nacre.bench.metrics import bd_rate, similarity_db
from nacre.bench.peers import BPP, PEERS, Candidate
from nacre.bench.records import Record
from nacre.errors import InputError
from nacre.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DISTORTED = "jpeg"
"""What BD-rates are against when nobody says otherwise."""


@dataclass(frozen=True)
class Point:
    """A codec at a quality, over all files.

    Attributes:
        codec: name.
        quality: on the codec's own scale; None when it has none.
        files: counted in the means.
        bpp: mean of the files' bits per pixel.
        psnr_db: mean of the files' PSNR; None when a file has none (it is infinite).
        ms_ssim: mean of the files' MS-SSIM; None when a file is too small for it.
        ms_ssim_db: that mean in dB (not the mean of dB, in which a few easy pictures decide).
        encode_mps: million pixels per second, all files' pixels over all their time.
        decode_mps: the same.
        identical: whether every file came back sample by sample.
    """

    codec: str
    quality: float | None
    files: int
    bpp: float
    psnr_db: float | None
    ms_ssim: float | None
    ms_ssim_db: float | None
    encode_mps: float
    decode_mps: float
    identical: bool


def points(records: Sequence[Record]) -> list[Point]:
    """A point per codec and quality, in the order of the records' codecs, qualities rising.

    Means are over the files on which every codec has a result, so that all are of the same
    pictures; a codec without a single result is left out first.
    """
    groups: dict[tuple[str, float | None], list[Record]] = {}
    for record in counted(records):
        groups.setdefault((record.codec, record.quality), []).append(record)
    order = list(dict.fromkeys(record.codec for record in records))
    keys = sorted(groups, key=lambda key: (order.index(key[0]), key[1] or 0))
    return [_point(*key, groups[key]) for key in keys]


def counted(records: Sequence[Record]) -> list[Record]:
    """The records of the files on which every codec that works at all has a result."""
    working = {record.codec for record in records if record.error is None}
    kept = [record for record in records if record.codec in working]
    failed = {record.file for record in kept if record.error is not None}
    return [record for record in kept if record.file not in failed]


def _point(codec: str, quality: float | None, records: Sequence[Record]) -> Point:
    units = sum(record.units or 0 for record in records)
    similarity = _mean(record.metrics["ms_ssim"] for record in records)
    return Point(
        codec,
        quality,
        len(records),
        sum(record.bpp for record in records) / len(records),
        _mean(record.metrics["psnr_db"] for record in records),
        similarity,
        None if similarity is None or similarity >= 1 else similarity_db(similarity),
        units / sum(record.encode_seconds or 0 for record in records) / 1e6,
        units / sum(record.decode_seconds or 0 for record in records) / 1e6,
        all(record.metrics["identical"] for record in records),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    if any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None) / len(known)


def table(records: Sequence[Record], *, command: str, reference: str | None = None) -> str:
    """The whole run as Markdown.

    Args:
        records: of one run.
        command: that made them, as it was typed.
        reference: the codec that BD-rates (None: jpeg) and totals of lossless codecs are against.
    """
    measured = points(records)
    lossy = [point for point in measured if not point.identical]
    exact = {(point.codec, point.quality) for point in measured if point.identical}
    names = {codec for codec, _ in exact}
    parts = [_head(records, measured, command)]
    if lossy:
        other = DISTORTED if reference is None or reference in names else reference
        parts += [_lossy_table(lossy), _bd_table(lossy, other)]
    if exact:
        own = [r for r in counted(records) if (r.codec, r.quality) in exact]
        parts.append(lossless_table(own, reference))
    if any(record.error is not None for record in records):
        parts.append(errors_table(records))
    return "\n\n".join(parts) + "\n"


def _head(records: Sequence[Record], measured: Sequence[Point], command: str) -> str:
    first = records[0]
    files = len({record.file for record in records})
    common = max((point.files for point in measured), default=0)
    megapixels = sum({r.file: r.units or 0 for r in records}.values()) / 1e6
    repeats = "once" if first.repeats == 1 else f"{first.repeats} times, the median counts"
    distances = "; PSNR is over 8-bit RGB; MS-SSIM in dB is of the mean"
    if all(point.identical for point in measured):
        distances = ""
    lines = [
        "# Benchmark",
        "",
        f"    {command}",
        "",
        f"- {files} files, {megapixels:.2f} megapixels; means of per-file figures over "
        f"the {common} on which every codec has a result",
        f"- bytes are whole files{distances}",
        f"- timed {repeats}, {first.threads} thread{'s' * (first.threads > 1)}, after a run "
        "that was not timed; MP/s is million pixels per second",
        f"- seed {first.seed}",
        "",
        versions_table(records, PEERS),
    ]
    return "\n".join(lines)


def versions_table(records: Sequence[Record], peers: Mapping[str, Candidate]) -> str:
    """What did the work, a row a codec; ``peers`` by name know their settings."""
    lines = ["| codec | settings | versions | model |", "|---|---|---|---|"]
    for codec in dict.fromkeys(record.codec for record in records):
        record = next(r for r in records if r.codec == codec)
        settings = peers[codec].settings if codec in peers else ""
        lines.append(f"| {codec} | {settings} | {record.versions} | {record.model or ''} |")
    return "\n".join(lines)


def _lossy_table(measured: Sequence[Point]) -> str:
    lines = [
        "## Rate and distortion",
        "",
        "| codec | quality | bpp | PSNR dB | MS-SSIM | encode MP/s | decode MP/s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for point in measured:
        unit = " bpp" if point.codec in PEERS and PEERS[point.codec].scale == BPP else ""
        quality = "" if point.quality is None else f"{point.quality:g}{unit}"
        lines.append(
            f"| {point.codec} | {quality} | {point.bpp:.3f} | {_number(point.psnr_db, 2)} "
            f"| {_number(point.ms_ssim, 4)} | {point.encode_mps:.2f} | {point.decode_mps:.2f} |"
        )
    return "\n".join(lines)


def _bd_table(measured: Sequence[Point], reference: str) -> str:
    """BD-rates of the mean curves, with the range that each covers together with the reference."""
    codecs = list(dict.fromkeys(point.codec for point in measured))
    title = f"## BD-rate against {reference}"
    if reference not in codecs:
        return f"{title}\n\n{reference} was not measured."
    lines = [
        title,
        "",
        "Bytes at equal quality; piecewise cubics over the range in brackets, which both cover.",
        "",
        "| codec | PSNR | MS-SSIM in dB |",
        "|---|---|---|",
    ]
    for codec in codecs:
        cells = [_bd_cell(measured, reference, codec, name) for name in ("psnr_db", "ms_ssim_db")]
        lines.append(f"| {codec} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _bd_cell(measured: Sequence[Point], reference: str, codec: str, metric: str) -> str:
    curves = []
    for name in (reference, codec):
        curve = [(p.bpp, getattr(p, metric)) for p in measured if p.codec == name]
        if any(quality is None for _, quality in curve):
            return "not defined for every file"
        curves.append(curve)
    try:
        result = bd_rate(*curves)
    except InputError as error:
        return f"none: {error}"
    return f"{result.percent:+.1f} % ({result.low:.2f} to {result.high:.2f} dB)"


def errors_table(records: Sequence[Record]) -> str:
    """The measurements that failed, and why."""
    errors = [record for record in records if record.error is not None]
    lines = ["## Failed", "", "| file | codec | quality | why |", "|---|---|---:|---|"]
    for record in errors:
        quality = "" if record.quality is None else f"{record.quality:g}"
        why = (record.error or "").replace("|", "\\|")
        lines.append(f"| {record.file} | {record.codec} | {quality} | {why} |")
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


# Colours that colour-blind eyes tell apart (Okabe and Ito); nacre's own codecs get the first ones.
_OWN = ("#d55e00", "#cc79a7", "#000000")
_OTHERS = ("#0072b2", "#009e73", "#6a51a3", "#56b4e9", "#8c6d31", "#7f7f7f", "#e69f00")
_MARKERS = "osD^vP*"


def rate_distortion(records: Sequence[Record]) -> bytes:
    """A PNG: PSNR and MS-SSIM (in dB) over bits per pixel, a curve per lossy codec.

    Raises:
        InputError: no lossy codec was measured, or matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError(
            "drawing needs matplotlib, which is not installed; pip install 'nacre[bench]'"
        ) from error
    lossy = [point for point in points(records) if not point.identical]
    if not lossy:
        raise InputError("no lossy codec has a result; there is no curve to draw")
    figure = Figure(figsize=(12, 5.4), dpi=150, layout="constrained")
    panels: Sequence[tuple[str, Callable[[Point], float | None]]] = (
        ("PSNR, dB", lambda point: point.psnr_db),
        ("MS-SSIM, dB: -10 log$_{10}$(1 - MS-SSIM)", lambda point: point.ms_ssim_db),
    )
    axes: Any = figure.subplots(1, 2)
    for axis, (label, value) in zip(axes, panels, strict=True):
        _draw(axis, lossy, value)
        axis.set_ylabel(label)
    axes[0].legend(loc="lower right", frameon=False)
    files = max(point.files for point in lossy)
    figure.suptitle(f"Mean of {files} pictures, bytes of whole files", fontsize=11)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _draw(axis: Axes, measured: Sequence[Point], value: Callable[[Point], float | None]) -> None:
    codecs = list(dict.fromkeys(point.codec for point in measured))
    for codec in codecs:
        curve = [(p.bpp, value(p)) for p in measured if p.codec == codec]
        known = [(bpp, quality) for bpp, quality in curve if quality is not None]
        axis.plot(
            [bpp for bpp, _ in known],
            [quality for _, quality in known],
            label=codec,
            **style_of(codec, codecs, PEERS),
        )
    axis.set_xlim(left=0)
    axis.set_xlabel("bits per pixel")
    axis.grid(color="#dddddd", linewidth=0.7)
    axis.spines[["top", "right"]].set_visible(False)


def style_of(codec: str, codecs: Sequence[str], peers: Mapping[str, Candidate]) -> dict[str, Any]:
    """How the curve of ``codec`` is drawn among those of ``codecs``: nacre's own stand out."""
    mine = codec not in peers
    number = [one for one in codecs if (one not in peers) == mine].index(codec)
    palette = _OWN if mine else _OTHERS
    return {
        "color": palette[number % len(palette)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": 5 if mine else 4,
        "linewidth": 2.4 if mine else 1.3,
        "zorder": 3 if mine else 2,
    }


def write_report(
    records: Sequence[Record], folder: Path, *, command: str, reference: str | None = None
) -> list[Path]:
    """Write ``table.md`` and, when a lossy codec has results, ``rate_distortion.png``.

    Raises:
        InputError: there is no record, or a file cannot be written.
    """
    if not records:
        raise InputError("there is no record to report")
    text = table(records, command=command, reference=reference)
    written = [folder / "table.md"]
    write_atomically(written[0], text.encode(), force=True)
    if any(not point.identical for point in points(records)):
        written.append(folder / "rate_distortion.png")
        write_atomically(written[1], rate_distortion(records), force=True)
    return written
