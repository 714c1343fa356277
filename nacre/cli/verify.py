"""``nacre verify``: are .ncr files sound, and do they hold what they should?"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import typer

from nacre.cli import batch
from nacre.cli.common import (
    FAILED,
    DeviceFlag,
    JobsFlag,
    JsonFlag,
    LimitFlag,
    ModelFlag,
    QuietFlag,
    ThreadsFlag,
    VerboseFlag,
    read_stdin,
)
from nacre.cli.decode import is_stream
from nacre.errors import InputError
from nacre.limits import Limits


@dataclass(frozen=True)
class Options:
    """How one file is checked."""

    original: str | None
    model: str | None
    device: str
    limits: Limits


@dataclass(frozen=True)
class Verified:
    """The ``--json`` record of one file; ``equal`` and ``psnr_db`` with ``--original``."""

    input: str
    ok: bool
    codec: str | None
    bytes: int
    problem: str | None
    equal: bool | None
    psnr_db: float | None


def verify(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help=".ncr files or folders; - is standard input."),
    ],
    original: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="What the one input was encoded from."),
    ] = None,
    model: ModelFlag = None,
    device: DeviceFlag = "auto",
    limit: LimitFlag = "default",
    jobs: JobsFlag = 1,
    threads: ThreadsFlag = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Check .ncr files: every checksum, a full decode, and the original if it is given.

    Exit code 1 says that a file is damaged or differs, 2 that one is no .ncr file that can be read.
    """
    tasks, several = batch.plan_readers(inputs, is_stream)
    if original is not None and several:
        raise InputError("--original goes with one input")
    options = Options(original, model, device, Limits.parse(limit))
    manner = batch.Manner("sound", jobs, threads, json=json, quiet=quiet, verbose=verbose)
    return batch.run(tasks, functools.partial(verify_one, options=options), several, manner)


def verify_one(task: batch.Task, options: Options) -> batch.Done:
    """Check one file.

    Raises:
        NacreError: it is no stream that could be checked, or the original cannot be read.
    """
    import nacre

    report = nacre.verify(
        read_stdin() if task.source == "-" else task.source,
        original=options.original,
        device=options.device,
        model=options.model,
        limits=options.limits,
    )
    record = Verified(
        input=task.source,
        ok=report.ok,
        codec=report.codec,
        bytes=report.bytes,
        problem=report.problem,
        equal=report.equal,
        psnr_db=report.psnr_db,
    )
    if not report.ok:
        return batch.Done(f"nacre: {task.source}: {report.problem}", record, code=FAILED)
    measured = "" if report.psnr_db is None else f", {report.psnr_db:.2f} dB from the original"
    if report.equal:
        measured = ", equal to the original"
    line = f"{task.source}: sound, {report.codec}, {report.bytes:,} bytes{measured}"
    return batch.Done(line, record)
