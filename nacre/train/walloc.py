"""The recipe of ``nacre train walloc-rgb``: transform, context model and decoder, trained together.

Loss of a crop, in bits a sub-pixel: rate + LAGRANGE * MSE / step². LAGRANGE is the slope at which a
uniform quantiser of that step is optimal (dR/dD at high rate: 6 / ln 2), so that one model serves
every step. A step and a channel prefix are drawn for every batch; the logarithm of the loss is what
is minimised, because a tenth fewer bits is worth as much to a thumbnail as to an archive.

Two phases. In the first, rate is measured on noisy latents (gradients reach the analysis) while the
decoder and the contexts see rounded ones (Minnen & Singh, ICIP 2020, section 3.2). In the last
fifth the analysis is frozen and everything is rounded, exactly as the codec does it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nacre.errors import InputError
from nacre.train.context import ContextModel, laplace_bits
from nacre.train.export import context_coder, write_card, write_model
from nacre.train.loop import Loss, Outcome, Plan, Progress, train
from nacre.train.photos import PhotoSet, open_photos
from nacre.transforms.quantize import STEPS_PER_OCTAVE, quantize, step_of
from nacre.transforms.walloc import CENTRE, DIMENSIONS, PACKET, STRIDE, Analysis, Synthesis

LAGRANGE = 6 / math.log(2)
HARD_FROM = 0.8
"""The fraction of the steps after which the analysis is frozen and everything is rounded."""
LOG_STEPS = {12: (3.0, 7.0), 48: (2.0, 7.0), 192: (1.0, 7.0)}
"""log2 of the least and the largest step that is trained for each prefix."""
DRAWS = (12, 48, 192, 192)
"""Prefixes, drawn with equal chances."""

HELD_OUT = 20
"""Every so-many-th photo is kept from training for the card's figures, if no others are given."""
COUNTED = 96
"""Photos on which the tables are counted."""


@dataclass(frozen=True)
class Preset:
    """A size of model and a plan that fits it.

    Attributes:
        plan: of the training loop.
        width, blocks: of the decoder's network.
        meaning: for people.
        draws: prefixes that are trained, drawn with equal chances.
        matrices: learning rate of the two linear maps, as a part of the plan's.
    """

    plan: Plan
    width: int
    blocks: int
    meaning: str
    draws: tuple[int, ...] = DRAWS
    matrices: float = 0.05


PRESETS = {
    "tiny": Preset(
        Plan(steps=500, batch=8, side=128, rate=4e-3, average=0.99),
        48,
        1,
        "a model that works, in 3 minutes on 2 CPU cores",
    ),
    "small": Preset(Plan(steps=4000, batch=8, side=192, rate=2e-3), 96, 4, "half an hour"),
    "full": Preset(
        Plan(steps=14000, batch=8, side=192, rate=2e-3),
        96,
        4,
        "the shipped model: an hour and a half on one CPU core",
    ),
    "latents-12": Preset(
        Plan(steps=9000, batch=8, side=192, rate=1.5e-3),
        96,
        4,
        "only 12 channels, for learning: an encoder that folds more into them",
        draws=(12,),
        matrices=3.0,
    ),
}


def klt(photos: PhotoSet, most: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """Principal axes of packet vectors: ``[192, 192]``, rows by falling deviation, and deviations.

    Karhunen-Loève transform of up to ``most`` photos spread over the set; the transform of least
    distortion for every prefix, and where training starts.
    """
    covariance = torch.zeros(DIMENSIONS, DIMENSIONS, dtype=torch.float64)
    vectors = 0
    for index in np.linspace(0, len(photos) - 1, min(most, len(photos))).astype(int):
        photo = torch.from_numpy(np.array(photos.photo(int(index)))).permute(2, 0, 1)[None]
        height, width = (n // STRIDE * STRIDE for n in photo.shape[2:])
        if not height or not width:
            continue
        bands = PACKET.analyze(photo[..., :height, :width].double() - CENTRE)[0].flatten(1)
        covariance += bands @ bands.T
        vectors += bands.shape[1]
    values, axes = torch.linalg.eigh(covariance / vectors)
    axes = axes.flip(1) * torch.where(axes.flip(1).sum(dim=0) < 0, -1.0, 1.0)
    return axes.T.float().contiguous(), values.flip(0).clamp(min=1e-4).sqrt().float()


class WallocModel(nn.Module):
    """Everything that is trained: analysis, context model, synthesis."""

    def __init__(
        self, axes: torch.Tensor, deviation: torch.Tensor, width: int, blocks: int
    ) -> None:
        super().__init__()
        self.analysis = Analysis(axes)
        self.context = ContextModel(deviation)
        self.synthesis = Synthesis(axes.T.contiguous(), deviation, width, blocks)

    def forward(
        self,
        pixels: torch.Tensor,
        log_step: torch.Tensor,
        channels: int,
        noise: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits a sub-pixel and mean squared error, ``[B]`` each.

        Args:
            pixels: ``[B, 3, H, W]`` in 0..255.
            log_step: ``[B]``.
            channels: prefix that is coded.
            noise: ``[B, channels, H / 8, W / 8]`` in -0.5..0.5, or None for hard rounding.
        """
        step = torch.exp2(log_step)
        if noise is None:
            with torch.no_grad():
                latents = self.analysis(pixels, channels)
        else:
            latents = self.analysis(pixels, channels)
        scaled = latents / step[:, None, None, None]
        symbols = quantize(latents.detach(), step[:, None, None, None])
        mean, log_scale = self.context(symbols, log_step)
        coded = symbols if noise is None else scaled + noise
        bits = laplace_bits(coded, mean, log_scale).sum(dim=(1, 2, 3)) / pixels[0].numel()
        rounded = (scaled + (symbols - scaled).detach()) * step[:, None, None, None]
        error = (self.synthesis(rounded, step) - pixels).square().mean(dim=(1, 2, 3))
        return bits, error


@dataclass(frozen=True)
class WallocRecipe:
    """What the training loop asks for."""

    model: WallocModel
    photos: PhotoSet
    plan: Plan
    draws: Sequence[int] = DRAWS
    matrices: float = 0.05

    @property
    def about(self) -> str:
        """Photos, prefixes, rates and sizes."""
        sizes = [list(value.shape) for value in self.model.state_dict().values()]
        photos = hashlib.sha256(self.photos.sizes.tobytes()).hexdigest()[:16]
        return json.dumps([photos, list(self.draws), self.matrices, sizes])

    def batch(self, step: int, rank: int) -> torch.Tensor:
        """Crops ``[B, side, side, 3]``, uint8."""
        crops = self.photos.crops(
            self.plan.seed + 1000 * rank, step, self.plan.batch, self.plan.side
        )
        return torch.from_numpy(crops)

    def loss(self, model: nn.Module, batch: torch.Tensor, step: int, rank: int) -> Loss:
        """Mean logarithm of rate + LAGRANGE * distortion / step²."""
        draw = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + step * 1009 + rank)
        channels = self.draws[int(torch.randint(len(self.draws), (), generator=draw))]
        low, high = LOG_STEPS[channels]
        log_step = torch.rand(len(batch), generator=draw) * (high - low) + low
        noise = None
        if step < HARD_FROM * self.plan.steps:
            size = [n // STRIDE for n in batch.shape[1:3]]
            noise = torch.rand(len(batch), channels, *size, generator=draw).to(batch.device) - 0.5
        log_step = log_step.to(batch.device)
        pixels = batch.permute(0, 3, 1, 2).float()
        bits, error = model(pixels, log_step, channels, noise)
        cost = bits + LAGRANGE * error * torch.exp2(-2 * log_step)
        return Loss(
            torch.log2(cost).mean(), float(bits.mean().detach()) * 3, float(error.mean().detach())
        )

    def groups(self) -> list[dict[str, Any]]:
        """Adam's parameter groups: the matrices move slowly, they start close to the optimum."""
        slow = [self.model.analysis.weight, self.model.synthesis.weight]
        fast = [p for p in self.model.parameters() if all(p is not q for q in slow)]
        return [{"params": slow, "scale": self.matrices}, {"params": fast, "scale": 1.0}]


def make_model(photos: PhotoSet, width: int = 96, blocks: int = 4, seed: int = 0) -> WallocModel:
    """An untrained model: the Karhunen-Loève transform and networks that change nothing yet."""
    axes, deviation = klt(photos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WallocModel(axes, deviation, width, blocks)


def train_walloc(
    sources: Sequence[Path],
    folder: Path,
    preset: Preset,
    *,
    name: str = "walloc-rgb",
    validation: Sequence[Path] = (),
    cache: Path | None = None,
    device: str = "auto",
    devices: int = 1,
    precision: str = "32-true",
    seconds: float | None = None,
    force: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Train on the photos below ``sources`` and export ``folder/name.safetensors`` with its card.

    Args:
        sources: photos or folders of them.
        folder: for checkpoints, events and the model.
        preset: size and plan (see :data:`PRESETS`).
        name: of the model.
        validation: photos for the card's figures; empty holds every 20th source photo back.
        cache: folder for decoded photos; None is ``folder/photos``.
        device, devices, precision, seconds, report: as for :func:`nacre.train.loop.train`.
        force: replace a model that was exported before.
        say: called with a line of text when a stage begins.

    Returns:
        The model file; None when ``seconds`` ran out first (call again to go on).

    Raises:
        InputError: photos cannot be read, or the model exists already.
    """
    target = folder / f"{name}.safetensors"
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; choose another --out or give --force")
    say("reading photos")
    photos = open_photos(sources, cache or folder / "photos")
    if validation:
        held = open_photos(validation, cache or folder / "photos")
    else:
        photos, held = photos.split(HELD_OUT)
        if not len(held):
            raise InputError(
                f"{len(photos)} photos are too few to hold some back; give --validation"
            )
    plan = preset.plan
    model = make_model(photos, preset.width, preset.blocks, plan.seed)
    recipe = WallocRecipe(model, photos, plan, preset.draws, preset.matrices)
    say(f"training on {len(photos)} photos")
    outcome = train(
        recipe,
        plan,
        folder,
        device=device,
        devices=devices,
        precision=precision,
        seconds=seconds,
        report=report,
    )
    if outcome is None:
        return None
    if not outcome.first:
        raise SystemExit(0)  # a process that only helped to train
    say("counting tables")
    names = ", ".join(source.name for source in sources)
    card = _export(recipe, outcome, names, target, force)
    say(f"measuring on {len(held)} photos")
    write_card(target, {**card, "figures": measure(target, held, preset.draws)})
    return target


def _export(
    recipe: WallocRecipe,
    outcome: Outcome,
    sources: str,
    target: Path,
    force: bool,
) -> dict[str, object]:
    """Write the model and its card, which has no figures yet; returns the card."""
    model = recipe.model.cpu().eval()
    coder = context_coder(model.context, _grids(recipe))
    arrays: dict[str, npt.NDArray[Any]] = {
        f"context.{key}": array for key, array in coder.to_arrays().items()
    }
    prefixes = sorted(set(recipe.draws))
    arrays["prefixes"] = np.array(prefixes, np.uint8)
    arrays["analysis.weight"] = model.analysis.weight.detach().numpy()[: prefixes[-1]]
    state = model.synthesis.state_dict()
    arrays |= {f"synthesis.{key}": value.numpy() for key, value in state.items()}
    megapixels = recipe.photos.sizes.prod(axis=1).sum() / 1e6
    card: dict[str, object] = {
        "codec": "walloc-rgb",
        "data": f"{len(recipe.photos)} photos, {megapixels:.1f} megapixels, of {sources}",
        "steps": outcome.steps,
        "seconds": round(outcome.seconds),
        "device": outcome.device,
        "plan": {"batch": recipe.plan.batch, "side": recipe.plan.side, "rate": recipe.plan.rate},
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    return write_model(target, arrays, card, force=force)


def _grids(recipe: WallocRecipe) -> list[tuple[npt.NDArray[np.int16], int]]:
    """Symbols of whole photos at steps spread over the trained range, to count tables on."""
    rng = np.random.default_rng([recipe.plan.seed, 0x7AB1E5])
    photos, channels = recipe.photos, max(recipe.draws)
    low, high = (int(STEPS_PER_OCTAVE * bound) for bound in LOG_STEPS[channels])
    grids = []
    for index in rng.choice(len(photos), size=min(COUNTED, len(photos)), replace=False):
        photo = photos.photo(int(index))
        height, width = (n // STRIDE * STRIDE for n in photo.shape[:2])
        pixels = torch.from_numpy(np.array(photo[:height, :width])).permute(2, 0, 1)[None].float()
        code = int(rng.integers(low, high + 1))
        with torch.no_grad():
            symbols = quantize(recipe.model.analysis(pixels, channels)[0], step_of(code))
        grids.append((symbols.to(torch.int16).numpy(), code))
    return grids


MEASURED = (
    (12, 20),
    (12, 40),
    (12, 60),
    (48, 20),
    (48, 40),
    (192, 0),
    (192, 25),
    (192, 50),
    (192, 75),
)
"""Channels and qualities of a card's figures."""


def measure(model: Path, photos: PhotoSet, prefixes: Sequence[int]) -> list[dict[str, float]]:
    """Figures of a model file over ``photos``: real files, means of per-photo bpp and PSNR."""
    from nacre.codecs.walloc_rgb import WallocRGB, WallocRGBSettings
    from nacre.compare import psnr_db
    from nacre.media.image import Image

    codec = WallocRGB(model=model)
    rows = []
    for channels, quality in MEASURED:
        if channels not in prefixes:
            continue
        settings = WallocRGBSettings(quality=quality, channels=channels)
        bpp, psnr = [], []
        for index in range(len(photos)):
            photo = Image(np.array(photos.photo(index)))
            stream = codec.encode(photo, settings)
            bpp.append(8 * len(stream.to_bytes()) / (photo.width * photo.height))
            psnr.append(psnr_db(photo, codec.decode(stream)))
        rows.append(
            {
                "channels": channels,
                "quality": quality,
                "bpp": round(float(np.mean(bpp)), 4),
                "psnr_db": round(float(np.mean(psnr)), 3),
            }
        )
    return rows
