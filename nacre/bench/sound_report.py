"""Tables and curves of a run over recordings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.bench import perceptual
from nacre.bench.records import Record
from nacre.bench.report import counted, errors_table, style_of, versions_table
from nacre.bench.size_report import Column, change
from nacre.bench.sound_peers import SOUND_PEERS
from nacre.errors import InputError
from nacre.files import write_atomically

REFERENCE = "flac"
COLUMNS = (
    Column("si_sdr_db", "SI-SDR dB", 2),
    Column("psnr_db", "PSNR dB", 2),
    Column("stft_distance", "STFT", 3),
    Column("mel_db", "mel dB", 3),
    Column("pesq_wb", "PESQ", 2),
    Column("stoi", "STOI", 3),
    Column("zimtohrli", "Zimtohrli", 2),
)
"""Of lossy codecs: the name in records, the head, digits."""
SAME_BYTES = 0.02
"""How far files may differ in bytes to be compared as files of the same size."""
NOBODY = (
    "Nobody listened: every figure is computed, and those that guess what people hear are guesses."
)
_LABELS = {
    "si_sdr_db": "SI-SDR, dB",
    "mel_db": "mel distance, dB (less is better)",
    "pesq_wb": "PESQ, wide band",
}
_PANELS = ("si_sdr_db", "mel_db", "zimtohrli", "pesq_wb")


def write_sound_report(
    records: Sequence[Record], folder: Path, *, command: str, reference: str | None = None
) -> list[Path]:
    """Write ``table.md`` and, when a lossy codec has results, ``rate_distortion.png``.

    Raises:
        InputError: there is no record, or a file cannot be written.
    """
    if not records:
        raise InputError("there is no record to report")
    written = [folder / "table.md"]
    text = sound_table(records, command=command, reference=reference)
    write_atomically(written[0], text.encode(), force=True)
    if _lossy(counted(records)):
        written.append(folder / "rate_distortion.png")
        write_atomically(written[1], curves(records), force=True)
    return written


def sound_table(records: Sequence[Record], *, command: str, reference: str | None = None) -> str:
    """The whole run as Markdown.

    Args:
        records: of one run.
        command: that made them, as it was typed.
        reference: the lossless codec that bytes are compared with; None: :data:`REFERENCE`, or the
            first one.
    """
    kept = counted(records)
    # A lossy codec may give back silence exactly, so codecs count, not files.
    inexact = {(record.codec, record.quality) for record in _lossy(kept)}
    exact = [record for record in kept if (record.codec, record.quality) not in inexact]
    lossy = [record for record in kept if (record.codec, record.quality) in inexact]
    parts = [_head(records, kept, command)]
    names = _codecs(exact)
    against = next((one for one in (reference, REFERENCE, *names) if one in names), "")
    if exact:
        parts += [_lossless(exact, against), _files(exact, against)]
    if lossy:
        sizes = {record.file: record.bytes or 0 for record in exact if record.codec == against}
        parts += [_distances(lossy, against, sizes), same_bytes_table(lossy)]
    if any(record.error is not None for record in records):
        parts.append(errors_table(records))
    return "\n\n".join(part for part in parts if part) + "\n"


def _lossy(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if not record.metrics["identical"]]


def _codecs(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.codec for record in records))


def _head(records: Sequence[Record], kept: Sequence[Record], command: str) -> str:
    first = records[0]
    seconds = sum({r.file: _figure(r, "seconds") for r in kept}.values())
    repeats = "once" if first.repeats == 1 else f"{first.repeats} times, the median counts"
    lines = [
        "# Benchmark of recordings",
        "",
        f"    {command}",
        "",
        f"- {len({r.file for r in records})} files; figures are over the "
        f"{len({r.file for r in kept})} on which every codec has a result, {seconds:.1f} seconds",
        "- bytes are whole files; all codecs get the same samples, without metadata",
        f"- timed {repeats}, {first.threads} thread{'s' * (first.threads > 1)}, CPU seconds of "
        "the process, after a run that was not timed; x is seconds of sound in one of them",
    ]
    if _lossy(kept):
        lines += [f"- {NOBODY}", f"- heard by programs: {perceptual.software() or 'none'}"]
        lines += [
            f"- {name}: n/a (pip install 'nacre[perceptual]')" for name in perceptual.missing()
        ]
    return "\n".join([*lines, "", versions_table(records, SOUND_PEERS)])


def _lossless(records: Sequence[Record], against: str) -> str:
    reference = {r.file: r.bytes or 1 for r in records if r.codec == against}
    lines = [
        "## Lossless",
        "",
        f"| codec | bytes | of PCM | bits a sample | all bytes to {against} | mean of ratios "
        "| worst file | encode x | decode x |",
        "|---|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for codec in _codecs(records):
        own = [record for record in records if record.codec == codec]
        size = sum(record.bytes or 0 for record in own)
        pcm = sum(_figure(record, "pcm_bytes") for record in own)
        shares = {record.file: (record.bytes or 0) / reference[record.file] for record in own}
        worst = max(shares, key=lambda file: shares[file])
        bits = 8 * size / sum(record.units or 0 for record in own)
        lines.append(
            f"| {codec} | {size:,} | {100 * size / pcm:.2f} % | {bits:.4f} "
            f"| {change2(size / sum(reference.values()))} "
            f"| {change2(sum(shares.values()) / len(shares))} "
            f"| {worst} {change(shares[worst])} | {_speed(own, 'encode')} "
            f"| {_speed(own, 'decode')} |"
        )
    return "\n".join(lines)


def _files(records: Sequence[Record], against: str) -> str:
    """Bytes of every file, and of codecs other than the reference the change."""
    codecs = _codecs(records)
    lines = [
        f"| file | seconds | {' | '.join(codecs)} |",
        "|---|---:|" + "---:|" * len(codecs),
    ]
    for file in sorted({record.file for record in records}):
        own = {record.codec: record for record in records if record.file == file}
        other = own[against].bytes or 1
        cells = [
            f"{record.bytes:,}"
            + ("" if codec == against else f" ({change((record.bytes or 0) / other)})")
            for codec, record in ((codec, own[codec]) for codec in codecs)
        ]
        lines.append(f"| {file} | {_figure(own[against], 'seconds'):.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _distances(records: Sequence[Record], against: str, lossless: Mapping[str, int]) -> str:
    """Means by codec and quality; ``lossless`` has the bytes of each file by ``against``, or is
    empty."""
    known = _known_columns(records)
    lines = [
        "## Rate and distortion",
        "",
        "| codec | quality | kbit/s | PCM to file "
        + (f"| of {against} " if lossless else "")
        + f"| {' | '.join(c.head for c in known)} | samples late | encode x | decode x |",
        "|---|---:|---:|---:|" + "---:|" * (len(known) + bool(lossless)) + "---:|---:|---:|",
    ]
    for codec, quality in dict.fromkeys((record.codec, record.quality) for record in records):
        own = [r for r in records if (r.codec, r.quality) == (codec, quality)]
        pcm = sum(_figure(record, "pcm_bytes") for record in own)
        cells = [_cell(_mean(own, column.name), column.digits) for column in known]
        lags = [int(_figure(record, "lag_samples")) for record in own]
        size = sum(record.bytes or 0 for record in own)
        share = f"| {100 * size / sum(lossless.values()):.1f} % " if lossless else ""
        lines.append(
            f"| {codec} | {'' if quality is None else f'{quality:g}'} | {kbps(own):.1f} "
            f"| {pcm / size:.1f} {share}| {' | '.join(cells)} "
            f"| {_range(lags)} | {_speed(own, 'encode')} | {_speed(own, 'decode')} |"
        )
    return "\n".join(lines)


def same_bytes_table(records: Sequence[Record]) -> str:
    """The first codec beside each other one at the same bytes; "" where none were sought."""
    sought = [record for record in records if record.metrics.get("aim_bytes")]
    if not sought:
        return ""
    first = sought[0].codec
    lines = [
        "## At the same bytes",
        "",
        f"{first} less the other codec, means over the files whose bytes are within "
        f"{100 * SAME_BYTES:.0f} % of each other's; of the mel and STFT distances the ratio of "
        "means (below 1: nearer to the original).",
        "",
        "| kbit/s asked | other | files | its bytes | SI-SDR dB | ahead in SI-SDR | STFT ratio "
        "| mel ratio | PESQ | STOI | Zimtohrli |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for rate in dict.fromkeys(record.quality for record in sought):
        group = [record for record in sought if record.quality == rate]
        own = {record.file: record for record in group if record.codec == first}
        for codec in _codecs(group)[1:]:
            pairs = [(own[r.file], r) for r in group if r.codec == codec and r.file in own]
            fair = [pair for pair in pairs if _same(*pair)]
            lines.append(_same_row(rate, codec, fair, len(pairs)))
    return "\n".join(lines)


def _same(one: Record, other: Record) -> bool:
    return abs((other.bytes or 0) / (one.bytes or 1) - 1) <= SAME_BYTES


def _same_row(
    rate: float | None, codec: str, fair: Sequence[tuple[Record, Record]], count: int
) -> str:
    start = f"| {rate:g} | {codec} | {len(fair)} of {count} |"
    if not fair:
        return f"{start} | | | | | | | |"
    sizes = [sum(pair[place].bytes or 0 for pair in fair) for place in (0, 1)]
    gains = [pair[0] - pair[1] for pair in _both(fair, "si_sdr_db")]
    ratios = []
    for name in ("stft_distance", "mel_db"):
        known = _both(fair, name)
        below = sum(b for _, b in known)
        ratios.append(f"{sum(a for a, _ in known) / below:.3f}" if below else "")
    rest = []
    for name, digits in (("pesq_wb", 2), ("stoi", 3), ("zimtohrli", 2)):
        known = _both(fair, name)
        value = sum(a - b for a, b in known) / len(known) if known else None
        rest.append("" if value is None else f"{value:+.{digits}f}")
    gain = f"{sum(gains) / len(gains):+.2f}" if gains else ""
    ahead = f"{sum(one > 0 for one in gains)} of {len(gains)}"
    return (
        f"{start} {change(sizes[1] / sizes[0])} | {gain} | {ahead} | {' | '.join(ratios)} "
        f"| {' | '.join(rest)} |"
    )


def _both(pairs: Sequence[tuple[Record, Record]], name: str) -> list[tuple[float, float]]:
    """The figures of pairs in which both have one."""
    values = [(one.metrics.get(name), other.metrics.get(name)) for one, other in pairs]
    return [(float(a), float(b)) for a, b in values if a is not None and b is not None]


def kbps(records: Sequence[Record]) -> float:
    """Kilobits of all files in a second of them."""
    bits = 8 * sum(record.bytes or 0 for record in records)
    return bits / sum(_figure(record, "seconds") for record in records) / 1000


def change2(ratio: float) -> str:
    """A ratio as what it changes, in per cent with two digits."""
    return f"{100 * (ratio - 1):+.2f} %"


def _figure(record: Record, name: str) -> float:
    return float(record.metrics.get(name) or 0)


def _mean(records: Sequence[Record], name: str) -> float | None:
    """Over the files that have the figure."""
    values = [float(v) for r in records if (v := r.metrics.get(name)) is not None]
    return sum(values) / len(values) if values else None


def _known_columns(records: Sequence[Record]) -> list[Column]:
    return [c for c in COLUMNS if any(r.metrics.get(c.name) is not None for r in records)]


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _range(lags: Sequence[int]) -> str:
    low, high = min(lags), max(lags)
    return f"{low}" if low == high else f"{low} to {high}"


def _speed(records: Sequence[Record], what: str) -> str:
    """Seconds of sound in a CPU second."""
    taken = sum(getattr(record, f"{what}_cpu_seconds") or 0.0 for record in records)
    seconds = sum(_figure(record, "seconds") for record in records)
    return f"{seconds / taken:.1f}" if taken else ""


def curves(records: Sequence[Record]) -> bytes:
    """A PNG: the means of SI-SDR, mel distance, Zimtohrli and PESQ over kilobits a second.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
    except ModuleNotFoundError as error:
        raise InputError(
            "drawing needs matplotlib, which is not installed; pip install 'nacre[bench]'"
        ) from error
    lossy = _lossy(counted(records))
    panels = [c for c in _known_columns(lossy) if c.name in _PANELS]
    panels = panels or [COLUMNS[0]]
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(12, 4.6 * rows), dpi=120, layout="constrained")
    axes: list[Any] = list(figure.subplots(rows, -(-len(panels) // rows), squeeze=False).flat)
    codecs = _codecs(lossy)
    for axis, column in zip(axes, panels, strict=False):
        for codec in codecs:
            groups = [
                [r for r in lossy if (r.codec, r.quality) == (codec, quality)]
                for quality in sorted({r.quality for r in lossy if r.codec == codec}, key=_first)
            ]
            curve = [(kbps(own), _mean(own, column.name)) for own in groups]
            known = [(rate, value) for rate, value in curve if value is not None]
            axis.plot(*zip(*known, strict=True) if known else ([], []), label=codec,
                      **style_of(codec, codecs, SOUND_PEERS))  # fmt: skip
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("kbit/s")
        axis.set_ylabel(_LABELS.get(column.name, column.head))
        axis.grid(color="#dddddd", linewidth=0.7, which="both")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(panels) :]:
        axis.remove()
    axes[0].legend(frameon=False)
    files = len({record.file for record in lossy})
    figure.suptitle(
        f"Mean of {files} recordings, bytes of whole files; nobody listened", fontsize=11
    )
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _first(quality: float | None) -> float:
    return quality or 0.0
