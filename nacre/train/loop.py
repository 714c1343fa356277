"""One training loop for every codec: a recipe says what, the loop says when.

Lightning Fabric brings devices, bfloat16 and several processes. Everything random in a step is
drawn from ``(seed, step, rank)``, so a run that was stopped and resumed goes through the very same
numbers as one that was not: a checkpoint is the weights, their average, the optimiser's moments and
the number of the next step, all in one safetensors file.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nacre.errors import InputError, ModelError


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    Attributes:
        steps: in all.
        batch: crops, clips or signals a step and process.
        side: of a crop (pixels), or length of a clip (samples).
        rate: learning rate after ``warmup`` steps; falls along a cosine to a hundredth.
        average: retention of the moving average of the weights; ramps up from zero.
        clip: largest norm of the gradient.
        seed: of everything random.
    """

    steps: int
    batch: int = 8
    side: int = 192
    rate: float = 1e-3
    warmup: int = 100
    average: float = 0.999
    clip: float = 1.0
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Learning rate of ``step`` (0-based)."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass(frozen=True)
class Loss:
    """What a step reports: ``total`` is minimised, the others are shown."""

    total: torch.Tensor
    rate: float
    distortion: float


class Recipe(Protocol):
    """What a codec tells the loop."""

    @property
    def model(self) -> torch.nn.Module:
        """What is trained, in place."""

    @property
    def about(self) -> str:
        """What, beside the plan, a run must have in common with the checkpoint it goes on from."""

    def batch(self, step: int, rank: int) -> torch.Tensor:
        """The input of one step, on the CPU; depends on nothing but its arguments and the plan."""

    def loss(self, model: torch.nn.Module, batch: torch.Tensor, step: int, rank: int) -> Loss:
        """Loss of one step."""

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups for Adam; ``scale`` multiplies the learning rate of its group."""


@dataclass(frozen=True)
class Progress:
    """One report: means since the last one."""

    step: int
    steps: int
    loss: float
    rate: float
    distortion: float
    seconds_left: float
    items_per_second: float


@dataclass(frozen=True)
class Outcome:
    """What a finished run knows about itself; goes into the model's card.

    ``first`` is true in the process that exports; the others have nothing more to do.
    """

    steps: int
    seconds: float
    device: str
    loss: float
    first: bool = True


def train(
    recipe: Recipe,
    plan: Plan,
    folder: Path,
    *,
    device: str = "auto",
    devices: int = 1,
    precision: str = "32-true",
    seconds: float | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    every: int = 50,
) -> Outcome | None:
    """Train ``recipe.model`` in place (the averaged weights at the end) and leave checkpoints.

    Args:
        folder: for ``checkpoint.safetensors`` and TensorBoard's events; a checkpoint found there is
            resumed.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: processes of data-parallel training.
        precision: Fabric's name, such as ``bf16-mixed``.
        seconds: stop after about so long, with a checkpoint (a later call goes on).
        report: called every ``every`` steps by the first process.

    Returns:
        The outcome when the plan is complete; ``None`` when time ran out before.

    Raises:
        InputError: the checkpoint belongs to another plan.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy
    from torch.utils.tensorboard import SummaryWriter

    # A batch trains one prefix, so some parameters have no gradient in some steps.
    strategy = DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto"
    fabric = Fabric(
        accelerator=device,
        devices=devices,
        strategy=strategy,
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    optimizer = torch.optim.Adam(recipe.groups(), lr=plan.rate, betas=(0.9, 0.99))
    model, optimizer = fabric.setup(recipe.model, optimizer)
    mean = {name: value.detach().clone() for name, value in recipe.model.state_dict().items()}
    checkpoint = folder / "checkpoint.safetensors"
    first, spent = 0, 0.0
    if checkpoint.exists():
        first, spent = _restore(checkpoint, plan, recipe, mean, optimizer)
    folder.mkdir(parents=True, exist_ok=True)
    events = SummaryWriter(str(folder), purge_step=first) if fabric.is_global_zero else None
    began, meter = time.monotonic(), _Meter()
    for step in range(first, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(step) * group.get("scale", 1.0)
        batch = recipe.batch(step, fabric.global_rank).to(fabric.device)
        loss = recipe.loss(model, batch, step, fabric.global_rank)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss.total)
        fabric.clip_gradients(model, optimizer, max_norm=plan.clip)
        optimizer.step()
        _average(mean, recipe.model, min(plan.average, (1 + step) / (10 + step)))
        meter.add(loss)
        done, finished = step + 1, step + 1 == plan.steps
        if events is not None and (done % every == 0 or finished):
            progress = meter.read(done, plan)
            for name in ("loss", "rate", "distortion"):
                events.add_scalar(name, getattr(progress, name), done)
            report(progress)
        # One process decides, or the others would wait for it for ever.
        elapsed = time.monotonic() - began
        over = fabric.broadcast(seconds is not None and elapsed > seconds)
        if fabric.is_global_zero and (over or done % (every * 10) == 0 or finished):
            _save(checkpoint, plan, done, spent + elapsed, recipe, mean, optimizer)
        if over and not finished:
            return None
    if events is not None:
        events.close()
    recipe.model.load_state_dict(mean)
    return Outcome(
        plan.steps,
        spent + time.monotonic() - began,
        str(fabric.device),
        meter.loss,
        fabric.is_global_zero,
    )


class _Meter:
    """Means of what the steps since the last reading reported."""

    def __init__(self) -> None:
        self.loss = math.nan
        self._sums, self._count, self._since = [0.0, 0.0, 0.0], 0, time.monotonic()

    def add(self, loss: Loss) -> None:
        values = (float(loss.total.detach()), loss.rate, loss.distortion)
        self._sums = [a + b for a, b in zip(self._sums, values, strict=True)]
        self._count += 1

    def read(self, done: int, plan: Plan) -> Progress:
        """The means, and how long the rest takes at the pace since the last reading."""
        self.loss, rate, distortion = (total / self._count for total in self._sums)
        now = time.monotonic()
        pace = (now - self._since) / self._count
        self._sums, self._count, self._since = [0.0, 0.0, 0.0], 0, now
        left = pace * (plan.steps - done)
        return Progress(done, plan.steps, self.loss, rate, distortion, left, plan.batch / pace)


def _average(mean: dict[str, torch.Tensor], model: torch.nn.Module, retention: float) -> None:
    """Move the average a little towards the weights."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                mean[name].lerp_(value, 1 - retention)
            else:
                mean[name].copy_(value)


def _moments(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    """Adam's state as named tensors, in the order of its parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        for name, value in sorted(optimizer.state[parameter].items()):
            yield f"optimizer.{index}.{name}", value


def _save(
    path: Path,
    plan: Plan,
    step: int,
    seconds: float,
    recipe: Recipe,
    mean: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors = {f"model.{n}": v.detach() for n, v in recipe.model.state_dict().items()}
    tensors |= {f"mean.{n}": v for n, v in mean.items()}
    tensors |= dict(_moments(optimizer))
    tensors = {name: value.contiguous().cpu().clone() for name, value in tensors.items()}
    about = {
        "plan": json.dumps(asdict(plan)),
        "recipe": recipe.about,
        "step": str(step),
        "seconds": repr(seconds),
    }
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file(tensors, partial, about)
    partial.replace(path)


def _restore(
    path: Path,
    plan: Plan,
    recipe: Recipe,
    mean: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:
    """Load a checkpoint in place; returns the next step and the seconds spent so far."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises its own kinds
        raise ModelError(f"{path}: not a checkpoint ({error}); delete it to begin anew") from error
    if json.loads(about.get("plan", "{}")) != asdict(plan) or about.get("recipe") != recipe.about:
        raise InputError(
            f"{path}: belongs to another plan ({about.get('plan')} {about.get('recipe')}); "
            "choose another --out, or delete it to begin anew"
        )
    model = recipe.model
    model.load_state_dict({n: tensors[f"model.{n}"] for n in model.state_dict()})
    for name, value in mean.items():
        value.copy_(tensors[f"mean.{name}"])
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        prefix = f"optimizer.{index}."
        optimizer.state[parameter] = {
            n.removeprefix(prefix): v if n.endswith(".step") else v.to(parameter.device)
            for n, v in tensors.items()
            if n.startswith(prefix)
        }
    return int(about["step"]), float(about["seconds"])
