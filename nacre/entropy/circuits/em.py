"""Expectation-maximisation of hidden Chow-Liu trees, in torch, on any device.

One pass up and one down give every edge's *flow*, the posterior probability that an item uses it;
normalised flows are the next parameters (Dang, Liu & Van den Broeck, "Sparse Probabilistic Circuits
via Pruning and Growing", NeurIPS 2022). In mini-batches the flows are what is averaged, with a step
that falls exponentially.

Messages are float32, rescaled by their maximum at every edge, or they underflow. Variables are
renumbered so that a *group* (variables of one depth whose parents differ) is a slice, and a group
is one batched matrix product. Groups are small on a CPU, to stay within its cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nacre.entropy.circuits.model import HCLT, Int32s, children_of, levels_of, make_hclt

TINY = 1e-30
"""Below every message and posterior that matters; keeps quotients finite."""
GROUP_FLOATS = 1 << 18
"""Largest message array of a group on a CPU: 1 MiB."""
STANDING_OUT = 4.0
"""How many times its neighbours' count a value has that stands out."""

Items = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Group:
    """Variables ``start..stop`` of one depth and the places of their parents, all different."""

    start: int
    stop: int
    parents: torch.Tensor


@dataclass(frozen=True)
class Layout:
    """A tree in the order in which passes see it.

    Attributes:
        parents: of the variables as items number them.
        places: ``[V]``, the variable at every place: level by level from the root.
        levels: slices of places of one depth, from the root down.
        depths: variables of one depth in groups, from the root's children down.
    """

    parents: Int32s
    places: torch.Tensor
    levels: tuple[slice, ...]
    depths: tuple[tuple[Group, ...], ...]


@dataclass
class Parameters:
    """Distributions, or flows, by place; tensors as in :class:`HCLT`, in float32.

    Attributes:
        root: ``[M]``.
        weights: ``[V, M, M]``.
        emissions: ``[V, K, M]``.
    """

    root: torch.Tensor
    weights: torch.Tensor
    emissions: torch.Tensor

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All three."""
        return self.root, self.weights, self.emissions


@dataclass(frozen=True)
class Smoothing:
    """What keeps parameters from fitting the items they were learned from.

    Attributes:
        weights: flow added to every weight that was not pruned, and to the root's, as a part of
            one item's.
        emissions: the same for every value of every state.
        narrow: ``[K, K]``, columns sum to 1: how a value's emission flow spreads over the values;
            None keeps it where it is.
        wide: the same for a state's prior, or None.
        strength: flow that a state's prior counts for.
    """

    weights: float = 1e-7
    emissions: float = 1e-7
    narrow: torch.Tensor | None = None
    wide: torch.Tensor | None = None
    strength: float = 0.0


def spreading(counts: npt.NDArray[np.int64], deviation: float) -> npt.NDArray[np.float32]:
    """A Gaussian over the values as a matrix ``[K, K]`` whose columns sum to 1.

    A value that stands out (black paper, clipped white) neither spreads nor receives anything.

    Args:
        counts: ``[K]``, how often every value occurs.
        deviation: of the Gaussian, in values.
    """
    values = np.arange(len(counts))
    kernel = np.exp(-0.5 * ((values[:, None] - values) / deviation) ** 2)
    kernel[kernel < 1e-5] = 0  # also keeps products from becoming denormal, which is slow
    around = np.pad(counts.astype(np.float64), 1, mode="reflect") if len(counts) > 1 else counts
    outstanding = counts > STANDING_OUT * (around[2:] + around[:-2]) / 2
    kernel[outstanding] = 0
    kernel[:, outstanding] = 0
    kernel[outstanding, outstanding] = 1
    table: npt.NDArray[np.float32] = (kernel / kernel.sum(axis=0)).astype(np.float32)
    return table


def make_layout(parents: Int32s, states: int, batch: int, device: str = "cpu") -> Layout:
    """The layout of a tree for batches of ``batch`` items."""
    largest = len(parents)
    if torch.device(device).type == "cpu":
        largest = max(1, GROUP_FLOATS // (states * batch))
    children = children_of(parents)
    rank = np.zeros(len(parents), np.int64)  # which child of its parent a variable is
    for siblings in children:
        rank[siblings] = np.arange(len(siblings))
    places: list[int] = []
    place_of: dict[int, int] = {}
    levels, depths = [], []
    for depth, level in enumerate(levels_of(parents)):
        first = len(places)
        groups = []
        for child in range(int(rank[level].max()) + 1):
            alike = level[rank[level] == child]
            for part in range(0, len(alike), largest):
                members = alike[part : part + largest].tolist()
                start = len(places)
                for variable in members:
                    place_of[variable] = len(places)
                    places.append(variable)
                if depth:
                    above = [place_of[int(parents[variable])] for variable in members]
                    groups.append(Group(start, len(places), torch.tensor(above, device=device)))
        levels.append(slice(first, len(places)))
        if depth:
            depths.append(tuple(groups))
    return Layout(parents, torch.tensor(places, device=device), tuple(levels), tuple(depths))


def to_parameters(circuit: HCLT, layout: Layout) -> Parameters:
    """The arrays of ``circuit`` as tensors of the layout's device."""
    device = layout.places.device
    places = layout.places.cpu().numpy()
    arrays = (circuit.root, circuit.weights[places], circuit.emissions[places])
    return Parameters(*(torch.tensor(a, dtype=torch.float32, device=device) for a in arrays))


def to_hclt(parameters: Parameters, layout: Layout) -> HCLT:
    """The circuit of ``parameters``, normalised in float64."""
    variable = np.argsort(layout.places.cpu().numpy())
    root, weights, emissions = (t.double().cpu().numpy() for t in parameters.tensors())
    weights = weights[variable] / weights[variable].sum(axis=2, keepdims=True)
    emissions = emissions[variable] / emissions[variable].sum(axis=1, keepdims=True)
    return make_hclt(layout.parents, root / root.sum(), weights, emissions)


def zeros_like(parameters: Parameters) -> Parameters:
    """Flows of no item."""
    return Parameters(*(torch.zeros_like(tensor) for tensor in parameters.tensors()))


@dataclass
class Workspace:
    """Messages of a batch, kept from batch to batch: fresh memory costs more than the sums do.

    Attributes:
        below: ``[V, B, M]``, evidence in and under a variable, for every state of it.
        passed: ``[V, B, M]``, the same for every state of its parent.
    """

    below: torch.Tensor
    passed: torch.Tensor


def make_workspace(parameters: Parameters, batch: int) -> Workspace:
    """For batches of up to ``batch`` items."""
    count, _, states = parameters.emissions.shape
    below, passed = (parameters.weights.new_empty(count * batch * states) for _ in range(2))
    return Workspace(below, passed)


def _views(workspace: Workspace, shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    count = shape[0] * shape[1] * shape[2]
    return workspace.below[:count].view(shape), workspace.passed[:count].view(shape)


def rows_of(items: torch.Tensor, layout: Layout, values: int) -> torch.Tensor:
    """The row of ``emissions.view(V * K, M)`` at every place for every item: ``[V, B]``.

    Args:
        items: uint8 ``[B, V]``, on the layout's device.
        layout: of the tree.
        values: K.
    """
    offsets = values * torch.arange(len(layout.places), device=items.device)
    return items.T[layout.places].long().add_(offsets[:, None])


def upward(
    parameters: Parameters, layout: Layout, rows: torch.Tensor, workspace: Workspace
) -> torch.Tensor:
    """Fill the workspace, and the log-likelihood of every item in nats: float64 ``[B]``.

    Args:
        parameters: distributions.
        layout: of their tree.
        rows: of the items, see :func:`rows_of`.
        workspace: for at least B items.
    """
    count, _, states = parameters.emissions.shape
    batch = rows.shape[1]
    below, passed = _views(workspace, (count, batch, states))
    table = parameters.emissions.view(-1, states)

    def observe(level: slice) -> None:
        out = below[level].view(-1, states)
        torch.index_select(table, 0, rows[level].reshape(-1), out=out)

    logs = torch.zeros(batch, dtype=torch.float64, device=rows.device)
    observe(layout.levels[-1])
    for depth in range(len(layout.depths) - 1, -1, -1):
        observe(layout.levels[depth])
        for group in layout.depths[depth]:
            part = slice(group.start, group.stop)
            logs += _rescale(below[part])
            torch.bmm(below[part], parameters.weights[part].transpose(1, 2), out=passed[part])
            above = below.index_select(0, group.parents)
            below.index_copy_(0, group.parents, above.mul_(passed[part]))
    logs += _rescale(below[:1])
    return logs + (below[0] @ parameters.root).clamp(min=TINY).log()


def _rescale(own: torch.Tensor) -> torch.Tensor:
    """Divide vectors ``[G, B, M]`` by their largest entry; the sum of its logs, ``[B]``."""
    largest = own.amax(dim=2, keepdim=True).clamp_(min=TINY)
    own.div_(largest)
    return largest.log_().sum(dim=0).squeeze(1)


def downward(
    parameters: Parameters,
    layout: Layout,
    rows: torch.Tensor,
    workspace: Workspace,
    flows: Parameters,
    gain: float,
) -> None:
    """Add the flows of the items of the last :func:`upward`, times ``gain``, to ``flows``.

    The workspace is used up: its ``below`` holds the posteriors of the states times ``gain`` then.
    """
    count, _, states = parameters.emissions.shape
    below, passed = _views(workspace, (count, rows.shape[1], states))
    table = flows.emissions.view(-1, states)
    below[0] *= parameters.root
    below[0] *= gain / below[0].sum(dim=1, keepdim=True).clamp_(min=TINY)
    flows.root += below[0].sum(dim=0)
    table.index_add_(0, rows[0], below[0])
    for depth in layout.depths:
        for group in depth:
            part = slice(group.start, group.stop)
            weights = parameters.weights[part]
            share = below.index_select(0, group.parents).div_(passed[part].clamp_(min=TINY))
            flows.weights[part] += torch.bmm(share.transpose(1, 2), below[part]).mul_(weights)
            below[part] *= torch.bmm(share, weights, out=passed[part])
            table.index_add_(0, rows[part].reshape(-1), below[part].view(-1, states))


def maximise(parameters: Parameters, flows: Parameters, smoothing: Smoothing) -> None:
    """Set ``parameters`` to the normalised flows of one item on average; pruned weights stay 0."""
    torch.add(flows.root, smoothing.weights, out=parameters.root)
    parameters.root /= parameters.root.sum()
    kept = parameters.weights > 0
    torch.add(flows.weights, smoothing.weights, out=parameters.weights)
    parameters.weights *= kept
    parameters.weights /= parameters.weights.sum(dim=2, keepdim=True).clamp_(min=TINY)
    emissions = parameters.emissions
    if smoothing.narrow is None:
        emissions.copy_(flows.emissions)
    else:
        torch.matmul(smoothing.narrow, flows.emissions, out=emissions)
    if smoothing.wide is not None:
        prior = torch.matmul(smoothing.wide, flows.emissions)
        prior *= smoothing.strength / prior.sum(dim=1, keepdim=True).clamp_(min=TINY)
        emissions += prior
    emissions += smoothing.emissions
    emissions /= emissions.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Schedule:
    """How to learn.

    Attributes:
        epochs: passes over the items.
        batch: items of a step.
        first, last: part of the averaged flows that a batch replaces; falls exponentially.
        smoothing: pseudocounts.
    """

    epochs: int
    batch: int = 512
    first: float = 0.5
    last: float = 0.01
    smoothing: Smoothing = Smoothing()

    def step_at(self, progress: float) -> float:
        """Of a batch, after the part ``progress`` (0..1) of all."""
        return float(self.first * (self.last / self.first) ** progress)


def epoch(
    parameters: Parameters,
    flows: Parameters,
    layout: Layout,
    items: torch.Tensor,
    schedule: Schedule,
    number: int,
    *,
    seed: int,
    fresh: bool = True,
) -> float:
    """One pass over the items, in place; the mean log-likelihood seen on the way, in nats an item.

    Args:
        parameters: distributions.
        flows: averaged over the batches before.
        layout: of the tree.
        items: uint8 ``[N, V]``, on the layout's device.
        schedule: of all epochs.
        number: of this one, from 0.
        seed: of the order of the items, with ``number``.
        fresh: whether the first batch of epoch 0 replaces the flows wholly.
    """
    values = parameters.emissions.shape[1]
    draw = torch.Generator().manual_seed(1_000_003 * seed + number)
    order = torch.randperm(len(items), generator=draw).to(items.device)
    batches = max(1, round(len(items) / schedule.batch))
    workspace = make_workspace(parameters, -(-len(items) // batches))
    seen = torch.zeros((), dtype=torch.float64, device=items.device)
    for index, members in enumerate(order.tensor_split(batches)):
        step = schedule.step_at((number + index / batches) / schedule.epochs)
        if fresh and number == index == 0:
            step = 1.0
        rows = rows_of(items[members], layout, values)
        seen += upward(parameters, layout, rows, workspace).sum()
        for tensor in flows.tensors():
            tensor *= 1 - step
        downward(parameters, layout, rows, workspace, flows, step / len(members))
        maximise(parameters, flows, schedule.smoothing)
    return float(seen) / len(items)


def log_likelihoods(
    parameters: Parameters, layout: Layout, items: torch.Tensor, batch: int = 512
) -> torch.Tensor:
    """Of every item in nats, float64 ``[N]``; by float32 messages (``queries`` has exact ones)."""
    values = parameters.emissions.shape[1]
    workspace = make_workspace(parameters, min(batch, len(items)))
    parts = [
        upward(parameters, layout, rows_of(part, layout, values), workspace)
        for part in torch.split(items, batch)
    ]
    return torch.cat(parts)
