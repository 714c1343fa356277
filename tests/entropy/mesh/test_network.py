"""Networks of meshes: integers alone, the same as in Python, with sums that cannot overflow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from nacre.entropy.mesh.features import ANSWERS, COMPONENTS, FEATURES, MEAN_UNIT, SEEN
from nacre.entropy.mesh.network import (
    FEATURE_LIMIT,
    GAIN_UNIT,
    HIDDEN_LIMIT,
    HIDDEN_UNIT,
    LIMITS,
    OUTPUTS,
    SAID,
    SILU,
    SUM_LIMIT,
    Layer,
    Network,
    answers_of,
)
from nacre.errors import ModelError
from nacre.mesh_models import shipped_model


def layer(rng: np.random.Generator, rows: int, columns: int, limit: int, shift: int) -> Layer:
    """A random layer that nearly fills its 32 bits."""
    weight = rng.integers(-(1 << 15), 1 << 15, (rows, columns))
    largest = np.abs(weight).sum(axis=1).max() * limit
    weight = np.fix(weight * min(1.0, (SUM_LIMIT - 1) / largest))
    return Layer(
        weight.astype(np.int16),
        rng.integers(-(1 << 26), 1 << 26, rows).astype(np.int32),
        rng.integers(shift, shift + 4, rows).astype(np.int32),
        limit,
    )


def network(seed: int, hidden: tuple[int, int] = (24, 17)) -> Network:
    """A random network whose hidden values spread over all of their range."""
    rng = np.random.default_rng(seed)
    one, two = hidden
    return Network(
        (
            layer(rng, one, FEATURES, FEATURE_LIMIT, 14),
            layer(rng, two, one, HIDDEN_LIMIT, 14),
            layer(rng, OUTPUTS, two, HIDDEN_LIMIT, 8),
        )
    )


def silu(x: int) -> int:
    """HIDDEN_UNIT * silu, in the float arithmetic of the mathematics library."""
    value = x / (1 + math.exp(-x / HIDDEN_UNIT))
    return math.floor(value + 0.5)


def plain(
    net: Network, features: Sequence[int], vectors: npt.NDArray[np.float64]
) -> list[list[int]]:
    """The network in Python's own integers, from its layers and not from its kernel."""
    values = [int(value) for value in features]
    for number, part in enumerate(net.layers):
        sums = []
        for row, bias, shift in zip(part.weight, part.bias, part.shift, strict=True):
            total = int(bias)
            for one, other in zip(row, values, strict=True):
                total += int(one) * other
            sums.append((total + ((1 << int(shift)) >> 1)) >> int(shift))
        if number == len(net.layers) - 1:
            kinds = ([0, 1, 1, 1, 2, 2, 2] + [3] * SEEN) * COMPONENTS
            limits = [LIMITS[kind] for kind in kinds]
            said = [min(max(s, low), high) for s, (low, high) in zip(sums, limits, strict=True)]
            return [told(said[k : k + SAID], vectors) for k in range(0, OUTPUTS, SAID)]
        values = [int(SILU[min(max(s, -HIDDEN_LIMIT), HIDDEN_LIMIT) + HIDDEN_LIMIT]) for s in sums]
    raise AssertionError


def told(said: list[int], vectors: npt.NDArray[np.float64]) -> list[int]:
    """What the coder is told of a component; the mean in exact fractions."""
    low, high = LIMITS[1]
    means = []
    for i in range(3):
        mean = Fraction(said[1 + i])
        for gain, vector in zip(said[ANSWERS:], vectors, strict=True):
            mean += Fraction(gain) * Fraction(float(vector[i])) * MEAN_UNIT / GAIN_UNIT
        clipped = min(max(mean, Fraction(low)), Fraction(high))
        means.append(math.floor(clipped + Fraction(1, 2)))
    return [said[0], *means, *said[4:ANSWERS]]


@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_computes_what_python_integers_do(seed: int) -> None:
    net = network(seed)
    rng = np.random.default_rng(seed + 100)
    features = rng.integers(-(1 << 15), 1 << 15, (12, FEATURES)).astype(np.int16)
    features[0] = -(1 << 15)
    features[1] = (1 << 15) - 1
    vectors = rng.normal(0, 1, (12, SEEN, 3))
    answers = answers_of(net, features, vectors)
    assert answers.shape == (12, COMPONENTS, ANSWERS)
    for place in range(len(features)):
        assert answers[place].tolist() == plain(net, features[place].tolist(), vectors[place])
    # Something depends on the features, and not all of it is clipped.
    assert len(np.unique(answers[2:], axis=0)) == 10


def test_sums_at_the_very_bound_do_not_overflow() -> None:
    # The sizes of a row's weights add up to 65535, the most that inputs of 2^15 allow.
    weight = np.full((8, FEATURES), 65535 // FEATURES, np.int16)
    weight[:, 0] += 65535 % FEATURES
    weight[4:] *= -1
    zeros = np.zeros(8, np.int32)
    first = Layer(weight, zeros, np.full(8, 22, np.int32), FEATURE_LIMIT)
    assert SUM_LIMIT - FEATURE_LIMIT <= first.bound < SUM_LIMIT
    rng = np.random.default_rng(0)
    net = Network(
        (first, layer(rng, 8, 8, HIDDEN_LIMIT, 12), layer(rng, OUTPUTS, 8, HIDDEN_LIMIT, 8))
    )
    features = np.full((2, FEATURES), -(1 << 15), np.int16)
    features[1] = (1 << 15) - 1
    vectors = rng.normal(0, 1, (2, SEEN, 3))
    answers = answers_of(net, features, vectors)
    for place in range(2):
        assert answers[place].tolist() == plain(net, features[place].tolist(), vectors[place])


def test_a_layer_whose_sums_could_overflow_is_refused() -> None:
    weight = np.full((2, FEATURES), 65535 // FEATURES + 1, np.int16)
    with pytest.raises(ModelError, match="not below 2"):
        Layer(weight, np.zeros(2, np.int32), np.zeros(2, np.int32), FEATURE_LIMIT)


def test_silu_is_rounded_to_nearest() -> None:
    assert len(SILU) == 2 * HIDDEN_LIMIT + 1
    for x in range(-HIDDEN_LIMIT, HIDDEN_LIMIT + 1):
        assert SILU[x + HIDDEN_LIMIT] == silu(x)


def test_a_network_survives_its_arrays() -> None:
    net = network(5)
    again = Network.from_arrays(net.to_arrays())
    features = np.random.default_rng(1).integers(-9999, 9999, (5, FEATURES)).astype(np.int16)
    vectors = np.ones((5, SEEN, 3))
    assert np.array_equal(answers_of(net, features, vectors), answers_of(again, features, vectors))
    assert again.parameters == net.parameters


def test_narrow_weights_are_stored_in_bytes() -> None:
    net = network(6)
    small = [
        Layer((part.weight >> 9).astype(np.int16), part.bias, part.shift, part.limit)
        for part in net.layers
    ]
    arrays = Network(tuple(small)).to_arrays()
    assert arrays["1.weight"].dtype == np.int8
    assert np.array_equal(Network.from_arrays(arrays).layers[1].weight, small[1].weight)


def test_arrays_that_are_no_network_are_refused() -> None:
    arrays = network(7).to_arrays()
    broken = {
        "1.weight": arrays["1.weight"][:, 1:],
        "0.weight": arrays["0.weight"].astype(np.float32),
        "2.bias": arrays["2.bias"][1:],
        "0.bias": arrays["0.bias"].astype(np.int64),
        "1.shift": np.full_like(arrays["1.shift"], 200),
        "2.shift": arrays["2.shift"].astype(np.int32),
    }
    for name, array in broken.items():
        with pytest.raises(ModelError):
            Network.from_arrays({**arrays, name: array})
    for name in arrays:
        with pytest.raises(ModelError, match="lacks"):
            Network.from_arrays({key: value for key, value in arrays.items() if key != name})


@pytest.mark.parametrize("large", [False, True])
def test_the_shipped_networks_cannot_overflow(large: bool) -> None:
    model = shipped_model(large=large)
    if model is None:
        pytest.skip("the model does not ship with this installation")
    inputs = (FEATURE_LIMIT, HIDDEN_LIMIT, HIDDEN_LIMIT)
    for part, limit in zip(model.network.layers, inputs, strict=True):
        for row in part.weight:
            assert sum(abs(int(weight)) for weight in row) * limit < 1 << 31
    # And the same numbers come out as in Python, at the extremes too.
    rng = np.random.default_rng(3)
    features = rng.integers(-(1 << 15), 1 << 15, (3, FEATURES)).astype(np.int16)
    features[0] = (1 << 15) - 1
    vectors = rng.normal(0, 1, (3, SEEN, 3))
    answers = answers_of(model.network, features, vectors)
    for place in range(len(features)):
        expected = plain(model.network, features[place].tolist(), vectors[place])
        assert answers[place].tolist() == expected
