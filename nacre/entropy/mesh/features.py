"""What a small network sees of a vertex, in fixed point.

Besides the view of ``predictors.py``: what was missed at a and at b; the parallelograms across the
far edges of the triangles beside the gate's; where least squares over the vertices coded before
(``positions_model.py``) put the vertex, and the deviations that were learned there; and the style
of the mesh, running means of what predictions missed. So a network tells a scan from a part, and
leans on what has proved right in this file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.functions import log2_steps
from nacre.entropy.mesh.predictors import (
    ALL_ANGLES,
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
    VERTEX_A,
    VERTEX_B,
    Net,
    Past,
    View,
)
from nacre.entropy.mesh.traversal import after, before
from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]
Int16s = npt.NDArray[np.int16]

SEEN = 21
"""Vectors that a network sees, three inputs each."""
FEATURES = 3 * SEEN + 40
"""Inputs of a network."""
FEATURE_UNIT = 4096
"""What 1 is as an input."""
COMPONENTS, ANSWERS = 4, 7
"""Rows and columns of what the coder is told (``network.py``)."""
MEAN_UNIT = 65536
"""A mean of this is one ``sizes[EDGE_SCALE]``."""
STYLES = 8
"""Running means of what was missed along the frame's axes over the scale, slow and fast; of what
least squares missed over the scale; of whether it was right."""
_ALL_ANGLES, _MISSED_A, _MISSED_B, _BESIDE, _POINTS = 12, 13, 14, 15, 19
_SIZES = 3 * SEEN
_FACTS, _VARIANCES, _STYLE = _SIZES + 6, _SIZES + 26, _SIZES + 32
_SLOW, _FAST, _STEADY = 0.01, 0.1, 0.02
_GAIN = 4.0
_STYLE_GAIN = 64.0


@compiled
def _signed_log(value: float) -> Number:
    """FEATURE_UNIT * sign(x) * ln(1 + |x|), clipped to 16 bits."""
    size = min(value if value >= 0.0 else -value, 1048576.0)
    whole = np.int64((1.0 + size) * 1048576.0)
    steps = log2_steps(whole) - 20480
    found = min(np.int64(np.float64(steps) * 2.772588722239781 + 0.5), np.int64(32767))
    return found if value >= 0.0 else -found


@compiled
def _log_size(value: float) -> np.int16:
    """FEATURE_UNIT * log2(1 + 16 x) / 8: sizes from 1/16 to 2^28 in 16 bits; more is clipped."""
    whole = np.int64((1.0 + 16.0 * min(value, 268435456.0)) * 1024.0)
    return np.int16((log2_steps(whole) - 10240) >> 1)


@compiled
def _count(value: Number) -> np.int16:
    """A small number over 8, as a feature."""
    return np.int16(min(np.int64(value), np.int64(32)) * 512)


@compiled
def _enter(
    view: View, place: Number, x: float, y: float, z: float, vectors: Floats, out: Int16s
) -> None:
    """A vector in the frame over the scale, and as three features."""
    frame, scale = view.frame, view.sizes[EDGE_SCALE]
    for i in range(3):
        value = (frame[i, 0] * x + frame[i, 1] * y + frame[i, 2] * z) / scale
        vectors[place, i] = value
        out[3 * place + i] = np.int16(_signed_log(value * _GAIN))


@compiled
def _enter_across(
    net: Net, past: Past, view: View, corner: Number, place: Number, vectors: Floats, out: Int16s
) -> Number:
    """What the parallelogram over the edge facing a known triangle's corner misses; 1 if known."""
    beyond = np.int64(net.opposite[corner])
    if beyond < 0:
        return 0
    tip, c = np.int64(net.at[beyond]), np.int64(net.at[corner])
    p, q = np.int64(net.at[after(corner)]), np.int64(net.at[before(corner)])
    if not (past.known[tip] and past.known[p] and past.known[q] and past.known[c]):
        return 0
    points = past.positions
    x = points[tip, 0] + points[c, 0] - points[p, 0] - points[q, 0]
    y = points[tip, 1] + points[c, 1] - points[p, 1] - points[q, 1]
    z = points[tip, 2] + points[c, 2] - points[p, 2] - points[q, 2]
    _enter(view, place, x, y, z, vectors, out)
    return 1


@compiled
def _enter_beside(net: Net, past: Past, view: View, vectors: Floats, out: Int16s) -> None:
    """The triangles across ao and bo, and those across their far edges."""
    beyond = np.int64(net.opposite[view.facts[CORNER]])
    for side in range(2):
        place = _BESIDE + 2 * side
        for k in range(2):
            out[_FACTS + 14 + 3 * side + k] = 0
            for i in range(3):
                vectors[place + k, i] = 0.0
                out[3 * (place + k) + i] = 0
        out[_FACTS + 16 + 3 * side] = 0
        tip = np.int64(net.opposite[after(beyond) if side == 0 else before(beyond)])
        if tip < 0 or not past.known[net.at[tip]]:
            continue
        out[_FACTS + 16 + 3 * side] = _count(net.valence[net.copies[tip]])
        first = _enter_across(net, past, view, after(tip), place, vectors, out)
        second = _enter_across(net, past, view, before(tip), place + 1, vectors, out)
        out[_FACTS + 14 + 3 * side] = 4096 if first else 0
        out[_FACTS + 15 + 3 * side] = 4096 if second else 0


@compiled
def _enter_facts(net: Net, past: Past, view: View, out: Int16s) -> None:
    """Sizes, angles, counts and boundaries."""
    sizes, facts = view.sizes, view.facts
    out[_SIZES] = _log_size(sizes[EDGE_SCALE])
    out[_SIZES + 1] = _log_size(sizes[MISSED])
    out[_SIZES + 2] = _log_size(sizes[SPREAD])
    for k in range(3):
        # An edge is at most three times the mean of three.
        out[_SIZES + 3 + k] = np.int16(sizes[LENGTH_AB + k] / sizes[EDGE_SCALE] * 4096.0)
    out[_FACTS] = np.int16(sizes[ANGLE_A] * 8192.0)
    out[_FACTS + 1] = np.int16(sizes[ANGLE_B] * 8192.0)
    out[_FACTS + 2] = np.int16(min(facts[PARALLELOGRAMS], np.int64(16)) * 1024)
    out[_FACTS + 3] = _count(facts[KNOWN])
    corner = facts[CORNER]
    corners = (corner, after(corner), before(corner), np.int64(net.opposite[corner]))
    for k in range(4):
        copy = net.copies[corners[k]]
        out[_FACTS + 4 + k] = _count(net.valence[copy])
        out[_FACTS + 8 + k] = np.int16(4096 if net.border[copy] else 0)
    out[_FACTS + 12] = _count(past.open[net.copies[corners[1]]])
    out[_FACTS + 13] = _count(past.open[net.copies[corners[2]]])


@compiled
def features(
    net: Net,
    past: Past,
    view: View,
    points: Floats,
    variances: Floats,
    style: Floats,
    vectors: Floats,
    out: Int16s,
) -> None:
    """The inputs of a network: int16 ``[FEATURES]``, fixed point, 1 is FEATURE_UNIT = 4096.

    Only for a vertex with parallelograms. With s = ``sizes[EDGE_SCALE]`` they are

    - 0..62: the SEEN vectors in the frame, each coordinate as sign(x) ln(1 + 4 |x| / s): GATE to
      RIDGE, ERROR_A, ERROR_B, RESIDUALS, RESIDUAL_O, ANGLES, CLOSING, ALL_ANGLES; what was missed
      at a, at b; what parallelograms miss across the two far edges of the triangle beyond ao, and
      of that beyond bo (zero if not known); the points of slow and of fast least squares;
    - 63, 64, 65: s, the mean of what was missed, the spread, as log2(1 + 16 x) / 8 (lattice steps);
    - 66..68: the edges ab, ao, bo over s, 69, 70: twice the expected angles, in turns;
    - 71: parallelograms / 4, 72: known neighbours / 8, 73..76: valences of v, a, b, o / 8;
    - 77..80: 1 if v, a, b, o are at a boundary; 81, 82: open triangles at a and b / 8;
    - 83..85: 1 for each of the two far edges beyond ao that is known, the valence of the tip / 8;
      86..88: beyond bo;
    - 89..94: deviations along the frame, and 95..102: the style (64-fold), as log2(1 + 16 x) / 8.

    Args:
        net, past, view: as ``observe`` takes and leaves them.
        points: where the slow and the fast least squares put the vertex, from the base, ``[2, 3]``.
        variances: two rows of variances along the frame, in lattice steps squared, ``[2, 3]``.
        style: ``[STYLES]``, from :func:`learn_style`.
        vectors: float64 ``[SEEN, 3]``, written: the vectors in the frame over s.
        out: int16 ``[FEATURES]``, written.
    """
    place = 0
    for k in range(CLOSING + 1):
        if k in (EDGE, NORMAL):
            continue
        v = view.vectors[k]
        _enter(view, place, v[0], v[1], v[2], vectors, out)
        place += 1
    v = view.vectors[ALL_ANGLES]
    _enter(view, _ALL_ANGLES, v[0], v[1], v[2], vectors, out)
    v = past.missed[view.facts[VERTEX_A]]
    _enter(view, _MISSED_A, v[0], v[1], v[2], vectors, out)
    v = past.missed[view.facts[VERTEX_B]]
    _enter(view, _MISSED_B, v[0], v[1], v[2], vectors, out)
    _enter_beside(net, past, view, vectors, out)
    for k in range(2):
        v = points[k]
        _enter(view, _POINTS + k, v[0], v[1], v[2], vectors, out)
        for i in range(3):
            out[_VARIANCES + 3 * k + i] = _log_size(np.sqrt(variances[k, i]))
    _enter_facts(net, past, view, out)
    for k in range(STYLES):
        out[_STYLE + k] = _log_size(style[k] * _STYLE_GAIN)


@compiled
def learn_style(view: View, point: Floats, coordinates: Floats, style: Floats) -> None:
    """Move the style towards a vertex with parallelograms that has been coded.

    Args:
        view: of the vertex.
        point: where slow least squares put it, from the base, ``[3]``.
        coordinates: where it is, ``[3]``.
        style: ``[STYLES]``, at first zeros.
    """
    scale, base, frame = view.sizes[EDGE_SCALE], view.base, view.frame
    x, y, z = coordinates[0] - base[0], coordinates[1] - base[1], coordinates[2] - base[2]
    for i in range(3):
        along = frame[i, 0] * x + frame[i, 1] * y + frame[i, 2] * z
        size = min((along if along >= 0.0 else -along) / scale, 1.0)
        style[i] += _SLOW * (size - style[i])
        style[3 + i] += _FAST * (size - style[3 + i])
    x, y, z = x - point[0], y - point[1], z - point[2]
    distance = np.sqrt(x * x + y * y + z * z)
    style[6] += _STEADY * (min(distance / scale, 1.0) - style[6])
    style[7] += _STEADY * ((1.0 if distance < 0.5 else 0.0) - style[7])
