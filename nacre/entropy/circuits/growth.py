"""Pruning a hidden Chow-Liu tree in blocks, and doubling its states.

Edges of little flow are dropped: an item's log-likelihood falls by no more than -log(1 - its flow)
through them. Then every state is copied with noise, and learning goes on in a circuit that is as
fast as a small dense one (Dang, Liu & Van den Broeck, NeurIPS 2022; there edge by edge, here in
blocks of 8 x 8, which a processor can skip at once).
"""

from __future__ import annotations

import torch

from nacre.entropy.circuits.em import Layout, Parameters
from nacre.entropy.circuits.model import BLOCK


def parents_of(layout: Layout) -> torch.Tensor:
    """The place of every place's parent, int64 ``[V]``; the root is its own."""
    parents = torch.zeros_like(layout.places)
    for depth in layout.depths:
        for group in depth:
            parents[group.start : group.stop] = group.parents
    return parents


def sort_states(parameters: Parameters, flows: Parameters, layout: Layout) -> None:
    """Renumber states in place so that flow gathers in few blocks; what is computed stays the same.

    The root's states are sorted by their mean value, those of a child by the mean number of the
    parent's states that flow comes from.
    """
    values = torch.arange(parameters.emissions.shape[1], device=layout.places.device).float()
    number = values @ parameters.emissions[0]
    orders = [number.argsort()]
    rank = orders[0].argsort().float()
    ranks = [rank]
    parents = parents_of(layout).tolist()
    for place in range(1, len(parents)):
        flow = flows.weights[place]
        number = (ranks[parents[place]] @ flow) / flow.sum(dim=0).clamp(min=1e-30)
        orders.append(number.argsort())
        ranks.append(orders[-1].argsort().float())
    for part in (parameters, flows):
        part.root.copy_(part.root[orders[0]])
        for place, order in enumerate(orders):
            part.emissions[place] = part.emissions[place][:, order]
            if place:
                above = orders[parents[place]]
                part.weights[place] = part.weights[place][above][:, order]


def block_flows(flows: torch.Tensor) -> torch.Tensor:
    """The flow in every block of 8 x 8 of ``flows`` ``[V, M, M]``: ``[V, M / 8, M / 8]``."""
    count, states, _ = flows.shape
    side = -(-states // BLOCK)
    room = side * BLOCK - states
    padded = torch.nn.functional.pad(flows, (0, room, 0, room))
    return padded.view(count, side, BLOCK, side, BLOCK).sum(dim=(2, 4))


def prune(parameters: Parameters, flows: Parameters, keep: float) -> float:
    """Set the blocks of least flow to zero, in place, in weights and flows.

    Every row keeps the strongest block that it has.

    Args:
        parameters: distributions, as learned.
        flows: of the same circuit, for one item on average.
        keep: part of all blocks that stays.

    Returns:
        The flow that was dropped, as a part of all.
    """
    flow = block_flows(flows.weights[1:])
    if not flow.numel() or keep >= 1:
        return 0.0
    least = flow.flatten().kthvalue(max(1, round((1 - keep) * flow.numel()))).values
    strongest = torch.zeros_like(flow, dtype=torch.bool)
    present = block_flows(parameters.weights[1:]) > 0
    best = flow.masked_fill(~present, -1.0).argmax(dim=2, keepdim=True)  # a dead state's flow is 0
    kept = present & ((flow > least) | strongest.scatter_(2, best, True))
    dropped = float(flow[~kept].sum() / flow.sum())
    states = parameters.weights.shape[1]
    mask = kept.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)[:, :states, :states]
    flows.weights[1:] *= mask
    parameters.weights[1:] *= mask
    parameters.weights[1:] /= parameters.weights[1:].sum(dim=2, keepdim=True).clamp(min=1e-30)
    return dropped


def grow(parameters: Parameters, *, noise: float, seed: int) -> Parameters:
    """A circuit with twice the states, two noisy copies of each.

    Args:
        parameters: distributions.
        noise: deviation of the logarithm of every copied number.
        seed: of the noise.
    """
    draw = torch.Generator().manual_seed(seed)

    def copies(tensor: torch.Tensor, *dims: int) -> torch.Tensor:
        for dim in dims:
            tensor = tensor.repeat_interleave(2, dim)
        factor = torch.randn(tensor.shape, generator=draw).mul_(noise).exp_()
        return tensor * factor.to(tensor.device)

    root = copies(parameters.root, 0)
    weights = copies(parameters.weights, 1, 2)
    emissions = copies(parameters.emissions, 2)
    return Parameters(
        root / root.sum(),
        weights / weights.sum(dim=2, keepdim=True),
        emissions / emissions.sum(dim=1, keepdim=True),
    )
