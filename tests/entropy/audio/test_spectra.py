"""Spectra as bytes: back exactly, whatever they are; damage is found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy.audio.spectra import (
    CodedSpectra,
    decode_noise,
    decode_spectra,
    encode_noise,
    encode_spectra,
    reaches,
)
from nacre.entropy.audio.spectra_layout import (
    FINE,
    FINE_LEVEL,
    HALF_LEVEL,
    LARGEST,
    Layout,
    copied,
    model_from_arrays,
    new_model,
)
from nacre.errors import FormatError, ModelError

LAYOUT = Layout(64, 3, (0, 8, 24, 64))
MODEL = new_model()


def spectrum(seed: int, channels: int, frames: int, loud: float) -> npt.NDArray[np.int32]:
    """Falling with frequency, in 1/256 of a step."""
    rng = np.random.default_rng(seed)
    slope = loud * np.exp(-np.arange(LAYOUT.frame) / 12)
    return (rng.laplace(size=(channels, frames, LAYOUT.frame)) * slope).astype(np.int32)


def coded(scaled: npt.NDArray[np.int32], seed: int = 0, lagrange: int = 0) -> CodedSpectra:
    rng = np.random.default_rng(seed)
    splits = rng.integers(0, LAYOUT.levels + 1, scaled.shape[1]).astype(np.uint8)
    angles = rng.integers(0, 32, LAYOUT.bands).astype(np.int32)
    return encode_spectra(scaled, splits, angles, LAYOUT, MODEL, lagrange)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 1 << 30),
    st.integers(1, 2),
    st.integers(1, 9),
    st.sampled_from([0.0, 50.0, 400.0, 1e4, 1e8]),
    st.sampled_from([0, 34, 200]),
)
def test_what_is_coded_comes_back(
    seed: int, channels: int, frames: int, loud: float, lagrange: int
) -> None:
    found = coded(spectrum(seed, channels, frames, loud), seed, lagrange)
    back = decode_spectra(found.data, channels, frames, LAYOUT, MODEL)
    assert np.array_equal(back.symbols, found.symbols)
    assert np.array_equal(back.levels, found.levels)
    assert np.array_equal(back.splits, found.splits)
    if channels == 2:
        assert np.array_equal(back.angles, found.angles)


def test_without_a_price_on_bits_it_rounds_to_the_nearest() -> None:
    scaled = spectrum(3, 2, 6, 3000)
    found = coded(scaled)
    nearest = np.sign(scaled) * ((np.abs(scaled) + 128) >> 8)
    reached = np.abs(scaled) >= 150  # what ends a frame
    assert np.array_equal(found.symbols[reached], nearest[reached])
    assert np.abs(found.symbols - nearest).max() <= 1
    assert np.array_equal(found.levels, found.symbols * 256)


def test_the_largest_magnitudes() -> None:
    scaled = np.zeros((1, 2, LAYOUT.frame), np.int32)
    scaled[0, 0, :4] = [1 << 30, -(1 << 30), (LARGEST << 8) - 200, 255 << 8]
    found = coded(scaled)
    assert found.symbols[0, 0, :4].tolist() == [LARGEST, -LARGEST, LARGEST - 1, 255]
    assert np.array_equal(decode_spectra(found.data, 1, 2, LAYOUT, MODEL).symbols, found.symbols)


def test_a_price_on_bits_saves_more_than_it_costs() -> None:
    scaled = spectrum(5, 1, 60, 600)
    plain, cheap = coded(scaled), coded(scaled, lagrange=34)

    def cost(one: CodedSpectra) -> float:
        return float(np.square(one.symbols - scaled / 256).sum()) + 34 / 256 * 8 * len(one.data)

    assert len(cheap.data) < 0.9 * len(plain.data)
    assert cost(cheap) < cost(plain)


def test_it_learns_within_a_message_and_from_a_model() -> None:
    scaled = spectrum(6, 1, 100, 500)
    splits, angles = np.zeros(100, np.uint8), np.zeros(LAYOUT.bands, np.int32)
    model = copied(MODEL)
    cold = encode_spectra(scaled, splits, angles, LAYOUT, model, 0, learn=True).data
    assert not np.array_equal(model.counters, MODEL.counters)
    warm = encode_spectra(scaled, splits, angles, LAYOUT, model, 0).data
    short = encode_spectra(scaled[:, :50], splits[:50], angles, LAYOUT, MODEL, 0).data
    assert len(warm) < len(cold) < 2 * len(short)
    with pytest.raises(FormatError):
        decode_spectra(warm, 1, 100, LAYOUT, MODEL)


def test_silence_costs_almost_nothing() -> None:
    found = coded(np.zeros((1, 200, LAYOUT.frame), np.int32))
    assert len(found.data) < 60  # the splits were random
    still = encode_spectra(
        np.zeros((1, 200, LAYOUT.frame), np.int32), np.zeros(200, np.uint8),
        np.zeros(LAYOUT.bands, np.int32), LAYOUT, MODEL, 0,
    )  # fmt: skip
    assert len(still.data) < 16


def test_reaches_end_behind_the_last_loud_coefficient() -> None:
    scaled = np.zeros((1, 3, LAYOUT.frame), np.int32)
    scaled[0, 0, 0], scaled[0, 1, 63], scaled[0, 2, 16] = 400, 400, -400
    splits = np.array([0, 0, 1], np.uint8)  # 16 of the first block of two is 32 of a whole frame
    assert reaches(scaled, splits, LAYOUT).tolist() == [[1, 8, 5]]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damage_decodes_to_something_or_is_refused(data: st.DataObject) -> None:
    """Any message is that of some spectrum; a segment's CRC-32 is what finds damage."""
    found = coded(spectrum(7, 2, 8, 3000))
    damaged = bytearray(found.data)
    if data.draw(st.booleans()):
        damaged = damaged[: data.draw(st.integers(0, len(damaged) - 1))]
    else:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        back = decode_spectra(bytes(damaged), 2, 8, LAYOUT, MODEL)
    except FormatError:
        return
    assert back.symbols.shape == found.symbols.shape
    assert np.abs(back.symbols).max() <= LARGEST


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_decoded(data: bytes) -> None:
    try:
        back = decode_spectra(data, 1, 3, LAYOUT, MODEL)
    except FormatError:
        return
    assert back.symbols.shape == (1, 3, LAYOUT.frame)
    assert np.abs(back.symbols).max() <= LARGEST


@settings(deadline=None)
@given(st.integers(1, 2), st.integers(0, 6), st.integers(0, 1 << 30))
def test_levels_of_noise_come_back(channels: int, slots: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 16, (channels, slots, LAYOUT.bands)).astype(np.int32)
    data = encode_noise(values, MODEL)
    assert np.array_equal(decode_noise(data, channels, slots, LAYOUT.bands, MODEL), values)


def test_levels_of_sums_rise_and_are_regular() -> None:
    for table, steps in ((FINE_LEVEL, 4), (HALF_LEVEL, 2)):
        assert (np.diff(table.astype(int)) >= 0).all()
        assert set(np.diff(table.astype(int)).tolist()) <= {0, 1}
        for value in (8, 40, 300, 2000):
            assert table[2 * value] == table[value] + steps
    assert int(FINE_LEVEL.max()) == FINE - 1


def test_a_model_that_does_not_fit_is_refused() -> None:
    arrays = MODEL._asdict()
    assert np.array_equal(model_from_arrays(arrays).counters, MODEL.counters)
    for change in (
        {"counters": MODEL.counters[:-1]},
        {"blend": MODEL.blend.astype(np.int64)},
        {"inward": MODEL.inward + 300},
    ):
        with pytest.raises(ModelError):
            model_from_arrays({**arrays, **change})
    with pytest.raises(ModelError):
        model_from_arrays({name: value for name, value in arrays.items() if name != "flags"})
