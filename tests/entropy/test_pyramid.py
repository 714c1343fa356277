"""Photographs in phases: exact whatever the picture, the threads, the network or the damage."""

from __future__ import annotations

from decimal import Decimal, getcontext
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nacre.entropy import pyramid_device
from nacre.entropy.integer import IntegerLinear
from nacre.entropy.message import unpack_words
from nacre.entropy.pyramid import decode_pyramid, encode_pyramid, phases_of
from nacre.entropy.pyramid_geometry import (
    OWN_TAPS,
    PHASES,
    features_of,
    fill_level,
    taps_of,
)
from nacre.entropy.pyramid_kernels import FRACTIONS, HIDDEN, OUTPUT_HIGH, OUTPUT_LOW, REACH
from nacre.entropy.pyramid_model import (
    CLASSES,
    DECAY_BITS,
    WIDE_SHARE_BITS,
    Pyramid,
    logistic_tables,
    shipped_model,
)
from nacre.entropy.pyramid_scales import (
    GROUPS,
    SHIFTS,
    choose_shifts,
    decode_shifts,
    encode_shifts,
    no_shifts,
    shifted_classes,
    shifted_tables,
)
from nacre.entropy.sequential import (
    STATE_SIZE,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.entropy.tables import TOTAL
from nacre.errors import FormatError, InputError, ModelError


@cache
def random_arrays() -> dict[str, np.ndarray]:
    """A model of random networks, whose means and scales vary widely."""
    rng = np.random.default_rng(1)
    scales = np.geomspace(0.05, 60, CLASSES)
    decay = np.exp(-1 / (FRACTIONS * scales[:, None] * np.array([1, 2.25])))
    found: dict[str, np.ndarray] = {
        "class_of": np.sort(rng.integers(0, CLASSES, OUTPUT_HIGH - OUTPUT_LOW + 1)).astype(
            np.uint8
        ),
        "decay": np.minimum(np.rint(decay * 2.0**DECAY_BITS), 2**DECAY_BITS - 1).astype(np.int64),
    }
    for plane in range(3):
        for phase in range(3):
            taps = len(taps_of(plane, phase)[0])
            for layer, (shape, size) in enumerate(
                (((HIDDEN, taps + 1), 500), ((HIDDEN, HIDDEN), 100), ((2, HIDDEN + taps), 50))
            ):
                name = f"{plane}.{phase}.{layer}."
                found[name + "weight"] = rng.integers(-size, size, shape).astype(np.int16)
                found[name + "bias"] = rng.integers(-9999, 9999, shape[0]).astype(np.int32)
                found[name + "shift"] = rng.integers(4, 8, shape[0]).astype(np.int32)
    return found


@cache
def random_model() -> Pyramid:
    return Pyramid.from_arrays(random_arrays())


def photo(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth colours with noise, some of it clipped."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 128 + 150 * np.sin(y / 17)[..., None] * np.cos(x / 23)[..., None] * [1, 0.9, 0.8]
    noisy = base + rng.normal(0, 3, (height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)[..., :channels]


@pytest.mark.parametrize("height, width", [(1, 1), (1, 300), (257, 2), (9, 8), (8, 8), (65, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_comes_back(height: int, width: int, channels: int) -> None:
    pixels = photo(height, width, channels)
    data = encode_pyramid(pixels, random_model())
    assert np.array_equal(decode_pyramid(data, pixels.shape, 8, random_model()), pixels)


@settings(max_examples=25, deadline=None)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
        elements=st.sampled_from([0, 1, 127, 254, 255]),
    )
)
def test_whatever_the_samples_they_come_back(pixels: np.ndarray) -> None:
    data = encode_pyramid(pixels, random_model())
    assert np.array_equal(decode_pyramid(data, pixels.shape, 8, random_model()), pixels)


def test_bytes_do_not_depend_on_threads_or_layout() -> None:
    pixels = photo(120, 600)
    data = encode_pyramid(pixels, random_model())
    assert encode_pyramid(pixels, random_model(), threads=2) == data
    assert encode_pyramid(np.asfortranarray(pixels), random_model(), threads=5) == data
    again = decode_pyramid(data, pixels.shape, 8, random_model(), threads=3)
    assert np.array_equal(again, pixels)


def test_the_compiled_networks_are_the_integer_layers() -> None:
    """Centres and tables as IntegerLinear gives them, all pixels in one batch."""
    pixels = photo(70, 531)
    model, raw = random_model(), random_arrays()
    classes = model.class_of.astype(np.int64)
    count = 0
    for found in phases_of(pixels, model):
        plane, phase = found.plane, found.number
        level = pixels[:: found.stride, :: found.stride]
        stack = fill_level(level, plane)
        top, left = PHASES[phase]
        shape = level[top::2, left::2].shape[:2]
        seen = features_of(stack, plane, phase, *shape)
        flag = np.full((1, *shape), 0 if found.stride == 1 else 16)
        inputs = np.concatenate([seen, flag]).reshape(len(seen) + 1, -1).T
        hidden = torch.from_numpy(inputs).float()
        for layer, (low, high) in enumerate(((-255, 255), (0, 4095), (-2040, 4095))):
            if layer == 2:
                hidden = torch.cat([hidden, 8 * torch.from_numpy(inputs[:, :-1])], dim=1)
            weight, bias, shift = (
                raw[f"{plane}.{phase}.{layer}.{name}"] for name in ("weight", "bias", "shift")
            )
            outputs = (OUTPUT_LOW, OUTPUT_HIGH) if layer == 2 else (0, 4095)
            ones = np.ones(len(bias), dtype=np.int32)
            hidden = IntegerLinear(weight, bias, ones, shift, (low, high), outputs)(hidden)
        mean, scale = hidden.numpy().astype(np.int64).T
        taps, own = taps_of(plane, phase)
        near = [stack[p, k, y : y + shape[0], x : x + shape[1]] for p, k, y, x in taps[:4]]
        mean += 16 * ((np.sum(near, axis=0, dtype=np.int64).ravel() + 2) >> 2)
        if plane:
            _, k, y, x = taps[own]
            mean += 16 * stack[0, k, y : y + shape[0], x : x + shape[1]].ravel()
        mean = np.clip(mean, 0, 4095)
        assert found.samples.shape == shape
        assert np.array_equal(found.centre, mean >> 4)
        assert np.array_equal(found.table, 16 * classes[scale - OUTPUT_LOW] + (mean & 15))
        count += found.samples.size
    assert count == pixels.size - pixels[::128, ::128].size


def test_a_torch_device_makes_the_same_bytes() -> None:
    for pixels in (photo(45, 70), photo(33, 19, 1), photo(1, 50)):
        data = encode_pyramid(pixels, random_model())
        assert encode_pyramid(pixels, random_model(), device="cpu") == data
        again = decode_pyramid(data, pixels.shape, 8, random_model(), device="cpu")
        assert np.array_equal(again, pixels)


def test_a_torch_device_may_take_a_phase_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photo(45, 70)
    whole = encode_pyramid(pixels, random_model())
    monkeypatch.setattr(pyramid_device, "AT_ONCE", 80)
    assert encode_pyramid(pixels, random_model(), device="cpu") == whole


def bits_of_phases(pixels: np.ndarray, classes: np.ndarray) -> float:
    """Ideal bits with these classes, one sample after another."""
    model, bits = random_model(), 0.0
    for phase in phases_of(pixels, model):
        tables = shifted_tables(phase, classes)
        first = REACH - phase.centre.astype(int)
        index = first + phase.samples.ravel()
        part = model.cumulative[tables, index + 1] - model.cumulative[tables, index]
        bits -= float(np.log2(part / TOTAL).sum())
    return bits


def test_shifts_of_scales_are_the_best_of_their_groups() -> None:
    """No single other shift would make the message shorter."""
    pixels = photo(60, 50, 1, seed=5)
    shifts = choose_shifts(list(phases_of(pixels, random_model())), random_model(), 1)
    assert shifts.any()
    price = dict(zip(SHIFTS.tolist(), (5, 5, 4, 3, 1, 3, 4, 5, 5), strict=True))
    least = bits_of_phases(pixels, shifted_classes(shifts))
    assert least < bits_of_phases(pixels, shifted_classes(no_shifts(1))) - 6
    rng = np.random.default_rng(0)
    for _ in range(40):
        changed = shifts.copy()
        place = tuple(rng.integers(0, size) for size in shifts.shape)
        if not shifts[place[:3]].any():
            continue
        changed[place] = rng.choice(SHIFTS)
        bits = bits_of_phases(pixels, shifted_classes(changed))
        cost = price[int(changed[place])] - price[int(shifts[place])]
        assert bits + cost >= least - 0.5  # costs are rounded to the 1024th of a bit


def test_classes_decoded_are_the_classes_encoded() -> None:
    """Tables of the networks with shifts are the networks' tables shifted."""
    pixels = photo(40, 50)
    shifts = np.random.default_rng(3).integers(-4, 5, (3, 3, 2, GROUPS)).astype(np.int8)
    classes = shifted_classes(shifts)
    plain = phases_of(pixels, random_model())
    for phase, moved in zip(plain, phases_of(pixels, random_model(), classes), strict=True):
        assert np.array_equal(shifted_tables(phase, classes), moved.table)
        assert np.array_equal(phase.centre, moved.centre)


@given(arrays(np.int8, (3, 3, 2, GROUPS), elements=st.integers(-4, 4), fill=st.just(0)))
def test_shifts_come_back(shifts: np.ndarray) -> None:
    state, words = np.empty(STATE_SIZE, np.uint64), np.empty(1024, np.uint32)
    encoder_init(state)
    encode_shifts(state, words, shifts)
    data = encoder_bytes(state, words)
    decoder_init(state, unpack_words(data))
    found = decode_shifts(state, unpack_words(data), 3)
    check_decoded(state, data)
    assert np.array_equal(found, shifts)


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_a_phase_sees_only_what_is_known(phase: int) -> None:
    top, left = PHASES[phase]
    later = {PHASES[number] for number in range(phase, 3)}
    assert len(OWN_TAPS[phase]) == 24
    for y, x in OWN_TAPS[phase]:
        assert ((top + y) % 2, (left + x) % 2) not in later


def test_tables_are_logistic_mixtures() -> None:
    """Against exact decimals, at the edges of some symbols."""
    getcontext().prec = 40
    scales = (0.3, 4.0)
    decay = [[round(2**31 * np.exp(-1 / (16 * s * w))) for w in (1, 2.25)] for s in scales]
    tables = logistic_tables(np.array(decay))
    for number, scale in enumerate(scales):
        for fraction in (0, 7, 15):
            for residual in (-9, -1, 0, 1, 2, 30):
                below = Decimal(0)
                place = Decimal(residual) - Decimal("0.5") - Decimal(fraction) / 16
                for share, width in ((1 - 2.0**-WIDE_SHARE_BITS, 1), (2.0**-WIDE_SHARE_BITS, 2.25)):
                    wide = Decimal(scale) * Decimal(width)
                    below += Decimal(share) / (1 + (-place / wide).exp())
                found = tables[16 * number + fraction, residual + REACH]
                assert abs(float(below) - found / TOTAL) < 1e-4


def test_tables_rise_from_nothing_to_everything() -> None:
    cumulative = random_model().cumulative
    assert (cumulative[:, 0] == 0).all() and (cumulative[:, -1] == TOTAL).all()
    assert (np.diff(cumulative, axis=1) > 0).all()


def test_damaged_bytes_are_refused() -> None:
    pixels = photo(90, 70)
    data = encode_pyramid(pixels, random_model())
    rng = np.random.default_rng(0)
    damaged = [data[:length] for length in (0, 1, 40, len(data) // 2, len(data) - 1)]
    damaged += [data + b"\0", data + b"x"]
    top = 3 * 6 * 5
    for place in rng.integers(top, len(data), 30):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.integers(8)
        damaged.append(bytes(changed))
    for bad in damaged:
        try:
            found = decode_pyramid(bad, pixels.shape, 8, random_model())
        except FormatError:
            continue
        # Another message of as many bytes may well be one that an encoder writes.
        assert encode_pyramid(found, random_model()) == bad


def test_other_pictures_are_refused() -> None:
    for pixels in (
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ):
        with pytest.raises(InputError, match="pyramids hold"):
            encode_pyramid(pixels, random_model())
    with pytest.raises(InputError, match="pyramids hold"):
        decode_pyramid(b"", (4, 4, 3), 16, random_model())


@pytest.mark.parametrize(
    "name, value",
    [
        ("class_of", np.zeros(5, np.uint8)),
        ("class_of", np.full(OUTPUT_HIGH - OUTPUT_LOW + 1, CLASSES, np.uint8)),
        ("decay", np.full((CLASSES, 2), 1 << 31, np.int64)),
        ("0.0.0.weight", np.full((HIDDEN, 25), 32767, np.int16)),
        ("0.0.0.weight", np.zeros((HIDDEN, 24), np.int16)),
        ("2.1.2.shift", np.array([31, 0], np.int32)),
    ],
)
def test_damaged_models_are_refused(name: str, value: np.ndarray) -> None:
    with pytest.raises(ModelError):
        Pyramid.from_arrays({**random_arrays(), name: value})
    lacking = {key: array for key, array in random_arrays().items() if key != name}
    with pytest.raises(ModelError):
        Pyramid.from_arrays(lacking)


def test_the_shipped_model_compresses_what_looks_like_a_photo() -> None:
    pixels = photo(128, 128, seed=3)
    data = encode_pyramid(pixels)
    assert np.array_equal(decode_pyramid(data, pixels.shape), pixels)
    # Noise of deviation 3 has 3.6 bits of entropy where it is not clipped; the rest is the model's.
    assert 3.0 < 8 * len(data) / pixels.size < 4.3
    assert shipped_model() is shipped_model()
