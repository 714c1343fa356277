"""Where learning a hidden Chow-Liu tree starts.

EM finds the nearest optimum, so the start decides. Random states are the plain choice; clusters are
the better one: the hidden state of a variable is at first the cluster that an item falls into by
the variable and those that say most about it. (Liu, Zhang & Van den Broeck, "Scaling Up
Probabilistic Circuits by Latent Variable Distillation", ICLR 2023, take the clusters from a deep
network's features; the items themselves serve here.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from nacre.entropy.circuits.em import Items, Layout, Parameters, to_parameters
from nacre.entropy.circuits.model import make_hclt

ITEMS = 6000
"""Items that are clustered."""
NEIGHBOURS = 8
"""Variables beside its own that decide a hidden variable's cluster, with ``WEIGHT`` each."""
WEIGHT = 0.7
ROUNDS = 8
"""Of k-means."""
PRIOR = 20.0
"""Items that the marginal counts as in every cluster's emissions."""


def random_parameters(
    items: Items, values: int, states: int, layout: Layout, *, seed: int
) -> Parameters:
    """Where learning starts: the marginals of ``items``, tilted at random towards dark or bright.

    Args:
        items: ``[N, V]``.
        values: K.
        states: M.
        layout: of the tree.
        seed: of everything random.
    """
    rng = np.random.default_rng([seed, states])
    variables = items.shape[1]
    counts = np.stack([np.bincount(column, minlength=values) for column in items.T])
    marginal = (counts + 0.01) / (len(items) + 0.01 * values)
    level = np.arange(values)
    mean = marginal @ level
    spread = np.sqrt(marginal @ level**2 - mean**2) + 1.0
    tilt = rng.normal(0, 1, (variables, states))
    exponent = ((level - mean[:, None]) / spread[:, None])[:, :, None] * tilt[:, None, :]
    emissions = marginal[:, :, None] * np.exp(exponent.clip(-20, 20))
    weights = rng.gamma(1.0, size=(variables, states, states)) + 0.05
    root = np.full(states, 1 / states)
    emissions /= emissions.sum(axis=1, keepdims=True)
    weights /= weights.sum(axis=2, keepdims=True)
    return to_parameters(make_hclt(layout.parents, root, weights, emissions), layout)


def clustered_parameters(
    items: Items,
    values: int,
    states: int,
    layout: Layout,
    information: npt.NDArray[np.float32],
    *,
    seed: int,
) -> Parameters:
    """Clusters of items around every variable as its states; counted in up to ``ITEMS`` items.

    Args:
        items: ``[N, V]``.
        values: K.
        states: M.
        layout: of the tree.
        information: ``[V, V]``, mutual information of variables.
        seed: of k-means.
    """
    device = layout.places.device
    chosen = items[np.linspace(0, len(items) - 1, min(ITEMS, len(items))).astype(np.int64)]
    symbols = torch.from_numpy(np.ascontiguousarray(chosen)).to(device)
    levels = symbols.float()
    variables = symbols.shape[1]
    draw = torch.Generator().manual_seed(1_000_003 * seed + states)
    near = np.argsort(-information, axis=1, kind="stable")[:, : min(NEIGHBOURS, variables - 1)]
    clusters = torch.empty(variables, len(symbols), dtype=torch.int64, device=device)
    for variable in range(variables):
        around = torch.from_numpy(near[variable].copy()).to(device)
        points = torch.cat([levels[:, [variable]], WEIGHT * levels[:, around]], dim=1)
        clusters[variable] = _cluster(points, states, draw)
    weights = torch.full((variables, states, states), 0.02, device=device)
    emissions = torch.full((variables, values, states), 1e-3, device=device)
    ones = torch.ones(len(symbols), device=device)
    for variable, parent in enumerate(layout.parents.tolist()):
        own = clusters[variable]
        cells = symbols[:, variable].long() * states + own
        emissions[variable].view(-1).index_add_(0, cells, ones)
        if parent >= 0:
            weights[variable].view(-1).index_add_(0, clusters[parent] * states + own, ones)
    root = torch.bincount(clusters[int(layout.places[0])], minlength=states) + 0.1
    marginal = emissions.sum(dim=2, keepdim=True)
    emissions += PRIOR * marginal / marginal.sum(dim=1, keepdim=True)
    return Parameters(
        root / root.sum(),
        (weights / weights.sum(dim=2, keepdim=True))[layout.places].contiguous(),
        (emissions / emissions.sum(dim=1, keepdim=True))[layout.places].contiguous(),
    )


def _cluster(points: torch.Tensor, count: int, draw: torch.Generator) -> torch.Tensor:
    """k-means: the cluster of every point ``[N, D]``, int64 ``[N]``; an empty one starts anew."""
    total = len(points)

    def random_points() -> torch.Tensor:
        return points[torch.randint(total, (count,), generator=draw).to(points.device)]

    centres = random_points()
    for _ in range(ROUNDS):
        own = (centres.square().sum(dim=1) - 2 * points @ centres.T).argmin(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, own, points)
        sizes = torch.bincount(own, minlength=count)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), random_points())
    return (centres.square().sum(dim=1) - 2 * points @ centres.T).argmin(dim=1)
