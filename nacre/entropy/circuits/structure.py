"""The tree of a hidden Chow-Liu tree: pairwise mutual information and its maximum spanning tree.

The spanning tree of greatest total mutual information is the tree of greatest likelihood among
those that join the variables themselves (Chow & Liu, IEEE Trans. Information Theory 1968). Values
are put into a few bins first; soft bins (as in PyJuice) and hard ones serve alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from nacre.errors import InputError

ITEMS = 6000
"""Items that mutual information is estimated on, evenly spread over the set."""
BINS = 16
CHUNK = 1000
"""Items whose bins are laid out at once."""
BLOCK_BYTES = 128 << 20
"""About the memory for the joint tables that are held at once."""

Floats = npt.NDArray[np.float32]


def bin_table(values: int, bins: int, *, soft: bool = False) -> Floats:
    """How much of each value falls into each bin: ``[values, bins]``, rows sum to 1.

    Args:
        values: K.
        bins: of equal width; no more than ``values``.
        soft: weigh bins by a Gaussian around the value, half a bin wide, instead of choosing one.
    """
    bins = min(bins, values)
    value = np.arange(values)
    if not soft or bins == values:
        hard: Floats = np.eye(bins, dtype=np.float32)[value * bins // values]
        return hard
    centre = (np.arange(bins) + 0.5) / bins
    place = (value + 0.5) / values
    weight = np.exp(-0.5 * ((place[:, None] - centre) / (0.5 / bins)) ** 2)
    table: Floats = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return table


def mutual_information(
    items: npt.NDArray[np.uint8],
    values: int,
    *,
    bins: int = BINS,
    soft: bool = False,
    most: int = ITEMS,
    device: str = "cpu",
) -> Floats:
    """Mutual information of every pair of variables in nats: symmetric ``[V, V]``, diagonal 0.

    Args:
        items: ``[N, V]``, below ``values``.
        values: K.
        bins, soft: see :func:`bin_table`.
        most: of the items are looked at.
        device: of torch.

    Raises:
        InputError: there are no items or a value is out of range.
    """
    if items.ndim != 2 or not items.size or int(items.max()) >= values:
        raise InputError(f"expected items [N, V] of values below {values}")
    chosen = items[np.linspace(0, len(items) - 1, min(most, len(items))).astype(np.int64)]
    table = torch.from_numpy(bin_table(values, bins, soft=soft)).to(device)
    symbols = torch.from_numpy(np.ascontiguousarray(chosen)).to(device)
    (count, variables), width = chosen.shape, table.shape[1]
    rows = max(1, BLOCK_BYTES // (12 * variables * width * width))
    single = torch.zeros(variables, width, device=device)
    for part in torch.split(symbols, CHUNK):
        single += table[part.long()].sum(dim=0)
    entropy = torch.special.entr(single / count).sum(dim=1)
    information = torch.empty(variables, variables, device=device)
    for start in range(0, variables, rows):
        stop = min(start + rows, variables)
        joint = torch.zeros((stop - start) * width, variables * width, device=device)
        for part in torch.split(symbols, CHUNK):
            spread = table[part.long()].flatten(1)
            joint.addmm_(spread[:, start * width : stop * width].T, spread)
        both = torch.special.entr(joint.div_(count)).view(stop - start, width, variables, width)
        information[start:stop] = entropy[start:stop, None] + entropy - both.sum(dim=(1, 3))
    information.fill_diagonal_(0)
    information = torch.maximum(information, information.T).clamp(min=0)
    return information.cpu().numpy()


def spanning_tree(weights: Floats) -> npt.NDArray[np.int32]:
    """The maximum spanning tree of a full graph, hung up at its centre: parents, int32 ``[V]``.

    Prim's algorithm in O(V²), then a root from which the farthest variable is as near as can be,
    so that a pass over the tree has as few levels as it may.

    Args:
        weights: symmetric ``[V, V]``.
    """
    variables = len(weights)
    best = weights[0].astype(np.float64)
    nearest = np.zeros(variables, np.int32)
    best[0] = -np.inf
    waiting = np.ones(variables, bool)
    waiting[0] = False
    neighbours: list[list[int]] = [[] for _ in range(variables)]
    for _ in range(variables - 1):
        chosen = int(best.argmax())
        neighbours[chosen].append(int(nearest[chosen]))
        neighbours[nearest[chosen]].append(chosen)
        waiting[chosen] = False
        best[chosen] = -np.inf
        closer = waiting & (weights[chosen] > best)
        best[closer] = weights[chosen][closer]
        nearest[closer] = chosen
    path = [int(_hang(neighbours, 0)[0][-1])]
    order, parents = _hang(neighbours, path[0])
    path = [order[-1]]
    while parents[path[-1]] >= 0:
        path.append(int(parents[path[-1]]))
    return _hang(neighbours, path[len(path) // 2])[1]


def _hang(neighbours: list[list[int]], root: int) -> tuple[list[int], npt.NDArray[np.int32]]:
    """Breadth-first order from ``root``, and everybody's parent."""
    parents = np.full(len(neighbours), -1, np.int32)
    order = [root]
    for variable in order:
        for other in neighbours[variable]:
            if other != parents[variable]:
                parents[other] = variable
                order.append(other)
    return order, parents


def chow_liu_tree(
    items: npt.NDArray[np.uint8], values: int, *, device: str = "cpu"
) -> npt.NDArray[np.int32]:
    """Parents (int32 ``[V]``, -1 for the root) of the Chow-Liu tree of ``items`` ``[N, V]``."""
    return spanning_tree(mutual_information(items, values, device=device))
