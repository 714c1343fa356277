"""Wavelet packets against PyWavelets, for every boundary, size and number of axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.errors import InputError
from nacre.transforms.wavelet import (
    WaveletPacket,
    analysis_matrix,
    pad_to_multiple,
    synthesis_matrix,
)


def peer_1d(x: np.ndarray, wavelet: str, levels: int, mode: str) -> np.ndarray:
    """PyWavelets' packet bands of ``x``, ``[2**levels, n]``, in its natural order."""
    tree = pywt.WaveletPacket(x, wavelet, mode, maxlevel=levels)
    return np.stack([node.data for node in tree.get_level(levels, order="natural")])


@pytest.mark.parametrize("wavelet", ["bior4.4", "haar", "db3", "bior2.2", "coif1"])
@pytest.mark.parametrize(("levels", "n"), [(1, 32), (2, 64), (3, 64), (3, 328), (6, 512)])
def test_periodic_equals_pywavelets(wavelet: str, levels: int, n: int) -> None:
    x = np.random.default_rng(0).normal(size=n)
    packet = WaveletPacket(wavelet, levels, dims=1, boundary="periodic")
    ours = packet.analyze(torch.from_numpy(x)[None, None])[0].numpy()
    np.testing.assert_allclose(ours, peer_1d(x, wavelet, levels, "periodization"), atol=1e-11)


@pytest.mark.parametrize("wavelet", ["bior4.4", "bior2.2", "bior6.8"])
def test_one_symmetric_level_equals_pywavelets_on_the_reflected_signal(wavelet: str) -> None:
    x = np.random.default_rng(1).normal(size=40)
    ours = WaveletPacket(wavelet, 1, dims=1).analyze(torch.from_numpy(x)[None, None])[0].numpy()
    reflected = np.pad(x, 64, mode="reflect")  # even, so that the sampling phase stays
    low, high = pywt.dwt(reflected, wavelet, "periodization")
    np.testing.assert_allclose(ours, np.stack([low, high])[:, 32:52], atol=1e-12)


def test_deeper_symmetric_levels_are_the_first_level_applied_again() -> None:
    x = torch.randn(1, 1, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one = WaveletPacket("bior4.4", 1, dims=1)
    two = WaveletPacket("bior4.4", 2, dims=1)
    low, high = one.analyze(x)[:, :1], one.analyze(x)[:, 1:]
    expected = torch.cat([one.analyze(low), one.analyze(high)], dim=1)
    torch.testing.assert_close(two.analyze(x), expected, atol=1e-12, rtol=0)


def test_two_axes_equal_pywavelets() -> None:
    x = np.random.default_rng(2).normal(size=(64, 48))
    ours = WaveletPacket("bior4.4", 3, dims=2, boundary="periodic").analyze(
        torch.from_numpy(x)[None, None]
    )[0]
    tree = pywt.WaveletPacket2D(x, "bior4.4", "periodization", maxlevel=3)
    # PyWavelets names what is high along rows h, along columns v, along both d.
    letters = {(0, 0): "a", (1, 0): "h", (0, 1): "v", (1, 1): "d"}
    for y, x_band in itertools.product(range(8), repeat=2):
        path = "".join(letters[(y >> k) & 1, (x_band >> k) & 1] for k in (2, 1, 0))
        np.testing.assert_allclose(ours[y * 8 + x_band].numpy(), tree[path].data, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(1, 90), min_size=3, max_size=3),
    st.sampled_from(["bior4.4", "haar", "bior2.2"]),
    st.sampled_from(["symmetric", "periodic"]),
)
def test_synthesis_inverts_analysis(
    dims: int, levels: int, sizes: list[int], wavelet: str, boundary: str
) -> None:
    packet = WaveletPacket(wavelet, levels, dims, boundary)  # type: ignore[arg-type]
    limit = {1: 90, 2: 90, 3: 9}[dims]
    shape = [min(n, limit) * packet.stride for n in sizes[:dims]]
    if dims == 3:
        shape = [min(n, 32) for n in shape]
    x = torch.randn(1, 2, *shape, generator=torch.Generator().manual_seed(sum(shape)))
    y = packet.analyze(x)
    assert y.shape == (1, 2 * packet.stride**dims, *[n // packet.stride for n in shape])
    torch.testing.assert_close(packet.synthesize(y), x, atol=2e-5, rtol=0)


@pytest.mark.parametrize("boundary", ["symmetric", "periodic"])
@pytest.mark.parametrize("n", [264, 320, 328, 392, 512, 520, 1016, 1600])
def test_long_signals_in_blocks_equal_one_dense_matrix(boundary: str, n: int) -> None:
    x = torch.randn(1, 1, n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    packet = WaveletPacket("bior4.4", 3, dims=1, boundary=boundary)  # type: ignore[arg-type]
    dense = torch.from_numpy(analysis_matrix("bior4.4", 3, n, boundary))  # type: ignore[arg-type]
    y = packet.analyze(x)
    torch.testing.assert_close(y[0].T.flatten(), dense @ x[0, 0], atol=1e-12, rtol=0)
    torch.testing.assert_close(packet.synthesize(y), x, atol=1e-11, rtol=0)


def test_synthesis_is_as_local_as_its_filters() -> None:
    inverse = synthesis_matrix("bior4.4", 3, 512, "symmetric")
    rows, columns = np.nonzero(inverse)
    assert np.abs(rows - columns).max() < 40  # 4 + 8 + 16 samples of reach, and a block of 8


def test_gradients_flow_to_the_input() -> None:
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    packet = WaveletPacket("bior4.4", 1, dims=2)
    assert torch.autograd.gradcheck(lambda v: packet.synthesize(packet.analyze(v) ** 2), x)


@pytest.mark.parametrize("n", [16, 512])
def test_a_matrix_first_used_without_gradients_serves_with_them(n: int) -> None:
    packet = WaveletPacket("bior6.8", 1, dims=1)
    with torch.inference_mode():
        packet.analyze(torch.zeros(1, 1, n))
    x = torch.ones(1, 1, n, requires_grad=True)
    packet.analyze(x).sum().backward()
    assert x.grad is not None


def test_padding_repeats_the_edge_and_keeps_what_fits() -> None:
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(x, 4, dims=2)
    assert padded.shape == (1, 1, 4, 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(padded, 4, dims=2) is padded


def test_unusable_sizes_and_wavelets_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 8"):
        WaveletPacket().analyze(torch.zeros(1, 1, 12, 16))
    with pytest.raises(InputError, match="symmetric"):
        WaveletPacket("db3", 2).analyze(torch.zeros(1, 1, 16, 16))
