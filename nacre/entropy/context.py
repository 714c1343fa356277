"""The context model in integers: which table each latent symbol is coded under.

For every pass (``grid.py``) convolutions look at the symbols that are known and give, for each
symbol of the pass, the number of a scale and a mean in quarters of a step. The integer part of the
mean is taken from the symbol, its quarters and the scale choose one of 64 x 4 tables. Everything is
integer-valued: the same bytes on every device, in any batch, with any number of threads
(``integer.py`` has the argument, ``tests/entropy/test_context.py`` the proof for shipped models).

    magnitudes of known symbols, step ──conv──▶ ReLU ──1x1──▶ ReLU ──1x1──┐
                             └─────────────────conv────────────────────────(+)──▶ scale number
    values of known symbols ───────────────────conv──▶ mean in quarters

``nacre/train/context.py`` is the trainable twin; ``nacre/train/export.py`` makes the arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nacre.entropy import coder
from nacre.entropy.grid import PASSES, Pass
from nacre.entropy.integer import IntegerNet, Lattice
from nacre.entropy.tables import Tables
from nacre.errors import FormatError, ModelError

SCALES = 64
SCALE_UNIT = 64
"""The networks give scale numbers in 64ths, so that the sum of two is rounded once more finely."""
QUARTERS = 4
STEP_CENTRE = 128
"""The step code in the middle of the trained range."""
MAGNITUDE_UNIT = 16
"""Integer magnitude of one octave: 16 * log2(1 + |q|)."""
MAGNITUDES = 256
"""Entries of the magnitude table; greater symbols take the last."""
VALUE_CAP = 1023
"""Symbols are clamped to this before they enter the mean filter."""
LINEAR_CHANNELS = 12
"""The mean filter sees the values of at most so many earlier channels."""

Symbols = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class PassNet:
    """The integer networks of one pass.

    Attributes:
        deep: magnitudes to scale numbers in units of 1 / :data:`SCALE_UNIT`, by hidden layers.
        shortcut: the same by one layer; the scale is their sum.
        mean: values to quarters of a step; None where the mean is always 0.
    """

    deep: IntegerNet
    shortcut: IntegerNet
    mean: IntegerNet | None

    def choose(
        self, features: torch.Tensor, values: torch.Tensor, at: Lattice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Table numbers and integer means at a lattice, ``[B, own, h', w']`` floats."""
        total = self.deep(features, at) + self.shortcut(features, at)
        scale = torch.floor(total / SCALE_UNIT).clamp_(0, SCALES - 1)
        if self.mean is None:
            return scale * QUARTERS + QUARTERS // 2, torch.zeros_like(scale)
        quarters = self.mean(values, at) + QUARTERS // 2
        whole = torch.floor(quarters / QUARTERS)
        return scale * QUARTERS + (quarters - whole * QUARTERS), whole

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for a model file."""
        parts = {"deep": self.deep, "shortcut": self.shortcut, "mean": self.mean}
        return {
            f"{part}.{name}": array
            for part, net in parts.items()
            if net is not None
            for name, array in net.to_arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> PassNet:
        """The networks that :meth:`to_arrays` took apart.

        Raises:
            ModelError: arrays are missing or are no integer network.
        """
        deep, shortcut, mean = (under(arrays, f"{n}.") for n in ("deep", "shortcut", "mean"))
        return cls(
            IntegerNet.from_arrays(deep),
            IntegerNet.from_arrays(shortcut),
            IntegerNet.from_arrays(mean) if mean else None,
        )


@dataclass(frozen=True, eq=False)
class ContextCoder:
    """Codes grids of latent symbols; see the module.

    Attributes:
        nets: one for each pass, from the first to the last that the model was trained for.
        tables: 64 x 4 tables; number ``4 * scale + quarter``, mean ``(quarter - 2) / 4``.
        magnitudes: uint8 ``[256]``, what the networks see of |q|.
        device: where the networks run.
    """

    nets: tuple[PassNet, ...]
    tables: Tables
    magnitudes: npt.NDArray[np.uint8]
    device: str = "cpu"

    def encode(self, symbols: Symbols, step_code: int, active: int) -> list[bytes]:
        """One message for each pass that codes a part of ``symbols``.

        Args:
            symbols: int16 ``[C, h, w]``; C is the end of a group.
            step_code: the quantiser's, 0..255.
            active: channels from here on are all zero and cost nothing.
        """
        return [
            coder.encode(values, numbers, self.tables)
            for values, numbers in self.examine(symbols, step_code, active)
        ]

    def examine(
        self, symbols: Symbols, step_code: int, active: int
    ) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]]:
        """What :meth:`encode` codes: values and table numbers of each pass, ``[N]`` each."""
        known = torch.from_numpy(symbols).to(self.device).float()[None]
        for p, net in zip(PASSES, self.nets, strict=False):
            if p.end > symbols.shape[0]:
                return
            own = min(p.end, active) - p.first
            if own <= 0:
                yield np.zeros(0, np.int32), np.zeros(0, np.uint8)
                continue
            numbers, means = self._choose(p, net, known, step_code, own)
            parts = [symbols[part].ravel() for part in _parts(p, own)]
            yield np.concatenate(parts).astype(np.int32) - means, numbers

    def decode(
        self, messages: Sequence[Any], shape: tuple[int, int, int], step_code: int, active: int
    ) -> Symbols:
        """The symbols ``[C, h, w]`` that :meth:`encode` was given, of the first C channels.

        Raises:
            FormatError: the messages are not what an encoder writes.
        """
        symbols = np.zeros(shape, np.int16)
        known = torch.zeros((1, *shape), device=self.device)
        passes = [(p, n) for p, n in zip(PASSES, self.nets, strict=False) if p.end <= shape[0]]
        for (p, net), message in zip(passes, messages, strict=True):
            own = min(p.end, active) - p.first
            if own <= 0:
                if len(message):
                    raise FormatError(f"PAYLOAD: {len(message)} bytes for channels that are zero")
                continue
            numbers, means = self._choose(p, net, known, step_code, own)
            # The container's checksum has been verified; coding it all again would say no more.
            values = coder.decode(message, numbers, self.tables, check=False) + means
            narrow = values.astype(np.int16)
            if (narrow != values).any():
                raise FormatError("PAYLOAD: a symbol exceeds 16 bits; the stream is damaged")
            start = 0
            for part in _parts(p, own):
                shaped = symbols[part]
                symbols[part] = narrow[start : start + shaped.size].reshape(shaped.shape)
                start += shaped.size
            coded = torch.from_numpy(symbols[p.first : p.first + own])
            known[0, p.first : p.first + own] = coded.to(self.device)
        return symbols

    @functools.cached_property
    def _magnitudes(self) -> torch.Tensor:
        return torch.from_numpy(self.magnitudes.astype(np.float32)).to(self.device)

    def _choose(
        self, p: Pass, net: PassNet, known: torch.Tensor, step_code: int, own: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
        """Table numbers and integer means of a pass in coding order, ``[N]`` each."""
        height, width = known.shape[2:]
        numbers, means = [], []
        with torch.inference_mode():
            features, values = self._see(p, known, step_code)
            for stride, y, x in p.lattices:
                if y < height and x < width:
                    chosen, whole = net.choose(features, values, (stride, y, x))
                    numbers.append(chosen[0, :own].to(torch.uint8).cpu().numpy().ravel())
                    means.append(whole[0, :own].to(torch.int32).cpu().numpy().ravel())
        if not numbers:
            return np.zeros(0, np.uint8), np.zeros(0, np.int32)
        return np.concatenate(numbers), np.concatenate(means)

    def _see(
        self, p: Pass, known: torch.Tensor, step_code: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What a pass may look at: magnitudes with the step, and values; ``[B, *, h, w]``."""
        batch, _, height, width = known.shape
        parts = [known[:, : p.first]]
        values = [known[:, : min(p.first, LINEAR_CHANNELS)]]
        if p.sees_group:
            mask = torch.from_numpy(p.known(height, width)).to(self.device)
            own = known[:, p.first : p.end] * mask
            parts.append(own)
            values.append(own)
        seen = torch.cat(parts, dim=1)
        magnitudes = self._magnitudes[seen.abs().clamp_(max=MAGNITUDES - 1).int()]
        feature = float((step_code - STEP_CENTRE) // 2)
        step = torch.full((batch, 1, height, width), feature, device=known.device)
        linear = torch.cat(values, dim=1).clamp_(-VALUE_CAP, VALUE_CAP)
        return torch.cat([magnitudes, step], dim=1), linear

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for a model file."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            f"tables.{name}": array for name, array in self.tables.to_arrays().items()
        }
        arrays["magnitudes"] = self.magnitudes
        for index, net in enumerate(self.nets):
            arrays |= {f"{index}.{name}": array for name, array in net.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], device: str = "cpu"
    ) -> ContextCoder:
        """The coder that :meth:`to_arrays` took apart.

        Raises:
            ModelError: arrays are missing or do not fit.
        """
        tables = Tables.from_arrays(under(arrays, "tables."))
        magnitudes = arrays.get("magnitudes")
        if tables.count != SCALES * QUARTERS:
            raise ModelError(f"{tables.count} tables; {SCALES * QUARTERS} are expected")
        if magnitudes is None or magnitudes.dtype != np.uint8 or magnitudes.shape != (MAGNITUDES,):
            raise ModelError(f"magnitudes must be uint8 [{MAGNITUDES}]")
        parts = [under(arrays, f"{i}.") for i in range(len(PASSES))]
        nets = [PassNet.from_arrays(part) for part in parts if part]
        if not nets or not all(parts[: len(nets)]):
            raise ModelError("the networks of some passes are missing")
        return cls(tuple(nets), tables, magnitudes.astype(np.uint8), device)


def _parts(p: Pass, own: int) -> list[tuple[slice, slice, slice]]:
    """Channels, rows and columns of each lattice of a pass."""
    channels = slice(p.first, p.first + own)
    return [(channels, slice(y, None, s), slice(x, None, s)) for s, y, x in p.lattices]


def under(
    arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str
) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays whose names begin with ``prefix``, by the rest of their names."""
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
