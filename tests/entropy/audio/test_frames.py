"""Frames of lossless sound: exact, one and two channels, every depth, damage refused."""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from math import erf, exp, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from nacre.entropy.audio import least_squares, regressions
from nacre.entropy.audio.frames import CASCADE, RAW, REGRESSIONS, decode_frame, encode_frame
from nacre.entropy.audio.least_squares import new_regression, observe, solve
from nacre.entropy.audio.nlms import gain_of, new_filter, predict, push, turn
from nacre.entropy.audio.payload import (
    Samples,
    decode_frames,
    encode_payload,
    frame_length,
    open_payload,
)
from nacre.entropy.audio.residuals import TABLES
from nacre.errors import FormatError
from nacre.stream import AudioShape, Body

PREDICTORS = [CASCADE, REGRESSIONS]


def tone(length: int, depth: int = 16, channels: int = 2, seed: int = 0) -> npt.NDArray[np.int32]:
    """Decaying chords with a little noise, ``[C, N]``."""
    random = np.random.default_rng(seed)
    t = np.arange(length) / 44100
    rows = []
    for channel in range(channels):
        wave = sum(
            np.sin(2 * np.pi * f * t + channel) * np.exp(-3 * t) for f in (220.0, 554.4, 659.3)
        )
        rows.append(0.2 * wave + 0.001 * random.standard_normal(length))
    return np.rint(np.array(rows) * ((1 << depth - 1) - 1)).astype(np.int32)


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize(("depth", "channels"), [(8, 1), (16, 2), (24, 3), (32, 2)])
def test_frames_come_back(depth: int, channels: int, predictor: int) -> None:
    samples = tone(3000, depth, channels)
    data = encode_frame(samples, depth, predictor=predictor)
    assert np.array_equal(decode_frame(data, channels, 3000, depth), samples)
    assert (data[0] == predictor) == (depth < 32)


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_tones_take_less_than_deflated_differences(predictor: int) -> None:
    import zlib

    samples = tone(20000)
    differences = np.diff(samples, axis=1, prepend=0).astype("<i2")
    rival = len(zlib.compress(differences.T.tobytes(), 9))
    assert len(encode_frame(samples, 16, predictor=predictor)) < 0.85 * rival


SAMPLES = st.integers(1, 3).flatmap(
    lambda channels: st.lists(
        st.lists(st.integers(-128, 127), min_size=channels, max_size=channels),
        min_size=1,
        max_size=200,
    )
)


@settings(deadline=None, max_examples=60)
@given(SAMPLES, st.sampled_from(PREDICTORS), st.sampled_from([8, 16, 24]), st.integers(0, 16))
def test_any_samples_come_back_within_their_size(
    rows: list[list[int]], predictor: int, depth: int, shift: int
) -> None:
    samples = np.array(rows, dtype=np.int32).T << min(shift, depth - 8)
    data = encode_frame(samples, depth, predictor=predictor)
    assert np.array_equal(decode_frame(data, len(samples), samples.shape[1], depth), samples)
    assert len(data) <= 1 + samples.size * depth // 8


@settings(deadline=None, max_examples=80)
@given(st.data(), st.sampled_from(PREDICTORS))
def test_damage_is_refused_or_decodes_to_something(data: st.DataObject, predictor: int) -> None:
    good = bytearray(encode_frame(tone(300), 16, predictor=predictor))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(good[: data.draw(st.integers(0, len(good)))])
    try:
        samples = decode_frame(cut, 2, 300, 16)
    except FormatError:
        return
    assert samples.shape == (2, 300)
    assert samples.min() >= -32768
    assert samples.max() <= 32767


def test_structure_of_channels_is_found() -> None:
    wave = tone(5000, 16, 1)[0]
    plain = len(encode_frame(wave[None], 16, predictor=CASCADE))
    constant = np.full(5000, 77, np.int32)
    cases = {
        "equal": np.stack([wave, wave]),
        "constant": np.stack([wave, constant]),
        "zero bits": (wave << 4)[None] >> 4 << 4,
    }
    for name, samples in cases.items():
        data = encode_frame(samples.astype(np.int32), 20, predictor=CASCADE)
        assert len(data) < plain + 16, name
        assert np.array_equal(decode_frame(data, len(samples), 5000, 20), samples), name


def test_values_that_leave_gaps_are_numbered() -> None:
    few = (tone(8000, 7, 1) * 300 + 5).astype(np.int32)  # 128 values or fewer of 16 bits
    dense = tone(8000, 7, 1)
    data = encode_frame(few, 16, predictor=CASCADE)
    assert np.array_equal(decode_frame(data, 1, 8000, 16), few)
    assert len(data) < len(encode_frame(dense, 16, predictor=CASCADE)) + 400


def test_noise_is_kept_as_it_is() -> None:
    noise = np.random.default_rng(1).integers(-32768, 32768, (2, 2000)).astype(np.int32)
    data = encode_frame(noise, 16, predictor=CASCADE)
    assert data[0] == RAW
    assert len(data) == 1 + 2 * noise.size


def test_tables_are_the_distributions() -> None:
    steps = np.arange(TABLES.shape[1]) / 32
    laplace = np.array([1 - exp(-u) / 2 for u in steps])
    gauss = np.array([(1 + erf(u / sqrt(np.pi))) / 2 for u in steps])
    assert np.abs(TABLES[0] / 2**24 - laplace).max() < 1e-7
    assert np.abs(TABLES[1] / 2**24 - gauss).max() < 1e-7
    assert (np.diff(TABLES, axis=1) >= 0).all()


def test_a_filter_is_plain_integer_arithmetic() -> None:
    """Against Python's own integers."""
    random = np.random.default_rng(2)
    stage = new_filter(8)
    weights, history = [0] * 8, [0] * 8
    for _ in range(200):
        value = int(random.integers(-(1 << 19), 1 << 19))
        dot = sum(w * x for w, x in zip(weights, history, strict=True))
        expected = (dot + (1 << 16)) >> 17
        assert predict(stage) == expected
        error = value - expected
        gain = (error * 512 << 8) // (sum(x * x for x in history) + 4 * 8 + 16)
        assert gain_of(error, 512, stage.state[1], 8) == gain
        turn(stage, gain)
        push(stage, value)
        weights = [w + (gain * x + 128 >> 8) for w, x in zip(weights, history, strict=True)]
        history = [*history[1:], value + 4 >> 3]
    assert list(stage.weights) == weights


def test_least_squares_solve_the_normal_equations() -> None:
    """Against exact fractions' normal equations, solved by NumPy."""
    random = np.random.default_rng(3)
    fit = new_regression(6)
    moments, cross = np.zeros((6, 6)), np.zeros(6)
    truth = random.standard_normal(6)
    local = Fraction(0)
    for _ in range(300):
        inputs = random.standard_normal(6) * 1000
        target = float(inputs @ truth)
        observe(fit, inputs, target, 1.0, 0.998)
        local += (1 - local) / 10
        weight = 0.002 / (float(local) + 1) ** 1.5
        moments = 0.998 * moments + weight * np.outer(inputs, inputs)
        cross = 0.998 * cross + weight * target * inputs
    solve(fit)
    ridge = np.diag(0.001 + 1e-9 * np.diag(moments))
    assert np.allclose(fit.weights, np.linalg.solve(moments + ridge, cross), rtol=1e-6)
    assert np.allclose(fit.weights, truth, rtol=1e-3)


@pytest.mark.parametrize("function", [regressions.code_regressions, least_squares.solve])
def test_no_multiplication_is_fused_with_an_addition(function: Any) -> None:
    """Strict floats: what this platform runs rounds every product (DESIGN: rule of exactness)."""
    encode_frame(tone(64), 16, predictor=REGRESSIONS)
    fresh = njit(nogil=True, _nrt=False)(function.py_func)  # cached code cannot be looked at
    fresh.compile(function.signatures[0])
    (listing,) = fresh.inspect_asm().values()
    assert any(product in listing for product in ("mulsd", "mulpd", "fmul"))
    for fused in ("vfmadd", "vfmsub", "vfnmadd", "vfnmsub", "fmadd\t", "fmla\t", "fmls\t"):
        assert fused not in listing


def payload(
    samples: npt.NDArray[np.int32], rate: int, threads: int = 1
) -> tuple[bytes, AudioShape]:
    shape = AudioShape(samples.shape[1], len(samples), rate, 16)
    step = frame_length(shape)
    blocks = [samples[:, place : place + step] for place in range(0, samples.shape[1], step)]
    with contextlib.closing(
        encode_payload(blocks, shape, predictor=CASCADE, threads=threads)
    ) as found:
        return b"".join(found.chunks()), shape


def body(data: bytes) -> Body:
    return Body.of(io.BytesIO(data))


def only_frame(data: bytes, shape: AudioShape) -> Samples:
    frames = open_payload(body(data), shape)
    return frames.decode(0, frames.read(0))


def test_payloads_do_not_depend_on_threads_and_open_anywhere() -> None:
    samples = tone(20000, 16, 1)
    data, shape = payload(samples, 100)  # frames of 4,096 samples
    assert payload(samples, 100, threads=3)[0] == data
    frames = open_payload(body(data), shape)
    assert len(frames) == 5
    whole = np.concatenate(list(decode_frames(frames, range(5), threads=2)), axis=1)
    assert np.array_equal(whole, samples)
    assert np.array_equal(frames.decode(3, frames.read(3)), samples[:, 3 * 4096 : 4 * 4096])


def test_a_damaged_frame_costs_itself_alone() -> None:
    samples = tone(20000, 16, 1)
    data, shape = payload(samples, 100)
    frames = open_payload(body(data), shape)
    broken = bytearray(data)
    broken[frames.offsets[2] + 9] ^= 1
    damaged = open_payload(body(bytes(broken)), shape)
    with pytest.raises(FormatError, match="frame 2 of 5"):
        damaged.decode(2, damaged.read(2))
    for index in (0, 1, 3, 4):
        assert np.array_equal(
            damaged.decode(index, damaged.read(index)), frames.decode(index, frames.read(index))
        )


@pytest.mark.parametrize("kind", ["16 bits", "24 bits", "free", "special"])
def test_floats_come_back_bit_by_bit(kind: str) -> None:
    wave = tone(6000, 24, 2).astype(np.float64) / 2**23
    if kind == "16 bits":
        wave = np.rint(wave * 2**15) / 2**15
    floats = (wave * (1.1 if kind == "free" else 1)).astype(np.float32)
    if kind == "special":
        floats[0, :4] = [-0.0, np.nan, np.inf, -np.inf]
    shape = AudioShape(6000, 2, 44100, 32, True)
    with contextlib.closing(encode_payload([floats], shape, predictor=CASCADE)) as found:
        data = b"".join(found.chunks())
    back = only_frame(data, shape)
    assert back.dtype == np.float32
    assert np.array_equal(back.view(np.uint32), floats.view(np.uint32))
    if kind == "16 bits":
        whole, _ = payload(np.rint(wave * 2**15).astype(np.int32), 44100)
        assert len(data) < len(whole) + 8
