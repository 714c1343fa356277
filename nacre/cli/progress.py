"""What a long training run shows: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nacre.cli.common import say

if TYPE_CHECKING:
    from nacre.train.loop import Progress

Report = Callable[["Progress"], None]
Figures = Callable[["Progress"], str]
"""What is said of a moment of a run."""


@contextmanager
def training_bar(quiet: bool, figures: Figures) -> Iterator[Report]:
    """A function that shows how far a training run is, with its ``figures``."""
    if quiet:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        yield lambda p: say(f"step {p.step}/{p.steps}: {figures(p)}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda p: bar.update(task, completed=p.step, total=p.steps, description=figures(p))


def photo_figures(p: Progress) -> str:
    """Rate and distortion, of a codec that is learned from crops of photos."""
    return (
        f"loss {p.loss:.4f}, rate {p.rate:.3f} bpp, MSE {p.distortion:.1f}, "
        f"{p.items_per_second:.1f} crops/s, {_time_left(p)}"
    )


def circuit_figures(p: Progress) -> str:
    """Bits of a sample's byte in the pictures that are learned from, and in those held out."""
    return (
        f"{p.rate:.4f} bits/dimension, held out {p.loss:.4f}, "
        f"{p.items_per_second:.0f} pictures/s, {_time_left(p)}"
    )


def mesh_figures(p: Progress) -> str:
    """Bits of a vertex in the meshes that are learned from."""
    return f"{p.rate:.3f} bits/vertex, {p.items_per_second:.0f} vertices/s, {_time_left(p)}"


def _time_left(p: Progress) -> str:
    minutes, seconds = divmod(round(p.seconds_left), 60)
    return f"{minutes}:{seconds:02} left"
