"""Learning a hidden Chow-Liu tree from items: structure, a start, EM, pruning and growing.

A plan is a list of stages. The first starts from clusters, every other one from a grown copy of the
circuit before. Within a stage the step falls exponentially, blocks are pruned bit by bit, how much
emissions are smoothed is chosen on items that were held out, and the circuit that these find
likeliest is what the stage results in. The state after every epoch is a checkpoint, and a run that
goes on from one computes the same numbers as one that was never stopped.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from nacre.entropy.circuits.em import (
    Items,
    Layout,
    Parameters,
    Schedule,
    Smoothing,
    epoch,
    log_likelihoods,
    make_layout,
    maximise,
    spreading,
    to_hclt,
    zeros_like,
)
from nacre.entropy.circuits.growth import grow, prune, sort_states
from nacre.entropy.circuits.initial import clustered_parameters
from nacre.entropy.circuits.model import HCLT
from nacre.entropy.circuits.structure import mutual_information, spanning_tree
from nacre.errors import InputError, ModelError
from nacre.files import write_atomically
from nacre.models import read_metadata

NARROW = (0.0, 1.0, 2.0)
"""Deviations, in values, of the kernel that emissions may be smoothed by."""
STRENGTHS = (0.0, 30.0, 100.0, 300.0)
"""Items that the widely smoothed emissions of a state may count for as its prior."""
WIDE = 1 / 16
"""Deviation of the wide kernel, as a part of all values."""
SMOOTHED = 16
"""Variables of more values have their emissions smoothed."""
CHOOSING = 1000
"""Held-out items that smoothing is chosen on."""
PATIENCE = 2
"""Epochs without gain on held-out items after which a stage ends."""


Vary = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""Other items uint8 ``[N, V]`` of the same kind, at random."""


@dataclass(frozen=True)
class Stage:
    """A part of a plan.

    Attributes:
        states: M; twice as many as in the stage before.
        epochs: passes over the items, at most.
        keep: part of the 8 x 8 blocks of weights that is left after half of the epochs.
        first: step of the first batch.
    """

    states: int
    epochs: int
    keep: float = 1.0
    first: float = 0.5


@dataclass(frozen=True)
class Plan:
    """How to learn.

    Attributes:
        stages: one after another.
        folded: epochs at the end over all items, those held out too.
        batch: items of a step.
        last: step of the last batch of a stage.
        noise: deviation of the logarithm of grown copies.
        varied: part of the items that is varied in every epoch (see :func:`learn`).
        seed: of everything random.
    """

    stages: tuple[Stage, ...]
    folded: int = 0
    batch: int = 512
    last: float = 0.01
    noise: float = 0.1
    varied: float = 0.0
    seed: int = 0

    @property
    def epochs(self) -> int:
        """Of all stages, and folded ones."""
        return sum(stage.epochs for stage in self.stages) + self.folded


@dataclass(frozen=True)
class Epoch:
    """One report.

    Attributes:
        number: of epochs so far.
        epochs: of the plan, at most.
        nats: mean of -log-likelihood an item of those learned from, as seen on the way.
        held_nats: of those held out, by the stage's best circuit; infinite before there is one.
        seconds: since the start, over all runs.
    """

    number: int
    epochs: int
    nats: float
    held_nats: float
    seconds: float


@dataclass(frozen=True)
class Learned:
    """What a finished run results in; ``held_nats`` was measured before folding."""

    circuit: HCLT
    held_nats: float
    epochs: int
    seconds: float


@dataclass
class _State:
    """All that a run has come to; tensors are by place (see ``em.Layout``).

    Attributes:
        parameters, flows: of the circuit that is learned.
        best: parameters of this stage that held-out items find likeliest.
        held_nats: theirs; infinite while there are none.
        parents: the tree.
        stage, number: of the next epoch; a stage after the last of the plan is folding.
        done: epochs in all.
        narrow, strength: of smoothing.
        waited: epochs since ``best``.
        seconds: of learning.
    """

    parameters: Parameters
    flows: Parameters
    best: Parameters
    parents: npt.NDArray[np.int32]
    held_nats: float = math.inf
    stage: int = 0
    number: int = 0
    done: int = 0
    narrow: float = 0.0
    strength: float = STRENGTHS[1]
    waited: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Data:
    """Items as tensors, and what smoothing needs to know of them."""

    items: torch.Tensor
    held: torch.Tensor
    counts: npt.NDArray[np.int64]

    def smoothing(self, narrow: float, strength: float) -> Smoothing:
        """Kernels of the deviation ``narrow`` (0: none), and a prior worth ``strength`` items."""
        values = len(self.counts)
        spread = [
            torch.from_numpy(spreading(self.counts, deviation)).to(self.items.device)
            if wanted
            else None
            for deviation, wanted in ((narrow, narrow > 0), (WIDE * values, strength > 0))
        ]
        return Smoothing(narrow=spread[0], wide=spread[1], strength=strength / len(self.items))


def learn(
    items: Items,
    held: Items,
    values: int,
    plan: Plan,
    *,
    vary: Vary | None = None,
    device: str = "cpu",
    checkpoint: Path | None = None,
    seconds: float | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Learned | None:
    """Learn a circuit from ``items``.

    Args:
        items: uint8 ``[N, V]``.
        held: ``[n, V]``, for every choice that is made.
        values: K.
        plan: stages.
        vary: makes other items of its kind out of items, such as pictures moved by a pixel; a guard
            against learning them by heart.
        device: of torch.
        checkpoint: a safetensors file that is written after every epoch, and gone on from.
        seconds: stop after about so long.
        report: called after every epoch.
        say: called with a line of text when a stage begins.

    Returns:
        The circuit; None when time ran out first.

    Raises:
        InputError: there are too few items, or the checkpoint is of another plan or other items.
        ModelError: the checkpoint is damaged.
    """
    if len(items) < 2 or not len(held):
        raise InputError(f"{len(items)} items, {len(held)} held out: too few to learn from")
    about = json.dumps([asdict(plan), list(items.shape), int(items.sum()), values])
    state = None if checkpoint is None else _restore(checkpoint, about, device)
    start = time.monotonic()
    tensors = [torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in (items, held)]
    data = _Data(tensors[0], tensors[1], np.bincount(items.ravel(), minlength=values))
    kept = bool(torch.tensor(1e-39) * 1 > 0)
    torch.set_flush_denormal(True)  # posteriors near 0 slow a CPU down several times
    try:
        if state is None:
            say("finding the tree")
        state = state or _begin(items, values, plan, device)
        before = state.seconds
        while not _finished(state, plan):
            nats = _next_epoch(state, data, plan, vary, say)
            state.seconds = before + time.monotonic() - start
            report(Epoch(state.done, plan.epochs, nats, state.held_nats, state.seconds))
            if checkpoint is not None:
                _store(checkpoint, state, about)
            if seconds is not None and time.monotonic() - start >= seconds:
                break
    finally:
        torch.set_flush_denormal(not kept)
    if not _finished(state, plan):
        return None
    layout = make_layout(state.parents, len(state.best.root), plan.batch, device)
    return Learned(to_hclt(state.best, layout), state.held_nats, state.done, state.seconds)


def _finished(state: _State, plan: Plan) -> bool:
    return state.stage == len(plan.stages) + (plan.folded > 0)


def _begin(items: Items, values: int, plan: Plan, device: str) -> _State:
    """The tree, and clusters as the first states."""
    information = mutual_information(items, values, device=device)
    parents = spanning_tree(information)
    states = plan.stages[0].states
    layout = make_layout(parents, states, plan.batch, device)
    start = clustered_parameters(items, values, states, layout, information, seed=plan.seed)
    strength = STRENGTHS[1] if values > SMOOTHED else 0.0
    return _State(start, zeros_like(start), start, parents, strength=strength)


def _next_epoch(
    state: _State, data: _Data, plan: Plan, vary: Vary | None, say: Callable[[str], None]
) -> float:
    """One epoch, and what is due after it; the mean of -log-likelihood seen on the way."""
    layout = make_layout(
        state.parents, len(state.parameters.root), plan.batch, str(data.items.device)
    )
    folding = state.stage == len(plan.stages)
    smoothing = data.smoothing(state.narrow, state.strength)
    if folding:
        stage = Stage(len(state.parameters.root), plan.folded, first=plan.last)
        items = torch.cat([data.items, data.held])
    else:
        stage, items = plan.stages[state.stage], data.items
    if state.number == 0:
        say("folding held-out items in" if folding else f"learning {stage.states} states")
        state.held_nats = state.held_nats if folding else math.inf
    if vary is not None and plan.varied > 0:
        items = _varied(items, plan, vary, state.done)
    schedule = Schedule(stage.epochs, plan.batch, stage.first, plan.last, smoothing)
    nats = -epoch(
        state.parameters,
        state.flows,
        layout,
        items,
        schedule,
        state.number,
        seed=plan.seed * 1009 + state.stage,
        fresh=state.number == 0 and not folding,
    )
    state.number += 1
    state.done += 1
    if folding:
        state.best, state.stage = state.parameters, state.stage + (state.number == plan.folded)
    else:
        _judge(state, data, stage, layout)
        if state.number == stage.epochs or state.waited > PATIENCE:
            _end_stage(state, plan)
    return nats


def _varied(items: torch.Tensor, plan: Plan, vary: Vary, number: int) -> torch.Tensor:
    """A copy of the items with a part of them varied, for every epoch another."""
    draw = torch.Generator().manual_seed((plan.seed + 1) * 2_000_003 + number)
    chosen = (torch.rand(len(items), generator=draw) < plan.varied).to(items.device)
    mixed = items.clone()
    mixed[chosen] = vary(items[chosen], draw)
    return mixed


def _judge(state: _State, data: _Data, stage: Stage, layout: Layout) -> None:
    """Prune and choose smoothing until halfway, then keep the stage's best circuit."""
    half = max(1, stage.epochs // 2)
    if stage.keep < 1 and state.number <= half:
        if state.number == 1:
            sort_states(state.parameters, state.flows, layout)
        prune(state.parameters, state.flows, stage.keep ** (state.number / half))
    if state.number <= half and len(data.counts) > SMOOTHED:
        _choose_smoothing(state, data, layout)
    if state.number <= half < stage.epochs:
        return
    nats = _nats(state.parameters, layout, data.held)
    state.waited += 1
    if nats < state.held_nats:
        state.best, state.held_nats, state.waited = _copy(state.parameters), nats, 0


def _end_stage(state: _State, plan: Plan) -> None:
    """Go on with a grown copy of the best circuit, or with folding."""
    state.stage, state.number, state.waited = state.stage + 1, 0, 0
    state.parameters = _copy(state.best)
    if state.stage < len(plan.stages):
        state.parameters = grow(state.best, noise=plan.noise, seed=plan.seed + state.stage)
        state.flows = zeros_like(state.parameters)


def _choose_smoothing(state: _State, data: _Data, layout: Layout) -> None:
    """The kernel, then the prior's strength, with which held-out items are likeliest."""
    trial = _copy(state.parameters)

    def nats(narrow: float, strength: float) -> float:
        maximise(trial, state.flows, data.smoothing(narrow, strength))
        return _nats(trial, layout, data.held[:CHOOSING])

    state.narrow = min(NARROW, key=lambda narrow: nats(narrow, state.strength))
    state.strength = min(STRENGTHS, key=lambda strength: nats(state.narrow, strength))
    maximise(state.parameters, state.flows, data.smoothing(state.narrow, state.strength))


def _nats(parameters: Parameters, layout: Layout, items: torch.Tensor) -> float:
    return -float(log_likelihoods(parameters, layout, items).mean())


def _copy(parameters: Parameters) -> Parameters:
    return Parameters(*(tensor.clone() for tensor in parameters.tensors()))


PARTS, NAMES = ("parameters", "flows", "best"), ("root", "weights", "emissions")
SCALARS = ("stage", "number", "done", "waited", "narrow", "strength", "held_nats", "seconds")


def _store(path: Path, state: _State, about: str) -> None:
    """Write a checkpoint in place of the one before."""
    tensors = {"parents": torch.from_numpy(state.parents)}
    for part, name in itertools.product(PARTS, NAMES):
        tensor = getattr(getattr(state, part), name)
        tensors[f"{part}.{name}"] = tensor.cpu().contiguous().clone()
    scalars = json.dumps({name: getattr(state, name) for name in SCALARS})
    write_atomically(path, save(tensors, {"about": about, "state": scalars}), force=True)


def _restore(path: Path, about: str, device: str) -> _State | None:
    """The state in a checkpoint; None where there is none."""
    if not path.exists():
        return None
    try:
        fields = read_metadata(path)
        tensors = load_file(path, device=device)
        scalars = json.loads(fields["state"])
        parameters, flows, best = (
            Parameters(*(tensors[f"{part}.{name}"] for name in NAMES)) for part in PARTS
        )
        state = _State(parameters, flows, best, tensors["parents"].cpu().numpy(), **scalars)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: not a checkpoint of a circuit ({error}); delete it") from error
    if fields.get("about") != about:
        raise InputError(
            f"{path}: a checkpoint of another plan or other items; choose another folder, or "
            "delete it to start anew"
        )
    return state
