"""A small network in integers that predicts a vertex: what it says is the same on every machine.

Two hidden layers and a linear one, from the ``features`` of ``features.py`` to COMPONENTS
components of a mixture. A layer is ``(W x + b + 2^(s-1)) >> s`` with int16 weights and inputs, sums
in 32 bits (:attr:`Layer.bound` proves that they suffice, in any order of summation), and a shift
for each row. Hidden layers then apply SiLU, x / (1 + e^-x) (Elfwing et al. 2018), from a table made
of whole numbers. Plain loops over rows become the processor's multiply-and-add of pairs of int16.

Of each component the last layer says SAID numbers: log2 of the weight, an offset of the mean along
each of the frame's axes, log2 of the deviations along them, and a gain for each of the SEEN vectors
among the features. The mean is the offset and the sum of gains times vectors, so that what is
linear (a parallelogram that is exact) need not be learned through logarithms.

The coder is told, int64 ``[COMPONENTS, ANSWERS]``:

- ``[k, 0]``: log2 of the weight in 1/1024 octaves, up to a common constant;
- ``[k, 1..3]``: the mean along the frame's three axes, from the mean of the parallelograms, in
  1/65536 of ``sizes[EDGE_SCALE]``;
- ``[k, 4..6]``: log2 of the standard deviation along the axes, of the same unit, in 1/1024 octaves.

``nacre/train/circuit_mesh.py`` trains and exports such networks.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.features import ANSWERS, COMPONENTS, FEATURES, MEAN_UNIT, SEEN
from nacre.entropy.mixing import exponential
from nacre.entropy.sequential import Number, compiled
from nacre.errors import ModelError

Floats = npt.NDArray[np.float64]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Arrays = Mapping[str, npt.NDArray[np.generic]]

LAYERS = 3
SAID = ANSWERS + SEEN
OUTPUTS = COMPONENTS * SAID
LANES = 16
"""Inputs of a layer are filled up with zeros to a multiple of this."""
FEATURE_LIMIT = 1 << 15
HIDDEN_UNIT = 1024
"""What 1 is in a hidden layer."""
HIDDEN_LIMIT = 12 * HIDDEN_UNIT - 1
"""What SiLU is applied to lies in -HIDDEN_LIMIT .. HIDDEN_LIMIT, clipped."""
SUM_LIMIT = 1 << 31
SHIFT_LIMIT = 30
GAIN_UNIT = 65536
"""What 1 is as a gain."""
LIMITS = (
    (-(1 << 14), 1 << 14),
    (-(1 << 30), 1 << 30),
    (-(1 << 14), 1 << 13),
    (-(1 << 24), 1 << 24),
)
"""Ranges of log2 weights (1/1024 octaves), means and offsets (1/65536), log2 deviations (1/1024
octaves) and gains."""
MOST_HIDDEN = 1024
_KINDS = np.array(([0] + 3 * [1] + 3 * [2] + SEEN * [3]) * COMPONENTS)
_LEAST: Int64s = np.array(LIMITS, dtype=np.int64)[_KINDS, 0]
_MOST: Int64s = np.array(LIMITS, dtype=np.int64)[_KINDS, 1]
_GAIN_TO_MEAN = MEAN_UNIT / GAIN_UNIT
_LEAST_MEAN, _MOST_MEAN = float(LIMITS[1][0]), float(LIMITS[1][1])
_TOP = np.int64(HIDDEN_LIMIT)


def _silu_table() -> Int16s:
    """HIDDEN_UNIT * silu(x / HIDDEN_UNIT), rounded, for x in -HIDDEN_LIMIT .. HIDDEN_LIMIT."""
    bits = 96
    step, power = exponential(HIDDEN_UNIT, bits), 1 << bits
    above, below = [], []
    for x in range(HIDDEN_LIMIT + 1):
        total = power + (1 << bits)
        above.append((2 * x * power + total) // (2 * total))
        below.append((-2 * x * (1 << bits) + total) // (2 * total))
        power = power * step >> bits
    return np.array(below[:0:-1] + above, dtype=np.int16)


SILU: Int16s = _silu_table()
"""Entry ``x + HIDDEN_LIMIT`` is SiLU of x, both in 1/HIDDEN_UNIT."""


@dataclass(frozen=True, eq=False)
class Layer:
    """``y = (W x + b + 2^(s-1)) >> s``.

    Attributes:
        weight: int16 ``[O, I]``.
        bias: int32 ``[O]``.
        shift: ``s``, int32 ``[O]``, 0 to SHIFT_LIMIT.
        limit: the largest size of an input.

    Raises:
        ModelError: the arrays are no such layer, or a sum could leave 32 bits.
    """

    weight: Int16s
    bias: Int32s
    shift: Int32s
    limit: int

    def __post_init__(self) -> None:
        rows = self.weight.shape[:1]
        if self.weight.ndim != 2 or 0 in self.weight.shape or self.weight.dtype != np.int16:
            raise ModelError(f"a layer needs int16 weights [O, I]; got {self.weight.shape}")
        for array in (self.bias, self.shift):
            if array.dtype != np.int32 or array.shape != rows:
                raise ModelError(f"a layer's bias and shift must be int32 [{rows[0]}]")
        if int(self.shift.min()) < 0 or int(self.shift.max()) > SHIFT_LIMIT:
            raise ModelError(f"a layer's shift is outside 0..{SHIFT_LIMIT}")
        if self.bound >= SUM_LIMIT:
            raise ModelError(f"a sum of a layer could reach {self.bound:,}, not below 2^31")

    @property
    def bound(self) -> int:
        """No sum of products of any row, whole or in part and in any order, exceeds this."""
        return int(np.abs(self.weight.astype(np.int64)).sum(axis=1).max()) * self.limit


class Kernel(NamedTuple):
    """A network as the compiled functions take it; rows are filled up with zeros.

    ``offset`` is the bias and half a unit of what is shifted away, int64 ``[O]``.
    """

    weight1: Int16s
    offset1: Int64s
    shift1: Int64s
    weight2: Int16s
    offset2: Int64s
    shift2: Int64s
    weight3: Int16s
    offset3: Int64s
    shift3: Int64s


class Workspace(NamedTuple):
    """Room for what the layers see, int16, each a multiple of LANES long."""

    inputs: Int16s
    first: Int16s
    second: Int16s


@dataclass(frozen=True, eq=False)
class Network:
    """LAYERS layers, the first of FEATURES inputs, the last of OUTPUTS.

    Raises:
        ModelError: the layers do not fit together.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        shapes = [layer.weight.shape for layer in self.layers]
        sizes = [shape[1] for shape in shapes] + [shape[0] for shape in shapes[-1:]]
        fits = len(shapes) == LAYERS and all(
            shape[0] == size for shape, size in zip(shapes, sizes[1:], strict=True)
        )
        if not fits or sizes[0] != FEATURES or sizes[-1] != OUTPUTS:
            raise ModelError(
                f"a mesh network has {LAYERS} layers from {FEATURES} to {OUTPUTS} numbers; "
                f"got {shapes}"
            )
        if max(sizes) > MOST_HIDDEN:
            raise ModelError(f"a layer of a mesh network is wider than {MOST_HIDDEN}")
        limits = [layer.limit for layer in self.layers]
        if limits[0] < FEATURE_LIMIT or min(limits[1:]) < HIDDEN_LIMIT:
            raise ModelError(f"layers of a mesh network are proved for too small inputs: {limits}")

    @functools.cached_property
    def kernel(self) -> Kernel:
        """The arrays that :func:`evaluate` takes."""
        parts = []
        for layer in self.layers:
            rows, columns = layer.weight.shape
            weight = np.zeros((rows, _padded(columns)), np.int16)
            weight[:, :columns] = layer.weight
            shift = layer.shift.astype(np.int64)
            half = np.left_shift(np.int64(1), shift) >> 1
            parts += [weight, layer.bias.astype(np.int64) + half, shift]
        return Kernel(*parts)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(layer.weight.size + layer.bias.size for layer in self.layers)

    def workspace(self) -> Workspace:
        """What :func:`evaluate` writes to; not to be shared between threads."""
        return Workspace(
            *(np.zeros(_padded(layer.weight.shape[1]), np.int16) for layer in self.layers)
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for a safetensors file; weights of 8 bits are stored as such."""
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        for number, layer in enumerate(self.layers):
            narrow = np.abs(layer.weight.astype(np.int32)).max() < 128
            arrays[f"{number}.weight"] = layer.weight.astype(np.int8 if narrow else np.int16)
            arrays[f"{number}.bias"] = layer.bias
            arrays[f"{number}.shift"] = layer.shift.astype(np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Network:
        """The network that :meth:`to_arrays` took apart; every bound is proved again.

        Raises:
            ModelError: the arrays are no such network.
        """
        layers = []
        for number in range(LAYERS):
            names = [f"{number}.{part}" for part in ("weight", "bias", "shift")]
            if any(name not in arrays for name in names):
                raise ModelError(f"a mesh network lacks one of {', '.join(names)}")
            weight, bias, shift = (arrays[name] for name in names)
            if weight.dtype not in (np.int8, np.int16) or bias.dtype != np.int32:
                raise ModelError(f"{names[0]} must be int8 or int16, {names[1]} int32")
            if shift.dtype != np.uint8:
                raise ModelError(f"{names[2]} must be uint8")
            limit = HIDDEN_LIMIT if number else FEATURE_LIMIT
            layers.append(
                Layer(weight.astype(np.int16), bias.astype(np.int32), shift.astype(np.int32), limit)
            )
        return cls(tuple(layers))


def _padded(size: int) -> int:
    return -(-size // LANES) * LANES


@compiled
def _product(row: Int16s, inputs: Int16s) -> Number:
    """The sum of the products; it fits 32 bits, and so every step of it."""
    total = np.int32(0)
    for k in range(len(inputs)):
        total = np.int32(total + np.int32(row[k]) * np.int32(inputs[k]))
    return np.int64(total)


@compiled
def _hidden(weight: Int16s, offset: Int64s, shift: Int64s, inputs: Int16s, outputs: Int16s) -> None:
    for o in range(len(weight)):
        value = (_product(weight[o], inputs) + offset[o]) >> shift[o]
        outputs[o] = SILU[min(max(value, -_TOP), _TOP) + _TOP]


@compiled
def evaluate(kernel: Kernel, features: Int16s, work: Workspace, said: Int64s) -> None:
    """What the network says of one vertex.

    Args:
        kernel: :attr:`Network.kernel`.
        features: int16 ``[FEATURES]``.
        work: :meth:`Network.workspace`.
        said: int64 ``[OUTPUTS]``, written: SAID numbers of each component, within LIMITS.
    """
    for k in range(len(features)):
        work.inputs[k] = features[k]
    _hidden(kernel.weight1, kernel.offset1, kernel.shift1, work.inputs, work.first)
    _hidden(kernel.weight2, kernel.offset2, kernel.shift2, work.first, work.second)
    for row in range(len(said)):
        value = _product(kernel.weight3[row], work.second) + kernel.offset3[row]
        said[row] = min(max(value >> kernel.shift3[row], _LEAST[row]), _MOST[row])


@compiled
def settle_means(said: Int64s, vectors: Floats, answers: Int64s) -> None:
    """What the coder is told, from what the network said.

    Args:
        said: int64 ``[OUTPUTS]``.
        vectors: float64 ``[SEEN, 3]``, in the frame over the scale.
        answers: int64 ``[COMPONENTS, ANSWERS]``, written.
    """
    for component in range(len(answers)):
        first = SAID * component
        for number in range(ANSWERS):
            answers[component, number] = said[first + number]
        for i in range(3):
            total = 0.0
            for k in range(SEEN):
                total += np.float64(said[first + ANSWERS + k]) * vectors[k, i]
            mean = float(said[first + 1 + i]) + total * _GAIN_TO_MEAN
            mean = min(max(mean, _LEAST_MEAN), _MOST_MEAN)
            answers[component, 1 + i] = np.int64(np.floor(mean + 0.5))


@compiled
def _evaluate_all(
    kernel: Kernel,
    features: Int16s,
    vectors: Floats,
    work: Workspace,
    said: Int64s,
    answers: Int64s,
) -> None:
    for place in range(len(features)):
        evaluate(kernel, features[place], work, said)
        settle_means(said, vectors[place], answers[place])


def answers_of(network: Network, features: Int16s, vectors: Floats) -> Int64s:
    """What the coder is told of many vertices.

    Args:
        network: the network.
        features: int16 ``[n, FEATURES]``.
        vectors: float64 ``[n, SEEN, 3]``.

    Returns:
        int64 ``[n, COMPONENTS, ANSWERS]``.
    """
    answers = np.zeros((len(features), COMPONENTS, ANSWERS), np.int64)
    said = np.zeros(OUTPUTS, np.int64)
    _evaluate_all(network.kernel, features, vectors, network.workspace(), said, answers)
    return answers
