"""Peers: every one encodes and decodes a real-sized picture, with the settings it declares."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nacre.bench.metrics import identical, psnr_db
from nacre.bench.peers import BPP, PEERS, find_peer
from nacre.errors import InputError

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).normal(0, 6, (HEIGHT, WIDTH, 3))
    waves = np.stack([128 + 70 * np.sin(x / (5 + k) + y / (9 - k)) for k in range(3)], axis=-1)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", PEERS)
def test_round_trip(name, pixels):
    peer = find_peer(name)
    quality = peer.qualities[-2] if peer.qualities else None
    data = peer.encode(pixels, quality, 1)
    decoded = peer.decode(data, 1)
    assert decoded.shape == pixels.shape
    assert decoded.dtype == np.uint8
    assert len(data) < pixels.nbytes
    if peer.lossless:
        assert identical(pixels, decoded)
    else:
        assert 25 < psnr_db(pixels, decoded) < 60


@pytest.mark.parametrize("name", [name for name in PEERS if PEERS[name].qualities])
def test_more_quality_is_more_bytes_and_less_error(name, pixels):
    peer = find_peer(name)
    files = [peer.encode(pixels, quality, 1) for quality in (peer.qualities[0], peer.qualities[-1])]
    assert len(files[0]) < len(files[1])
    errors = [psnr_db(pixels, peer.decode(data, 1)) for data in files]
    assert errors[0] < errors[1]
    assert list(peer.qualities) == sorted(set(peer.qualities))


def test_more_threads_decode_the_same(pixels):
    for name in ("avif", "jxl"):
        peer = find_peer(name)
        one, two = (peer.encode(pixels, 50, threads) for threads in (1, 2))
        for data in (one, two):
            assert identical(peer.decode(data, 1), peer.decode(data, 2)), name
    assert find_peer("jxl").encode(pixels, 50, 1) == find_peer("jxl").encode(pixels, 50, 2)


def test_jpeg_is_progressive_with_half_chroma(pixels):
    data = find_peer("jpeg").encode(pixels, 75, 1)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["progressive"] == 1
        assert image.layer[0][1:3] == (2, 2)  # luma sampled twice as densely both ways


def test_jpeg2000_is_irreversible_at_the_rate_asked_for(pixels):
    peer = find_peer("jpeg2000")
    assert peer.scale == BPP
    data = peer.encode(pixels, 2.0, 1)
    assert 8 * len(data) / (HEIGHT * WIDTH) == pytest.approx(2.0, rel=0.03)
    style = data.index(b"\xff\x52") + 4  # coding style: progression, layers, colour, ..., wavelet
    assert data[style + 4] == 1, "a colour transform"
    assert data[style + 9] == 0, "the 9/7 wavelet"


def test_avif_has_the_chroma_that_its_name_says(pixels):
    for name, subsampled in (("avif", 3), ("avif-444", 0), ("avif-psnr", 0)):
        data = find_peer(name).encode(pixels, 50, 1)
        configuration = data[data.index(b"av1C") + 6]
        assert configuration >> 2 & 3 == subsampled, name


def test_tuning_avif_for_psnr_helps_psnr(pixels):
    plain, tuned = find_peer("avif-444"), find_peer("avif-psnr")
    assert plain.encode(pixels, 50, 1) != tuned.encode(pixels, 50, 1)


@pytest.mark.parametrize("name", PEERS)
def test_software_has_a_version(name):
    words = find_peer(name).software()
    assert any(character.isdigit() for character in words)
    assert "None" not in words


def test_names_that_are_not_there():
    with pytest.raises(InputError, match="known: jpeg, webp"):
        find_peer("jpg")


@pytest.mark.parametrize(("name", "quality"), [("jpeg", 50.5), ("webp", 101), ("jpeg2000", 0)])
def test_qualities_off_the_scale_are_refused(name, quality, pixels):
    with pytest.raises(InputError, match="expected"):
        find_peer(name).encode(pixels, quality, 1)


# bpp and PSNR of the shared measurements on the 24 pictures of Kodak, lowest quality first.
JPEG_ON_KODAK = [(0.268, 26.67), (0.458, 29.14), (0.615, 30.49), (0.865, 32.17), (1.315, 34.52),
                 (1.768, 36.46), (2.433, 38.86)]  # fmt: skip


def test_jpeg_reproduces_the_published_points(shared_data):
    peer = find_peer("jpeg")
    files = sorted((shared_data / "eval" / "kodak").glob("*.png"))
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    assert len(pictures) == 24
    for quality, (bpp, psnr) in zip(peer.qualities, JPEG_ON_KODAK, strict=True):
        data = [peer.encode(pixels, quality, 1) for pixels in pictures]
        pairs = zip(pictures, data, strict=True)
        errors = [psnr_db(pixels, peer.decode(file, 1)) for pixels, file in pairs]
        rates = [
            8 * len(file) / pixels[..., 0].size for pixels, file in zip(pictures, data, strict=True)
        ]
        assert np.mean(rates) == pytest.approx(bpp, rel=0.01)
        assert np.mean(errors) == pytest.approx(psnr, abs=0.02)
