"""Every codec on every file, at several qualities, in one run.

    from nacre.bench.candidates import candidate
    from nacre.bench.runner import Plan, run

    photos = Path("photos")
    codecs = [candidate("walloc-rgb:channels=12"), candidate("jpeg")]
    plan = Plan.of(photos, sorted(photos.glob("*.png")), codecs)
    records = run(plan)

Bytes are sizes of files on disk. Encoding is timed from what was read of a file, in memory, to
bytes in memory and decoding back again, with a stated number of threads, after one run of each
codec that is not timed.
"""

from __future__ import annotations

import contextlib
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nacre.bench import metrics
from nacre.bench.medium import Figures, Medium
from nacre.bench.metrics import Pixels
from nacre.bench.peers import PERCENT, RANGES, Candidate
from nacre.bench.records import Record, distances
from nacre.bench.report import write_report
from nacre.errors import InputError
from nacre.files import PICTURES as SUFFIXES
from nacre.media.image import load_image

try:
    import resource
except ModuleNotFoundError:  # Windows has none
    resource = None  # type: ignore[assignment]

_T = TypeVar("_T")


def _picture_distances(
    one: Candidate, original: Pixels, decoded: Pixels, quality: float | None
) -> Figures:
    if one.lossless and not metrics.identical(original, decoded):
        raise InputError(f"{one.name} is lossless, but its decoded picture is not the original")
    return distances(original, decoded)


PICTURES = Medium(
    "image",
    "pictures",
    "walloc-rgb,jpeg,webp,avif,jpeg2000,jxl",
    PERCENT,
    lambda path: path.suffix.lower() in SUFFIXES,
    lambda path: load_rgb(path),
    lambda pixels: int(pixels.shape[0] * pixels.shape[1]),
    _picture_distances,
    write_report,
)


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        folder: that the files' names are relative to.
        files: of one medium.
        candidates: codecs of that medium.
        qualities: of each candidate by name; ``(None,)`` for one that has none.
        threads: that each codec may use.
        repeats: timings of which the median counts.
        seed: of the order of work.
        streams: folder in which the encoded files are kept; None keeps none.
        halve: pictures are halved first, see :func:`halve`.
        medium: how files are read and compared.
    """

    folder: Path
    files: tuple[Path, ...]
    candidates: tuple[Candidate, ...]
    qualities: Mapping[str, tuple[float | None, ...]]
    threads: int = 1
    repeats: int = 1
    seed: int = 0
    streams: Path | None = None
    halve: bool = False
    medium: Medium = PICTURES

    @classmethod
    def of(
        cls,
        folder: Path,
        files: Sequence[Path],
        candidates: Sequence[Candidate],
        *,
        qualities: Mapping[str, tuple[float, ...]] | None = None,
        threads: int = 1,
        repeats: int = 1,
        seed: int = 0,
        streams: Path | None = None,
        halve: bool = False,
        medium: Medium = PICTURES,
    ) -> Plan:
        """A plan, checked.

        Args:
            folder, files: in and below a folder.
            candidates: see :func:`nacre.bench.candidates.candidate`.
            qualities: in place of the usual ones, by the codec's name; ``""`` stands for every
                codec that has the medium's usual scale.
            threads, repeats, seed, streams, halve, medium: as the attributes.

        Raises:
            InputError: there is nothing to measure, a file is not below the folder, or a quality is
                off its codec's scale.
        """
        names = [one.name for one in candidates]
        if not names or len(set(names)) < len(names):
            raise InputError(f"codecs {', '.join(names) or 'none'}: one or more, each once")
        if not files:
            raise InputError(f"{folder}: no {medium.things} to measure")
        for one in candidates:
            if one.medium != medium.name:
                raise InputError(
                    f"{one.name} is for the medium {one.medium}, not for {medium.things}"
                )
        if halve and medium is not PICTURES:
            raise InputError(f"{medium.things} cannot be halved, pictures can")
        for path in files:
            if not path.is_relative_to(folder):
                raise InputError(f"{path} is not below the folder {folder}")
        if threads < 1 or repeats < 1:
            raise InputError(f"{threads} threads and {repeats} repeats: each must be at least 1")
        asked = dict(qualities or {})
        for name in asked:
            if name and name not in names:
                raise InputError(f"qualities for {name!r}, which is not among {', '.join(names)}")
        return cls(
            folder,
            tuple(files),
            tuple(candidates),
            {one.name: _qualities(one, asked, medium.scale) for one in candidates},
            threads,
            repeats,
            seed,
            streams,
            halve,
            medium,
        )

    def __len__(self) -> int:
        """Records that a run gives."""
        return len(self.files) * sum(len(grid) for grid in self.qualities.values())


def _qualities(
    one: Candidate, asked: Mapping[str, tuple[float, ...]], usual: str
) -> tuple[float | None, ...]:
    """The qualities to measure of one codec."""
    if not one.qualities:
        if one.name in asked:
            raise InputError(f"{one.name} has no quality to choose")
        return (None,)
    general = asked.get("", ()) if one.scale == usual else ()
    grid = asked.get(one.name) or general or one.qualities
    low, high = RANGES[one.scale]
    for quality in grid:
        if not low <= quality <= high:
            raise InputError(f"{one.name}: quality {quality} is off its scale, {one.scale}")
    return tuple(sorted(set(grid)))


def run(plan: Plan, on_record: Callable[[Record], None] | None = None) -> list[Record]:
    """Measure everything that ``plan`` names.

    Files are taken one after another; the codecs and qualities of a file in an order drawn from the
    seed, so that a machine that slows down slows no codec in particular. A codec that fails on a
    file leaves a record that says why.

    Args:
        plan: what to measure.
        on_record: called with each record as it is made.

    Returns:
        The records by codec, as the plan has them, then by quality and file.
    """
    records = []
    with torch_set_up(plan):
        for record in _records(plan):
            records.append(record)
            if on_record is not None:
                on_record(record)
    order = [one.name for one in plan.candidates]
    return sorted(records, key=lambda r: (order.index(r.codec), r.quality or 0, r.file))


@contextlib.contextmanager
def torch_set_up(plan: Plan) -> Iterator[None]:
    """Threads and seed of torch, which lossless codecs have no use for."""
    if all(one.lossless for one in plan.candidates):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _records(plan: Plan) -> Iterator[Record]:
    order = random.Random(plan.seed)
    jobs = [(one, quality) for one in plan.candidates for quality in plan.qualities[one.name]]
    warm: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="nacre-bench-") as scratch:
        for path in plan.files:
            try:
                thing = load(plan, path)
            except Exception as error:  # whatever a file does, the others are measured
                yield from (failed(plan, one, quality, path, error) for one, quality in jobs)
                continue
            for one, quality in order.sample(jobs, len(jobs)):
                try:
                    if one.name not in warm:
                        warm.add(one.name)
                        one.decode(one.encode(thing, quality, plan.threads), plan.threads)
                    yield _measure(plan, one, quality, path, thing, Path(scratch))
                except Exception as error:  # whatever a codec does, the others are measured
                    yield failed(plan, one, quality, path, error)


def _measure(
    plan: Plan, one: Candidate, quality: float | None, path: Path, thing: Any, scratch: Path
) -> Record:
    encoding, data = timed(plan.repeats, one.encode, thing, quality, plan.threads)
    stream = scratch / "stream" if plan.streams is None else _stream_path(plan, one, quality, path)
    stream.parent.mkdir(parents=True, exist_ok=True)
    stream.write_bytes(data)
    size = stream.stat().st_size
    decoding, decoded = timed(plan.repeats, one.decode, stream.read_bytes(), plan.threads)
    return Record(
        one.name, one.medium, quality, file_name(plan, path), size, plan.medium.units(thing),
        plan.medium.distances(one, thing, decoded, quality), encoding.wall, decoding.wall,
        plan.threads, plan.repeats, one.software(), one.model, plan.seed, None,
        encoding.cpu, decoding.cpu,
    )  # fmt: skip


def failed(
    plan: Plan, one: Candidate, quality: float | None, path: Path, error: Exception
) -> Record:
    """The record of a measurement that has no result."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Record(
        one.name, one.medium, quality, file_name(plan, path), None, None, {}, None, None,
        plan.threads, plan.repeats, one.software(), one.model, plan.seed, text,
    )  # fmt: skip


class Seconds(NamedTuple):
    """Median times of a call: by the clock, and of all threads and child processes together."""

    wall: float
    cpu: float


def cpu_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    if resource is None:
        return time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(repeats: int, call: Callable[..., _T], *arguments: Any) -> tuple[Seconds, _T]:
    """The median times of ``call``, and what it returned last."""
    wall, cpu = [], []
    for _ in range(repeats):
        starts = time.perf_counter(), cpu_seconds()
        result = call(*arguments)
        wall.append(time.perf_counter() - starts[0])
        cpu.append(cpu_seconds() - starts[1])
    return Seconds(statistics.median(wall), statistics.median(cpu)), result


def halve(pixels: Pixels) -> Pixels:
    """Means of 2 x 2 pixels, rounded; an odd last row or column is cut off.

    Pictures whose samples once went through other colour spaces have fewer colours than they
    could; halving undoes that, so that no codec gains by it.

    Raises:
        InputError: a side has a single pixel.
    """
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    if not height or not width:
        raise InputError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} cannot be halved")
    whole = pixels[:height, :width].astype(np.uint16)
    sums = whole[0::2, 0::2] + whole[0::2, 1::2] + whole[1::2, 0::2] + whole[1::2, 1::2]
    halved: Pixels = (sums + 2 >> 2).astype(np.uint8)
    return halved


def load_rgb(path: Path) -> Pixels:
    """The pixels of a picture as 8-bit RGB, ``[H, W, 3]``; grey is repeated.

    Raises:
        InputError: it cannot be read, has 16 bits a sample, or is transparent somewhere: peers
            differ in what they keep of those, so that bytes would not compare.
    """
    pixels = load_image(path).pixels
    if pixels.dtype != np.uint8:
        raise InputError(f"{path}: 16 bits a sample; the benchmark compares 8-bit RGB")
    alpha = pixels.shape[2] in (2, 4)
    if alpha and (pixels[..., -1] != 255).any():
        raise InputError(f"{path}: transparent; the benchmark compares RGB, flatten it first")
    colour = pixels[..., :-1] if alpha else pixels
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    return np.ascontiguousarray(colour, dtype=np.uint8)


def load(plan: Plan, path: Path) -> Any:
    """What candidates are given of a file."""
    loaded = plan.medium.load(path)
    return halve(loaded) if plan.halve else loaded


def file_name(plan: Plan, path: Path) -> str:
    """As records name a file."""
    return path.relative_to(plan.folder).as_posix()


def _stream_path(plan: Plan, one: Candidate, quality: float | None, path: Path) -> Path:
    """Where the encoded file of ``path`` is kept: ``CODEC/QUALITY/FILE.bin``."""
    codec = one.name.replace(":", "_").replace("/", "_")
    place = plan.streams or plan.folder
    return (
        place
        / codec
        / ("-" if quality is None else f"{quality:g}")
        / f"{file_name(plan, path)}.bin"
    )


def parse_qualities(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """``["20,50,80", "jpeg2000=0.5,1"]`` by codec; ``""`` is every codec of scale 0 to 100.

    Raises:
        InputError: a part is not a number, or a codec is named twice.

    >>> parse_qualities(["20,50", "jpeg2000=0.5"])
    {'': (20.0, 50.0), 'jpeg2000': (0.5,)}
    """
    grids: dict[str, tuple[float, ...]] = {}
    for text in texts:
        # The last = is meant: a codec's name may have options (walloc-rgb:channels=12=20,50).
        name, _, numbers = text.rpartition("=")
        try:
            grid = tuple(float(number) for number in numbers.split(","))
        except ValueError:
            raise InputError(
                f"qualities {text!r} are not understood; use 20,50,80 or CODEC=20,50,80"
            ) from None
        if name in grids or not all(map(math.isfinite, grid)):
            raise InputError(f"qualities {text!r}: finite numbers, and each codec once")
        grids[name] = grid
    return grids
