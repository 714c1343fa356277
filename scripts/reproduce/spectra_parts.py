"""What the parts of walloc-stereo and walloc-speech are worth, on recordings of your own.

    python scripts/reproduce/spectra_parts.py MUSIC --codec walloc-stereo --seconds 5 --files 6

First, kbit/s at equal signal-to-noise ratios without one part at a time (spectra alone, no noise).
Then what noise of other block lengths would be worth if its levels cost nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.bench.perceptual import perceptual_figures
from nacre.bench.sound_metrics import mel_distance_db, si_sdr_db
from nacre.entropy.audio.spectra import encode_spectra
from nacre.entropy.audio.spectra_layout import Layout, Model, new_model
from nacre.media.audio import open_audio
from nacre.media.audio_kinds import EXTENSIONS
from nacre.registry import codec_class
from nacre.transforms.lapped import analyze, reanalyze, synthesize
from nacre.transforms.walloc_audio import Geometry, bands_of, choose_splits, rotate
from nacre.walloc_audio import LAGRANGE
from nacre.walloc_codec import WallocAudio
from nacre.walloc_pieces import as_float, padded

Floats = npt.NDArray[np.float64]

STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the quantiser, over the mean level."""
RATIOS_DB = (9.0, 12.0, 15.0, 18.0)
STRENGTHS = (0.5, 0.7, 1.0)


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to code spectra."""

    geometry: Geometry
    model: Model
    lagrange: int = LAGRANGE
    turned: bool = True
    split: bool = True

    def code(self, clip: Floats, step: float) -> tuple[int, Floats]:
        """Bytes, and what comes back."""
        geometry = self.geometry
        half = geometry.overlap // 2
        whole = padded(np.pad(clip, ((0, 0), (half, 0))), geometry.frame, geometry.overlap)
        splits, angles = choose_splits(whole, geometry, step, begins=True, ends=True)
        if not self.split:
            splits[:] = 0
        if not self.turned:
            angles[:] = 0
        found = analyze(
            whole, splits, geometry.frame, overlap=geometry.overlap, begins=True, ends=True
        )
        bands = bands_of(geometry, splits)
        if len(clip) == 2:
            found = rotate(found, angles, bands, 1)
        scaled = np.rint(found * (256 / step)).astype(np.int32)
        layout = Layout(geometry.frame, geometry.levels, geometry.edges)
        coded = encode_spectra(scaled, splits, angles, layout, self.model, self.lagrange)
        values = coded.levels * (step / 256)
        if len(clip) == 2:
            values = rotate(values, angles, bands, -1)
        return len(coded.data), synthesize(values, splits)[:, : clip.shape[1]]


def longer(geometry: Geometry, times: float) -> Geometry:
    """The same with frames of another length; its shortest block stays."""
    edges = tuple(int(edge * times) for edge in geometry.edges)
    levels = geometry.levels + round(math.log2(times))
    frame = int(geometry.frame * times)
    return dataclasses.replace(geometry, frame=frame, levels=levels, edges=edges)


def rates_kbps(way: Way, clips: list[Floats], rate_hz: int) -> list[float]:
    """At :data:`RATIOS_DB`, the mean over recordings, between measured points."""
    found = []
    for clip in clips:
        rates, ratios = [], []
        for relative in STEPS:
            step = relative * math.sqrt(float(np.square(clip).mean()))
            size, back = way.code(clip, step)
            error = max(float(np.square(back - clip).sum()), 1e-9)
            rates.append(8 * size * rate_hz / clip.shape[1] / 1000)
            ratios.append(10 * math.log10(float(np.square(clip).sum()) / error))
        found.append(np.exp(np.interp(RATIOS_DB, ratios[::-1], np.log(rates[::-1]))))
    return [float(each) for each in np.mean(found, axis=0)]


def ways(codec: WallocAudio) -> Iterator[tuple[str, Way]]:
    """The codec's own way, and that without one part."""
    geometry = codec.mode.geometry
    own = Way(geometry, codec.weights.coder)
    yield "as it is", own
    yield "frames half as long", dataclasses.replace(own, geometry=longer(geometry, 0.5))
    yield "no short blocks", dataclasses.replace(own, split=False)
    yield "no rotation", dataclasses.replace(own, turned=False)
    yield "rounded to the nearest", dataclasses.replace(own, lagrange=0)
    yield "nothing learnt beforehand", dataclasses.replace(own, model=new_model())


def noises(way: Way, clips: list[Floats], rate_hz: int, say: Callable[[str], None]) -> None:
    """Figures with noise of exact levels, in blocks of several lengths."""
    geometry = way.geometry
    for split in range(geometry.levels + 1):
        size = geometry.frame >> split
        edges = sorted({edge >> split for edge in geometry.edges})
        table: dict[float, list[Any]] = {strength: [] for strength in STRENGTHS}
        for clip in clips:
            level = math.sqrt(float(np.square(clip).mean()))
            _, back = way.code(clip, level)
            count = -(-clip.shape[1] // size)
            error = np.pad(clip - back, ((0, 0), (0, count * size - clip.shape[1])))
            blocks = np.zeros(count, np.uint8)
            found = reanalyze(error, blocks, size)
            power = np.add.reduceat(np.square(found), edges[:-1], axis=2) / np.diff(edges)
            noise = np.random.default_rng(0).uniform(-1, 1, found.shape)
            noise *= np.repeat(np.sqrt(3 * power), np.diff(edges), axis=2)
            sound = synthesize(noise, blocks)[:, : clip.shape[1]]
            for strength, rows in table.items():
                pair = clip / 32768, (back + strength * sound) / 32768
                heard = perceptual_figures(*pair, rate_hz)
                row = si_sdr_db(*pair), mel_distance_db(*pair, rate_hz)
                rows.append([*row, heard.get("pesq_wb"), heard.get("zimtohrli")])
        for strength, rows in table.items():
            means = np.nanmean(np.array(rows, np.float64), axis=0)
            say(f"| {size} | {strength} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codec", default="walloc-stereo")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--files", type=int, default=6)
    arguments = parser.parse_args()
    kind: Any = codec_class(arguments.codec)
    codec: WallocAudio = kind()
    paths = [p for p in sorted(arguments.folder.rglob("*")) if p.suffix.lower() in EXTENSIONS]
    clips = []
    for path in paths[:: max(1, len(paths) // arguments.files)][: arguments.files]:
        with open_audio(path) as reader:
            rate_hz = reader.shape.sample_rate_hz
            block = next(iter(reader.blocks(int(arguments.seconds * rate_hz))))
            clips.append(as_float(block, reader.shape)[:2])
    print("| kbit/s at " + " | ".join(f"{ratio:g} dB" for ratio in RATIOS_DB) + " |")
    for name, way in ways(codec):
        rates = rates_kbps(way, clips, rate_hz)
        print(f"| {name} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |", flush=True)
    print("| block | strength | SI-SDR dB | mel dB | PESQ | Zimtohrli |")
    own = Way(codec.mode.geometry, codec.weights.coder)
    noises(own, clips, rate_hz, lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
