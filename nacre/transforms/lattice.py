"""Vertices as integers: the grid of a precision in bits, and lattices that floats lie on already.

A grid maps integers to ``origin + side * (i / steps)`` in float64, rounded to float32 at the end.
Quantisation follows Draco's rule: the largest side of the bounding box has 2^bits - 1 steps, and
the other axes the same step. Text files give floats on a lattice of 10^-k, many programs on one of
2^-k: such vertices are integers without any loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
Vertices = npt.NDArray[np.floating[Any]]

BITS = range(1, 31)
"""Precisions that :func:`quantize` takes."""
LIMIT = 1 << 31
"""Integers of a grid are smaller than this in size."""
LATTICE_LIMIT = 1 << 25
"""Those of a lattice that is worth it: beyond, floats have fewer bits than the integers."""
_DECIMALS = range(13)
_SAMPLE = 4096


@dataclass(frozen=True)
class Grid:
    """Integers ``i`` stand for ``origin + side * (i / steps)``.

    Attributes:
        origin: of each axis.
        side: length of ``steps`` steps, finite, at least 0.
        steps: at least 1; 10^k and 2^k of a lattice with origin 0 and side 1.
    """

    origin: tuple[float, float, float]
    side: float
    steps: int

    @property
    def step(self) -> float:
        """Distance of neighbouring integers."""
        return self.side / self.steps

    def dequantize(self, integers: Int64s) -> Float32s:
        """The vertices of integers ``[V, 3]``, float32."""
        return self.dequantize_exactly(integers).astype(np.float32)

    def dequantize_exactly(self, integers: Int64s) -> npt.NDArray[np.float64]:
        """The vertices of integers ``[V, 3]``, float64."""
        values = np.asarray(integers).astype(np.float64) / self.steps
        found: npt.NDArray[np.float64] = np.array(self.origin) + self.side * values
        return found

    def quantize(self, vertices: Vertices) -> Int64s:
        """The nearest integers of finite vertices ``[V, 3]``, int64.

        Raises:
            InputError: a vertex is not finite or lies 2^31 steps or more from the origin.
        """
        values = np.asarray(vertices, dtype=np.float64) - np.array(self.origin)
        values = np.rint(values / self.side * self.steps if self.side else 0 * values)
        if values.size and not np.abs(values).max() < LIMIT:
            raise InputError("a vertex is not finite or lies 2^31 steps or more from the origin")
        integers: Int64s = values.astype(np.int64)
        return integers


def _box(vertices: Vertices) -> tuple[tuple[float, float, float], float]:
    """Lower corner and largest side, the latter rounded to float32 as in Draco where it can be."""
    values = np.asarray(vertices, dtype=np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    side = float((high - low).max())
    with np.errstate(over="ignore"):
        rounded = float(np.float32(side))
    kept = rounded if np.isfinite(rounded) and (rounded > 0) == (side > 0) else side
    return (float(low[0]), float(low[1]), float(low[2])), kept


def quantize(
    vertices: Vertices, bits: int, *, origin_and_step: tuple[npt.ArrayLike, float] | None = None
) -> tuple[Int64s, Grid]:
    """Round vertices to a grid.

    What the grid gives back, rounded to float32, has the same grid and integers again.

    Args:
        vertices: float32 or float64 ``[V, 3]``, finite.
        bits: the largest side has 2^bits - 1 steps; 1 to 30.
        origin_and_step: a grid that several meshes share, instead of one by the bounding box.

    Raises:
        InputError: a vertex is not finite, or too far away for the grid, or the bits are none.
    """
    values = np.asarray(vertices)
    if values.ndim != 2 or values.shape[1] != 3 or not np.isfinite(values).all():
        raise InputError(f"vertices must be finite numbers [V, 3]; got shape {values.shape}")
    if bits not in BITS:
        raise InputError(f"bits of positions are {BITS.start} to {BITS.stop - 1}; got {bits}")
    if origin_and_step is not None:
        origin, step = (
            np.broadcast_to(np.asarray(origin_and_step[0], np.float64), 3).tolist(),
            (float(origin_and_step[1])),
        )
        if not (np.isfinite(origin).all() and 0 < step < np.inf):
            raise InputError(f"a grid needs a finite origin and step; got {origin} and {step}")
        grid = Grid((origin[0], origin[1], origin[2]), step, 1)
        return grid.quantize(values), grid
    if not len(values):
        return np.zeros((0, 3), np.int64), Grid((0.0, 0.0, 0.0), 0.0, 1)
    steps = (1 << bits) - 1
    origin, side = _box(values)
    for _ in range(8):
        grid = Grid(origin, side, steps)
        integers = grid.quantize(values).clip(0, steps)
        found = _box(grid.dequantize(integers))
        if found == (origin, side):
            break
        origin, side = found
    return integers, grid


def split_zeros(vertices: Float32s) -> tuple[Float32s, Int64s]:
    """Vertices with 0 for each -0, and where those were, as places in ``vertices.ravel()``."""
    values = np.asarray(vertices)
    places = np.flatnonzero((values == 0) & np.signbit(values))
    return values + values.dtype.type(0), places


def _decimal(vertices: Float32s) -> Grid | None:
    sample = vertices[:: max(len(vertices) // _SAMPLE, 1)]
    for decimals in _DECIMALS:
        grid = Grid((0.0, 0.0, 0.0), 1.0, 10**decimals)
        if _on(grid, sample) and _on(grid, vertices):
            return grid
    return None


def _on(grid: Grid, vertices: Float32s) -> bool:
    """Whether the grid has exactly these vertices."""
    values = np.rint(vertices.astype(np.float64) * grid.steps / grid.side)
    if np.abs(values).max(initial=0) >= LATTICE_LIMIT:
        return False
    return bool(np.array_equal(grid.dequantize(values.astype(np.int64)), vertices))


def _binary(vertices: Float32s) -> Grid | None:
    """The coarsest lattice of a power of two: every float32 is an integer times one."""
    mantissa, exponent = np.frexp(vertices[vertices != 0].astype(np.float64))
    if not len(mantissa):
        return Grid((0.0, 0.0, 0.0), 1.0, 1)
    whole = (mantissa * (1 << 24)).astype(np.int64)
    lowest = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    least = int((exponent + lowest).min()) - 24
    if int(exponent.max()) - least > 25:
        return None
    if least >= 0:
        return Grid((0.0, 0.0, 0.0), float(2**least), 1)
    return Grid((0.0, 0.0, 0.0), 1.0, 1 << -least) if least > -63 else None


def find_lattice(vertices: Float32s) -> Grid | None:
    """The lattice of 10^-k or 2^-k that all vertices lie on, the one with fewer integers.

    ``grid.dequantize(grid.quantize(vertices))`` is then equal to ``vertices`` bit for bit. There is
    none for vertices with NaN, infinity or -0 (see :func:`split_zeros`), nor where the integers
    would not be below LATTICE_LIMIT.

    Args:
        vertices: float32 ``[V, 3]``.
    """
    values = np.asarray(vertices)
    if values.dtype != np.float32 or not len(values) or not np.isfinite(values).all():
        return None
    if len(split_zeros(values)[1]):
        return None
    found = [grid for grid in (_decimal(values), _binary(values)) if grid is not None]
    exact = [
        grid for grid in found if np.array_equal(grid.dequantize(grid.quantize(values)), values)
    ]
    return max(exact, key=lambda grid: grid.step, default=None)
