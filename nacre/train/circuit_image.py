"""The recipe of ``nacre train circuit-image``: a hidden Chow-Liu tree over pictures of one layout.

``nacre/entropy/circuits/learning.py`` learns; here are the sizes, the pictures and the model file.
Every bit depth and channel count that the codec takes is learned as it is coded
(``nacre/media/image_symbols.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nacre.entropy.circuits.integer import IntegerCircuit
from nacre.entropy.circuits.learning import Epoch, Learned, Plan, Stage, Vary, learn
from nacre.entropy.circuits.model import HCLT
from nacre.entropy.circuits.queries import log_likelihood
from nacre.errors import InputError
from nacre.media.image_sets import load_image_set
from nacre.media.image_symbols import to_symbols, values_of, variables_of
from nacre.stream import ImageShape
from nacre.train.export import write_model
from nacre.train.loop import Progress

CODEC = "circuit-image"
HELD_OUT = 12
"""Every so-many-th picture is kept from learning, for choices and the card's figures."""
MOST_VARIABLES = 4096
"""Beyond, the pairwise mutual information alone would take hours."""
LEVEL_STEP = 2.0**-12
"""Step of the square roots of probabilities in the model file (``IntegerCircuit.from_hclt``)."""

Symbols = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Preset:
    """A size of circuit and a plan that fits it."""

    plan: Plan
    meaning: str


PRESETS = {
    "tiny": Preset(
        Plan((Stage(8, 6),)), "8 states, within 3 minutes for 60,000 digits on 2 CPU cores"
    ),
    "small": Preset(
        Plan((Stage(16, 5), Stage(32, 8, keep=0.5, first=0.2)), folded=1, varied=0.3),
        "16 states grown to 32, half of the blocks pruned: 5 minutes",
    ),
    "full": Preset(
        Plan((Stage(64, 12, keep=0.3),), folded=2, varied=0.5),
        "the shipped models: 64 states, 70 % of the blocks pruned: 15 minutes",
    ),
}


def train_circuit_image(
    sources: Sequence[Path],
    out: Path,
    preset: Preset,
    *,
    name: str = CODEC,
    validation: Sequence[Path] = (),
    device: str = "cpu",
    seed: int = 0,
    minutes: float | None = None,
    force: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Learn from sets of pictures and export ``out/name.safetensors`` with its card.

    Args:
        sources: folders of pictures of one size and layout, idx, npy or npz files.
        out: folder for the checkpoint and the model.
        preset: size and plan (see :data:`PRESETS`).
        name: of the model.
        validation: sets for choices and the card's figure; empty holds every 12th picture of the
            sources back.
        device: of torch.
        seed: of everything random.
        minutes: stop after about so long; the same call goes on from the checkpoint.
        force: replace a model that was exported before.
        report: called after every epoch; its rate is bits a dimension, the loss the same on
            pictures that were held out.
        say: called with a line of text when a stage begins.

    Returns:
        The model file; None when time ran out first.

    Raises:
        InputError: pictures cannot be read, differ, are too few or too large, or the model exists.
    """
    target = out / f"{name}.safetensors"
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; choose another --out or give --force")
    say("reading pictures")
    symbols, shape = read_symbols(sources)
    if validation:
        held, other = read_symbols(validation, bilevel=shape.depth == 1)
        if other != shape:
            raise InputError(f"--validation has pictures of {other}, the sources of {shape}")
    else:
        chosen = np.arange(len(symbols)) % HELD_OUT == HELD_OUT - 1
        symbols, held = symbols[~chosen], symbols[chosen]
    out.mkdir(parents=True, exist_ok=True)
    variables = variables_of(shape)
    learned = learn(
        symbols,
        held,
        values_of(shape),
        replace(preset.plan, seed=seed),
        vary=mover(shape),
        device=device,
        checkpoint=out / "checkpoint.safetensors",
        seconds=None if minutes is None else 60 * minutes,
        report=lambda epoch: report(_progress(epoch, variables, len(symbols))),
        say=say,
    )
    if learned is None:
        return None
    say("writing tables")
    names = ", ".join(source.name for source in sources)
    count = len(symbols) + (0 if validation else len(held))
    data = f"{count:,} pictures of {shape.width} x {shape.height} of {names}"
    _export(target, learned, shape, held, {"data": data, "device": device}, force)
    return target


def read_symbols(
    sources: Sequence[Path], *, bilevel: bool | None = None
) -> tuple[Symbols, ImageShape]:
    """The variables ``[N, V]`` of all pictures below ``sources``, and the layout of a picture.

    Args:
        sources: as for :func:`train_circuit_image`.
        bilevel: whether samples are one bit; None: if all are black or white.

    Raises:
        InputError: they cannot be read, differ in layout or are too large.
    """
    sets = [load_image_set(source) for source in sources]
    if not sets or not sum(map(len, sets)):
        raise InputError("no pictures to learn from; name a folder, or an idx, npy or npz file")
    if bilevel is None:
        bilevel = all(images.bilevel for images in sets)
    shapes = [replace(images.shape, depth=1) if bilevel else images.shape for images in sets]
    for source, shape in zip(sources, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(
                f"{source} has pictures of {shape}, {sources[0]} of {shapes[0]}; a circuit is for "
                "one layout"
            )
    if variables_of(shapes[0]) > MOST_VARIABLES:
        raise InputError(
            f"pictures of {shapes[0]} have {variables_of(shapes[0]):,} variables; a circuit may "
            f"have {MOST_VARIABLES:,} (use adaptive-image for larger pictures)"
        )
    symbols = [to_symbols(images, bilevel=bilevel) for images in sets]
    return np.concatenate(symbols), shapes[0]


def mover(shape: ImageShape) -> Vary:
    """A function that moves each picture by a pixel, up, down, left or right; edges are repeated.

    Pictures so moved are about as likely as they were, and there are four times as many.

    Args:
        shape: of a picture.
    """

    def move(symbols: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        pictures = symbols.view(len(symbols), shape.height, shape.width, -1)
        direction = torch.randint(4, (len(symbols),), generator=draw).to(symbols.device)
        moved = pictures.clone()
        for number, (axis, step) in enumerate(((1, 1), (1, -1), (2, 1), (2, -1))):
            chosen = direction == number
            size = pictures.shape[axis]
            places = (torch.arange(size, device=symbols.device) - step).clamp(0, size - 1)
            moved[chosen] = pictures[chosen].index_select(axis, places)
        return moved.view_as(symbols)

    return move


def bits_per_dimension(circuit: HCLT, symbols: Symbols) -> float:
    """Mean of ``-log2 P(x) / V`` over items ``[N, V]``, in exact float64."""
    return -float(log_likelihood(circuit, symbols).mean()) / (symbols.shape[1] * math.log(2))


def _progress(epoch: Epoch, variables: int, items: int) -> Progress:
    bits = variables * math.log(2)
    left = epoch.seconds / epoch.number * (epoch.epochs - epoch.number)
    held = epoch.held_nats if math.isfinite(epoch.held_nats) else epoch.nats
    return Progress(
        step=epoch.number,
        steps=epoch.epochs,
        loss=held / bits,
        rate=epoch.nats / bits,
        distortion=0.0,
        seconds_left=left,
        items_per_second=items * epoch.number / max(epoch.seconds, 1e-9),
    )


def _export(
    target: Path,
    learned: Learned,
    shape: ImageShape,
    held: Symbols,
    about: dict[str, str],
    force: bool,
) -> None:
    """Write the integer circuit and its card."""
    circuit = learned.circuit
    integer = IntegerCircuit.from_hclt(circuit, step=LEVEL_STEP)
    blocks = len(integer.block_at) / ((circuit.variables - 1) * integer.width**2 or 1)
    card: dict[str, object] = {
        "codec": CODEC,
        "data": about["data"],
        "steps": learned.epochs,
        "seconds": round(learned.seconds),
        "device": about["device"],
        "states": circuit.states,
        "blocks": round(blocks, 3),
        "figures": [
            {
                "held_out_items": len(held),
                "bits_per_dimension": round(learned.held_nats / (held.shape[1] * math.log(2)), 4),
            }
        ],
    }
    header = {key: str(value) for key, value in vars(shape).items()}
    tables = np.frombuffer(integer.to_bytes(), np.uint8)
    write_model(target, {"circuit": tables}, card, force=force, header=header)
