"""``nacre info``: what .ncr files say of themselves; no model is loaded, nothing is decoded."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Annotated

import typer

from nacre.cli import batch
from nacre.cli.common import JsonFlag, read_stdin
from nacre.cli.decode import is_stream


@dataclass(frozen=True)
class Shown:
    """The ``--json`` record of one file, in the words of docs/format.md."""

    input: str
    ok: bool
    version: int
    codec: str | None
    codec_number: int
    lossless: bool | None
    model: str | None
    medium: str
    shape: dict[str, int | bool]
    items: int | None
    bytes: int
    bpp: float | None
    kbps: float | None
    sections: list[dict[str, str | int]]
    details: dict[str, str]


def info(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help=".ncr files or folders; - is standard input."),
    ],
    fields: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show every field with its place in the file.")
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Show what .ncr files say of themselves."""
    tasks, several = batch.plan_readers(inputs, is_stream)
    manner = batch.Manner("read", json=json, quiet=True)
    work = functools.partial(show_one, titled=several, fields=fields, json=json)
    return batch.run(tasks, work, several, manner)


def show_one(task: batch.Task, *, titled: bool, fields: bool, json: bool) -> batch.Done:
    """Print one file's header.

    Raises:
        NacreError: it is not a stream whose header can be read.
    """
    from nacre.decoding import read_bytes
    from nacre.inspection import info as inspect
    from nacre.limits import Limits
    from nacre.stream import describe

    data = read_stdin() if task.source == "-" else task.source
    found = inspect(data)
    shape = {f.name: getattr(found.shape, f.name) for f in dataclasses.fields(found.shape)}
    record = Shown(
        input=task.source,
        ok=True,
        version=found.version,
        codec=found.codec,
        codec_number=found.codec_number,
        lossless=found.lossless,
        model=found.model,
        medium=found.shape.medium.name.lower(),
        shape=shape,
        items=found.items,
        bytes=found.bytes,
        bpp=found.bpp,
        kbps=found.kbps,
        sections=[{"kind": part.kind, "bytes": part.bytes} for part in found.sections],
        details=dict(found.details),
    )
    if not json:
        if titled:
            print(f"{task.source}:")
        print("\n".join(_lines(record)))
        if fields:
            for row in describe(read_bytes(data), limits=Limits.UNLIMITED):
                print(f"{row.offset:>10} +{row.length:<10} {row.name:18} {row.text}")
    return batch.Done("", record)


def _lines(record: Shown) -> list[str]:
    """Name and value of each thing worth knowing."""
    unknown = f"number {record.codec_number} (not known here)"
    kind = {True: " (lossless)", False: " (lossy)", None: ""}[record.lossless]
    size = ", ".join(f"{name} {value:,}" for name, value in record.shape.items())
    rows = [
        ("format", f"nacre, version {record.version}"),
        ("codec", (record.codec or unknown) + kind),
        ("model", record.model or "none"),
        (record.medium, size),
        *record.details.items(),
        ("bytes", f"{record.bytes:,}"),
    ]
    if record.items is not None:
        rows.append(("items", f"{record.items:,}"))
    if record.bpp is not None:
        rows.append(("bits per pixel", f"{record.bpp:.4f}"))
    if record.kbps is not None:
        rows.append(("kbit a second", f"{record.kbps:.1f}"))
    rows += [(f"section {part['kind']}", f"{part['bytes']:,} bytes") for part in record.sections]
    return [f"{name:16}{value}" for name, value in rows]
