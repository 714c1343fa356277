"""The table of lossless codecs: bytes, bits, and who is smaller than whom."""

from __future__ import annotations

from collections.abc import Sequence

from nacre.bench.records import Record

REFERENCE = "jxl-lossless-9"
"""What lossless codecs are compared with when nobody says otherwise, if it was measured."""


def lossless_table(records: Sequence[Record], reference: str | None = None) -> str:
    """Lossless codecs as Markdown, one a row.

    Args:
        records: of lossless codecs alone, each with the same files and a result for each.
        reference: the codec that totals are against; None or one that was not measured:
            :data:`REFERENCE`, or the first.
    """
    codecs = list(dict.fromkeys(record.codec for record in records))
    wanted = [name for name in (reference, REFERENCE) if name in codecs]
    against = wanted[0] if wanted else codecs[0]
    sizes = {codec: {r.file: r.bytes or 0 for r in records if r.codec == codec} for codec in codecs}
    clock = "CPU seconds" if records[0].threads == 1 else "of the clock"
    lines = [
        "## Lossless",
        "",
        f"bpsp: bits per sub-pixel, a third of bpp; both are means over files. Times are {clock}.",
        "",
        f"| codec | bytes | bpp | bpsp | against {against} | files not larger | encode MP/s "
        "| decode MP/s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for codec in codecs:
        own = [record for record in records if record.codec == codec]
        total, other = sum(sizes[codec].values()), sum(sizes[against].values())
        fine = sum(size <= sizes[against][file] for file, size in sizes[codec].items())
        bpp = sum(record.bpp for record in own) / len(own)
        share = 100 * (total / other - 1)
        lines.append(
            f"| {codec} | {total:,} | {bpp:.3f} | {bpp / 3:.4f} | {share:+.2f} % "
            f"| {fine} of {len(own)} | {_speed(own, 'encode')} | {_speed(own, 'decode')} |"
        )
    return "\n".join(lines)


def _speed(records: Sequence[Record], what: str) -> str:
    """Million pixels per second, all files' pixels over all their time."""
    cpu = records[0].threads == 1 and records[0].encode_cpu_seconds is not None
    name = f"{what}_cpu_seconds" if cpu else f"{what}_seconds"
    seconds = sum(getattr(record, name) or 0 for record in records)
    units = sum(record.units or 0 for record in records)
    return f"{units / seconds / 1e6:.2f}" if seconds else ""
