"""The recipe of ``nacre train walloc-stereo`` and ``walloc-speech``.

The transform is fixed, so what is learnt is where the coder of spectra begins: it codes the
recordings at several steps, one after another, and what its counters and mixers hold in the end is
the model. Beside it: the weights of the neighbours in the expected magnitude (least squares), what
decoded magnitudes lie nearer to zero than integers, and the order of the latents.

Everything is counted, nothing descends a gradient: minutes on one core.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.audio.spectra import encode_noise, encode_spectra
from nacre.entropy.audio.spectra_layout import FINE, Model, copied, new_model, new_work
from nacre.errors import InputError
from nacre.media.audio import Audio, open_audio
from nacre.train.export import write_card, write_model
from nacre.transforms.lapped import analyze
from nacre.transforms.walloc_audio import (
    band_of,
    bands_of,
    choose_angles,
    choose_splits,
    measure_noise,
    rotate,
)
from nacre.walloc_audio import LAGRANGE, Mode
from nacre.walloc_codec import WallocAudio, WallocAudioSettings
from nacre.walloc_pieces import as_float, padded, resampled

Floats = npt.NDArray[np.float64]

RELATIVE_STEPS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Steps over the mean level of a recording."""
MOST_COUNTS = 40
"""Counters keep at most so many counts, so that they still learn quickly."""
INWARD_LIMIT = 100
HELD_OUT = 12
"""Every so-many-th recording is kept for the card's figures, if no others are given."""
SUFFIXES = {".wav", ".flac", ".ogg", ".aiff", ".aif", ".mp3", ".opus", ".w64"}


@dataclass(frozen=True)
class Preset:
    """How much to learn from.

    Attributes:
        seconds: of each recording, from its beginning, at most.
        total: seconds of all recordings together.
        passes: over everything.
        meaning: for people.
    """

    seconds: float
    total: float
    passes: int
    meaning: str


PRESETS = {
    "tiny": Preset(2, 20, 1, "a model that works, in seconds"),
    "small": Preset(5, 120, 1, "a minute"),
    "full": Preset(8, 900, 2, "the shipped models, two minutes each"),
}


def read_clips(sources: Sequence[Path], mode: Mode, preset: Preset) -> list[Floats]:
    """Recordings of one or two channels at the model's rate, float64 ``[C, n]`` in 16-bit units.

    Raises:
        InputError: there are none.
    """
    paths: list[Path] = []
    for source in sources:
        inside = sorted(source.rglob("*")) if source.is_dir() else [source]
        paths += [path for path in inside if path.suffix.lower() in SUFFIXES]
    clips, left = [], preset.total
    for path in paths:
        with open_audio(path) as reader:
            shape = reader.shape
            length = int(min(preset.seconds, left) * shape.sample_rate_hz)
            block = next(iter(reader.blocks(max(length, 1))), None)
            if block is None or not block.any():
                continue
            ratio = mode.ratio(shape.sample_rate_hz)
            clip = np.concatenate(list(resampled([as_float(block, shape)[:2]], ratio)), axis=1)
        clips.append(clip)
        left -= clip.shape[1] / mode.rate_hz
        if left <= 0:
            break
    if not clips:
        raise InputError(f"no recordings below {', '.join(map(str, sources))}")
    return clips


def _margins(clip: Floats, mode: Mode) -> Floats:
    half = mode.geometry.overlap // 2
    left = np.zeros((len(clip), half))
    return padded(np.concatenate([left, clip], axis=1), mode.geometry.frame, mode.geometry.overlap)


def latent_order(clips: Sequence[Floats], mode: Mode) -> npt.NDArray[np.int32]:
    """Latents of two channels by importance, int32 ``[2 * frame]``.

    By mean energy over recordings of equal loudness, made to fall with frequency, so that a prefix
    of each channel is a band.
    """
    geometry = mode.geometry
    energy = np.zeros((2, geometry.frame))
    for clip in clips:
        whole = _margins(clip, mode)
        splits = np.zeros((whole.shape[1] - geometry.overlap) // geometry.frame, np.uint8)
        found = analyze(
            whole, splits, geometry.frame, overlap=geometry.overlap, begins=True, ends=True
        )
        if len(found) == 2:
            angles = choose_angles(found, geometry.edges)
            found = rotate(found, angles, band_of(geometry.edges, 0)[None], 1)
        share = np.square(found).sum(axis=1)
        energy[: len(found)] += share / share.sum()
    falling = np.minimum.accumulate(energy, axis=1).ravel()
    return np.argsort(-falling, kind="stable").astype(np.int32)


@dataclass(frozen=True)
class _Spectrum:
    """A clip ready for the coder."""

    scaled: npt.NDArray[np.int32]
    splits: npt.NDArray[np.uint8]
    angles: npt.NDArray[np.int32]


def _spectrum(clip: Floats, mode: Mode, relative: float) -> _Spectrum:
    geometry = mode.geometry
    step = relative * math.sqrt(float(np.square(clip).mean()))
    whole = _margins(clip, mode)
    splits, angles = choose_splits(whole, geometry, step, begins=True, ends=True)
    found = analyze(whole, splits, geometry.frame, overlap=geometry.overlap, begins=True, ends=True)
    if len(found) == 2:
        found = rotate(found, angles, bands_of(geometry, splits), 1)
    scaled = np.rint(found * (256 / step)).clip(-(1 << 30), 1 << 30).astype(np.int32)
    return _Spectrum(scaled, splits, angles)


def _code(
    spectra: Sequence[_Spectrum], mode: Mode, model: Model, order: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Code clips in an order and learn; returns the sums for ``inward``."""
    sums = np.zeros((2, 3, FINE), np.int64)
    for index in order:
        one = spectra[index]
        work = new_work(mode.layout, len(one.scaled))
        coded = encode_spectra(
            one.scaled, one.splits, one.angles, mode.layout, model, LAGRANGE, work=work, learn=True
        )
        sums += work.sums
        error = (one.scaled - coded.levels) / 256
        noise = measure_noise(error, one.splits, one.angles, mode.geometry)
        encode_noise(noise, model, learn=True)
    return sums


def _inward(sums: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Mean excess of magnitudes, drawn to zero where little was seen."""
    excess, count = sums
    mean = np.rint(excess / (count + 200)).clip(-INWARD_LIMIT, INWARD_LIMIT)
    inward: npt.NDArray[np.int32] = mean.astype(np.int32)
    return inward


def _settle(model: Model) -> None:
    """Let the counters forget how often they have counted."""
    for counters in (model.counters, model.flags, model.noise_counters):
        counts = np.minimum(counters & np.uint32(1023), np.uint32(MOST_COUNTS))
        counters[:] = (counters & ~np.uint32(1023)) | counts


def learn(clips: Sequence[Floats], mode: Mode, passes: int, seed: int = 0) -> Model:
    """A model that has coded every clip at every step, in random order."""
    spectra = [_spectrum(clip, mode, step) for clip in clips for step in RELATIVE_STEPS]
    generator = np.random.default_rng(seed)
    model = new_model()
    for number in range(passes):
        sums = _code(spectra, mode, model, generator.permutation(len(spectra)))
        if number == passes - 1:
            _settle(model)
            model.inward[:] = _inward(sums)
    return model


def train_walloc_audio(
    sources: Sequence[Path],
    folder: Path,
    codec: type[WallocAudio],
    preset: Preset,
    *,
    name: str | None = None,
    validation: Sequence[Path] = (),
    seed: int = 0,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Learn from the recordings below ``sources`` and write ``folder/name.safetensors`` and card.

    Args:
        sources: recordings or folders of them.
        folder: for the model.
        codec: whose model it is.
        preset: how much to learn from (see :data:`PRESETS`).
        name: of the model; None: the codec's.
        validation: recordings for the card's figures; empty holds some back.
        seed: of the order.
        force: replace a model that was exported before.
        say: called with a line of text when a stage begins.

    Raises:
        InputError: recordings cannot be read, or the model exists already.
    """
    target, began = folder / f"{name or codec.name}.safetensors", time.monotonic()
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; choose another --out or give --force")
    say("reading recordings")
    mode = codec.mode
    clips = read_clips(sources, mode, preset)
    if validation:
        held = read_clips(validation, mode, preset)
    else:
        held = clips[::HELD_OUT]
        clips = [clip for i, clip in enumerate(clips) if i % HELD_OUT] or held
    seconds = sum(clip.shape[1] for clip in clips) / mode.rate_hz
    say(f"learning from {len(clips)} recordings, {seconds:.0f} seconds")
    model = copied(learn(clips, mode, preset.passes, seed))
    arrays: dict[str, npt.NDArray[Any]] = dict(model._asdict())
    arrays["order"] = latent_order(clips, mode)
    folder.mkdir(parents=True, exist_ok=True)
    card = write_model(
        target,
        arrays,
        {
            "codec": codec.name,
            "data": f"{len(clips)} recordings, {seconds:.0f} s, of "
            + ", ".join(source.name for source in sources),
            "seconds": round(time.monotonic() - began),
            "device": "cpu",
        },
        force=force,
    )
    say(f"measuring on {len(held)} recordings")
    held_out = {"held_out_recordings": len(held), "figures": measure(codec, target, held)}
    write_card(target, {**card, **held_out})
    return target


def measure(
    codec: type[WallocAudio], model: Path, clips: Sequence[Floats]
) -> list[dict[str, float]]:
    """Figures of a model file: whole streams, means of kbit/s and signal-to-noise ratio."""
    coder = codec(model=model)
    rows = []
    for quality in (10, 20, 30, 40, 50, 70):
        rates, ratios = [], []
        for clip in clips:
            whole = np.clip(np.rint(clip), -32768, 32767).astype(np.int32)
            audio = Audio(whole, codec.mode.rate_hz)
            stream = coder.encode(audio, WallocAudioSettings(quality=quality, noise=0))
            error = np.square(coder.decode(stream).samples - whole).mean()
            rates.append(8 * len(stream.to_bytes()) / audio.seconds / 1000)
            ratios.append(10 * math.log10(max(np.square(whole).mean(), 1) / max(error, 1e-3)))
        rows.append(
            {
                "quality": quality,
                "kbit_s": round(float(np.mean(rates)), 2),
                "snr_db": round(float(np.mean(ratios)), 2),
            }
        )
    return rows
