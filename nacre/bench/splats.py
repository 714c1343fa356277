"""Codecs of Gaussian splats beside SPZ and SOG: what is measured of each file.

What a file stores as integers is compared as integers, in any order: a codec that gives them back
is exact. What is rounded must be what the codec says that it rounds to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

import nacre
from nacre.bench.medium import Figures, Medium
from nacre.bench.peers import PERCENT, Candidate
from nacre.bench.size_report import Column, Words, write_size_report
from nacre.errors import InputError
from nacre.media.detect import medium_of
from nacre.media.splat import Splats, from_quantized, load_splats
from nacre.media.splat_grid import to_grid
from nacre.media.splat_schemes import Quantized
from nacre.media.splat_sog import to_sog
from nacre.media.splat_spz import to_spz

CODECS = "circuit-splat,file"
EXTENSIONS = (".spz", ".sog", ".ply")
SH0 = 0.28209479177387814
"""The spherical harmonic of degree 0: colour is 0.5 + SH0 x coefficient."""


@dataclass(frozen=True, eq=False)
class SplatFile:
    """A file of splats.

    Attributes:
        name: of the file.
        data: its bytes.
        splats: what they hold.
    """

    name: str
    data: bytes
    splats: Splats


def load_splat_file(path: Path) -> SplatFile:
    """A file of splats, whole.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    splats = load_splats(data)
    if not splats.count:
        raise InputError(f"{path}: no splats")
    return SplatFile(path.name, data, splats)


@dataclass(frozen=True)
class SplatErrors:
    """How far splats are from their originals, root mean squares over splats and components.

    Attributes:
        position_percent: in % of the diagonal of the positions' box.
        log_scale: of natural logarithms.
        rotation_degrees: mean angle of the rotation between them; q and -q are one rotation.
        opacity: of shares of 1, not of logits.
        colour: of 0.5 + SH0 x coefficient, full scale 1.
        harmonics: of coefficients of degree 1 and above; 0 where there are none.
    """

    position_percent: float
    log_scale: float
    rotation_degrees: float
    opacity: float
    colour: float
    harmonics: float


def splat_errors(original: Splats, decoded: Splats) -> SplatErrors:
    """Errors of splats in the same order.

    Raises:
        InputError: the numbers of splats or harmonics differ.
    """
    if original.shape != decoded.shape:
        raise InputError(f"{original.shape} and {decoded.shape}: they do not correspond")
    box = original.positions.astype(np.float64)
    diagonal = float(np.linalg.norm(box.max(axis=0) - box.min(axis=0))) or 1.0
    turns = [_unit(one.rotations) for one in (original, decoded)]
    # The half angle by its sine and cosine: the cosine alone loses small angles.
    sign = np.where((turns[0] * turns[1]).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    near = np.linalg.norm(turns[0] - sign * turns[1], axis=1)
    far = np.linalg.norm(turns[0] + sign * turns[1], axis=1)
    angles = np.degrees(4 * np.arctan2(near, far))
    return SplatErrors(
        100 * _rms(original.positions, decoded.positions, components=1) / diagonal,
        _rms(original.log_scales, decoded.log_scales),
        float(angles.mean()),
        _rms(_share(original.opacities), _share(decoded.opacities)),
        SH0 * _rms(original.sh0, decoded.sh0),
        _rms(original.shN, decoded.shN) if original.shN.size else 0.0,
    )


def _unit(rotations: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    values = rotations.astype(np.float64)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit: npt.NDArray[np.float64] = values / np.where(length > 0, length, 1)
    return unit


def _share(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = 1 / (1 + np.exp(-logits.astype(np.float64).clip(-60, 60)))
    return share


def _rms(
    original: npt.NDArray[np.floating[Any]],
    decoded: npt.NDArray[np.floating[Any]],
    components: int = 0,
) -> float:
    """Over all values, or of the length of vectors when ``components`` is 1."""
    squares = (original.astype(np.float64) - decoded.astype(np.float64)) ** 2
    return float(np.sqrt(squares.sum(axis=-1).mean() if components else squares.mean()))


def same_integers(original: Quantized, decoded: Quantized) -> bool:
    """Whether two sets of splats have the same integers that mean the same, in any order."""
    if type(original.scheme) is not type(decoded.scheme):
        return False
    if original.scheme.to_bytes() != decoded.scheme.to_bytes():
        return False
    first, second = _rows(original), _rows(decoded)
    return first.shape == second.shape and bool((first == second).all())


def _rows(quantized: Quantized) -> npt.NDArray[np.int64]:
    """All integers of each splat, sorted; a palette's rows in place of its numbers."""
    parts = [quantized.points, quantized.values]
    if quantized.labels is not None and quantized.palette is not None:
        parts.append(quantized.palette[quantized.labels])
    rows = np.concatenate(parts, axis=1)
    ordered: npt.NDArray[np.int64] = rows[np.lexsort(rows.T[::-1])]
    return ordered


def _same(promised: Splats, decoded: Splats) -> bool:
    if promised.quantized is not None and decoded.quantized is not None:
        return same_integers(promised.quantized, decoded.quantized)
    arrays = [one.arrays() for one in (promised, decoded)]
    return all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])


def splat_distances(
    one: Candidate, original: SplatFile, decoded: Splats, quality: float | None
) -> Figures:
    """What a record says of decoded splats; ``docs/bench.md`` says what each name means.

    Raises:
        InputError: the splats are not those that the candidate must give back.
    """
    promised = original.splats if one.expected is None else one.expected(original, quality)
    if not _same(promised, decoded):
        raise InputError(
            f"{one.name}: {decoded.count:,} splats came back, which are not the {promised.count:,} "
            "that it should give"
        )
    errors = splat_errors(original.splats, promised)
    return {"identical": _same(promised, original.splats), **dataclasses.asdict(errors)}


def on_grid(options: Mapping[str, Any], file: SplatFile, quality: float | None) -> Splats:
    """What ``circuit-splat`` gives back with these settings, up to order."""
    precision, bits = options.get("precision", "source"), options.get("bits", 0)
    if precision == "source" and not bits and file.splats.quantized is not None:
        return file.splats
    chosen = "medium" if precision == "source" else precision
    return from_quantized(to_grid(file.splats.arrays(), chosen, bits))


def _written(kind: str, make: Callable[[dict[str, Any]], Quantized]) -> Candidate:
    """A format that nacre writes: exact of its own integers, rounded otherwise."""

    def expected(file: SplatFile, quality: float | None) -> Splats:
        own = file.splats.quantized
        if own is not None and own.scheme.kind == kind:
            return file.splats
        return from_quantized(make(file.splats.arrays()))

    return Candidate(
        kind, "splat", False, lambda file, quality, threads: file.splats.to_bytes(f"a.{kind}"),
        lambda data, threads: load_splats(data), (), PERCENT, "as nacre writes it",
        lambda: f"nacre {nacre.__version__}", expected=expected,
    )  # fmt: skip


_ALL = (
    Candidate(
        "file", "splat", True, lambda file, quality, threads: file.data,
        lambda data, threads: load_splats(data), (), PERCENT, "the file as it is", lambda: "",
    ),
    _written("spz", to_spz),
    _written("sog", to_sog),
)  # fmt: skip
SPLAT_PEERS: Mapping[str, Candidate] = MappingProxyType({peer.name: peer for peer in _ALL})
"""Every peer of splats, by name."""


def is_splat_file(path: Path) -> bool:
    """Whether a file holds splats; a PLY file may hold a mesh."""
    return path.suffix.lower() in EXTENSIONS and medium_of(path) == "splat"


WORDS = Words(
    title="Benchmark of splats",
    thing="file",
    unit="splats",
    rate="bits",
    notes=(
        "bytes are whole files; splats come back in any order and are compared by all their "
        "integers",
        "errors are root mean squares against what the file holds, positions in % of the box "
        "diagonal, rotations as mean angles; all 0: the integers are the file's own",
    ),
    section=lambda quality: "Splats",
    references=("file",),
    columns=(
        Column("position_percent", "position %", 4),
        Column("log_scale", "log scale", 4),
        Column("rotation_degrees", "rotation, degrees", 3),
        Column("opacity", "opacity", 4),
        Column("colour", "colour", 4),
        Column("harmonics", "harmonics", 4),
    ),
    peers=SPLAT_PEERS,
)
SPLATS = Medium(
    "splat", "splats", CODECS, PERCENT, is_splat_file, load_splat_file,
    lambda file: int(file.splats.count), splat_distances, partial(write_size_report, WORDS),
)  # fmt: skip
