"""Tables of a run over meshes: bytes beside a reference, per mesh and in the mean of ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nacre.bench.mesh_peers import MESH_PEERS
from nacre.bench.records import Record
from nacre.bench.report import counted, errors_table, versions_table
from nacre.errors import InputError
from nacre.files import write_atomically

REFERENCES = ("draco-10", "xz-planes")
"""What codecs are compared with when nobody says otherwise, the first that was measured."""

DISTANCES: Sequence[tuple[str, str, int]] = (
    ("max_error_steps", "largest error, steps", 4),
    ("surface_mean_percent", "mean %", 5),
    ("surface_rms_percent", "RMS %", 5),
    ("hausdorff_percent", "Hausdorff %", 4),
    ("surface_psnr_db", "surface PSNR dB", 2),
    ("d1_psnr_db", "D1 dB", 2),
    ("d2_psnr_db", "D2 dB", 2),
    ("normal_degrees", "normals, degrees", 3),
    ("flipped", "flipped", 0),
    ("collapsed", "collapsed", 0),
)
"""Names in records, heads of columns and digits."""


def write_mesh_report(
    records: Sequence[Record], folder: Path, *, command: str, reference: str | None = None
) -> list[Path]:
    """Write ``table.md``.

    Raises:
        InputError: there is no record, or the file cannot be written.
    """
    if not records:
        raise InputError("there is no record to report")
    path = folder / "table.md"
    write_atomically(path, mesh_table(records, command=command, reference=reference).encode(),
                     force=True)  # fmt: skip
    return [path]


def mesh_table(records: Sequence[Record], *, command: str, reference: str | None = None) -> str:
    """The whole run as Markdown.

    Args:
        records: of one run.
        command: that made them, as it was typed.
        reference: the codec that ratios are to; None: the first of :data:`REFERENCES` that was
            measured at the same number of bits, or the first codec.
    """
    kept = counted(records)
    parts = [_head(records, kept, command)]
    for quality in sorted({record.quality for record in kept}, key=lambda q: (q is None, q or 0)):
        group = [record for record in kept if record.quality == quality]
        against = _reference(group, reference)
        title = "Lossless float32" if quality is None else f"Positions of {quality:g} bits"
        parts += [f"## {title}", _sizes(group, against), _meshes(group, against), _seconds(group)]
        if quality is not None:
            parts.append(_distances(group))
    if len(kept) < len(records) or any(record.error is not None for record in records):
        parts.append(errors_table(records))
    return "\n\n".join(parts) + "\n"


def ratios(group: Sequence[Record], codec: str, reference: str) -> dict[str, float]:
    """Bytes of a codec over those of the reference, by file, of records of one quality."""
    sizes = {name: _by_file(group, name) for name in (codec, reference)}
    return {file: size / sizes[reference][file] for file, size in sizes[codec].items()}


def _by_file(group: Sequence[Record], codec: str) -> dict[str, int]:
    return {r.file: r.bytes for r in group if r.codec == codec and r.bytes is not None}


def _codecs(group: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.codec for record in group))


def _reference(group: Sequence[Record], asked: str | None) -> str:
    codecs = _codecs(group)
    return next((one for one in (asked, *REFERENCES) if one in codecs), codecs[0])


def _head(records: Sequence[Record], kept: Sequence[Record], command: str) -> str:
    first = records[0]
    files = {record.file for record in records}
    repeats = "once" if first.repeats == 1 else f"{first.repeats} times, the median counts"
    lines = [
        "# Benchmark of meshes",
        "",
        f"    {command}",
        "",
        f"- {len(files)} files; figures are over the {len({r.file for r in kept})} on which every "
        "codec has a result",
        "- every codec gets the same positions and faces: welded bit by bit, isolated vertices "
        "dropped; bytes are whole files, decoded and compared triangle by triangle",
        "- bpv: bits of file per vertex; ratios are of bytes, their mean is over meshes",
        f"- timed {repeats}, {first.threads} thread{'s' * (first.threads > 1)}, CPU seconds of the "
        "process, after a run that was not timed",
        "- distances of surfaces are in % of the box diagonal; PSNR, D1 and D2 have it as peak",
        "",
        versions_table(records, MESH_PEERS),
    ]
    return "\n".join(lines)


def _sizes(group: Sequence[Record], against: str) -> str:
    lines = [
        f"| codec | bytes | bpv | all bytes to {against} | mean of ratios | worst mesh "
        "| encode s | decode s |",
        "|---|---:|---:|---:|---:|---|---:|---:|",
    ]
    total = sum(_by_file(group, against).values())
    for codec in _codecs(group):
        own = [record for record in group if record.codec == codec]
        shares = ratios(group, codec, against)
        worst = max(shares, key=lambda file: shares[file])
        size = sum(record.bytes or 0 for record in own)
        encode, decode = _time(own, "encode"), _time(own, "decode")
        lines.append(
            f"| {codec} | {size:,} | {sum(r.bpp for r in own) / len(own):.2f} "
            f"| {_change(size / total)} | {_change(sum(shares.values()) / len(shares))} "
            f"| {worst} {_change(shares[worst])} | {encode:.2f} | {decode:.2f} |"
        )
    return "\n".join(lines)


def _meshes(group: Sequence[Record], against: str) -> str:
    """Bytes of every mesh, and of codecs other than the reference the change."""
    shares = {codec: ratios(group, codec, against) for codec in _codecs(group)}

    def cell(record: Record) -> str:
        size = f"{record.bytes:,}"
        if record.codec == against:
            return size
        return f"{size} ({_change(shares[record.codec][record.file])})"

    return _by_mesh("Bytes", group, cell)


def _seconds(group: Sequence[Record]) -> str:
    return _by_mesh(
        "CPU seconds, encode / decode",
        group,
        lambda record: f"{_time([record], 'encode'):.3f} / {_time([record], 'decode'):.3f}",
    )


def _by_mesh(title: str, group: Sequence[Record], cell: Callable[[Record], str]) -> str:
    """A table with a row for each mesh and a column for each codec."""
    codecs = _codecs(group)
    lines = [
        f"{title}:",
        "",
        f"| mesh | vertices | {' | '.join(codecs)} |",
        "|---|---:|" + "---:|" * len(codecs),
    ]
    for file in sorted({record.file for record in group}):
        cells = {record.codec: record for record in group if record.file == file}
        row = " | ".join(cell(cells[codec]) for codec in codecs)
        lines.append(f"| {file} | {cells[codecs[0]].units:,} | {row} |")
    return "\n".join(lines)


def _distances(group: Sequence[Record]) -> str:
    """Means over the meshes; the largest of what is called largest, sums of counts."""
    lines = [
        "Means over meshes (the largest error: of all; flipped and collapsed faces: in all):",
        "",
        f"| codec | {' | '.join(head for _, head, _ in DISTANCES)} |",
        "|---|" + "---:|" * len(DISTANCES),
    ]
    for codec in _codecs(group):
        own = [record.metrics for record in group if record.codec == codec]
        cells = []
        for name, _, digits in DISTANCES:
            values = [float(value) for each in own if (value := each.get(name)) is not None]
            cells.append(f"{_total(name, values):,.{digits}f}" if values else "")
        lines.append(f"| {codec} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _total(name: str, values: Sequence[float]) -> float:
    if name == "max_error_steps":
        return max(values)
    return sum(values) if name in ("flipped", "collapsed") else sum(values) / len(values)


def _time(records: Sequence[Record], what: str) -> float:
    """CPU seconds of all records together."""
    return sum(getattr(record, f"{what}_cpu_seconds") or 0.0 for record in records)


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"
