from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from torch import nn

from nacre.entropy.integer import (
    IntegerConv2d,
    IntegerLayer,
    IntegerLinear,
    IntegerNet,
    convolve_by_shifts,
)
from nacre.entropy.trainable import TrainableConv2d, TrainableLinear, TrainableNet
from nacre.errors import InputError, ModelError


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small layers on many threads wait for each other more than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def by_hand(layer: IntegerLayer, values: np.ndarray) -> np.ndarray:
    """The layer in NumPy's int64, one tap after another."""
    weight = layer.weight.astype(np.int64)
    values = values.astype(np.int64).clip(*layer.inputs)
    if layer.rank == 2:
        weight, values = weight[:, :, None, None], values[:, :, None, None]
    kernel = weight.shape[2]
    _, _, height, width = values.shape
    edge = kernel // 2
    padded = np.pad(values, [(0, 0), (0, 0), (edge, edge), (edge, edge)])
    total = np.zeros((len(values), len(weight), height, width), dtype=np.int64)
    for row in range(kernel):
        for column in range(kernel):
            window = padded[:, :, row : row + height, column : column + width]
            total += np.einsum("oi,bihw->bohw", weight[:, :, row, column], window)
    column = (slice(None), None, None)
    total += layer.bias[column]
    shift = layer.shift[column].astype(np.int64)
    total = (total * layer.multiplier[column] + ((1 << shift) >> 1)) >> shift
    result = total.clip(*layer.outputs)
    return result[:, :, 0, 0] if layer.rank == 2 else result


def random_layer(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    dtype: type = np.int16,
    size: int = 60,
    multiplier: int = 1,
    inputs: tuple[int, int] = (0, 255),
    outputs: tuple[int, int] = (0, 255),
) -> IntegerLayer:
    """Weights up to ``size``, and a shift that keeps most outputs inside their range."""
    weight = rng.integers(-size, size + 1, shape).astype(dtype)
    bias = rng.integers(-5000, 5000, shape[0]).astype(np.int32)
    factors = rng.integers(1, multiplier + 1, shape[0]).astype(np.int32)
    spread = np.sqrt(np.prod(shape[1:])) * size * 100 * multiplier / max(1, outputs[1])
    shift = np.full(shape[0], max(0, round(np.log2(spread))), dtype=np.int32)
    kind = IntegerConv2d if len(shape) == 4 else IntegerLinear
    return kind(weight, bias, factors, shift, inputs, outputs)


def test_shifts_floor_and_halves_round_up() -> None:
    layer = IntegerLinear(
        np.array([[1]], dtype=np.int8),
        np.zeros(1, dtype=np.int32),
        np.ones(1, dtype=np.int32),
        np.ones(1, dtype=np.int32),
        (-10, 10),
        (-3, 3),
    )
    values = torch.tensor([[-10], [-5], [-3], [-2], [-1], [0], [1], [2], [3], [99]])
    assert layer(values)[:, 0].tolist() == [-3, -2, -1, -1, 0, 0, 1, 1, 2, 3]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    kernel=st.sampled_from([1, 3, 5]),
    channels=st.tuples(st.integers(1, 40), st.integers(1, 20)),
    dtype=st.sampled_from([np.int8, np.int16]),
    multiplier=st.sampled_from([1, 3, 20_000]),
    inputs=st.sampled_from([(0, 255), (-128, 127), (-1000, 1000)]),
)
def test_layers_equal_arithmetic_by_hand(
    seed: int,
    kernel: int,
    channels: tuple[int, int],
    dtype: type,
    multiplier: int,
    inputs: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    shape = (*channels, kernel, kernel)
    layer = random_layer(
        rng, shape, dtype=dtype, multiplier=multiplier, inputs=inputs, outputs=(-99, 255)
    )
    values = rng.integers(-1100, 1100, (2, channels[1], 9, 7))
    found = layer(torch.from_numpy(values))
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), by_hand(layer, values))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 300))
def test_linear_layers_equal_arithmetic_by_hand(seed: int, features: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, (17, features), outputs=(-500, 500))
    values = rng.integers(0, 256, (count, features))
    found = layer(torch.from_numpy(values).to(torch.int16))
    assert np.array_equal(found.numpy(), by_hand(layer, values))


def deep_net(rng: np.random.Generator) -> IntegerNet:
    """Four layers close to the bound of 2^24, as a photo's context network has them."""
    net = IntegerNet(
        (
            random_layer(rng, (48, 13, 3, 3), size=900),
            random_layer(rng, (48, 48, 3, 3), size=270),
            random_layer(rng, (48, 48, 1, 1), size=2000),
            random_layer(rng, (24, 48, 1, 1), size=2000, outputs=(-300, 300)),
        )
    )
    assert all(1 << 23 < bound.bound < 1 << 24 for bound in net.bounds)
    assert all(bound.dtype == torch.float32 for bound in net.bounds)
    return net


def test_threads_batches_and_layouts_change_no_byte() -> None:
    rng = np.random.default_rng(1)
    net = deep_net(rng)
    values = torch.from_numpy(rng.integers(0, 256, (8, 13, 40, 31))).float()
    expected = values.numpy()
    for layer in net.layers:
        expected = by_hand(layer, expected)
    whole = expected.astype(np.float32).tobytes()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        one_by_one = torch.cat([net(one[None]) for one in values])
        laid_out = net(values.contiguous(memory_format=torch.channels_last))
        for found in (net(values), one_by_one, laid_out):
            assert found.contiguous().numpy().tobytes() == whole
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert net(values).contiguous().numpy().tobytes() == whole


def test_matrix_products_equal_the_convolution() -> None:
    """The path of accelerators, on the CPU."""
    rng = np.random.default_rng(2)
    layer = deep_net(rng).layers[1]
    values = rng.integers(0, 256, (2, 48, 20, 21))
    total = convolve_by_shifts(
        torch.from_numpy(values).double(),
        torch.from_numpy(layer.weight).double(),
        torch.from_numpy(layer.offset),
    )
    shifted = torch.floor(
        total * torch.exp2(-torch.from_numpy(layer.shift[:, None, None]).double())
    )
    assert torch.equal(shifted.clamp(*layer.outputs).float(), layer(torch.from_numpy(values)))


def test_float64_serves_where_float32_would_not() -> None:
    rng = np.random.default_rng(3)
    layer = random_layer(rng, (16, 64, 3, 3), size=32_000, multiplier=9, outputs=(-4096, 4095))
    assert layer.bound > 1 << 30
    assert layer.dtype == torch.float64
    values = rng.integers(0, 256, (2, 64, 12, 12))
    assert np.array_equal(layer(torch.from_numpy(values)).numpy(), by_hand(layer, values))


@pytest.mark.accelerator
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_accelerator_changes_no_byte() -> None:
    rng = np.random.default_rng(4)
    net = deep_net(rng)
    values = torch.from_numpy(rng.integers(0, 256, (3, 13, 40, 31))).float()
    found = net(values.cuda()).cpu().contiguous().numpy()
    assert found.tobytes() == net(values).contiguous().numpy().tobytes()


def test_the_bound_is_reached_and_not_exceeded() -> None:
    """Inputs that follow the signs of the weights sum up to the bound itself."""
    layer = random_layer(np.random.default_rng(5), (1, 50), inputs=(-255, 255))
    signs = np.sign(layer.weight[0].astype(np.int64))
    sign = 1 if layer.offset[0] >= 0 else -1
    total = int((layer.weight[0] * signs).sum()) * 255 + abs(int(layer.offset[0]))
    assert layer.bound == total
    assert by_hand(layer, 255 * sign * signs[None])[0, 0] in layer.outputs


def test_a_sum_past_2_to_the_53_is_refused() -> None:
    weight = np.full((1, 4000), 32_000, dtype=np.int16)
    ones = np.ones(1, dtype=np.int32)
    with pytest.raises(ModelError, match="2\\^53"):
        IntegerLinear(weight, 0 * ones, 10_000 * ones, ones, (0, 1 << 23), (0, 255))


@pytest.mark.parametrize(
    "change",
    [
        {"weight": np.ones((2, 3, 2, 2), dtype=np.int8)},
        {"weight": np.ones((2, 3, 3, 1), dtype=np.int8)},
        {"weight": np.ones((2, 3, 3, 3), dtype=np.int32)},
        {"weight": np.ones((2, 3), dtype=np.int8)},
        {"bias": np.ones(3, dtype=np.int32)},
        {"bias": np.ones(2, dtype=np.int64)},
        {"multiplier": np.zeros(2, dtype=np.int32)},
        {"shift": np.full(2, 31, dtype=np.int32)},
        {"inputs": (5, 4)},
        {"outputs": (0, 1 << 25)},
    ],
)
def test_impossible_layers_are_refused(change: dict) -> None:
    arguments = {
        "weight": np.ones((2, 3, 3, 3), dtype=np.int8),
        "bias": np.zeros(2, dtype=np.int32),
        "multiplier": np.ones(2, dtype=np.int32),
        "shift": np.zeros(2, dtype=np.int32),
        "inputs": (0, 255),
        "outputs": (0, 255),
    }
    IntegerConv2d(**arguments)
    with pytest.raises(ModelError):
        IntegerConv2d(**(arguments | change))


def test_layers_that_do_not_follow_are_refused() -> None:
    rng = np.random.default_rng(6)
    one, narrow = random_layer(rng, (4, 3)), random_layer(rng, (4, 4), inputs=(0, 254))
    wide, grid = random_layer(rng, (4, 5)), random_layer(rng, (4, 4, 1, 1))
    for layers in ((), (one, narrow), (one, wide), (one, grid)):
        with pytest.raises(ModelError):
            IntegerNet(layers)


def test_a_wrong_shape_is_refused() -> None:
    layer = random_layer(np.random.default_rng(7), (4, 3, 1, 1))
    for shape in ((1, 4, 2, 2), (3, 2, 2), (1, 3)):
        with pytest.raises(InputError):
            layer(torch.zeros(shape))


def test_arrays_survive_a_safetensors_file() -> None:
    rng = np.random.default_rng(8)
    net = deep_net(rng)
    again = IntegerNet.from_arrays(load(save(net.to_arrays("context."))), "context.")
    values = torch.from_numpy(rng.integers(0, 256, (1, 13, 8, 8)))
    assert torch.equal(again(values), net(values))
    assert again.bounds == net.bounds


@pytest.mark.parametrize("name", ["0.weight", "1.bias", "2.ranges"])
def test_missing_arrays_are_refused(name: str) -> None:
    arrays = deep_net(np.random.default_rng(9)).to_arrays()
    del arrays[name]
    with pytest.raises(ModelError):
        IntegerNet.from_arrays(arrays)


def trainable(weight_bits: int = 16) -> TrainableNet:
    return TrainableNet(
        [
            TrainableConv2d(6, 24, 3, inputs=(-32, 32), input_exponent=-3, weight_bits=weight_bits),
            TrainableConv2d(24, 24, 1, inputs=(0, 255), weight_bits=weight_bits),
            TrainableConv2d(
                24, 2, 1, inputs=(0, 255), outputs=(-64, 63), output_exponent=-4, weight_bits=8
            ),
        ]
    )


@pytest.mark.parametrize("weight_bits", [8, 16])
def test_the_twin_computes_what_its_export_does(weight_bits: int) -> None:
    torch.manual_seed(0)
    net = trainable(weight_bits)
    with torch.no_grad():
        for layer in net.layers:
            layer.bias.uniform_(-1, 1)
    values = torch.randint(-40, 41, (3, 6, 16, 16)).float()
    exported = net.export()
    assert all(bound.bound < 1 << 24 for bound in exported.bounds)
    expected = values.numpy()
    for layer in exported.layers:
        expected = by_hand(layer, expected)
    assert len(np.unique(expected)) > 30
    assert np.array_equal(net.eval()(values).numpy(), expected)
    # Training runs in the same integers, only without the proof for the device at hand.
    assert np.array_equal(net.train()(values).detach().numpy(), expected)


def test_exported_weights_use_the_bits_there_are() -> None:
    torch.manual_seed(1)
    wide, narrow = trainable(16).export().layers[0], trainable(8).export().layers[0]
    assert (np.abs(narrow.weight.astype(int)).reshape(24, -1).max(axis=1) >= 63).all()
    assert wide.bound > 1 << 22


def test_a_twin_learns_and_keeps_what_it_learned() -> None:
    """A target that needs both layers; the exported integers reach it as well."""
    torch.manual_seed(2)
    net = TrainableNet(
        [
            TrainableLinear(2, 32, inputs=(-64, 64), input_exponent=-6),
            TrainableLinear(32, 1, inputs=(0, 255), outputs=(-256, 255)),
        ]
    )
    points = torch.randint(-64, 65, (512, 2)).float()
    target = (points[:, :1] * points[:, 1:]).abs() / 64 * 2
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(200):
        loss = nn.functional.mse_loss(net(points) / 64, target / 64)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    error = nn.functional.mse_loss(net.export()(points), target) / target.var()
    assert error < 0.05


def test_weights_too_large_for_the_bound_are_refused_at_export() -> None:
    layer = TrainableLinear(8, 2, inputs=(0, 255))
    with torch.no_grad():
        layer.weight.fill_(20_000)
    with pytest.raises(ModelError, match="2\\^24"):
        layer.export()
    with pytest.raises(ModelError, match="2\\^24"):
        layer.eval()(torch.zeros(1, 8))


def test_unusable_arguments_are_refused() -> None:
    with pytest.raises(InputError):
        TrainableLinear(1, 1, inputs=(0, 1), weight_bits=4)
