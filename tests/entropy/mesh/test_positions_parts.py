"""The parts under the coder of positions, each against another way to the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from surfaces import bumpy_grid, sphere, with_holes

from nacre.entropy.mesh import functions, mixture, mixture_regression
from nacre.entropy.mesh.features import FEATURE_UNIT
from nacre.entropy.mesh.network_rows import describe
from nacre.entropy.mesh.traversal import corner_vertices, traverse


def test_tables_are_what_their_functions_are() -> None:
    for angle in np.linspace(0, math.pi, 501):
        found = functions.angle_of(abs(math.sin(angle)), math.cos(angle))
        assert found == pytest.approx(angle / (2 * math.pi), abs=1e-6)
    for turns in np.linspace(0.02, 0.48, 101):
        exact = 1 / math.tan(2 * math.pi * turns)
        assert functions.cotangent(turns) == pytest.approx(exact, abs=0.01)
    for steps in range(-61440, 61441, 997):
        assert functions.exp2_steps(steps) == pytest.approx(2.0 ** (steps / 1024), rel=1e-14)
    for value in [*range(1, 3000), 2**40, 2**61 + 12345]:
        assert 0 <= 1024 * math.log2(value) - functions.log2_steps(value) < 2.5
    for z in np.linspace(-31, 31, 777):
        exact = math.exp(-z) / (1 + math.exp(-z)) if z > 0 else 1 / (1 + math.exp(z))
        assert mixture.tail(z) == pytest.approx(exact, rel=2e-4)
    for z in (-math.inf, -1e300, math.nan, 40.0, math.inf):
        assert 0 <= mixture.tail(z) <= 1
    assert functions.angle_of(0.0, 0.0) == 0
    assert functions.exp2_steps(10**9) == 2.0**60


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_factors_and_conditions_are_those_of_a_gaussian(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    variances, mean, point = rng.exponential(20, 3), rng.normal(size=3), rng.normal(size=3)
    factor = np.zeros(6)
    mixture.set_factor(factor, frame, *variances, 0.03)
    lower = np.zeros((3, 3))
    lower[np.tril_indices(3)] = factor
    covariance = frame.T @ np.diag(variances) @ frame + 0.03 * np.eye(3)
    assert lower @ lower.T == pytest.approx(covariance)
    for axis in range(3):
        within, cross = covariance[:axis, :axis], covariance[axis, :axis]
        weights = np.linalg.solve(within, cross) if axis else np.zeros(0)
        found, sigma = mixture.condition(axis, mean, factor, point)
        assert found == pytest.approx(mean[axis] + weights @ (point - mean)[:axis])
        assert sigma**2 == pytest.approx(covariance[axis, axis] - weights @ cross)


def test_flat_covariances_have_a_factor() -> None:
    factor = np.zeros(6)
    mixture.set_factor(factor, np.eye(3), 0.0, 1e18, 0.0, 0.05)
    assert np.isfinite(factor).all()
    assert (factor[[0, 2, 5]] > 0).all()


def test_regression_solves_the_weighted_least_squares() -> None:
    rng = np.random.default_rng(1)
    size, keep, ridge = 5, 0.9, 2.0
    towards = rng.normal(size=size)
    moments, work, weights = np.zeros((6, 6)), np.zeros((6, 6)), np.zeros(size)
    rows, targets = [], []
    for number in range(40):
        vectors, target, weight = rng.normal(size=(size, 3)), rng.normal(size=3), rng.random() + 0.1
        mixture_regression.learn(moments, vectors, target, keep, weight, size)
        scale = math.sqrt(weight * keep ** (39 - number))
        rows.append(scale * vectors.T)
        targets.append(scale * target)
    mixture_regression.solve(moments, ridge, towards, work, weights, size)
    a, b = np.concatenate(rows), np.concatenate(targets)
    extra = np.diag(ridge + 1e-6 * np.diag(a.T @ a))
    exact = np.linalg.solve(a.T @ a + extra, a.T @ b + extra @ towards)
    assert weights == pytest.approx(exact)


def test_regression_survives_nonsense() -> None:
    moments, work, weights = np.full((6, 6), math.nan), np.zeros((6, 6)), np.zeros(5)
    mixture_regression.solve(moments, 1.0, np.zeros(5), work, weights, 5)
    assert (np.abs(weights) <= 16).all()


@pytest.mark.parametrize("seed", range(4))
def test_every_vertex_is_met_once_behind_a_known_gate(seed: int) -> None:
    keep = np.random.default_rng(seed).random(2 * 12 * 9) < (1.0, 0.9, 0.7, 0.4)[seed]
    surface = with_holes(12, 9, keep)
    order, gates = traverse(surface)
    at = corner_vertices(surface)
    assert sorted(order) == list(range(surface.used))
    assert np.array_equal(at[gates], order)
    rank = np.argsort(order)
    seeds = 0
    for vertex, gate in zip(order, gates, strict=True):
        beyond = surface.opposite[gate]
        triangle = [] if beyond < 0 else at[beyond - beyond % 3 : beyond - beyond % 3 + 3]
        seeds += len(triangle) == 0 or rank[triangle].max() >= rank[vertex]
    components = len(np.unique(component_of(surface.triangles)))
    assert seeds <= 3 * components


def component_of(triangles: np.ndarray) -> np.ndarray:
    """The least copy that each triangle's component has."""
    name = np.arange(triangles.max() + 1)
    while True:
        least = name[triangles].min(axis=1)
        new = name.copy()
        np.minimum.at(new, triangles.ravel(), np.repeat(least, 3))
        if np.array_equal(new, name):
            return least
        name = new


def test_views_are_those_of_plain_loops() -> None:
    surface, lattice = sphere(2, 300.0)
    rows = describe(surface, lattice)
    order, at = traverse(surface).order, corner_vertices(surface)
    rank = np.argsort(order)
    assert len(rows.vertex) == len(lattice) - 3
    for n, vertex in enumerate(rows.vertex):
        points = []
        for corner in np.flatnonzero(at == vertex):
            beyond = surface.opposite[corner]
            triangle = at[beyond - beyond % 3 : beyond - beyond % 3 + 3]
            if rank[triangle].max() < rank[vertex]:
                points.append(lattice[triangle].sum(axis=0) - 2 * lattice[at[beyond]])
        missed = lattice[vertex] - np.mean(points, axis=0)
        frame = rows.frame[n]
        assert rows.residual[n] == pytest.approx(frame @ missed)
        assert frame @ frame.T == pytest.approx(np.eye(3))
        assert np.linalg.det(frame) == pytest.approx(1)
        assert rows.features[n, 71] == 1024 * len(points)
        scale = rows.scale[n]
        gate = np.sign(rows.features[n, :3]) * np.expm1(abs(rows.features[n, :3]) / FEATURE_UNIT)
        nearest = min(
            np.abs(frame @ (p - np.mean(points, axis=0)) - gate * scale / 4).max() for p in points
        )
        assert nearest < 0.01 * scale


def test_the_view_turns_with_the_mesh() -> None:
    surface, lattice = bumpy_grid(12, 12, 3000.0)
    turned = lattice[:, [1, 2, 0]] * [1, -1, -1] + [5, 6, 7]
    one, other = describe(surface, lattice), describe(surface, turned)
    assert one.residual == pytest.approx(other.residual, abs=1e-6)
    assert np.abs(one.features.astype(int) - other.features).max() <= 24


def test_nothing_is_contracted_to_a_fused_multiply_add() -> None:
    places = {
        mixture.set_factor: (np.zeros(6), np.eye(3), 1.0, 1.0, 1.0, 0.1),
        mixture.condition: (2, np.zeros(3), np.ones(6), np.zeros(3)),
        mixture.tail: (0.5,),
        functions.angle_of: (0.5, 0.5),
        mixture_regression.solve: (np.eye(6), 1.0, np.zeros(5), np.zeros((6, 6)), np.zeros(5), 5),
        mixture_regression.learn: (np.eye(6), np.ones((5, 3)), np.ones(3), 0.9, 1.0, 5),
    }
    for function, arguments in places.items():
        # As ``compiled`` does, but not from the cache, which keeps no assembly.
        fresh = njit(nogil=True, _nrt=False)(function.py_func)
        fresh(*arguments)
        (text,) = fresh.inspect_asm().values()
        assert "mul" in text or "div" in text
        assert "fmadd" not in text
        assert "fmsub" not in text
        assert "fmla" not in text
