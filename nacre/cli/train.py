"""``nacre train``: train a model and export it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.common import DeviceFlag, ForceFlag, QuietFlag, say
from nacre.errors import InputError
from nacre.registry import resolve_device

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true")


@dataclass(frozen=True)
class Run:
    """What every recipe needs, and the ``flags`` that were given of those only some know."""

    codec: str
    sources: list[Path]
    out: Path
    preset: str
    name: str
    validation: list[Path]
    device: str
    seed: int | None
    minutes: float | None
    force: bool
    quiet: bool
    note: Callable[[str], None]
    flags: dict[str, Any]


def train(
    codec: Annotated[
        str,
        typer.Argument(metavar="CODEC", help="One of those that nacre codecs lists with a model."),
    ],
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Photos, meshes, recordings or folders of them; for circuit-image idx, npy, npz.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for checkpoints, events and the model.")
    ] = Path("runs/train"),
    preset: Annotated[
        str, typer.Option(help="tiny, small or full (circuit-mesh: large); walloc-rgb: latents-12.")
    ] = "small",
    name: Annotated[
        str | None, typer.Option(help="Name of the model; the codec's by default.")
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(help="Files for the card's figures (repeatable); else some are held back."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="walloc-rgb: folder for decoded photos.")
    ] = None,
    channels: Annotated[
        list[int] | None,
        typer.Option(
            help="walloc-rgb: prefix to train, 12, 48 or 192 (repeatable, equal chances)."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="walloc-rgb, circuit-mesh: instead of the preset's.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="walloc-rgb, circuit-mesh: instead of the preset's.")
    ] = None,
    side: Annotated[
        int | None, typer.Option(min=8, help="walloc-rgb: of a crop, a multiple of 8.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="walloc-rgb, circuit-mesh: learning rate.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Stop after about so long; the same command goes on."),
    ] = None,
    device: DeviceFlag = "auto",
    devices: Annotated[
        int | None, typer.Option(min=1, help="walloc-rgb: processes, one a GPU.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="walloc-rgb: 32-true, or bf16-mixed on a GPU.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads on the CPU.")] = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Train a model and export it with its card.

    A run that was stopped goes on from its last checkpoint when the same command is given again.
    The model is used with --model FILE, or by its name once it lies in the folder that
    NACRE_MODELS names.
    """
    if codec not in RECIPES:
        raise InputError(f"no training recipe for {codec!r}; there are {', '.join(RECIPES)}")
    given = {
        "cache": cache,
        "channels": channels,
        "steps": steps,
        "batch": batch,
        "side": side,
        "rate": rate,
        "devices": devices,
        "precision": precision,
    }
    flags = {name: value for name, value in given.items() if value is not None}
    recipe, known = RECIPES[codec]
    for flag in flags:
        if flag not in known:
            raise InputError(f"--{flag} is not known to the recipe of {codec}; leave it out")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    run = Run(
        codec=codec,
        sources=sources,
        out=out,
        preset=preset,
        name=name or codec,
        validation=validation or [],
        device=resolve_device(device),
        seed=seed,
        minutes=minutes,
        force=force,
        quiet=quiet,
        note=(lambda _: None) if quiet else say,
        flags=flags,
    )
    model = recipe(run)
    if model is None:
        run.note(f"time is up; the same command goes on from {out / 'checkpoint.safetensors'}")
    else:
        run.note(f"{model}: done; use it with --model {model}")
    return 0


def _train_walloc(run: Run) -> Path | None:
    from nacre.cli.progress import photo_figures, training_bar
    from nacre.train.walloc import LOG_STEPS, PRESETS, train_walloc

    flags = run.flags
    precision, side = flags.get("precision", PRECISIONS[0]), flags.get("side")
    if precision not in PRECISIONS:
        raise InputError(f"--precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    chosen = _preset(PRESETS, run.preset)
    if unknown := set(flags.get("channels", ())) - set(LOG_STEPS):
        raise InputError(
            f"--channels {min(unknown)} is not one of {', '.join(map(str, LOG_STEPS))}"
        )
    if side is not None and side % 8:
        raise InputError(f"--side {side} is not a multiple of 8")
    changed: dict[str, Any] = {
        name: flags[name] for name in ("steps", "batch", "side", "rate") if name in flags
    }
    if run.seed is not None:
        changed["seed"] = run.seed
    draws = tuple(flags.get("channels", chosen.draws))
    with training_bar(run.quiet, photo_figures) as report:
        return train_walloc(
            run.sources,
            run.out,
            replace(chosen, plan=replace(chosen.plan, **changed), draws=draws),
            name=run.name,
            validation=run.validation,
            cache=flags.get("cache"),
            device=run.device,
            devices=flags.get("devices", 1),
            precision=precision,
            seconds=None if run.minutes is None else run.minutes * 60,
            force=run.force,
            report=report,
            say=run.note,
        )


def _train_circuit_image(run: Run) -> Path | None:
    from nacre.cli.progress import circuit_figures, training_bar
    from nacre.train.circuit_image import PRESETS, train_circuit_image

    with training_bar(run.quiet, circuit_figures) as report:
        return train_circuit_image(
            run.sources,
            run.out,
            _preset(PRESETS, run.preset),
            name=run.name,
            validation=run.validation,
            device=run.device,
            seed=run.seed or 0,
            minutes=run.minutes,
            force=run.force,
            report=report,
            say=run.note,
        )


def _train_circuit_mesh(run: Run) -> Path | None:
    from nacre.cli.progress import mesh_figures, training_bar
    from nacre.train.circuit_mesh import PRESETS, train_circuit_mesh

    chosen = _preset(PRESETS, run.preset)
    changed: dict[str, Any] = dict(run.flags)
    if run.seed is not None:
        changed["seed"] = run.seed
    with training_bar(run.quiet, mesh_figures) as report:
        return train_circuit_mesh(
            run.sources,
            run.out,
            replace(chosen, plan=replace(chosen.plan, **changed)),
            name=run.name,
            validation=run.validation,
            device=run.device,
            seconds=None if run.minutes is None else run.minutes * 60,
            force=run.force,
            report=report,
            say=run.note,
        )


def _train_walloc_audio(run: Run) -> Path | None:
    from nacre.codecs.walloc_speech import WallocSpeech
    from nacre.codecs.walloc_stereo import WallocStereo
    from nacre.train.walloc_audio import PRESETS, train_walloc_audio

    kind = next(each for each in (WallocStereo, WallocSpeech) if each.name == run.codec)
    return train_walloc_audio(
        run.sources,
        run.out,
        kind,
        _preset(PRESETS, run.preset),
        name=run.name,
        validation=run.validation,
        seed=run.seed or 0,
        force=run.force,
        say=run.note,
    )


def _preset(presets: dict[str, Any], name: str) -> Any:
    if name not in presets:
        raise InputError(f"preset {name!r} is not one of {', '.join(presets)}")
    return presets[name]


Recipe = Callable[[Run], Path | None]

RECIPES: dict[str, tuple[Recipe, frozenset[str]]] = {
    "walloc-rgb": (
        _train_walloc,
        frozenset(("cache", "channels", "steps", "batch", "side", "rate", "devices", "precision")),
    ),
    "walloc-stereo": (_train_walloc_audio, frozenset()),
    "walloc-speech": (_train_walloc_audio, frozenset()),
    "circuit-image": (_train_circuit_image, frozenset()),
    "circuit-mesh": (_train_circuit_mesh, frozenset(("steps", "batch", "rate"))),
}
"""Of each codec that can be trained: its recipe, and the flags that not every recipe knows."""
