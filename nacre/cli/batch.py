"""One command over one file, many files or folders of them.

Several files are a batch: finished outputs are left alone, a bad file is reported and the rest goes
on, and the worst exit code is kept. Work runs here or in ``--jobs`` processes; its results are the
same bytes either way.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.cli.common import FAILED, failure, print_json, say, use_threads
from nacre.errors import InputError


@dataclass(frozen=True)
class Task:
    """One file to work on.

    Attributes:
        source: a path, or ``-`` for standard input.
        target: a path, ``-`` for standard output, or "" when the command writes none.
    """

    source: str
    target: str = ""


@dataclass(frozen=True)
class Done:
    """What a finished task says.

    Attributes:
        line: for people.
        record: a dataclass for ``--json``.
        input_bytes, output_bytes: for the sum at the end.
        code: exit code of this file.
        notes: what a person should know about this file.
        warnings: what a person must know, even with ``--quiet``.
    """

    line: str
    record: Any
    input_bytes: int = 0
    output_bytes: int = 0
    code: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A file that could not be done, for ``--json``."""

    input: str
    ok: bool
    exit_code: int
    error: str


Work = Callable[[Task], Done]
"""Does one task; picklable, so that other processes can."""


def plan(
    inputs: list[str],
    output: str | None,
    *,
    rename: Callable[[Path], str],
    wanted: Callable[[str], bool],
    whole: bool = False,
) -> tuple[list[Task], bool]:
    """The tasks for ``inputs``, and whether they are a batch (several inputs, or a folder).

    Args:
        inputs: files and folders, or ``-`` alone.
        output: a file, a folder, ``-``, or None for beside each input. A folder's files keep their
            places below it.
        rename: the output's file name from the input's path.
        wanted: whether a folder's file of that name is taken; hidden files never are.
        whole: a folder is one thing to work on, not the files in it.

    Raises:
        InputError: the inputs and the output do not go together, or a folder has no such file.
    """
    if "-" in inputs:
        if len(inputs) > 1:
            raise InputError("- (standard input) cannot be mixed with files")
        return [Task("-", output or "-")], False
    batch = len(inputs) > 1 or (Path(inputs[0]).is_dir() and not whole)
    if not batch:
        return [Task(inputs[0], _target_of_one(inputs[0], output, rename))], False
    if output == "-" or (output is not None and Path(output).is_file()):
        raise InputError(f"several inputs need a folder as output, {output} is none")
    tasks = []
    for root, path in _walk(inputs, wanted, whole):
        folder = path.parent if output is None else output / path.parent.relative_to(root)
        tasks.append(Task(str(path), str(folder / rename(path))))
    sources: dict[str, str] = {}
    for task in tasks:
        other = sources.setdefault(task.target, task.source)
        if other != task.source:
            raise InputError(f"{other} and {task.source} would both become {task.target}")
    return tasks, True


def plan_readers(inputs: list[str], wanted: Callable[[str], bool]) -> tuple[list[Task], bool]:
    """The tasks of a command that writes no files; as :func:`plan`."""
    if inputs == ["-"]:
        return [Task("-")], False
    batch = len(inputs) > 1 or Path(inputs[0]).is_dir()
    return [Task(str(path)) for _, path in _walk(inputs, wanted)], batch


def _target_of_one(source: str, output: str | None, rename: Callable[[Path], str]) -> str:
    name = rename(Path(source))
    if output is None:
        return str(Path(source).with_name(name))
    if output != "-" and (output.endswith(os.sep) or Path(output).is_dir()):
        return str(Path(output) / name)
    return output


def _walk(
    inputs: list[str], wanted: Callable[[str], bool], whole: bool = False
) -> Iterator[tuple[Path, Path]]:
    """``(root, file)`` of each file in and below ``inputs``, in a fixed order."""
    for name in inputs:
        root = Path(name)
        if whole or not root.is_dir():
            yield root.parent, root
            continue
        found = False
        for path in sorted(root.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_file() and wanted(path.name) and not hidden:
                found = True
                yield root, path
        if not found:
            raise InputError(f"{name}: the folder has no file of this kind")


def is_finished(task: Task, *, batch: bool, force: bool) -> bool:
    """Whether the output is there and newer than its input, so that a batch may leave it.

    Raises:
        InputError: the output exists and is not to be replaced, or is the input itself.
    """
    target = Path(task.target)
    missing = task.source != "-" and not Path(task.source).exists()
    if task.target == "-" or missing or not target.exists():
        return False  # a missing source is reported by the work itself
    if task.source != "-" and target.samefile(task.source):
        raise InputError(f"{task.target} is the input itself; choose another name with -o")
    if force or not target.is_file():
        return False
    newer = task.source != "-" and target.stat().st_mtime >= Path(task.source).stat().st_mtime
    if batch and newer:
        return True
    older = "" if newer or not batch else " and is older than its input"
    raise InputError(f"{task.target} exists{older}; choose another name with -o, or --force")


@dataclass(frozen=True)
class Manner:
    """How a batch is run and what is said of it.

    Attributes:
        verb: for the sum at the end, such as ``"encoded"``.
        jobs: processes.
        threads: of each process; None leaves one process as it is and gives several one each.
        force: do finished outputs again.
        json, quiet, verbose: as the flags.
    """

    verb: str
    jobs: int = 1
    threads: int | None = None
    force: bool = False
    json: bool = False
    quiet: bool = False
    verbose: bool = False


def run(tasks: list[Task], work: Work, batch: bool, manner: Manner) -> int:
    """Do all tasks; the worst exit code."""
    todo, skipped, worst = [], 0, 0
    for task in tasks:
        try:
            if task.target and is_finished(task, batch=batch, force=manner.force):
                skipped += 1
            else:
                todo.append(task)
        except (InputError, OSError) as error:
            worst = max(worst, _report(task, error, manner))
    if batch:
        for folder in {Path(task.target).parent for task in todo if task.target}:
            folder.mkdir(parents=True, exist_ok=True)
    done: list[Done] = []
    failed = len(tasks) - skipped - len(todo)
    with _progress(len(todo), shown=batch and not manner.quiet) as advance:
        for task, result in _results(todo, work, manner):
            if isinstance(result, BaseException):
                worst = max(worst, _report(task, result, manner))
                failed += 1
            else:
                worst = max(worst, result.code)
                failed += result.code != 0
                done.append(result)
                _tell(task, result, manner, alone=not batch)
            advance()
    if batch and not manner.quiet:
        say(_sum(done, skipped, failed, manner))
    return worst


def _results(
    tasks: list[Task], work: Work, manner: Manner
) -> Iterator[tuple[Task, Done | BaseException]]:
    """Each task with what came of it, in the order in which they finish."""
    jobs = min(manner.jobs, len(tasks))
    if jobs <= 1:
        if manner.threads is not None or manner.jobs > 1:  # one file: its parts side by side
            use_threads(manner.threads or manner.jobs)
        for task in tasks:
            try:
                yield task, work(task)
            except Exception as error:
                yield task, error
        return
    from multiprocessing import get_context

    use_threads(manner.threads or 1)  # spawned processes inherit it before they import anything
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        futures = {pool.submit(work, task): task for task in tasks}
        for future in as_completed(futures):
            problem = future.exception()
            if isinstance(problem, BrokenProcessPool):
                problem = MemoryError("a worker process was ended by the system")
            yield futures[future], problem or future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _report(task: Task, error: BaseException, manner: Manner) -> int:
    code = failure(error, task.source)
    if manner.json:
        print_json(Failed(task.source, ok=False, exit_code=code, error=str(error)))
    return code


def _tell(task: Task, result: Done, manner: Manner, *, alone: bool) -> None:
    if manner.json:
        print_json(result.record)
    for warning in result.warnings:
        say(f"nacre: {task.source}: {warning}")
    if not manner.quiet:
        for note in result.notes:
            say(f"nacre: {task.source}: note: {note}")
    if result.code == FAILED or (not manner.quiet and (alone or manner.verbose)):
        say(result.line)


def _sum(done: list[Done], skipped: int, failed: int, manner: Manner) -> str:
    """Such as ``24 encoded, 3 skipped (up to date; --force does them again), 1 failed``."""
    good = [result for result in done if result.code == 0]
    parts = [f"{len(good):,} {manner.verb}"]
    if skipped:
        parts.append(f"{skipped:,} skipped (up to date; --force does them again)")
    if failed:
        parts.append(f"{failed:,} failed")
    before = sum(result.input_bytes for result in good)
    after = sum(result.output_bytes for result in good)
    return ", ".join(parts) + (f": {before:,} bytes to {after:,}" if after else "")


@contextlib.contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, on a terminal only; gives a function for one step."""
    if not shown or total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
