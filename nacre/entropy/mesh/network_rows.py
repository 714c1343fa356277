"""What networks are trained on: what they would see of every vertex, and where it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.features import FEATURES, SEEN, STYLES, features, learn_style
from nacre.entropy.mesh.network import Floats, Int16s, Int32s
from nacre.entropy.mesh.positions_model import (
    learn_vertex,
    predict,
    set_components,
    set_contexts,
)
from nacre.entropy.mesh.positions_state import SLOW, Learned, Work, new_learned, new_work
from nacre.entropy.mesh.predictors import (
    EDGE_SCALE,
    PARALLELOGRAMS,
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
from nacre.entropy.mesh.traversal import Traversal, traverse
from nacre.entropy.sequential import Number, compiled


class Described(NamedTuple):
    """What a network may learn from: one row for each vertex with parallelograms, in coding order.

    Attributes:
        features: int16 ``[n, FEATURES]``.
        vectors: those among them, in the frame over the scale, float64 ``[n, SEEN, 3]``.
        residual: position minus mean of the parallelograms in the frame, in lattice steps, float64
            ``[n, 3]``.
        frame: float64 ``[n, 3, 3]``; ``residual = frame @ (position - base)``.
        scale: ``sizes[EDGE_SCALE]``, float64 ``[n]``; means of a network are in units of it.
        vertex: vertex numbers, int32 ``[n]``.
    """

    features: Int16s
    vectors: Floats
    residual: Floats
    frame: Floats
    scale: Floats
    vertex: Int32s


@compiled
def _describe(
    net: Net,
    past: Past,
    route: Traversal,
    lattice: Floats,
    view: View,
    learned: Learned,
    work: Work,
    style: Floats,
    rows: Described,
) -> Number:
    count = np.int64(0)
    last = np.int64(-1)
    for place in range(len(route.order)):
        vertex, corner = np.int64(route.order[place]), np.int64(route.gates[place])
        observe(net, past, corner, last, view)
        predict(net, view, learned, work)
        expected = set_contexts(view, work)
        set_components(view, learned, work, expected, True)
        for i in range(3):
            work.coordinates[i] = lattice[vertex, i]
        if view.facts[PARALLELOGRAMS]:
            points, variances = work.points[SLOW:], work.sigmas[SLOW:]
            vectors, out = rows.vectors[count], rows.features[count]
            features(net, past, view, points, variances, style, vectors, out)
            for i in range(3):
                value = 0.0
                for k in range(3):
                    rows.frame[count, i, k] = view.frame[i, k]
                    value += view.frame[i, k] * (lattice[vertex, k] - view.base[k])
                rows.residual[count, i] = value
            rows.scale[count] = view.sizes[EDGE_SCALE]
            rows.vertex[count] = vertex
            count += 1
        learn_vertex(view, learned, work, expected)
        if view.facts[PARALLELOGRAMS]:
            learn_style(view, work.points[SLOW], work.coordinates, style)
        settle(net, past, corner, view, work.coordinates)
        last = vertex
    return count


def describe(surface: Surface, lattice: npt.NDArray[np.integer[Any]]) -> Described:
    """All vertices with parallelograms as the coder of positions sees them.

    Args:
        surface: the connectivity.
        lattice: integers ``[N, 3]``, in the surface's numbering.
    """
    net, route = net_of(surface), traverse(surface)
    size = len(route.order)
    rows = Described(
        np.zeros((size, FEATURES), np.int16),
        np.zeros((size, SEEN, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3, 3)),
        np.zeros(size),
        np.zeros(size, np.int32),
    )
    values = lattice.astype(np.int64)
    values -= values.min(axis=0)
    learned = new_learned(int(values.max()).bit_length(), size)
    past, style = new_past(net, surface.vertices), np.zeros(STYLES)
    floats = values.astype(np.float64)
    count = _describe(net, past, route, floats, new_view(), learned, new_work(), style, rows)
    return Described(
        rows.features[:count],
        rows.vectors[:count],
        rows.residual[:count],
        rows.frame[:count],
        rows.scale[:count],
        rows.vertex[:count],
    )
