"""A second decoder of codec 1, written from docs/walloc.md alone: symbols, then pixels.

Networks run in 64-bit integers over whole tiles and everything else in float64, so this is for tiny
pictures.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ncr_reader import ALPHA, PAYLOAD, Stream, filtered_samples, require, segments
from range_decoder import Tables, decode
from safetensors.numpy import load_file

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Lattice = tuple[int, int, int]

PREFIXES = (12, 48, 192)
TILE = 128
GROUPS = ((0, 3), (3, 12), (12, 48), (48, 192))
FIRST_GROUP: list[list[Lattice]] = [
    [(4, 0, 0)],
    [(4, 2, 2)],
    [(4, 0, 2), (4, 2, 0)],
    [(2, 1, 1)],
    [(2, 0, 1), (2, 1, 0)],
]
CHECKERBOARD: list[list[Lattice]] = [[(2, 0, 0), (2, 1, 1)], [(2, 0, 1), (2, 1, 0)]]
PASSES = {
    GROUPS[0]: FIRST_GROUP,
    GROUPS[1]: CHECKERBOARD,
    GROUPS[2]: CHECKERBOARD,
    GROUPS[3]: [[(1, 0, 0)]],
}

# The inverse packet's filters g and f by distance; g ends one place before f.
EVEN = (0.7884856164055829, 0.41809227322161724, -0.04068941760916406, -0.06453888262869706, 0.0)
ODD = (
    -0.8526986790088938,
    0.37740285561283066,
    0.11062440441843718,
    -0.023849465019556843,
    -0.03782845550726404,
)


class Model:
    """The arrays of a model file; integers and floats widened to 64 bits."""

    def __init__(self, path: Path) -> None:
        arrays = load_file(path)
        names = ("minimum", "sizes", "low", "high")
        self.tables = Tables.from_arrays(*(arrays[f"context.tables.{name}"] for name in names))
        self.arrays: dict[str, npt.NDArray[Any]] = {
            name: array.astype(np.float64 if array.dtype == np.float32 else np.int64)
            for name, array in arrays.items()
        }

    def layer(self, name: str, inputs: Integers) -> Integers:
        """An integer layer, ``[I, h, w]`` to ``[O, h, w]``."""
        weight, bias, multiplier, shift, ranges = (
            self.arrays[f"{name}.{part}"]
            for part in ("weight", "bias", "multiplier", "shift", "ranges")
        )
        low_in, high_in, low_out, high_out = ranges
        sums = convolve(weight, bias, inputs.clip(low_in, high_in))
        half = np.where(shift > 0, 2 ** np.maximum(shift - 1, 0), 0)
        scaled = multiplier[:, None, None] * sums + half[:, None, None]
        return (scaled >> shift[:, None, None]).clip(low_out, high_out)

    def network(self, name: str, inputs: Integers) -> Integers:
        """The layers ``name.0``, ``name.1`` … one after the other."""
        number = 0
        while f"{name}.{number}.weight" in self.arrays:
            inputs = self.layer(f"{name}.{number}", inputs)
            number += 1
        return inputs


def convolve(
    weight: npt.NDArray[Any], bias: npt.NDArray[Any], inputs: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """``bias`` plus a convolution ``[O, I, k, k]`` of ``[I, h, w]`` with zeros around it."""
    kernel, (height, width) = weight.shape[2], inputs.shape[1:]
    margin = kernel // 2
    padded = np.pad(inputs, ((0, 0), (margin, margin), (margin, margin)))
    total = np.zeros((len(weight), height, width), inputs.dtype) + bias[:, None, None]
    for u in range(kernel):
        for v in range(kernel):
            total += np.tensordot(weight[:, :, u, v], padded[:, u : u + height, v : v + width], 1)
    return total


class Payload:
    """PAYLOAD taken apart, and the symbols in it."""

    def __init__(self, stream: Stream, model: Model) -> None:
        require(stream.codec == 1 and stream.model is not None, "not a stream of codec 1")
        require(stream.depth == 8, "codec 1 with 16 bits")
        require((ALPHA in stream.sections) == (stream.channels in (2, 4)), "ALPHA")
        data = stream.sections[PAYLOAD]
        require(len(data) >= 3, "truncated")
        self.step_code, self.prefix, self.active = data[:3]
        require(self.prefix < len(PREFIXES), "prefix")
        self.channels = PREFIXES[self.prefix]
        require(self.channels in model.arrays["prefixes"], "a prefix that the model lacks")
        require(self.active <= self.channels, "active channels")
        self.step = 2 ** (self.step_code / 32)
        self.symbols = self._symbols(stream, segments(data[3:]), model)

    def _symbols(self, stream: Stream, bodies: list[bytes], model: Model) -> Integers:
        """Symbols ``[P, h, w]`` of all tiles."""
        height, width = -(-stream.height // 8), -(-stream.width // 8)
        symbols = np.zeros((self.channels, height, width), np.int64)
        corners = [(y, x) for y in range(0, height, TILE) for x in range(0, width, TILE)]
        passes = sum(len(PASSES[group]) for group in GROUPS if group[1] <= self.channels)
        require(len(bodies) == passes * len(corners), "number of segments")
        for number, (y, x) in enumerate(corners):
            tile = symbols[:, y : y + TILE, x : x + TILE]
            self._decode_tile(tile, bodies[number :: len(corners)], model)
        return symbols

    def _decode_tile(self, tile: Integers, bodies: list[bytes], model: Model) -> None:
        """Fill ``tile`` ``[P, rows, columns]`` from its segments, pass by pass."""
        number = 0
        for group, passes in PASSES.items():
            if group[1] > self.channels:
                break
            for place, lattices in enumerate(passes):
                if self.active <= group[0]:
                    require(not bodies[number], "a segment of a pass without channels")
                else:
                    # What no earlier pass has coded is still zero in the tile.
                    table, shift = self._tables(tile, number, group, place == 0, model)
                    self._decode_pass(tile, lattices, group, bodies[number], table, shift, model)
                number += 1

    def _tables(
        self, tile: Integers, number: int, group: tuple[int, int], first_pass: bool, model: Model
    ) -> tuple[Integers, Integers]:
        """Table number and integer mean of the group's channels at every position."""
        first, end = group
        own = tile[first : first if first_pass else end]
        seen = np.concatenate([tile[:first], own])
        magnitudes = model.arrays["context.magnitudes"][np.minimum(np.abs(seen), 255)]
        step_feature = np.full((1, *tile.shape[1:]), (self.step_code - 128) // 2)
        features = np.concatenate([magnitudes, step_feature])
        deep = model.network(f"context.{number}.deep", features)
        shortcut = model.network(f"context.{number}.shortcut", features)
        scale = ((deep + shortcut) // 64).clip(0, 63)
        total = np.full_like(scale, 2)
        if number not in (0, 9):
            values = np.concatenate([tile[: min(first, 12)], own]).clip(-1023, 1023)
            total += model.network(f"context.{number}.mean", values)
        shift = total // 4
        return 4 * scale + total - 4 * shift, shift

    def _decode_pass(
        self,
        tile: Integers,
        lattices: list[Lattice],
        group: tuple[int, int],
        body: bytes,
        table: Integers,
        shift: Integers,
        model: Model,
    ) -> None:
        """Put the symbols of one segment where they belong in ``tile``."""
        first, end = group[0], min(group[1], self.active)
        where = [(slice(y, None, stride), slice(x, None, stride)) for stride, y, x in lattices]
        tables = np.concatenate([table[: end - first, y, x].ravel() for y, x in where])
        shifts = np.concatenate([shift[: end - first, y, x].ravel() for y, x in where])
        decoded = np.array(decode(body, tables.tolist(), model.tables), np.int64) + shifts
        require(bool((decoded == decoded.astype(np.int16)).all()), "a symbol of more than 16 bits")
        sizes = [tile[first:end, y, x].size for y, x in where]
        for (y, x), (start, stop) in zip(where, pairwise(np.cumsum([0, *sizes])), strict=True):
            tile[first:end, y, x] = decoded[start:stop].reshape(tile[first:end, y, x].shape)


def estimate_bands(payload: Payload, model: Model) -> Floats:
    """Steps 1 to 3: bands ``[192, h, w]`` with what the network adds."""
    weights = {
        name.removeprefix("synthesis."): array
        for name, array in model.arrays.items()
        if name.startswith("synthesis.")
    }
    kept = payload.channels
    latents = payload.symbols * payload.step
    condition = np.array([(payload.step_code / 32 - 4) / 2, 0, 0, 0])
    condition[1 + payload.prefix] = 1
    deviation = weights["deviation"][:, None, None]
    x = convolve(
        weights["enter.weight"][:, :kept], weights["enter.bias"], latents / deviation[:kept]
    )
    block = 0
    while f"blocks.{block}.film.weight" in weights:
        film, first, second = (
            (weights[f"blocks.{block}.{name}.weight"], weights[f"blocks.{block}.{name}.bias"])
            for name in ("film", "first", "second")
        )
        scale, shift = np.split((film[0] @ condition + film[1])[:, None, None], 2)
        x = x + convolve(*second, np.maximum(convolve(*first, x) * (1 + scale) + shift, 0))
        block += 1
    y = convolve(weights["leave.weight"], weights["leave.bias"], np.maximum(x, 0))
    unknown = np.broadcast_to(deviation, y.shape).copy()
    unknown[:kept] = np.minimum(payload.step / 2, unknown[:kept])
    estimate = y * unknown
    estimate[:kept] += latents
    return np.tensordot(weights["weight"], estimate, 1)


def merge(low: Floats, high: Floats) -> Floats:
    """One level of the inverse packet along the last axis: ``[..., n]`` twice to ``[..., 2n]``."""
    size = 2 * low.shape[-1]
    woven = np.stack([low, high], axis=-1).reshape(*low.shape[:-1], size)
    place, period = np.arange(size), 2 * size - 2
    total = np.zeros_like(woven)
    for distance in range(-4, 5):
        source = place + distance
        taps = np.where(source % 2 == 0, EVEN[abs(distance)], ODD[abs(distance)])
        total += taps * woven[..., np.minimum(source % period, -source % period)]
    return total


def unpack(bands: Floats) -> Floats:
    """The inverse packet in one dimension: ``[..., 8, n]`` to ``[..., 8n]``."""
    while bands.shape[-2] > 1:
        bands = merge(bands[..., 0::2, :], bands[..., 1::2, :])
    return bands[..., 0, :]


def picture(stream: Stream, payload: Payload, model: Model) -> npt.NDArray[np.uint8]:
    """Pixels ``[height, width, channels]``."""
    bands = estimate_bands(payload, model)
    bands = bands.reshape(3, 8, 8, *bands.shape[1:])
    rows = unpack(bands.transpose(0, 1, 3, 2, 4))  # [3, 8, h, 8w]
    colours = unpack(rows.transpose(0, 3, 1, 2)).transpose(2, 1, 0) + 128  # [8h, 8w, 3]
    rounded = np.rint(colours).clip(0, 255)[: stream.height, : stream.width]
    if stream.channels <= 2:
        rounded = np.rint(rounded.mean(axis=2, keepdims=True))
    pixels = rounded.astype(np.uint8)
    if ALPHA not in stream.sections:
        return pixels
    alpha = filtered_samples(stream.sections[ALPHA], stream.height, stream.width, 1, 8)
    return np.concatenate([pixels, alpha], axis=2)
