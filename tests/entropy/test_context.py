"""The context model in integers: round trips, exactness, and agreement with its trainable twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nacre.entropy.context import QUARTERS, SCALES, ContextCoder
from nacre.entropy.grid import GROUPS, PASSES
from nacre.errors import FormatError, ModelError
from nacre.train.context import SCALE_FLOOR, ContextModel
from nacre.train.export import OCTAVES_PER_SCALE, context_coder

CODE = 144
SHAPES = [(192, 1, 1), (192, 5, 3), (48, 8, 8), (12, 1, 9), (192, 16, 20)]


def grid(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Symbols like those of a photo: large in the first channels, mostly zero in the last."""
    rng = np.random.default_rng(seed)
    spread = 40.0 / (1 + np.arange(shape[0])[:, None, None]) ** 0.9
    local = np.exp(rng.normal(size=(1, *shape[1:])))
    return np.rint(rng.laplace(size=shape) * spread * local).clip(-2047, 2047).astype(np.int16)


@pytest.fixture(scope="module")
def model() -> ContextModel:
    """A twin with random weights, so that every path of the network matters."""
    torch.manual_seed(0)
    model = ContextModel(torch.linspace(6, 0, 192).exp2(), widths=(8, 8, 8, 8))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.03 * torch.randn(parameter.shape)
    return model.eval()


@pytest.fixture(scope="module")
def coder(model: ContextModel) -> ContextCoder:
    return context_coder(model, [(grid((192, 12, 12), seed), CODE) for seed in range(3)])


@pytest.mark.parametrize("group", range(len(GROUPS)))
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (9, 12)])
def test_passes_of_a_group_visit_every_position_once(group: int, size: tuple[int, int]) -> None:
    passes = [p for p in PASSES if p.group == group]
    visits = np.zeros(size, int)
    for p in passes:
        assert (p.known(*size) == (visits > 0)).all()
        visits += p.positions(*size)
    assert (visits == 1).all()


def test_groups_follow_each_other() -> None:
    assert [first for first, _ in GROUPS] == [0, *(end for _, end in GROUPS[:-1])]
    assert [p.group for p in PASSES] == sorted(p.group for p in PASSES)


@pytest.mark.parametrize("shape", SHAPES)
def test_symbols_come_back(coder: ContextCoder, shape: tuple[int, int, int]) -> None:
    symbols = grid(shape, 5)
    symbols[0, 0, 0] = -2047  # far outside every table
    messages = coder.encode(symbols, CODE, shape[0])
    assert len(messages) == sum(p.end <= shape[0] for p in PASSES)
    assert (coder.decode(messages, shape, CODE, shape[0]) == symbols).all()


def test_channels_that_are_not_active_cost_nothing(coder: ContextCoder) -> None:
    symbols = grid((192, 6, 6))
    symbols[20:] = 0
    messages = coder.encode(symbols, CODE, 20)
    assert messages[-1] == b""
    assert (coder.decode(messages, symbols.shape, CODE, 20) == symbols).all()
    with pytest.raises(FormatError, match="zero"):
        coder.decode([*messages[:-1], b"x"], symbols.shape, CODE, 20)


def test_a_prefix_of_the_messages_gives_the_first_channels(coder: ContextCoder) -> None:
    symbols = grid((192, 9, 7))
    messages = coder.encode(symbols, CODE, 192)
    for _, end in GROUPS:
        part = messages[: sum(p.end <= end for p in PASSES)]
        assert (coder.decode(part, (end, 9, 7), CODE, 192) == symbols[:end]).all()


def test_threads_and_neighbours_in_a_batch_change_nothing(coder: ContextCoder) -> None:
    symbols = grid((192, 40, 33), 3)
    known = torch.from_numpy(symbols).float()[None]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = coder.encode(symbols, CODE, 192)
        torch.set_num_threads(2)
        assert coder.encode(symbols, CODE, 192) == one
    finally:
        torch.set_num_threads(threads)
    others = torch.from_numpy(np.stack([grid((192, 40, 33), s) for s in range(7)])).float()
    for p, net in zip(PASSES, coder.nets, strict=True):
        at = p.lattices[0]
        alone = net.choose(*coder._see(p, known, CODE), at)
        eight = net.choose(*coder._see(p, torch.cat([others, known]), CODE), at)
        for a, b in zip(alone, eight, strict=True):
            assert torch.equal(a, b[-1:])


def test_every_partial_sum_is_proved_to_fit_float32(coder: ContextCoder) -> None:
    nets = [n for net in coder.nets for n in (net.deep, net.shortcut, net.mean) if n is not None]
    bounds = [layer.bound for net in nets for layer in net.bounds]
    assert len(bounds) > 30
    assert max(bounds) < 1 << 24


def test_integers_choose_what_the_float_model_chooses(
    model: ContextModel, coder: ContextCoder
) -> None:
    symbols = torch.from_numpy(grid((192, 24, 24), 9)).float()[None].clamp(-1000, 1000)
    with torch.no_grad():
        means, scales = model(symbols, torch.tensor([CODE / 32]))
    numbers = (scales - SCALE_FLOOR) / OCTAVES_PER_SCALE
    for p, net in zip(PASSES, coder.nets, strict=True):
        for stride, y, x in p.lattices:
            chosen, whole = net.choose(*coder._see(p, symbols, CODE), (stride, y, x))
            here = (
                slice(None),
                slice(p.first, p.end),
                slice(y, None, stride),
                slice(x, None, stride),
            )
            scale = torch.floor(chosen / QUARTERS)
            wanted = numbers[here].clamp(0, SCALES - 1)
            assert ((scale - wanted).abs() < 0.8).float().mean() > 0.99
            mean = whole + (chosen - QUARTERS * scale) / QUARTERS - 0.5
            assert ((mean - means[here]).abs() < 0.3).float().mean() > 0.9


def test_arrays_hold_all_of_it(coder: ContextCoder) -> None:
    arrays = coder.to_arrays()
    again = ContextCoder.from_arrays(arrays)
    symbols = grid((48, 5, 5))
    assert again.encode(symbols, CODE, 48) == coder.encode(symbols, CODE, 48)
    assert again.tables.count == SCALES * QUARTERS
    with pytest.raises(ModelError):
        ContextCoder.from_arrays({k: v for k, v in arrays.items() if k != "magnitudes"})


def test_damaged_messages_raise_nothing_but_format_errors(coder: ContextCoder) -> None:
    symbols = grid((12, 8, 8))
    messages = coder.encode(symbols, CODE, 12)
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(60):
        which = int(rng.integers(len(messages)))
        if not messages[which]:
            continue
        flipped = bytearray(messages[which])
        flipped[int(rng.integers(len(flipped)))] ^= 1 << int(rng.integers(8))
        damaged = [*messages[:which], bytes(flipped), *messages[which + 1 :]]
        try:
            changed += (coder.decode(damaged, symbols.shape, CODE, 12) != symbols).any()
        except FormatError:
            changed += 1
    assert changed > 40  # the last bits of a message may say nothing; the container has checksums
