"""The view of a vertex as the inputs of a small network, in fixed point; rows to train one on.

A network is asked for each vertex with parallelograms. It sees :func:`features` and answers with
COMPONENTS components of a mixture, int64 ``[COMPONENTS, ANSWERS]``:

- ``[k, 0]``: log2 of the weight in 1/1024 octaves, up to a common constant;
- ``[k, 1..3]``: the mean along the frame's three axes, from the mean of the parallelograms, in
  1/65536 of ``sizes[EDGE_SCALE]``;
- ``[k, 4..6]``: log2 of the standard deviation along the axes, of the same unit, in 1/1024 octaves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.predictors import (
    ANGLE_A,
    ANGLE_B,
    CLOSING,
    CORNER,
    EDGE,
    EDGE_SCALE,
    KNOWN,
    LENGTH_AB,
    MISSED,
    NORMAL,
    PARALLELOGRAMS,
    SPREAD,
    Net,
    Past,
    View,
    net_of,
    new_past,
    new_view,
    observe,
    settle,
)
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.mesh.traversal import Traversal, after, before, traverse
from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

FEATURES = 56
"""Inputs of a network."""
FEATURE_UNIT = 4096
"""What 1 is as an input."""
COMPONENTS, ANSWERS = 4, 7
"""Rows and columns of a network's answer."""
MEAN_UNIT = 65536
"""A mean of this is one ``sizes[EDGE_SCALE]``."""
_GAIN = 4.0


@compiled
def _signed_log(value: float) -> Number:
    """FEATURE_UNIT * sign(x) * ln(1 + |x|), clipped to 16 bits."""
    size = min(value if value >= 0.0 else -value, 1048576.0)
    # log2 in 1/1024 octaves, interpolated by the bits that its table leaves out.
    whole = np.int64((1.0 + size) * 1048576.0)
    steps = log2_steps(whole) - 20480
    found = min(np.int64(np.float64(steps) * 2.772588722239781 + 0.5), np.int64(32767))
    return found if value >= 0.0 else -found


@compiled
def _log_size(value: float) -> Number:
    """FEATURE_UNIT / 4 * log2(1 + 16 x) / 2: sizes from 1/16 of a step to 2^31 in 16 bits."""
    whole = np.int64((1.0 + 16.0 * min(value, 4294967296.0)) * 1024.0)
    return (log2_steps(whole) - 10240) >> 1


@compiled
def features(net: Net, view: View, out: Int16s) -> None:
    """The inputs of a network: int16 ``[FEATURES]``, fixed point, 1 is FEATURE_UNIT = 4096.

    Only for a vertex with parallelograms. With s = ``sizes[EDGE_SCALE]`` they are

    - 0..32: the vectors GATE to RIDGE, ERROR_A, ERROR_B, RESIDUALS, RESIDUAL_O, ANGLES in the
      frame (``frame @ vector``), each coordinate as sign(x) ln(1 + 4 |x| / s);
    - 33..35: CLOSING likewise;
    - 36, 37, 38: s, the mean of what was missed, the spread, as log2(1 + 16 x) / 8 (lattice steps);
    - 39..41: the edges ab, ao, bo over s, 42, 43: twice the expected angles, in turns;
    - 44: parallelograms / 4, 45: known neighbours / 8, 46..49: valences of v, a, b, o / 8;
    - 50, 51: open triangles at a and b / 8; 52..55: 1 if v, a, b, o are at a boundary.
    """
    scale = _GAIN / view.sizes[EDGE_SCALE]
    frame, vectors, sizes, facts = view.frame, view.vectors, view.sizes, view.facts
    place = 0
    for k in range(CLOSING + 1):
        if k in (EDGE, NORMAL):
            continue
        for i in range(3):
            value = frame[i, 0] * vectors[k, 0] + frame[i, 1] * vectors[k, 1]
            out[place] = np.int16(_signed_log((value + frame[i, 2] * vectors[k, 2]) * scale))
            place += 1
    out[36] = np.int16(_log_size(sizes[EDGE_SCALE]))
    out[37] = np.int16(_log_size(sizes[MISSED]))
    out[38] = np.int16(_log_size(sizes[SPREAD]))
    for k in range(3):
        out[39 + k] = np.int16(sizes[LENGTH_AB + k] / sizes[EDGE_SCALE] * 4096.0)
    out[42] = np.int16(sizes[ANGLE_A] * 8192.0)
    out[43] = np.int16(sizes[ANGLE_B] * 8192.0)
    out[44] = np.int16(min(facts[PARALLELOGRAMS], np.int64(16)) * 1024)
    out[45] = np.int16(min(facts[KNOWN], np.int64(32)) * 512)
    corner = facts[CORNER]
    corners = (corner, after(corner), before(corner), np.int64(net.opposite[corner]))
    for k in range(4):
        copy = net.copies[corners[k]]
        out[46 + k] = np.int16(min(np.int64(net.valence[copy]), np.int64(32)) * 512)
        out[52 + k] = np.int16(4096 if net.border[copy] else 0)


class Described(NamedTuple):
    """What a network may learn from: one row for each vertex with parallelograms, in coding order.

    Attributes:
        features: int16 ``[n, FEATURES]``.
        residual: position minus mean of the parallelograms in the frame, in lattice steps, float64
            ``[n, 3]``.
        frame: float64 ``[n, 3, 3]``; ``residual = frame @ (position - base)``.
        scale: ``sizes[EDGE_SCALE]``, float64 ``[n]``; means of a network are in units of it.
        vertex: vertex numbers, int32 ``[n]``.
    """

    features: Int16s
    residual: Floats
    frame: Floats
    scale: Floats
    vertex: Int32s


@compiled
def _describe(
    net: Net, past: Past, route: Traversal, lattice: Floats, view: View, rows: Described
) -> Number:
    count = np.int64(0)
    last = np.int64(-1)
    for place in range(len(route.order)):
        vertex, corner = np.int64(route.order[place]), np.int64(route.gates[place])
        observe(net, past, corner, last, view)
        if view.facts[PARALLELOGRAMS]:
            features(net, view, rows.features[count])
            for i in range(3):
                value = 0.0
                for k in range(3):
                    rows.frame[count, i, k] = view.frame[i, k]
                    value += view.frame[i, k] * (lattice[vertex, k] - view.base[k])
                rows.residual[count, i] = value
            rows.scale[count] = view.sizes[EDGE_SCALE]
            rows.vertex[count] = vertex
            count += 1
        settle(net, past, corner, view, lattice[vertex])
        last = vertex
    return count


def describe(surface: Surface, lattice: Int64s) -> Described:
    """All vertices with parallelograms as the coder of positions sees them.

    Args:
        surface: the connectivity.
        lattice: int64 ``[N, 3]``, in the surface's numbering.
    """
    net, route = net_of(surface), traverse(surface)
    size = len(route.order)
    rows = Described(
        np.zeros((size, FEATURES), np.int16),
        np.zeros((size, 3)),
        np.zeros((size, 3, 3)),
        np.zeros(size),
        np.zeros(size, np.int32),
    )
    past = new_past(net, surface.vertices)
    count = _describe(net, past, route, lattice.astype(np.float64), new_view(), rows)
    return Described(
        rows.features[:count],
        rows.residual[:count],
        rows.frame[:count],
        rows.scale[:count],
        rows.vertex[:count],
    )
