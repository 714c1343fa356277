"""Positions come back exactly, whatever the surface; damage is refused or survived."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import (
    Int64s,
    bumpy_grid,
    grid_triangles,
    renumbered,
    sphere,
    with_holes,
)

from nacre.entropy.mesh.features import FEATURES
from nacre.entropy.mesh.network import FEATURE_LIMIT, HIDDEN_LIMIT, OUTPUTS, Layer, Network
from nacre.entropy.mesh.positions import decode_positions, encode_positions
from nacre.entropy.mesh.surface import Surface, surface_of
from nacre.errors import FormatError, InputError, ModelError


def some_network() -> Network:
    """Weights at random: bad predictions, but predictions."""
    rng = np.random.default_rng(8)
    sizes = (FEATURES, 16, 16, OUTPUTS)
    limits = (FEATURE_LIMIT, HIDDEN_LIMIT, HIDDEN_LIMIT)
    return Network(
        tuple(
            Layer(
                rng.integers(-99, 100, (rows, columns), dtype=np.int16),
                rng.integers(-99, 100, rows, dtype=np.int32),
                np.full(rows, 9, dtype=np.int32),
                limit,
            )
            for columns, rows, limit in zip(sizes, sizes[1:], limits, strict=False)
        )
    )


NETWORK = some_network()


def box() -> tuple[Surface, Int64s]:
    import trimesh

    mesh = trimesh.creation.box(extents=(40, 30, 20)).subdivide().subdivide()
    surface, old = renumbered(mesh.faces, len(mesh.vertices))
    return surface, np.rint(mesh.vertices[old] * 4).astype(np.int64)


MADE = {
    "sphere": sphere(3, 500.0),
    "grid": bumpy_grid(19, 17, 900.0),
    "box": box(),
    "flat": (bumpy_grid(5, 5, 8.0)[0], np.zeros((25, 3), dtype=np.int64)),
    "far": (bumpy_grid(9, 9, 1e9)[0], bumpy_grid(9, 9, 2e9)[1] - 1_900_000_000),
    "triangle": (surface_of(np.array([[0, 1, 2]], np.int32), 3), np.arange(9).reshape(3, 3)),
    "no faces": (surface_of(np.zeros((0, 3), np.int32), 4), np.arange(12).reshape(4, 3) - 5),
    "nothing": (surface_of(np.zeros((0, 3), np.int32), 0), np.zeros((0, 3), np.int64)),
}


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("name", MADE)
def test_positions_come_back(name: str, effort: int) -> None:
    surface, lattice = MADE[name]
    network = NETWORK if effort == 3 else None
    data = encode_positions(surface, lattice, effort=effort, network=network)
    assert np.array_equal(decode_positions(data, surface, network=network), lattice)
    assert encode_positions(surface, lattice, effort=effort, network=network) == data


NEAR_LIMIT = st.sampled_from([-(2**31), 2**31 - 1, 0])


@given(
    st.integers(2, 6),
    st.integers(2, 6),
    st.integers(0, 2**32 - 1),
    st.floats(0.3, 1.0),
    st.sampled_from([1, 3, 1000, 2**31]),
    st.sampled_from([1, 2, 3]),
)
@settings(max_examples=60, deadline=None)
def test_any_surface_with_any_integers(
    width: int, height: int, seed: int, share: float, size: int, effort: int
) -> None:
    rng = np.random.default_rng(seed)
    surface = with_holes(width, height, rng.random(2 * width * height) < share)
    lattice = rng.integers(-size, size, (surface.vertices, 3))
    network = NETWORK if effort == 3 else None
    data = encode_positions(surface, lattice, effort=effort, network=network)
    assert np.array_equal(decode_positions(data, surface, network=network), lattice)


def test_fans_that_meet_in_a_vertex_share_its_position() -> None:
    keep = np.isin(np.arange(8), [3, 4])
    surface = with_holes(3, 3, keep)
    assert len(surface.vertex) > surface.used
    lattice = np.arange(3 * surface.vertices).reshape(-1, 3) ** 2
    data = encode_positions(surface, lattice)
    assert np.array_equal(decode_positions(data, surface), lattice)


def test_learning_pays() -> None:
    surface, lattice = bumpy_grid(60, 60, 4000.0)
    tables, mixture = (len(encode_positions(surface, lattice, effort=e)) for e in (1, 2))
    assert mixture < 0.85 * tables
    assert 8 * tables < 14 * len(lattice)


def test_repeated_structure_is_nearly_free() -> None:
    surface, lattice = bumpy_grid(60, 60, 0.0)
    y, x = np.divmod(np.arange(3600), 60)
    flat = np.stack([7 * x, 11 * y, 0 * x], axis=1)
    order = renumbered(grid_triangles(60, 60), 3600)[1]
    data = encode_positions(surface, flat[order])
    assert 8 * len(data) < 0.5 * len(lattice)


@given(st.integers(0, 10**6), st.integers(0, 7), st.sampled_from([1, 2, 3]))
@settings(max_examples=120, deadline=None)
def test_flipped_bits_are_refused_or_give_positions(place: int, bit: int, effort: int) -> None:
    surface, lattice = MADE["grid"]
    network = NETWORK if effort == 3 else None
    data = bytearray(encode_positions(surface, lattice, effort=effort, network=network))
    data[place % len(data)] ^= 1 << bit
    try:
        found = decode_positions(bytes(data), surface, network=network)
    except (FormatError, ModelError):
        return
    assert found.shape == lattice.shape
    assert np.abs(found).max() < 2**32


@pytest.mark.parametrize("effort", [1, 2])
def test_cut_or_random_data(effort: int) -> None:
    surface, lattice = MADE["sphere"]
    data = encode_positions(surface, lattice, effort=effort)
    cuts = range(0, len(data), 13)
    refused = 0
    for length in cuts:
        try:
            # Nearly every cut is found; one that is a message of its own cannot be.
            assert decode_positions(data[:length], surface).shape == lattice.shape
        except FormatError:
            refused += 1
    assert refused >= 0.9 * len(cuts)
    with pytest.raises(FormatError):
        decode_positions(data + b"\1", surface)
    rng = np.random.default_rng(4)
    for _ in range(50):
        noise = bytes([effort, 0, 0, 0, 12]) + rng.bytes(600)
        try:
            found = decode_positions(noise, surface)
        except FormatError:
            continue
        assert found.shape == lattice.shape


def test_a_network_that_is_missing_is_named() -> None:
    surface, lattice = MADE["sphere"]
    data = encode_positions(surface, lattice, effort=3, network=NETWORK)
    with pytest.raises(ModelError):
        decode_positions(data, surface)


def test_what_is_no_position_is_refused() -> None:
    surface, lattice = MADE["sphere"]
    for wrong in (lattice[1:], lattice.astype(float), lattice.T):
        with pytest.raises(InputError):
            encode_positions(surface, wrong)
    for value in (2**31, -(2**31) - 1):
        far = lattice.copy()
        far[3, 1] = value
        with pytest.raises(InputError):
            encode_positions(surface, far)
    with pytest.raises(InputError):
        encode_positions(surface, lattice, effort=0)
