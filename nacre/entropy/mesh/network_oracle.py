"""A network as the coder of positions asks it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nacre.entropy.mesh.features import FEATURES, SEEN, STYLES, features, learn_style
from nacre.entropy.mesh.network import (
    OUTPUTS,
    Floats,
    Int16s,
    Int64s,
    Kernel,
    Network,
    Workspace,
    evaluate,
    settle_means,
)
from nacre.entropy.mesh.predictors import Net, Past, View
from nacre.entropy.sequential import compiled


class Oracle(NamedTuple):
    """A network as the loop asks it; without one the kernel has no rows.

    Attributes:
        kernel, space: the network's.
        style: what the mesh has been like, float64 ``[STYLES]``.
        vectors: those among the features, float64 ``[SEEN, 3]``.
        inputs: features, int16 ``[FEATURES]``.
        said: what the network said last, int64 ``[OUTPUTS]``.
    """

    kernel: Kernel
    space: Workspace
    style: Floats
    vectors: Floats
    inputs: Int16s
    said: Int64s


def oracle_of(network: Network | None) -> Oracle:
    """A network, or none, for a loop over one mesh."""
    rest = (np.zeros(STYLES), np.zeros((SEEN, 3)), np.zeros(FEATURES, np.int16))
    said = np.zeros(OUTPUTS, np.int64)
    if network is not None:
        return Oracle(network.kernel, network.workspace(), *rest, said)
    none, wide, offsets = np.zeros(0, np.int16), np.zeros((0, 0), np.int16), np.zeros(0, np.int64)
    layer = (wide, offsets, offsets)
    return Oracle(Kernel(*layer, *layer, *layer), Workspace(none, none, none), *rest, said)


@compiled
def ask(
    oracle: Oracle,
    net: Net,
    past: Past,
    view: View,
    points: Floats,
    variances: Floats,
    answers: Int64s,
) -> None:
    """What the network says of a vertex with parallelograms.

    Args:
        oracle: the network.
        net, past, view, points, variances: as for ``features``.
        answers: int64 ``[COMPONENTS, ANSWERS]``, written (see ``network.py``).
    """
    features(net, past, view, points, variances, oracle.style, oracle.vectors, oracle.inputs)
    evaluate(oracle.kernel, oracle.inputs, oracle.space, oracle.said)
    settle_means(oracle.said, oracle.vectors, answers)


@compiled
def tell(oracle: Oracle, view: View, point: Floats, coordinates: Floats) -> None:
    """Let the oracle know where that vertex is; arguments as for ``learn_style``."""
    learn_style(view, point, coordinates, oracle.style)
