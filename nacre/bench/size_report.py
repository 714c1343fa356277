"""Tables of a run over meshes or splats: bytes beside a reference, per file and in the mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nacre.bench.peers import Candidate
from nacre.bench.records import Record
from nacre.bench.report import counted, errors_table, versions_table
from nacre.errors import InputError
from nacre.files import write_atomically


@dataclass(frozen=True)
class Column:
    """A distance in the table.

    Attributes:
        name: in records.
        head: of the column.
        digits: after the point.
        over: what of the files' values is shown.
    """

    name: str
    head: str
    digits: int
    over: Callable[[Sequence[float]], float] = lambda values: sum(values) / len(values)


@dataclass(frozen=True)
class Words:
    """What tables of a medium say.

    Attributes:
        title: of the whole.
        thing: one file's content, such as ``mesh``.
        unit: what bits are counted by, such as ``vertices``.
        rate: bits of file a unit, such as ``bpv``.
        notes: lines of the head, about what is compared.
        section: the title of the records of one quality.
        references: what codecs are compared with when nobody says otherwise, the first that was
            measured at the same quality.
        columns: distances; those that no record has are left out.
        peers: by name, for their settings.
        more: another table of the records of one quality; "" for none.
    """

    title: str
    thing: str
    unit: str
    rate: str
    notes: tuple[str, ...]
    section: Callable[[float | None], str]
    references: tuple[str, ...]
    columns: tuple[Column, ...]
    peers: Mapping[str, Candidate]
    more: Callable[[Sequence[Record]], str] = lambda group: ""


def write_size_report(
    words: Words,
    records: Sequence[Record],
    folder: Path,
    *,
    command: str,
    reference: str | None = None,
) -> list[Path]:
    """Write ``table.md``.

    Raises:
        InputError: there is no record, or the file cannot be written.
    """
    if not records:
        raise InputError("there is no record to report")
    path = folder / "table.md"
    text = size_table(words, records, command=command, reference=reference)
    write_atomically(path, text.encode(), force=True)
    return [path]


def size_table(
    words: Words, records: Sequence[Record], *, command: str, reference: str | None = None
) -> str:
    """The whole run as Markdown.

    Args:
        words: of the records' medium.
        records: of one run.
        command: that made them, as it was typed.
        reference: the codec that ratios are to; None or one that was not measured: as the words
            say, or the first codec.
    """
    kept = counted(records)
    parts = [_head(words, records, kept, command)]
    for quality in sorted({record.quality for record in kept}, key=lambda q: (q is None, q or 0)):
        group = [record for record in kept if record.quality == quality]
        names = _codecs(group)
        wanted = (reference, *words.references)
        against = next((one for one in wanted if one in names), names[0])
        parts += [f"## {words.section(quality)}", _sizes(words, group, against)]
        parts += [_files(words, group, against), _seconds(words, group), _distances(words, group)]
        parts.append(words.more(group))
    if any(record.error is not None for record in records):
        parts.append(errors_table(records))
    return "\n\n".join(part for part in parts if part) + "\n"


def ratios(group: Sequence[Record], codec: str, reference: str) -> dict[str, float]:
    """Bytes of a codec over those of the reference, by file, of records of one quality."""
    sizes = {name: _by_file(group, name) for name in (codec, reference)}
    return {file: size / sizes[reference][file] for file, size in sizes[codec].items()}


def _by_file(group: Sequence[Record], codec: str) -> dict[str, int]:
    return {r.file: r.bytes for r in group if r.codec == codec and r.bytes is not None}


def _codecs(group: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.codec for record in group))


def _head(words: Words, records: Sequence[Record], kept: Sequence[Record], command: str) -> str:
    first = records[0]
    files = {record.file for record in records}
    repeats = "once" if first.repeats == 1 else f"{first.repeats} times, the median counts"
    lines = [
        f"# {words.title}",
        "",
        f"    {command}",
        "",
        f"- {len(files)} files; figures are over the {len({r.file for r in kept})} on which every "
        "codec has a result",
        f"- {words.rate}: bits of file per one of the {words.unit}; ratios are of bytes, their "
        "mean is over files",
        f"- timed {repeats}, {first.threads} thread{'s' * (first.threads > 1)}, CPU seconds of the "
        "process, after a run that was not timed",
        *(f"- {note}" for note in words.notes),
        "",
        versions_table(records, words.peers),
    ]
    return "\n".join(lines)


def _sizes(words: Words, group: Sequence[Record], against: str) -> str:
    lines = [
        f"| codec | bytes | {words.rate} | all bytes to {against} | mean of ratios "
        f"| worst {words.thing} | encode s | decode s |",
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
            f"| {change(size / total)} | {change(sum(shares.values()) / len(shares))} "
            f"| {worst} {change(shares[worst])} | {encode:.2f} | {decode:.2f} |"
        )
    return "\n".join(lines)


def _files(words: Words, group: Sequence[Record], against: str) -> str:
    """Bytes of every file, and of codecs other than the reference the change."""
    shares = {codec: ratios(group, codec, against) for codec in _codecs(group)}

    def cell(record: Record) -> str:
        size = f"{record.bytes:,}"
        if record.codec == against:
            return size
        return f"{size} ({change(shares[record.codec][record.file])})"

    return _by_file_table(words, "Bytes", group, cell)


def _seconds(words: Words, group: Sequence[Record]) -> str:
    return _by_file_table(
        words,
        "CPU seconds, encode / decode",
        group,
        lambda record: f"{_time([record], 'encode'):.3f} / {_time([record], 'decode'):.3f}",
    )


def _by_file_table(
    words: Words, title: str, group: Sequence[Record], cell: Callable[[Record], str]
) -> str:
    """A table with a row for each file and a column for each codec."""
    codecs = _codecs(group)
    lines = [
        f"{title}:",
        "",
        f"| {words.thing} | {words.unit} | {' | '.join(codecs)} |",
        "|---|---:|" + "---:|" * len(codecs),
    ]
    for file in sorted({record.file for record in group}):
        cells = {record.codec: record for record in group if record.file == file}
        row = " | ".join(cell(cells[codec]) for codec in codecs)
        lines.append(f"| {file} | {cells[codecs[0]].units:,} | {row} |")
    return "\n".join(lines)


def _distances(words: Words, group: Sequence[Record]) -> str:
    """The medium's columns, a row a codec; "" where no record has any."""
    known = [one for one in words.columns if any(one.name in record.metrics for record in group)]
    if not known:
        return ""
    lines = [
        f"| codec | {' | '.join(column.head for column in known)} |",
        "|---|" + "---:|" * len(known),
    ]
    for codec in _codecs(group):
        own = [record.metrics for record in group if record.codec == codec]
        cells = []
        for column in known:
            values = [float(value) for each in own if (value := each.get(column.name)) is not None]
            cells.append(f"{column.over(values):,.{column.digits}f}" if values else "")
        lines.append(f"| {codec} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _time(records: Sequence[Record], what: str) -> float:
    """CPU seconds of all records together."""
    return sum(getattr(record, f"{what}_cpu_seconds") or 0.0 for record in records)


def change(ratio: float) -> str:
    """A ratio as what it changes, in per cent.

    >>> change(0.8)
    '-20.0 %'
    """
    return f"{100 * (ratio - 1):+.1f} %"
