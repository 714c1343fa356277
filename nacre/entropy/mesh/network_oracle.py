"""A network as the coder of positions asks it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.features import FEATURES, features
from nacre.entropy.mesh.network import Kernel, Network, Workspace, evaluate
from nacre.entropy.mesh.predictors import Net, Past, View
from nacre.entropy.sequential import compiled

Floats = npt.NDArray[np.float64]
Int16s = npt.NDArray[np.int16]
Int64s = npt.NDArray[np.int64]


class Oracle(NamedTuple):
    """A network as the loop asks it; without one the kernel has no rows.

    Attributes:
        kernel, space: the network's.
        inputs: features, int16 ``[FEATURES]``.
    """

    kernel: Kernel
    space: Workspace
    inputs: Int16s


def oracle_of(network: Network | None) -> Oracle:
    """A network, or none, for a loop over one mesh."""
    inputs = np.zeros(FEATURES, np.int16)
    if network is not None:
        return Oracle(network.kernel, network.workspace(), inputs)
    none, wide, offsets = np.zeros(0, np.int16), np.zeros((0, 0), np.int16), np.zeros(0, np.int64)
    layer = (wide, offsets, offsets)
    return Oracle(Kernel(*layer, *layer, *layer), Workspace(none, none, none), inputs)


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
    """What the network says of a vertex with parallelograms: int64 ``[COMPONENTS, ANSWERS]``."""
    features(net, view, oracle.inputs)
    evaluate(oracle.kernel, oracle.inputs, oracle.space, answers)


@compiled
def tell(oracle: Oracle, view: View, point: Floats, coordinates: Floats) -> None:
    """Let the network know where that vertex is."""
