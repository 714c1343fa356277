"""Photographs by phases: train the shipped networks, measure them, and what a circuit would add.

    photo_circuit.py train OUT.safetensors LOSSLESS_FOLDER LOSSY_FOLDER
    photo_circuit.py measure FOLDER
    photo_circuit.py circuit FOLDER

Every fifth photograph of the first folder is held out: never trained on, the only ones measured.
``train`` takes the others as they are and those of the second folder at half size. ``circuit``
learns a hidden Chow-Liu tree over the blocks of 8 x 8 of the finest level (48 coded samples, 16
bins of where each sample lies in its own distribution, states' prior by the activity of the level
above) and says how many bits a sample it would save, exactly: the tree refines the tables that
``entropy/pyramid.py`` has, and a sample's probability is its table's, reweighted bin by bin.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

import nacre
from nacre.bench.peers import Candidate, find_peer
from nacre.entropy.circuits.em import (
    Schedule,
    Smoothing,
    epoch,
    make_layout,
    to_hclt,
    to_parameters,
    zeros_like,
)
from nacre.entropy.circuits.model import HCLT, children_of, depth_first, random_hclt
from nacre.entropy.circuits.structure import chow_liu_tree
from nacre.entropy.pyramid import decode_pyramid, encode_pyramid, phases_of
from nacre.entropy.pyramid_geometry import PHASES, Samples
from nacre.entropy.pyramid_kernels import REACH
from nacre.entropy.pyramid_model import KIND, Pyramid, shipped_model
from nacre.entropy.pyramid_scales import (
    Phase,
    choose_shifts,
    no_shifts,
    shifted_classes,
    shifted_tables,
)
from nacre.train.circuit_photo import Recipe, train_pyramid
from nacre.train.export import write_model
from nacre.train.photos import find_photos

BINS, BLOCK, STATES, ACTIVITIES = 16, 8, 16, 8
Floats = npt.NDArray[np.float64]


def read(path: Path, *, half: bool = False) -> Samples:
    """RGB pixels, at half size if asked for."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    if half:
        size = (picture.width // 2, picture.height // 2)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Photographs to train on, and those held out."""
    photos = find_photos([folder])
    return [p for n, p in enumerate(photos) if n % 5], photos[::5]


def train(out: Path, lossless: Path, lossy: Path) -> None:
    """Write the model file and its card."""
    seen, held = split(lossless)
    begin = time.process_time()
    halves = [read(path, half=True) for path in find_photos([lossy])]
    recipe = Recipe()
    arrays = train_pyramid([[read(path) for path in seen], halves], recipe, print)
    seconds = round(time.process_time() - begin)
    model = Pyramid.from_arrays(arrays)
    pictures = [read(path) for path in held]
    rates = [8 * len(encode_pyramid(pixels, model)) / pixels.size for pixels in pictures]
    card = {
        "codec": "circuit-image",
        "data": f"{len(seen)} photos of {lossless.name}, {len(halves)} of {lossy.name} halved",
        "steps": 9 * recipe.steps,
        "seconds": seconds,
        "device": "cpu",
        "figures": [{"photos": len(held), "bpsp": round(float(np.mean(rates)), 4)}],
    }
    print(write_model(out, arrays, card, force=True, header={"kind": KIND}))


def seconds_of(call: Callable[[], object]) -> float:
    """CPU seconds, the lesser of two."""
    times = []
    for _ in range(2):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def measure(folder: Path) -> None:
    """Bits a sub-pixel (mean over files) and CPU seconds a megapixel of one thread."""
    pictures = [read(path) for path in split(folder)[1]]
    for name in ("png", "webp-lossless", "jxl-lossless-7", "jxl-lossless-9"):
        peer = find_peer(name)
        row(name, pictures, partial(_encode, peer), partial(_decode, peer))
    for codec in ("circuit-image", "adaptive-image"):
        row(codec, pictures, partial(nacre.encode, codec=codec), _decoded)
    row("networks: torch", pictures, partial(encode_pyramid, device="cpu"), _decode_by_torch)
    model = shipped_model()
    seconds = seconds_of(lambda: [list(phases_of(pixels, model)) for pixels in pictures])
    megapixels = sum(pixels.size for pixels in pictures) / 3e6
    print(f"networks alone, which run side by side: {seconds / megapixels:.3f} s/MP")


def _decoded(data: bytes, shape: tuple[int, int, int]) -> Samples:
    pixels: Samples = nacre.decode(data).pixels
    return pixels


def _decode_by_torch(data: bytes, shape: tuple[int, int, int]) -> Samples:
    return decode_pyramid(data, shape, device="cpu")


def _encode(peer: Candidate, pixels: Samples) -> bytes:
    return peer.encode(pixels, None, 1)


def _decode(peer: Candidate, data: bytes, shape: tuple[int, int, int]) -> Samples:
    return peer.decode(data, 1)


def row(
    name: str,
    pictures: Sequence[Samples],
    encode: Callable[[Samples], bytes],
    decode: Callable[[bytes, tuple[int, int, int]], Samples],
) -> None:
    """Print a line of the table."""
    shapes = [(p.shape[0], p.shape[1], 3) for p in pictures]
    files = [encode(pixels) for pixels in pictures]
    back = [decode(file, shape) for file, shape in zip(files, shapes, strict=True)]
    if not all(map(np.array_equal, back, pictures)):
        raise SystemExit(f"{name}: what came back is not what went in")
    rate = np.mean([8 * len(f) / p.size for f, p in zip(files, pictures, strict=True)])
    megapixels = sum(pixels.size for pixels in pictures) / 3e6
    to = seconds_of(lambda: [encode(pixels) for pixels in pictures]) / megapixels
    fro = seconds_of(lambda: list(map(decode, files, shapes))) / megapixels
    print(f"{name:16} {rate:7.4f} bpsp, encodes {to:.3f}, decodes {fro:.3f} s/MP")


def intervals(
    pixels: Samples, phases: Sequence[Phase], classes: Samples, model: Pyramid
) -> tuple[Floats, Floats]:
    """Where each sample of a level lies in its own distribution: ``[H, W]`` from and to.

    Those of the level above have 0 and 1.
    """
    stride = phases[0].stride
    height, width = pixels[::stride, ::stride].shape[:2]
    low, high = np.zeros((height, width)), np.ones((height, width))
    for phase in phases:
        top, left = PHASES[phase.number]
        edges = model.cumulative[shifted_tables(phase, classes)].astype(np.float64)
        first = REACH - phase.centre.astype(np.int64)
        rows = np.arange(len(first))
        index = first + phase.samples.ravel()
        floor = edges[rows, first]
        span = edges[rows, first + 256] - floor
        shape = phase.samples.shape
        low[top::2, left::2] = ((edges[rows, index] - floor) / span).reshape(shape)
        high[top::2, left::2] = ((edges[rows, index + 1] - floor) / span).reshape(shape)
    return low, high


def blocks(
    photos: Sequence[Samples], plane: int, model: Pyramid, adapt: bool
) -> tuple[Floats, Floats, Floats]:
    """Intervals ``[N, 48]`` of every block of the finest level, and its activity ``[N]``.

    Activity is how far from their medians the samples of the level above lie, in logits.
    ``adapt``: with the scales of each picture, as they are coded, or as the networks say.
    """
    places = [(y, x) for y in range(BLOCK) for x in range(BLOCK) if y % 2 or x % 2]
    lows, highs, activities = [], [], []
    for pixels in photos:
        height, width = (n // BLOCK * BLOCK for n in pixels.shape[:2])
        pixels = pixels[:height, :width]
        phases = list(phases_of(pixels, model))
        classes = shifted_classes(choose_shifts(phases, model, 3) if adapt else no_shifts(3))
        one, two = (
            [p for p in phases if p.plane == plane and p.stride == stride] for stride in (1, 2)
        )
        low, high = intervals(pixels, one, classes, model)
        lows.append(np.stack([low[y::BLOCK, x::BLOCK].ravel() for y, x in places], axis=1))
        highs.append(np.stack([high[y::BLOCK, x::BLOCK].ravel() for y, x in places], axis=1))
        ends = intervals(pixels, two, classes, model)
        middle = np.clip((ends[0] + ends[1]) / 2, 1e-6, 1 - 1e-6)
        distance = np.abs(np.log(middle / (1 - middle)))
        tiles = distance.reshape(height // BLOCK, BLOCK // 2, width // BLOCK, BLOCK // 2)
        activities.append(tiles.mean(axis=(1, 3)).ravel())
    return np.concatenate(lows), np.concatenate(highs), np.concatenate(activities)


def learn(items: npt.NDArray[np.uint8]) -> HCLT:
    """A tree whose variable 0, the activity, is the root; the others form a Chow-Liu tree."""
    # The Chow-Liu tree's own root (-1) hangs below variable 0.
    parents = np.append([-1], chow_liu_tree(items[:, 1:], BINS) + 1).astype(np.int32)
    start = random_hclt(len(parents), STATES, BINS, seed=0)
    start = HCLT(parents, depth_first(parents), start.root, start.weights, start.emissions)
    schedule = Schedule(epochs=8, batch=512, smoothing=Smoothing(1e-6, 1e-6))
    layout = make_layout(parents, STATES, schedule.batch)
    parameters = to_parameters(start, layout)
    flows = zeros_like(parameters)
    tensor = torch.from_numpy(items)
    for number in range(schedule.epochs):
        epoch(parameters, flows, layout, tensor, schedule, number, seed=0)
    return to_hclt(parameters, layout)


def gain(circuit: HCLT, low: Floats, high: Floats, activity: npt.NDArray[np.uint8]) -> float:
    """Bits that the tree saves per coded sample, given the activity."""
    children = children_of(circuit.parents)
    messages: dict[int, Floats] = {}
    bits = np.zeros(len(low))
    edge = np.arange(BINS + 1) / BINS
    for variable in circuit.order[::-1].tolist():
        if variable == 0:
            own = circuit.emissions[0, activity]
        else:
            a, b = low[:, variable - 1, None], high[:, variable - 1, None]
            overlap = np.minimum(b, edge[1:]) - np.maximum(a, edge[:-1])
            own = BINS * np.maximum(overlap, 0) / (b - a) @ circuit.emissions[variable]
        for child in children[variable]:
            own = own * messages.pop(child)
        if variable == 0:
            prior = circuit.emissions[0, activity] @ circuit.root
            return float(np.mean(bits + np.log2(own @ circuit.root / prior)) / low.shape[1])
        peak = own.max(axis=1, keepdims=True)
        bits += np.log2(peak[:, 0])
        messages[variable] = own / peak @ circuit.weights[variable].T
    raise AssertionError("the order ends with the root")


def circuit(folder: Path) -> None:
    """What the tree saves on photographs that neither it nor the networks have seen."""
    seen, held = ([read(path) for path in paths] for paths in split(folder))
    model, rng = shipped_model(), np.random.default_rng(0)
    for adapt in (False, True):
        print("with the scales of each picture" if adapt else "as the networks say")
        for plane, name in enumerate(("G", "R - G", "B - G")):
            low, high, activity = blocks(seen, plane, model, adapt)
            levels = np.quantile(activity, np.arange(1, ACTIVITIES) / ACTIVITIES)
            place = low + (high - low) * rng.random(low.shape)
            bins = np.minimum(place * BINS, BINS - 1).astype(np.uint8)
            begin = time.process_time()
            tree = learn(np.column_stack([np.digitize(activity, levels), bins]).astype(np.uint8))
            seconds = time.process_time() - begin
            low, high, activity = blocks(held, plane, model, adapt)
            bits = -np.log2(high - low).mean()
            saved = gain(tree, low, high, np.digitize(activity, levels).astype(np.uint8))
            print(
                f"  {name:6} finest level {bits:.4f} bits a sample, the tree saves {saved:.4f} "
                f"({100 * saved / bits:.2f} %); learned in {seconds:.0f} s"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("train", "measure", "circuit"))
    parser.add_argument("paths", nargs="+", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.command == "train":
        train(*arguments.paths)
    elif arguments.command == "measure":
        measure(*arguments.paths)
    else:
        circuit(*arguments.paths)


if __name__ == "__main__":
    main()
