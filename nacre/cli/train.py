"""``nacre train``: train a model and export it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nacre.cli.common import DeviceFlag, ForceFlag, QuietFlag, say
from nacre.errors import InputError
from nacre.registry import resolve_device

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true")


def train(
    codec: Annotated[str, typer.Argument(metavar="CODEC", help="walloc-rgb.")],
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Photos or folders.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for checkpoints, events and the model.")
    ] = Path("runs/train"),
    preset: Annotated[str, typer.Option(help="tiny, small, full or latents-12.")] = "small",
    name: Annotated[
        str | None, typer.Option(help="Name of the model; the codec's by default.")
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(help="Photos for the card's figures (repeatable); else some are held back."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded photos.")] = None,
    channels: Annotated[
        list[int] | None,
        typer.Option(help="Prefix to train: 12, 48 or 192 (repeatable, drawn with equal chances)."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's.")] = None,
    side: Annotated[int | None, typer.Option(min=8, help="Of a crop, a multiple of 8.")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Stop after about so long; the same command goes on."),
    ] = None,
    device: DeviceFlag = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one a GPU.")] = 1,
    precision: Annotated[str, typer.Option(help="32-true, or bf16-mixed on a GPU.")] = "32-true",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads on the CPU.")] = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Train a model and export it with its card.

    A run that was stopped goes on from its last checkpoint when the same command is given again.
    The model is used with --model FILE, or by its name once it lies in the folder that
    NACRE_MODELS names.
    """
    if codec != "walloc-rgb":
        raise InputError(f"no training recipe for {codec!r}; there is one for walloc-rgb")
    import torch

    from nacre.cli.progress import training_bar
    from nacre.train.walloc import LOG_STEPS, PRESETS, train_walloc

    if precision not in PRECISIONS:
        raise InputError(f"--precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if preset not in PRESETS:
        raise InputError(f"preset {preset!r} is not one of {', '.join(PRESETS)}")
    if channels and (unknown := set(channels) - set(LOG_STEPS)):
        raise InputError(
            f"--channels {min(unknown)} is not one of {', '.join(map(str, LOG_STEPS))}"
        )
    if side is not None and side % 8:
        raise InputError(f"--side {side} is not a multiple of 8")
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = PRESETS[preset]
    usual = chosen.plan
    plan = replace(
        usual,
        steps=usual.steps if steps is None else steps,
        batch=usual.batch if batch is None else batch,
        side=usual.side if side is None else side,
        rate=usual.rate if rate is None else rate,
        seed=usual.seed if seed is None else seed,
    )
    note = (lambda _: None) if quiet else say
    with training_bar(quiet) as report:
        model = train_walloc(
            sources,
            out,
            replace(chosen, plan=plan, draws=tuple(channels or chosen.draws)),
            name=name or codec,
            validation=validation or (),
            cache=cache,
            device=resolve_device(device),
            devices=devices,
            precision=precision,
            seconds=None if minutes is None else minutes * 60,
            force=force,
            report=report,
            say=note,
        )
    if model is None:
        note(f"time is up; the same command goes on from {out / 'checkpoint.safetensors'}")
    else:
        note(f"{model}: done; use it with --model {model}")
    return 0
