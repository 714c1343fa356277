"""Networks in integers: what may choose a table, because every machine computes the same.

A layer is a convolution or a linear map with integer weights, then ``(acc * m + 2^(s-1)) >> s``
and a clamp (a clamp from 0 is a ReLU). It runs in floats that hold integers: where
``sum |w| * max |x| + |b|`` stays below 2^24 (float32) or 2^53 (float64) in every output channel,
each partial sum is exact in any order, fused or not, so kernels, threads and devices cannot differ.
The bound is proved from the weights when a layer is made, and a layer that breaks it is refused.

``trainable.py`` has the same layers with float weights, for training; it exports to these.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from nacre.errors import InputError, ModelError

Range = tuple[int, int]
"""Least and greatest value, both included."""
Lattice = tuple[int, int, int]
"""Positions ``(y + s i, x + s j)`` of a grid, as ``(s, y, x)``."""
EVERYWHERE: Lattice = (1, 0, 0)
FLOAT32_BITS = 24
FLOAT64_BITS = 53


@dataclass(frozen=True)
class LayerBound:
    """What was proved about a layer: ``bound`` limits every partial sum; it runs in ``dtype``."""

    layer: int
    bound: int
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """``y = clamp((W x + b) * m + 2^(s-1) >> s)``, all of it in integers.

    Attributes:
        weight: int8 or int16, ``[O, I, k, k]`` (k odd, zeros around the border) or ``[O, I]``.
        bias: int32 ``[O]``.
        multiplier: ``m``, int32 ``[O]``, at least 1.
        shift: ``s``, int32 ``[O]``, 0 to 30.
        inputs: what ``x`` lies in; at most 2^24 in size.
        outputs: what ``y`` is clamped to; at most 2^24 in size.

    Raises:
        ModelError: the arrays are no such layer, or a partial sum could reach 2^53.
    """

    weight: npt.NDArray[np.int8] | npt.NDArray[np.int16]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int32]
    inputs: Range
    outputs: Range
    rank: ClassVar[int]

    def __post_init__(self) -> None:
        shape = self.weight.shape
        if self.weight.dtype not in (np.int8, np.int16) or len(shape) != self.rank or 0 in shape:
            raise ModelError(
                f"a layer needs int8 or int16 weights of rank {self.rank}; got {shape}"
            )
        if self.rank == 4 and (shape[2] != shape[3] or shape[2] % 2 == 0):
            raise ModelError(f"a kernel must be square and odd; got {shape[2]} x {shape[3]}")
        for name in ("bias", "multiplier", "shift"):
            array: npt.NDArray[np.int32] = getattr(self, name)
            if array.dtype != np.int32 or array.shape != shape[:1]:
                raise ModelError(f"{name} of a layer must be int32 [{shape[0]}]")
        if (self.multiplier < 1).any() or (self.shift < 0).any() or (self.shift > 30).any():
            raise ModelError("a multiplier must be at least 1 and a shift 0 to 30")
        for low, high in (self.inputs, self.outputs):
            if not -(1 << FLOAT32_BITS) <= low <= high <= 1 << FLOAT32_BITS:
                raise ModelError(f"a range must be rising and within 2^24; got {low}..{high}")
        if self.bound >= 1 << FLOAT64_BITS:
            raise ModelError(
                f"a partial sum of a layer could reach {self.bound:,}, not below 2^53; "
                "use smaller weights or a narrower input range"
            )

    @functools.cached_property
    def offset(self) -> npt.NDArray[np.int64]:
        """``b * m + 2^(s-1)``: what is added to ``W m x`` before the shift, int64 ``[O]``."""
        half = np.left_shift(np.int64(1), self.shift.astype(np.int64)) >> 1
        return np.asarray(self.bias.astype(np.int64) * self.multiplier + half)

    @functools.cached_property
    def bound(self) -> int:
        """No partial sum of any output channel, in any order, exceeds this."""
        largest = max(abs(self.inputs[0]), abs(self.inputs[1]))
        sums = np.abs(self.weight.astype(np.int64)).reshape(len(self.weight), -1).sum(axis=1)
        channels = zip(sums.tolist(), self.multiplier.tolist(), self.offset.tolist(), strict=True)
        return int(
            max(total * factor * largest + abs(offset) for total, factor, offset in channels)
        )

    @property
    def dtype(self) -> torch.dtype:
        """The floats in which the layer is exact."""
        return torch.float32 if self.bound < 1 << FLOAT32_BITS else torch.float64

    @functools.cached_property
    def _operands(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}

    @torch.no_grad()
    def __call__(self, values: Tensor, at: Lattice = EVERYWHERE) -> Tensor:
        """Run the layer on the device of ``values``.

        Args:
            values: integers in any dtype, ``[B, I, H, W]`` or ``[N, I]``; those outside ``inputs``
                are clamped, for the proof holds only inside.
            at: of a convolution, the output positions that are wanted; at least one must exist.

        Returns:
            float32 holding integers, ``[B, O, H, W]`` or ``[N, O]``.

        Raises:
            InputError: the shape does not fit.
        """
        if values.ndim != self.rank or values.shape[1] != self.weight.shape[1]:
            raise InputError(
                f"an integer layer for {self.weight.shape[1]} channels and rank {self.rank} "
                f"cannot take {tuple(values.shape)}"
            )
        # Only CPUs and CUDA have float64 (Apple's "mps" has not).
        place = values.device if values.is_cuda else torch.device("cpu")
        if place not in self._operands:
            self._operands[place] = _operands(self, place)
        weight, bias = self._operands[place]
        x = values.to(place, torch.float32).clamp(*self.inputs).to(weight.dtype)
        with torch.autocast(place.type, enabled=False):
            y = _convolve(x if self.rank == 4 else x.T[None, :, :, None], weight, bias, at)
        y = y.floor_().clamp_(*self.outputs).to(values.device, torch.float32)
        return y if self.rank == 4 else y[0, :, :, 0].T

    def to_arrays(self, prefix: str = "") -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for a safetensors file, each name after ``prefix``."""
        ranges = np.array([*self.inputs, *self.outputs], dtype=np.int32)
        names = ("weight", "bias", "multiplier", "shift")
        return {prefix + name: getattr(self, name) for name in names} | {prefix + "ranges": ranges}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str = "") -> Self:
        """The layer that :meth:`to_arrays` took apart; its bound is proved again.

        Raises:
            ModelError: the arrays are no such layer.
        """
        names = [prefix + name for name in ("weight", "bias", "multiplier", "shift", "ranges")]
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ModelError(f"integer layer lacks {', '.join(missing)}")
        weight, bias, multiplier, shift, ranges = (arrays[name] for name in names)
        if ranges.shape != (4,) or ranges.dtype != np.int32:
            raise ModelError(f"{names[4]} must be int32 [4]")
        low_in, high_in, low_out, high_out = ranges.tolist()
        return cls(weight, bias, multiplier, shift, (low_in, high_in), (low_out, high_out))  # type: ignore[arg-type]


class IntegerConv2d(IntegerLayer):
    """A convolution of stride 1 on ``[B, I, H, W]`` with zeros around the border."""

    rank = 4


class IntegerLinear(IntegerLayer):
    """A linear map on ``[N, I]``."""

    rank = 2


@dataclass(frozen=True, eq=False)
class IntegerNet:
    """Layers one after another, all convolutions or all linear.

    Raises:
        ModelError: a layer does not fit the one before it.
    """

    layers: tuple[IntegerLayer, ...]

    def __post_init__(self) -> None:
        if not self.layers or len({type(layer) for layer in self.layers}) != 1:
            raise ModelError("an integer network needs layers, all convolutions or all linear")
        for number, (one, two) in enumerate(zip(self.layers, self.layers[1:], strict=False), 1):
            if len(one.weight) != two.weight.shape[1]:
                raise ModelError(f"layer {number} does not take what layer {number - 1} gives")
            if one.outputs[0] < two.inputs[0] or one.outputs[1] > two.inputs[1]:
                raise ModelError(f"layer {number - 1} exceeds the input range of layer {number}")

    @property
    def bounds(self) -> tuple[LayerBound, ...]:
        """What was proved about each layer."""
        return tuple(
            LayerBound(number, layer.bound, layer.dtype) for number, layer in enumerate(self.layers)
        )

    def __call__(self, values: Tensor, at: Lattice = EVERYWHERE) -> Tensor:
        """Run the layers: integers in any dtype to float32 holding integers, on the same device.

        ``at`` thins out the output of the first layer; those after it must then be 1 x 1.
        """
        values = self.layers[0](values, at)
        for layer in self.layers[1:]:
            values = layer(values)
        return values

    def to_arrays(self, prefix: str = "") -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for a safetensors file: those of layer 0 after ``prefix + "0."``, and so on."""
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        for number, layer in enumerate(self.layers):
            arrays |= layer.to_arrays(f"{prefix}{number}.")
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str = ""
    ) -> IntegerNet:
        """The network that :meth:`to_arrays` took apart; every bound is proved again.

        Raises:
            ModelError: the arrays are no integer network.
        """
        layers: list[IntegerLayer] = []
        while (name := f"{prefix}{len(layers)}.weight") in arrays:
            kind = IntegerConv2d if arrays[name].ndim == 4 else IntegerLinear
            layers.append(kind.from_arrays(arrays, f"{prefix}{len(layers)}."))
        return cls(tuple(layers))


def _operands(layer: IntegerLayer, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weight ``[O, I, k, k]`` and bias ``[O]`` times ``m * 2^-s``, so that the shift is a floor."""
    weight = layer.weight.reshape(*layer.weight.shape, *[1] * (4 - layer.rank))
    factor = layer.multiplier * np.exp2(-layer.shift.astype(np.float64))
    bias = layer.offset * np.exp2(-layer.shift.astype(np.float64))
    scaled = torch.from_numpy(weight * factor[:, None, None, None])
    if _convolution_serves(device, layer.dtype, scaled.shape[2]):
        scaled = scaled.to(layer.dtype).contiguous(memory_format=torch.channels_last)
        return scaled, torch.from_numpy(bias).to(layer.dtype)
    return scaled.to(device), torch.from_numpy(bias).to(device)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, at: Lattice) -> Tensor:
    kernel = weight.shape[2]
    if not _convolution_serves(x.device, weight.dtype, kernel):
        return convolve_by_shifts(x.to(torch.float64), weight.to(torch.float64), bias, at)
    x = x.contiguous(memory_format=torch.channels_last)
    if at == EVERYWHERE:
        return functional.conv2d(x, weight, bias, padding=kernel // 2)
    stride, top, left = at
    padded = functional.pad(x, [kernel // 2] * 4)[:, :, top:, left:]
    return functional.conv2d(padded, weight, bias, stride=stride)


def convolve_by_shifts(x: Tensor, weight: Tensor, bias: Tensor, at: Lattice = EVERYWHERE) -> Tensor:
    """``conv2d`` with zero borders as one matrix product for each place of the kernel.

    Libraries may compute a convolution by transforms (Winograd, FFT) or in fewer bits; a float64
    matrix product they compute as written.

    Args:
        x: float64 ``[B, I, H, W]``.
        weight: float64 ``[O, I, k, k]``.
        bias: ``[O]``.
        at: the output positions that are wanted.
    """
    stride, top, left = at
    batch, channels = x.shape[:2]
    height = len(range(top, x.shape[2], stride))
    width = len(range(left, x.shape[3], stride))
    kernel = weight.shape[2]
    padded = functional.pad(x, [kernel // 2] * 4)
    total = bias.to(x.dtype)[:, None].expand(-1, height * width).repeat(batch, 1, 1)
    for row in range(kernel):
        for column in range(kernel):
            window = padded[:, :, top + row :: stride, left + column :: stride]
            window = window[:, :, :height, :width]
            total += weight[:, :, row, column] @ window.reshape(batch, channels, height * width)
    return total.reshape(batch, -1, height, width)


def _convolution_serves(device: torch.device, dtype: torch.dtype, kernel: int) -> bool:
    """Whether ``conv2d`` computes the sums themselves here, so that the proof holds for it."""
    if device.type != "cpu":
        return False
    return dtype == torch.float64 or _probe(kernel)


@functools.cache
def _probe(kernel: int) -> bool:
    """Compare float32 ``conv2d`` with matrix products on sums that just fit into 24 bits."""
    generator = torch.Generator().manual_seed(0)
    taps = 32 * kernel * kernel
    largest = (1 << FLOAT32_BITS) // (255 * taps)
    weight = torch.randint(-largest, largest + 1, (32, 32, kernel, kernel), generator=generator)
    x = torch.randint(0, 256, (1, 32, 40, 40), generator=generator)
    bias = torch.zeros(32, dtype=torch.float64)
    found = functional.conv2d(x.float(), weight.float(), bias.float(), padding=kernel // 2)
    return torch.equal(found.double(), convolve_by_shifts(x.double(), weight.double(), bias))
