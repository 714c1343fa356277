"""What is known around a vertex that is about to be coded: predictions, a frame, sizes.

Everything is a function of the connectivity and of the positions coded before, in strict float64
(one fixed order of + - * / sqrt and comparisons; angles and logarithms from tables), so encoder and
decoder see the same numbers. :func:`observe` looks at one vertex, :func:`settle` enters its
position; the coder of positions calls them in its loop.

Vectors are relative to the mean of the vertex's parallelograms or are differences, so that they
turn with the mesh (Isenburg and Alliez 2002 for several parallelograms; Vasa and Brunnett 2013 for
the prediction from inner angles).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.predictors_around import (
    add_angle_tip,
    add_closing,
    distance,
    enter_angle,
    known_tip,
    length,
    set_across,
    set_frame,
    turned_corner,
)
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.mesh.traversal import after, before, corner_vertices
from nacre.entropy.sequential import Number, compiled

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

GATE, SECOND, THIRD, FOURTH = 0, 1, 2, 3
"""Vectors: single parallelograms, from the mean of all; zero where there is none."""
NEIGHBOURS, RIDGE, EDGE, ERROR_A, ERROR_B, NORMAL = 4, 5, 6, 7, 8, 9
"""Mean of known neighbours; mid(a, b) - o; b - a; errors of the parallelograms that predict b and a
from the triangles across their edges with o; unit normal times |ab|."""
RESIDUALS, RESIDUAL_O, ANGLES, CLOSING = 10, 11, 12, 13
"""Mean of what was missed at a, b, o; at o; tip by inner angles; what makes a (or b) the mean of
its neighbours, where no other of them is missing."""
ALL_ANGLES, RESIDUAL_SIDE = 14, 15
"""Mean of the tips by inner angles over all parallelograms; what was missed at a less that at b."""
VECTORS = 16

EDGE_SCALE, LENGTH_AB, LENGTH_AO, LENGTH_BO, ANGLE_A, ANGLE_B, MISSED, SPREAD = range(8)
"""Sizes: mean edge of the gate's triangle; its edges; expected angles at a and b in turns; mean
length of what was missed at a, b, o; root mean square distance of the parallelograms from their
mean. Lattice steps, but for the angles."""
SIZES = 8

PARALLELOGRAMS, KNOWN, CORNER, VERTEX_A, VERTEX_B, VERTEX_O = range(6)
"""Facts: parallelograms; known neighbours in the fan; the gate's corner; its vertices, else -1."""
FACTS = 6


class Net(NamedTuple):
    """Connectivity, known to both ends.

    Attributes:
        copies: copy of a vertex at each corner, int32 ``[3 T]``.
        at: vertex at each corner, int32 ``[3 T]``.
        opposite: as in the surface, int32 ``[3 T]``.
        valence: triangles at each copy, int32 ``[C]``.
        border: 1 of copies at a boundary, uint8 ``[C]``.
    """

    copies: Int32s
    at: Int32s
    opposite: Int32s
    valence: Int32s
    border: Flags


class Past(NamedTuple):
    """What has been coded.

    Attributes:
        positions: lattice coordinates, float64 ``[N, 3]``.
        known: 1 of vertices that have been coded, uint8 ``[N]``.
        missed: position minus mean of the parallelograms, float64 ``[N, 3]``.
        turned: sum of the known angles at each copy, in turns, float64 ``[C]``.
        open: triangles at each copy that are not known yet, int32 ``[C]``.
    """

    positions: Floats
    known: Flags
    missed: Floats
    turned: Floats
    open: Int32s


class View(NamedTuple):
    """What is seen from one vertex, filled by :func:`observe`.

    Attributes:
        base: mean of the parallelograms (or what there is instead), float64 ``[3]``.
        vectors: float64 ``[VECTORS, 3]``, from ``base``.
        frame: rows are the unit vectors along the gate, away from it and out of its plane, float64
            ``[3, 3]``.
        sizes: float64 ``[SIZES]``.
        facts: int64 ``[FACTS]``.
    """

    base: Floats
    vectors: Floats
    frame: Floats
    sizes: Floats
    facts: Int64s


def net_of(surface: Surface) -> Net:
    """A surface as the compiled functions want it."""
    copies = np.ascontiguousarray(surface.triangles.ravel(), dtype=np.int32)
    count = len(surface.vertex)
    valence = np.bincount(copies, minlength=count).astype(np.int32)
    border = np.zeros(count, np.uint8)
    rim = np.flatnonzero(surface.opposite < 0)
    border[copies[rim - rim % 3 + (rim + 1) % 3]] = 1
    border[copies[rim - rim % 3 + (rim + 2) % 3]] = 1
    opposite = np.ascontiguousarray(surface.opposite, dtype=np.int32)
    return Net(copies, corner_vertices(surface), opposite, valence, border)


def new_past(net: Net, vertices: int) -> Past:
    """Nothing is known of so many vertices."""
    return Past(
        np.zeros((vertices, 3)),
        np.zeros(vertices, np.uint8),
        np.zeros((vertices, 3)),
        np.zeros(len(net.valence)),
        net.valence.copy(),
    )


def new_view() -> View:
    """Work space of :func:`observe`."""
    return View(
        np.zeros(3),
        np.zeros((VECTORS, 3)),
        np.eye(3),
        np.zeros(SIZES),
        np.zeros(FACTS, np.int64),
    )


@compiled
def _look(net: Net, past: Past, corner: Number, view: View) -> None:
    """Enter a corner of the fan: its parallelogram, and the vertex at its next corner."""
    facts, vectors, positions = view.facts, view.vectors, past.positions
    near = np.int64(net.at[after(corner)])
    if past.known[near]:
        facts[KNOWN] += 1
        for i in range(3):
            vectors[NEIGHBOURS, i] += positions[near, i]
    tip = known_tip(net, past, corner)
    if tip < 0:
        return
    far = np.int64(net.at[before(corner)])
    if facts[PARALLELOGRAMS] == 0:
        facts[CORNER] = corner
    else:
        add_angle_tip(net, past, corner, vectors[ALL_ANGLES])
    for i in range(3):
        point = positions[near, i] + positions[far, i] - positions[tip, i]
        view.base[i] += point
        if facts[PARALLELOGRAMS] < 4:
            vectors[facts[PARALLELOGRAMS], i] = point
    facts[PARALLELOGRAMS] += 1


@compiled
def _walk(net: Net, past: Past, corner: Number, view: View) -> None:
    """Visit the fan of a corner; valences bound the way, whatever the surface is."""
    _look(net, past, corner, view)
    limit = np.int64(net.valence[net.copies[corner]])
    end = corner
    for _ in range(limit):
        place = turned_corner(net, end, 1)
        if place == corner:
            return
        if place < 0:
            break
        end = place
        _look(net, past, end, view)
    # A boundary: what lies on the other side of the gate, and the last neighbour on this one.
    place = corner
    for _ in range(limit):
        place = turned_corner(net, place, 0)
        if place < 0:
            break
        _look(net, past, place, view)
    near = np.int64(net.at[before(end)])
    if past.known[near]:
        view.facts[KNOWN] += 1
        for i in range(3):
            view.vectors[NEIGHBOURS, i] += past.positions[near, i]


@compiled
def _measure(net: Net, past: Past, view: View) -> None:
    """All that needs the gate's a, b and o."""
    facts, vectors, sizes, positions = view.facts, view.vectors, view.sizes, past.positions
    corner = facts[CORNER]
    beyond = np.int64(net.opposite[corner])
    corner_a, corner_b = after(corner), before(corner)
    a, b, o = np.int64(net.at[corner_a]), np.int64(net.at[corner_b]), np.int64(net.at[beyond])
    facts[VERTEX_A], facts[VERTEX_B], facts[VERTEX_O] = a, b, o
    for i in range(3):
        vectors[EDGE, i] = positions[b, i] - positions[a, i]
        vectors[RIDGE, i] = 0.5 * (positions[a, i] + positions[b, i]) - positions[o, i]
        total = past.missed[a, i] + past.missed[b, i] + past.missed[o, i]
        vectors[RESIDUALS, i] = total / 3.0
        vectors[RESIDUAL_O, i] = past.missed[o, i]
    set_frame(view.frame, vectors[EDGE], vectors[RIDGE])
    # Across the gate the orientation is the other way round: after o's corner come b's and a's.
    set_across(net, past, after(beyond), b, o, vectors[ERROR_A])
    set_across(net, past, before(beyond), a, o, vectors[ERROR_B])
    ab = length(vectors[EDGE, 0], vectors[EDGE, 1], vectors[EDGE, 2])
    sizes[LENGTH_AB] = ab
    sizes[LENGTH_AO] = distance(positions, a, o)
    sizes[LENGTH_BO] = distance(positions, b, o)
    sizes[EDGE_SCALE] = (ab + sizes[LENGTH_AO] + sizes[LENGTH_BO]) / 3.0 + 0.5
    for i in range(3):
        vectors[NORMAL, i] = view.frame[2, i] * ab
    size = np.float64(facts[PARALLELOGRAMS])
    angles = add_angle_tip(net, past, corner, vectors[ANGLES])
    sizes[ANGLE_A], sizes[ANGLE_B] = angles
    for i in range(3):
        vectors[ALL_ANGLES, i] = (vectors[ALL_ANGLES, i] + vectors[ANGLES, i]) / size
        vectors[ALL_ANGLES, i] -= view.base[i]
        vectors[ANGLES, i] -= view.base[i]
        vectors[RESIDUAL_SIDE, i] = past.missed[a, i] - past.missed[b, i]
    closed = add_closing(net, past, corner_a, view.base, vectors[CLOSING])
    closed += add_closing(net, past, corner_b, view.base, vectors[CLOSING])
    if closed == 2:
        for i in range(3):
            vectors[CLOSING, i] *= 0.5
    missed = 0.0
    for vertex in (a, b, o):
        missed += length(past.missed[vertex, 0], past.missed[vertex, 1], past.missed[vertex, 2])
    sizes[MISSED] = missed / 3.0


@compiled
def _fall_back(net: Net, past: Past, corner: Number, last: Number, view: View) -> None:
    """Vertices without a parallelogram: the mean of known neighbours, else the last vertex."""
    facts = view.facts
    for i in range(3):
        if facts[KNOWN]:
            view.base[i] = view.vectors[NEIGHBOURS, i] / np.float64(facts[KNOWN])
        elif last >= 0:
            view.base[i] = past.positions[last, i]
        view.vectors[NEIGHBOURS, i] = 0.0
        for k in range(3):
            view.frame[i, k] = 1.0 if i == k else 0.0
    facts[CORNER] = corner


@compiled
def observe(net: Net, past: Past, corner: Number, last: Number, view: View) -> None:
    """Look at the vertex at ``corner``, which is not known yet.

    Args:
        net: the connectivity.
        past: what has been coded.
        corner: the vertex's gate in the traversal.
        last: the vertex coded before it, -1 for none.
        view: filled; of a vertex without parallelograms (``facts[PARALLELOGRAMS] == 0``) only
            ``base`` and ``facts`` say something, and all vectors and sizes are zero.
    """
    facts, vectors = view.facts, view.vectors
    for i in range(3):
        view.base[i] = 0.0
        for k in range(VECTORS):
            vectors[k, i] = 0.0
    for k in range(SIZES):
        view.sizes[k] = 0.0
    for k in range(FACTS):
        facts[k] = -1 if k > CORNER else 0
    _walk(net, past, corner, view)
    count = facts[PARALLELOGRAMS]
    if count == 0:
        _fall_back(net, past, corner, last, view)
        return
    size = np.float64(count)
    for i in range(3):
        view.base[i] /= size
        if facts[KNOWN]:
            vectors[NEIGHBOURS, i] /= np.float64(facts[KNOWN])
        vectors[NEIGHBOURS, i] -= view.base[i]
    spread = 0.0
    for k in range(min(count, 4)):
        for i in range(3):
            vectors[k, i] -= view.base[i]
            spread += vectors[k, i] * vectors[k, i]
    view.sizes[SPREAD] = np.sqrt(spread / size)
    _measure(net, past, view)


@compiled
def _complete(net: Net, past: Past, corner: Number) -> None:
    """Enter the angles of the triangle of a corner if all its vertices are known now."""
    p, q, r = corner, after(corner), before(corner)
    i, j, k = np.int64(net.at[p]), np.int64(net.at[q]), np.int64(net.at[r])
    if past.known[i] and past.known[j] and past.known[k]:
        enter_angle(past, net.copies, p, i, j, k)
        enter_angle(past, net.copies, q, j, k, i)
        enter_angle(past, net.copies, r, k, i, j)


@compiled
def settle(net: Net, past: Past, corner: Number, view: View, position: Floats) -> None:
    """Enter the position (lattice coordinates, float64 ``[3]``) of the vertex at ``corner``.

    Triangles at other copies of the vertex keep their angles open: their fans see less, no matter.
    """
    vertex = np.int64(net.at[corner])
    for i in range(3):
        past.positions[vertex, i] = position[i]
        if view.facts[PARALLELOGRAMS]:
            past.missed[vertex, i] = position[i] - view.base[i]
    past.known[vertex] = 1
    limit = np.int64(net.valence[net.copies[corner]])
    place = corner
    for _ in range(limit):
        _complete(net, past, place)
        place = turned_corner(net, place, 1)
        if place < 0 or place == corner:
            break
    if place == corner:
        return
    place = corner
    for _ in range(limit):
        place = turned_corner(net, place, 0)
        if place < 0:
            break
        _complete(net, past, place)
