"""What the runner must know of a medium: how files are read, counted, compared and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nacre.bench.peers import Candidate
from nacre.bench.records import Record

Figures = Mapping[str, float | bool | None]
"""Names and values of how far a decoded thing is from its original."""


class WriteReport(Protocol):
    """Writes what a run found into a folder; gives the files, the table first."""

    def __call__(
        self, records: Sequence[Record], folder: Path, *, command: str, reference: str | None = None
    ) -> list[Path]: ...


@dataclass(frozen=True)
class Medium:
    """A kind of thing that codecs are measured on.

    Attributes:
        name: as codecs say it, such as ``image``.
        things: what its files hold, such as ``pictures``.
        codecs: measured when none are asked for, joined by commas.
        scale: of the qualities that are given without a codec's name.
        is_file: whether a file is one of its files.
        load: the thing in a file, as candidates take it.
        units: pixels, vertices or splats of a thing.
        distances: of the candidate, an original, what was decoded and the quality. Raises
            :class:`nacre.errors.InputError` when it is not what the candidate promises.
        report: writes the tables of a run.
    """

    name: str
    things: str
    codecs: str
    scale: str
    is_file: Callable[[Path], bool]
    load: Callable[[Path], Any]
    units: Callable[[Any], int]
    distances: Callable[[Candidate, Any, Any, float | None], Figures]
    report: WriteReport
