"""Gaussian splats: from files and arrays, and back.

    from nacre.media.splat import load_splats

    splats = load_splats("scene.spz")   # .ply (INRIA or compressed), .spz, .sog, bytes, arrays
    splats.positions                    # float32 [N, 3]
    splats.save("copy.sog")

What a file stores as integers is kept as integers beside the floats (``splats.quantized``), so that
it can be coded exactly and written to the same format again without another rounding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import FormatError, InputError
from nacre.files import write_atomically
from nacre.limits import Limits
from nacre.media.splat_ply import (
    ChunkScheme,
    is_splat_ply,
    read_ply,
    to_compressed,
    write_compressed,
    write_ply,
)
from nacre.media.splat_schemes import HARMONICS, Grid, Int64s, Quantized, Scheme
from nacre.media.splat_sog import SogScheme, read_sog, to_sog, write_sog
from nacre.media.splat_spz import MAGIC, SpzScheme, read_spz, to_spz, write_spz
from nacre.stream import SplatShape, is_nacre

Float32s = npt.NDArray[np.float32]
SCHEMES: tuple[Any, ...] = (Grid, SpzScheme, SogScheme, ChunkScheme)
"""Numbered as streams say; never reordered."""
EXTENSIONS = (".ply", ".compressed.ply", ".spz", ".sog")


@dataclass(frozen=True, eq=False)
class Splats:
    """A scene of 3D Gaussians.

    Attributes:
        positions: float32 ``[N, 3]``.
        log_scales: natural logarithms of standard deviations, float32 ``[N, 3]``.
        rotations: quaternions w, x, y, z, float32 ``[N, 4]``.
        opacities: logits, float32 ``[N]``.
        sh0: harmonics of degree 0, float32 ``[N, 3]``; colour = 0.5 + 0.2821 sh0.
        shN: of degrees 1 to 4, float32 ``[N, K, 3]`` with K of 0, 3, 8, 15 or 24.
        antialiased: trained with a filter for it.
        quantized: the integers of the file or stream, where there are some.
        notes: what loading changed, one sentence each.

    Raises:
        InputError: the arrays do not go together.
    """

    positions: Float32s
    log_scales: Float32s
    rotations: Float32s
    opacities: Float32s
    sh0: Float32s
    shN: Float32s  # noqa: N815 - as files and other libraries call it
    antialiased: bool = False
    quantized: Quantized | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.positions)
        shapes = {
            "positions": (count, 3), "log_scales": (count, 3), "rotations": (count, 4),
            "opacities": (count,), "sh0": (count, 3),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"{name} of shape {getattr(self, name).shape}; {shape} is expected"
                )
        rest = self.shN.shape
        if len(rest) != 3 or rest[0] != count or rest[2] != 3 or 3 * rest[1] not in HARMONICS:
            raise InputError(f"shN of shape {rest}; [{count}, 0, 3, 8, 15 or 24, 3] is expected")

    @property
    def count(self) -> int:
        """How many splats there are."""
        return len(self.positions)

    @property
    def degree(self) -> int:
        """Of the harmonics, 0 to 4."""
        return HARMONICS.index(3 * self.shN.shape[1])

    @property
    def shape(self) -> SplatShape:
        """As the header of a stream declares it."""
        return SplatShape(self.count, self.degree)

    @property
    def bounds(self) -> Mapping[str, float]:
        """How far attributes may be from what was quantised: half a step, where steps are even."""
        return {} if self.quantized is None else self.quantized.scheme.bounds()

    def arrays(self) -> dict[str, Any]:
        """The arrays by name, and ``antialiased``."""
        names = ("positions", "log_scales", "rotations", "opacities", "sh0", "shN", "antialiased")
        return {name: getattr(self, name) for name in names}

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a file whose kind follows from the extension, whole or not at all.

        ``.ply`` is the INRIA layout, ``.compressed.ply`` PlayCanvas's, ``.spz`` Niantic's (version
        3, or the version it was read from), ``.sog`` PlayCanvas's bundle. Integers of the same kind
        are written as they are; anything else is rounded as that kind rounds.

        Raises:
            InputError: the file exists, the extension is not known, that kind of file cannot hold
                these splats, or the system refuses.
        """
        write_atomically(path, self.to_bytes(Path(path).name), force=force)

    def to_bytes(self, name: str) -> bytes:
        """The file that :meth:`save` writes under this name."""
        lower = name.lower()
        if lower.endswith(".compressed.ply"):
            return write_compressed(self._as(ChunkScheme, self._to_compressed))
        if lower.endswith(".ply"):
            return write_ply(self.arrays())
        if lower.endswith(".spz"):
            return write_spz(self._as(SpzScheme, lambda: to_spz(self.arrays())))
        if lower.endswith(".sog"):
            return write_sog(self._as(SogScheme, lambda: to_sog(self.arrays())))
        raise InputError(f"{name}: splats are saved as {', '.join(EXTENSIONS)}")

    def _as(self, scheme: type, make: Any) -> Quantized:
        if self.quantized is not None and isinstance(self.quantized.scheme, scheme):
            return self.quantized
        made: Quantized = make()
        return made

    def _to_compressed(self) -> Quantized:
        """Chunks of splats that lie near one another: along a grid of 1024 cells an axis."""
        low = np.nan_to_num(self.positions).min(axis=0, initial=np.inf)
        span = np.nan_to_num(self.positions).max(axis=0, initial=-np.inf) - low
        with np.errstate(invalid="ignore"):
            cells = (np.nan_to_num(self.positions) - low) / np.where(span > 0, span, 1) * 1023
        order = _interleaved(cells.astype(np.int64)).argsort(kind="stable")
        return to_compressed(self.arrays(), order)


def _interleaved(cells: Int64s) -> Int64s:
    key = np.zeros(len(cells), np.int64)
    for place in range(10):
        for axis in range(3):
            key |= (cells[:, axis] >> place & 1) << (3 * place + 2 - axis)
    return key


def from_quantized(quantized: Quantized) -> Splats:
    """Splats of integers."""
    return Splats(**quantized.scheme.floats(quantized), quantized=quantized)


def read_scheme(number: int, data: bytes | memoryview) -> Scheme:
    """The scheme whose bytes these are.

    Raises:
        FormatError: there is no such scheme, or its numbers are damaged.
    """
    if not 0 <= number < len(SCHEMES):
        raise FormatError(f"splat scheme {number} is not known here; upgrade nacre")
    try:
        scheme: Scheme = SCHEMES[number].from_bytes(data)
    except (OverflowError, ValueError) as error:
        raise FormatError(f"splat scheme {number}: {error}") from None
    return scheme


Source = str | Path | bytes | Splats | Mapping[str, Any]


def load_splats(source: Any, *, limits: Limits = Limits.DEFAULT) -> Splats:
    """The splats in ``source``.

    Args:
        source: a path; the bytes of a PLY, SPZ or SOG file, or a file object with them; a mapping
            from the names of :class:`Splats` to arrays.
        limits: ``limits.vertices`` is checked before anything is decoded.

    Raises:
        InputError: it cannot be read, or holds no splats.
        LimitExceeded: it declares more splats than ``limits`` allow.
    """
    if isinstance(source, Splats):
        source.shape.check(limits)
        return source
    if isinstance(source, Mapping):
        return _from_arrays(source, limits)
    if hasattr(source, "read"):
        source = source.read()
    if isinstance(source, str | Path):
        path = Path(source)
        try:
            return _from_bytes(path.read_bytes(), str(path), limits)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "the input", limits)
    raise InputError(
        f"cannot read splats from {type(source).__name__}; use a path, bytes or arrays"
    )


def is_splats(head: bytes) -> bool:
    """Whether a file that begins so may hold splats; a ZIP and gzip may hold something else."""
    return is_splat_ply(head) or head[:4] in (MAGIC, b"PK\x03\x04") or head[:2] == b"\x1f\x8b"


def _from_bytes(data: bytes, name: str, limits: Limits) -> Splats:
    if is_nacre(data[:16]):
        raise InputError(f"{name} is a nacre stream already; decode it with nacre decode")
    if data[:2] == b"\x1f\x8b" or data[:4] == MAGIC:
        return from_quantized(read_spz(data, limits))
    if data[:2] == b"PK":
        return from_quantized(read_sog(data, limits))
    if data[:3] == b"ply":
        found = read_ply(data, limits)
        return from_quantized(found) if isinstance(found, Quantized) else Splats(**found)
    raise InputError(f"{name} holds no splats that are known here: {', '.join(EXTENSIONS)}")


def _from_arrays(source: Mapping[str, Any], limits: Limits) -> Splats:
    names = {field.name for field in dataclasses.fields(Splats)}
    if unknown := [*set(source) - names]:
        raise InputError(f"splats have no array {unknown[0]!r}; they have {', '.join(names)}")
    try:
        arrays = {
            name: np.asarray(value, np.float32) if name != "antialiased" else bool(value)
            for name, value in source.items()
        }
        positions = arrays["positions"]
        SplatShape(len(positions), 0).check(limits)  # type: ignore[arg-type]
        arrays.setdefault("shN", np.zeros((len(positions), 0, 3), np.float32))  # type: ignore[arg-type]
        return Splats(**arrays)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"splats from arrays: {error}") from None
