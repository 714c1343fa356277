"""The layers of ``integer.py`` with float weights, for training; they export to the real ones.

Values between layers are integers here too. Each layer reads and writes them in units of a power
of two, ``2^exponent``, so that weights, biases and gradients have the usual sizes: with exponent -6
the outputs 0..255 stand for 0 to 4. Weights and values are rounded on the way through, and
gradients pass the rounding unchanged (straight-through estimator, Bengio et al. 2013). In
evaluation mode a layer is its own export, so what is measured in training is what will be coded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nacre.entropy.integer import (
    FLOAT32_BITS,
    IntegerConv2d,
    IntegerLayer,
    IntegerLinear,
    IntegerNet,
    Range,
)
from nacre.errors import InputError, ModelError

MAX_SHIFT = 20
"""Bits after the point that a weight may have; more would add nothing at 8 bits of input."""


def round_through(values: Tensor) -> Tensor:
    """``floor(x + 1/2)``, as the integer layers round, with the gradient of ``x``."""
    return values + (torch.floor(values + 0.5) - values).detach()


class TrainableLayer(nn.Module):
    """A layer that is trained in float and computes what its :meth:`export` computes.

    Args:
        shape: ``(O, I, k, k)`` for a convolution, ``(O, I)`` for a linear map.
        inputs: range of the integers that come in; others are clamped.
        outputs: range of the integers that go out; ``(0, 255)`` is a ReLU.
        input_exponent: an input of 1 stands for ``2^input_exponent``.
        output_exponent: an output of 1 stands for ``2^output_exponent``.
        weight_bits: 8 or 16, of the exported weights.

    Raises:
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        inputs: Range,
        outputs: Range = (0, 255),
        input_exponent: int = -6,
        output_exponent: int = -6,
        weight_bits: int = 16,
    ) -> None:
        super().__init__()
        if weight_bits not in (8, 16) or len(shape) not in (2, 4):
            raise InputError("a trainable layer has 8 or 16 bits of weight and rank 2 or 4")
        self.inputs, self.outputs = inputs, outputs
        self.input_exponent, self.output_exponent = input_exponent, output_exponent
        self.weight_bits = weight_bits
        taps = math.prod(shape[1:])
        self.weight = nn.Parameter(torch.randn(shape) * math.sqrt(2 / taps))
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, values: Tensor) -> Tensor:
        """Integers to integers in float32: differentiable when training, else the export's own.

        Args:
            values: ``[B, I, H, W]`` or ``[N, I]``.
        """
        if not self.training:
            return self.export()(values)
        weight, bias, shift = self._scaled(self.weight, self.bias)
        unit = torch.exp2(shift)
        column = unit.reshape(-1, *[1] * (weight.ndim - 1))
        weight = round_through(weight * column) / column
        bias = round_through(bias * unit) / unit
        values = values.clamp(*self.inputs)
        if weight.ndim == 4:
            result = functional.conv2d(values, weight, bias, padding=weight.shape[2] // 2)
        else:
            result = functional.linear(values, weight, bias)
        return round_through(result).clamp(*self.outputs)

    @torch.no_grad()
    def export(self) -> IntegerLayer:
        """The integer layer.

        Raises:
            ModelError: the weights are so large that no partial sum can be kept below 2^24.
        """
        weight, bias, shift = self._scaled(
            self.weight.detach().cpu().double(), self.bias.detach().cpu().double()
        )
        unit = torch.exp2(shift)
        limit = 2 ** (self.weight_bits - 1) - 1
        rounded = torch.floor(weight * unit.reshape(-1, *[1] * (weight.ndim - 1)) + 0.5)
        rounded = rounded.clamp(-limit, limit).to(
            torch.int8 if self.weight_bits == 8 else torch.int16
        )
        offset = torch.floor(bias * unit + 0.5).clamp(-(2**31) + 1, 2**31 - 1)
        layer = (IntegerConv2d if weight.ndim == 4 else IntegerLinear)(
            rounded.numpy(),
            offset.numpy().astype(np.int32),
            np.ones(len(offset), dtype=np.int32),
            shift.numpy().astype(np.int32),
            self.inputs,
            self.outputs,
        )
        if layer.bound >= 1 << FLOAT32_BITS:
            raise ModelError(
                f"a partial sum of a layer could reach {layer.bound:,}, not below 2^24; train with "
                "weight decay, or choose a narrower input range or a larger output exponent"
            )
        return layer

    def _scaled(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weight and bias in units of integers, and the most bits after the point that fit.

        With ``s`` bits the partial sums stay below ``2^s (sum |w| max |x| + |b| + 1/2)`` and what
        rounding adds, at most half of ``max |x|`` for each weight and 1 for the bias.
        """
        weight = weight * 2.0 ** (self.input_exponent - self.output_exponent)
        bias = bias * 2.0**-self.output_exponent
        with torch.no_grad():
            flat = weight.abs().flatten(1)
            largest = max(abs(self.inputs[0]), abs(self.inputs[1]))
            room = (1 << FLOAT32_BITS) - 2 - 0.5 * flat.shape[1] * largest
            by_sum = room / (flat.sum(1) * largest + bias.abs() + 0.5)
            by_size = (2 ** (self.weight_bits - 1) - 1.5) / flat.amax(1).clamp_min(2.0**-MAX_SHIFT)
            # The exponent of frexp, less one, is the logarithm rounded down, without error.
            exponent = torch.frexp(torch.minimum(by_sum, by_size)).exponent - 1
            shift = exponent.clamp(0, MAX_SHIFT).to(weight.dtype)
        return weight, bias, shift


class TrainableConv2d(TrainableLayer):
    """A convolution ``[B, I, H, W] -> [B, O, H, W]`` with a square odd kernel, zeros around."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        inputs: Range,
        outputs: Range = (0, 255),
        input_exponent: int = -6,
        output_exponent: int = -6,
        weight_bits: int = 16,
    ) -> None:
        super().__init__(
            (out_channels, in_channels, kernel, kernel),
            inputs=inputs,
            outputs=outputs,
            input_exponent=input_exponent,
            output_exponent=output_exponent,
            weight_bits=weight_bits,
        )


class TrainableLinear(TrainableLayer):
    """A linear map ``[N, I] -> [N, O]``."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        inputs: Range,
        outputs: Range = (0, 255),
        input_exponent: int = -6,
        output_exponent: int = -6,
        weight_bits: int = 16,
    ) -> None:
        super().__init__(
            (out_features, in_features),
            inputs=inputs,
            outputs=outputs,
            input_exponent=input_exponent,
            output_exponent=output_exponent,
            weight_bits=weight_bits,
        )


class TrainableNet(nn.Module):
    """Trainable layers one after another.

    Args:
        layers: at least one; ranges must follow as those of :class:`IntegerNet`.
    """

    def __init__(self, layers: Sequence[TrainableLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, values: Tensor) -> Tensor:
        """Integers to integers in float32: differentiable when training, else the export's own."""
        for layer in self.layers:
            values = layer(values)
        return values

    def export(self) -> IntegerNet:
        """The integer network.

        Raises:
            ModelError: a layer cannot be kept exact, or does not fit the one before it.
        """
        return IntegerNet(
            tuple(layer.export() for layer in self.layers if isinstance(layer, TrainableLayer))
        )
