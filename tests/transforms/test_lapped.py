"""The lapped transform against its definition, and its promises for any splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.transforms.lapped import analyze, dct4, join, synthesize


@pytest.mark.parametrize("size", [2, 6, 20, 64])
def test_dct4_is_the_sum_that_defines_it(size: int) -> None:
    n = np.arange(size) + 0.5
    matrix = np.sqrt(2 / size) * np.cos(np.pi / size * np.outer(n, n))
    samples = np.random.default_rng(size).normal(size=(3, size))
    assert np.allclose(dct4(samples), samples @ matrix, atol=1e-12)


def test_unsplit_frames_are_the_modified_cosine_transform() -> None:
    """Its definition: a sine window of two frames against cosines (here even on the left)."""
    size = 16
    samples = np.random.default_rng(1).normal(size=(1, 5 * size))
    found = analyze(
        np.pad(samples, ((0, 0), (1, 1))), np.zeros(5, np.uint8), size, overlap=2, begins=True,
        ends=True,
    )  # fmt: skip
    n, k = np.arange(2 * size), np.arange(size)
    window = np.sin(np.pi / (2 * size) * (n + 0.5))
    basis = np.cos(np.pi / size * np.outer(k + 0.5, n + 0.5 - size / 2)) * np.sqrt(2 / size)
    start = size + size // 2  # the window of frame 2 begins half a frame before it
    part = samples[0, start : start + 2 * size] * window
    assert np.allclose(found[0, 2], basis @ part, atol=1e-12)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.integers(0, 2**32 - 1))
def test_energy_and_sound_are_kept_for_any_splits(splits: list[int], seed: int) -> None:
    frame, overlap = 32, 4
    given_splits = np.array(splits, np.uint8)
    samples = np.random.default_rng(seed).normal(size=(2, len(splits) * frame))
    around = np.pad(samples, ((0, 0), (overlap // 2,) * 2), constant_values=9.0)
    found = analyze(around, given_splits, frame, overlap=overlap, begins=True, ends=True)
    assert np.isclose(np.square(found).sum(), np.square(samples).sum())
    assert np.allclose(synthesize(found, given_splits), samples)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=4),
    st.lists(st.integers(0, 2), min_size=1, max_size=4),
)
def test_two_stretches_join_without_a_seam(left: list[int], right: list[int]) -> None:
    frame, overlap, half = 16, 4, 2
    border = len(left) * frame
    samples = np.random.default_rng(0).normal(size=(1, border + len(right) * frame))
    around = np.pad(samples, ((0, 0), (half, half)))
    a, b = np.array(left, np.uint8), np.array(right, np.uint8)
    first = analyze(
        around[:, : border + 2 * half], a, frame, overlap=overlap, begins=True, ends=False
    )
    second = analyze(around[:, border:], b, frame, overlap=overlap, begins=False, ends=True)
    energy = np.square(first).sum() + np.square(second).sum()
    assert np.isclose(energy, np.square(samples).sum())
    parts = synthesize(first, a), synthesize(second, b)
    assert np.allclose(parts[0][:, : border - half], samples[:, : border - half])
    join(*parts, overlap)
    assert np.allclose(np.concatenate(parts, axis=1), samples)


def test_an_error_in_a_short_block_stays_near_it() -> None:
    frame, splits = 64, np.array([0, 3, 0], np.uint8)
    coefficients = np.zeros((1, 3, frame))
    coefficients[0, 1, 3 * 8 + 2] = 1.0  # of the fourth block of eight
    touched = np.flatnonzero(synthesize(coefficients, splits)[0])
    assert touched.min() >= frame + 3 * 8 - 4
    assert touched.max() < frame + 4 * 8 + 4
