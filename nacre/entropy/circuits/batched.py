"""The walk on a torch device: the same integers, so the same bytes.

Matrix products run in float64 and are exact (``integer.py`` has the proof), everything element by
element in int64. The range coder stays on the CPU: encoding sends it the intervals of many items
at once, decoding exchanges a target and an interval for each lane and variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nacre.entropy import sequential
from nacre.entropy.circuits.integer import EMISSION_BITS, IntegerCircuit
from nacre.entropy.circuits.layout import MESSAGE_BITS, Int64s, Layout
from nacre.entropy.circuits.model import BLOCK
from nacre.entropy.sequential import Words, compiled
from nacre.entropy.tables import PRECISION

if TYPE_CHECKING:
    from torch import Tensor

ITEMS = 4096
"""Items that are encoded side by side."""


class DeviceWalk:
    """The walk for n items side by side, one variable after another.

    Call ``begin``; then ``enter``, ``interval`` or ``find``, and ``observe`` for each variable.
    """

    def __init__(self, circuit: IntegerCircuit, device: str) -> None:
        import torch

        self.device = device
        self.order = circuit.order
        self._net = circuit.layout
        self._cumulative = torch.from_numpy(circuit.cumulative).to(device)
        self._root = torch.from_numpy(self._net.root).to(device, torch.int64)
        self._matrices = _matrices(self._net, device)
        depth = int(self._net.depth.max()) + 1
        self._evidence: list[Tensor] = [torch.empty(0)] * depth
        self._belief: list[Tensor] = [torch.empty(0)] * depth

    def begin(self, items: int) -> None:
        """Start with n items."""
        self._items = items
        self._place = 0

    def enter(self) -> None:
        """Find D and S of the next variable."""
        place = self._place
        if place == 0:
            self._down = self._root.expand(self._items, -1)
        else:
            belief = self._belief[self._net.depth[place] - 1]
            self._down = _normalise(_product(belief, self._matrices[place]))
        self._total = self._down.sum(1, keepdim=True)
        self._table = self._cumulative[int(self._net.order[place])].long()

    def interval(self, symbols: Tensor) -> Tensor:
        """Lower end and length of the intervals of symbols, int64 ``[n, 2]``."""
        import torch

        edges = [(self._down * self._table[symbols + end]).sum(1, keepdim=True) for end in (0, 1)]
        start, end = (self._scale(edge) for edge in edges)
        return torch.cat([start, end - start], 1)

    def find(self, targets: Tensor) -> Tensor:
        """The symbols in whose intervals the targets (int64 ``[n]``) lie, int64 ``[n]``."""
        edges = self._scale(_product(self._down, self._table[:-1].double().T))
        return (edges <= targets[:, None]).sum(1) - 1

    def observe(self, symbols: Tensor) -> None:
        """Take the variable's symbols (int64 ``[n]``) as evidence and go on to the next."""
        net, place = self._net, self._place
        depth = int(net.depth[place])
        self._evidence[depth] = self._table[symbols + 1] - self._table[symbols]
        self._place += 1
        if net.inner[place]:
            self._belief[depth] = _normalise(self._evidence[depth] * self._down)
        elif self._place < len(net.order):
            self._leave(place, int(net.depth[self._place]))

    def _scale(self, edges: Tensor) -> Tensor:
        return (edges << (PRECISION - EMISSION_BITS)) // self._total

    def _leave(self, place: int, target: int) -> None:
        net = self._net
        for depth in range(int(net.depth[place]), target - 1, -1):
            up = _normalise(_product(self._evidence[depth], self._matrices[place].T))
            place = int(net.above[place])
            if depth == target:
                self._belief[depth - 1] = _normalise(self._belief[depth - 1] * up)
            if net.upward[place]:
                self._evidence[depth - 1] = _normalise(self._evidence[depth - 1] * up)


def encode_on_device(
    circuit: IntegerCircuit, symbols: npt.NDArray[np.uint8], device: str
) -> Iterator[tuple[Words, Words]]:
    """Lower ends and lengths of the intervals of items, uint32 ``[n, V]`` each, run after run."""
    import torch

    walk = DeviceWalk(circuit, device)
    for start in range(0, len(symbols), ITEMS):
        items = torch.from_numpy(symbols[start : start + ITEMS]).to(device)
        with torch.inference_mode():
            walk.begin(len(items))
            found = []
            for variable in circuit.order:
                chosen = items[:, int(variable)].long()
                walk.enter()
                found.append(walk.interval(chosen))
                walk.observe(chosen)
            intervals = torch.stack(found, 1).cpu().numpy().astype(np.uint32)
        yield np.ascontiguousarray(intervals[..., 0]), np.ascontiguousarray(intervals[..., 1])


def decode_on_device(
    walk: DeviceWalk, words: Words, bounds: Int64s, coder: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint8]:
    """One item of each of n lanes, uint8 ``[n, V]``; arguments as for ``walk.decode_group``."""
    import torch

    symbols = np.empty((len(coder), len(walk.order)), np.uint8)
    targets = np.empty(len(coder), np.int64)
    with torch.inference_mode():
        walk.begin(len(coder))
        for variable in walk.order:
            walk.enter()
            _targets(coder, targets)
            found = walk.find(torch.from_numpy(targets).to(walk.device))
            intervals = walk.interval(found).cpu().numpy()
            walk.observe(found)
            _advance(coder, words, bounds, intervals)
            symbols[:, variable] = found.cpu().numpy()
    return symbols


@compiled
def _targets(coder: npt.NDArray[np.uint64], targets: Int64s) -> None:
    for lane in range(len(coder)):
        targets[lane] = sequential.decode_target(coder[lane])


@compiled
def _advance(
    coder: npt.NDArray[np.uint64], words: Words, bounds: Int64s, intervals: Int64s
) -> None:
    for lane in range(len(coder)):
        own = words[bounds[lane, 0] : bounds[lane, 1]]
        sequential.decode_advance(coder[lane], own, intervals[lane, 0], intervals[lane, 1])


def _product(vectors: Tensor, matrix: Tensor) -> Tensor:
    """``vectors [n, I] · matrix [I, J]``: exact in float64."""
    return (vectors.double() @ matrix).long()


def _normalise(vectors: Tensor) -> Tensor:
    """Scale vectors ``[n, M]``: the largest entry gets 20 bits, the others at least 1."""
    import torch

    bits = torch.frexp(vectors.amax(1, keepdim=True).double()).exponent.long()
    finer, coarser = (MESSAGE_BITS - bits).clamp(min=0), (bits - MESSAGE_BITS).clamp(min=0)
    return ((vectors << finer) >> coarser).clamp(min=1)


def _matrices(net: Layout, device: str) -> Tensor:
    """The weights as matrices, float64 ``[V, M, M]`` in the order of coding."""
    import torch

    width = -(-net.states // BLOCK)
    tiles = np.zeros((len(net.order), width, width, BLOCK, BLOCK))
    owner = np.repeat(np.arange(len(net.order)), np.diff(net.first))
    tiles[owner, net.at[:, 0], net.at[:, 1]] = net.blocks.reshape(-1, BLOCK, BLOCK)
    side = width * BLOCK
    full = tiles.transpose(0, 1, 3, 2, 4).reshape(-1, side, side)[:, : net.states, : net.states]
    return torch.from_numpy(np.ascontiguousarray(full)).to(device)
