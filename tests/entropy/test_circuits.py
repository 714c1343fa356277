"""Hidden Chow-Liu trees: queries against enumeration, structure and EM against plain loops."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy.circuits import queries
from nacre.entropy.circuits.model import HCLT, children_of, depth_first, make_hclt, random_hclt
from nacre.errors import InputError

Floats = npt.NDArray[np.float64]


@st.composite
def small_circuits(draw: st.DrawFn) -> HCLT:
    return random_hclt(
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
        draw(st.integers(2, 3)),
        draw(st.integers(0, 10_000)),
    )


def grid(size: int, values: int) -> npt.NDArray[np.int64]:
    """All ``values ** size`` tuples."""
    return np.array(list(itertools.product(range(values), repeat=size)))


def joint(circuit: HCLT) -> Floats:
    """P(x, z) of every item and every hidden state: ``[K^V, M^V]``, by the definition."""
    items = grid(circuit.variables, circuit.values)
    hidden = grid(circuit.variables, circuit.states)
    table = np.ones((len(items), len(hidden)))
    for variable, parent in enumerate(circuit.parents):
        own = hidden[:, variable]
        table *= (
            circuit.root[own] if parent < 0 else circuit.weights[variable][hidden[:, parent], own]
        )
        table *= circuit.emissions[variable][items[:, variable][:, None], own[None, :]]
    return table


def question(circuit: HCLT, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """An item and which of its variables are observed."""
    rng = np.random.default_rng(seed)
    item = rng.integers(0, circuit.values, circuit.variables).astype(np.uint8)
    return item, rng.random(circuit.variables) < 0.5


def agreeing(circuit: HCLT, item: npt.NDArray[np.uint8], seen: npt.NDArray[np.bool_]) -> Floats:
    """1.0 for every item of the grid that equals ``item`` where it is seen."""
    items = grid(circuit.variables, circuit.values)
    return (items[:, seen] == item[seen]).all(axis=1).astype(np.float64)


def test_an_order_visits_parents_first_and_large_subtrees_first() -> None:
    circuit = random_hclt(60, 2, 2, seed=5)
    children = children_of(circuit.parents)

    def size(variable: int) -> int:
        return 1 + sum(size(child) for child in children[variable])

    def walk(variable: int) -> list[int]:
        ordered = sorted(children[variable], key=lambda child: (-size(child), child))
        return [variable, *(other for child in ordered for other in walk(child))]

    root = int(np.flatnonzero(circuit.parents < 0)[0])
    assert circuit.order.tolist() == walk(root)


@pytest.mark.parametrize(
    "parents",
    [[0], [1, 0], [-1, -1], [-1, 2, 1], [-1, 5], [-1, -2], [1, 2, 0]],
    ids=str,
)
def test_what_is_no_tree_is_refused(parents: list[int]) -> None:
    with pytest.raises(InputError, match="not a tree"):
        depth_first(np.array(parents, np.int32))


def test_what_is_no_circuit_is_refused() -> None:
    circuit = random_hclt(4, 3, 2, seed=1)
    with pytest.raises(InputError, match="weights is"):
        replace(circuit, weights=circuit.weights[:3])
    with pytest.raises(InputError, match="emissions is float32"):
        replace(circuit, emissions=circuit.emissions.astype(np.float32))
    with pytest.raises(InputError, match="emissions: distributions must sum to 1"):
        replace(circuit, emissions=circuit.emissions * 1.01)
    with pytest.raises(InputError, match="root holds"):
        replace(circuit, root=np.array([1.5, -0.5, 0.0]))
    with pytest.raises(InputError, match="root holds"):
        replace(circuit, root=np.array([np.nan, 0.5, 0.5]))
    with pytest.raises(InputError, match="order is not"):
        replace(circuit, order=circuit.order[::-1].copy())


@settings(max_examples=25, deadline=None)
@given(small_circuits())
def test_likelihoods_are_those_of_enumeration(circuit: HCLT) -> None:
    items = grid(circuit.variables, circuit.values).astype(np.uint8)
    logs = queries.log_likelihood(circuit, items)
    np.testing.assert_allclose(np.exp(logs), joint(circuit).sum(axis=1), rtol=1e-9)
    assert np.exp(logs).sum() == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(small_circuits(), st.integers(0, 1000))
def test_missing_variables_are_summed_out(circuit: HCLT, seed: int) -> None:
    item, seen = question(circuit, seed)
    expected = (joint(circuit).sum(axis=1) * agreeing(circuit, item, seen)).sum()
    ruined = np.where(seen, item, 255).astype(np.uint8)  # what is missing is not looked at
    logs = queries.log_likelihood(circuit, ruined[None], seen)
    np.testing.assert_allclose(np.exp(logs), [expected], rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(small_circuits(), st.integers(0, 1000))
def test_marginals_and_hidden_marginals(circuit: HCLT, seed: int) -> None:
    item, seen = question(circuit, seed)
    table = joint(circuit) * agreeing(circuit, item, seen)[:, None]
    table /= table.sum()
    items, hidden = (grid(circuit.variables, n) for n in (circuit.values, circuit.states))
    found = queries.marginals(circuit, item[None], seen)[0]
    states = queries.hidden_marginals(circuit, item[None], seen)[0]
    for variable in range(circuit.variables):
        for value in range(circuit.values):
            chance = table[items[:, variable] == value].sum()
            assert found[variable, value] == pytest.approx(chance, abs=1e-9)
        for state in range(circuit.states):
            chance = table[:, hidden[:, variable] == state].sum()
            assert states[variable, state] == pytest.approx(chance, abs=1e-9)
    some = np.array([circuit.variables - 1])
    assert (queries.marginals(circuit, item[None], seen, some)[0] == found[some]).all()


@settings(max_examples=25, deadline=None)
@given(small_circuits(), st.integers(0, 1000), st.integers(0, 1000))
def test_conditionals(circuit: HCLT, seed: int, other: int) -> None:
    item, given_ = question(circuit, seed)
    _, target = question(circuit, other)
    chance = joint(circuit).sum(axis=1)
    below = (chance * agreeing(circuit, item, given_)).sum()
    both = (chance * agreeing(circuit, item, given_ | target)).sum()
    found = queries.conditional_log_likelihood(circuit, item[None], target, given_)
    np.testing.assert_allclose(np.exp(found), [both / below], rtol=1e-9)
    plain = queries.conditional_log_likelihood(circuit, item[None], target)
    alone = queries.log_likelihood(circuit, item[None], target)
    np.testing.assert_allclose(plain, alone, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(small_circuits(), st.integers(0, 1000))
def test_the_most_probable_completion(circuit: HCLT, seed: int) -> None:
    item, seen = question(circuit, seed)
    table = joint(circuit) * agreeing(circuit, item, seen)[:, None]
    filled, state, logs = queries.most_probable(circuit, item[None], seen)
    assert np.exp(logs[0]) == pytest.approx(table.max(), rel=1e-9)
    place = [
        int(np.ravel_multi_index(tuple(row[0]), (size,) * circuit.variables))
        for row, size in ((filled, circuit.values), (state, circuit.states))
    ]
    assert table[place[0], place[1]] == pytest.approx(table.max(), rel=1e-9)
    assert (queries.complete(circuit, item[None], seen) == filled).all()


@settings(max_examples=25, deadline=None)
@given(small_circuits(), st.integers(0, 1000))
def test_completions_variable_by_variable(circuit: HCLT, seed: int) -> None:
    item, seen = question(circuit, seed)
    chance = queries.marginals(circuit, item[None], seen)[0]
    mode = queries.complete(circuit, item[None], seen, "mode")[0]
    mean = queries.complete(circuit, item[None], seen, "mean")[0]
    assert (mode[seen] == item[seen]).all()
    assert (mean[seen] == item[seen]).all()
    assert np.allclose(chance[np.arange(len(mode)), mode], chance.max(axis=1))
    assert (np.abs(mean - chance @ np.arange(circuit.values)) <= 0.5 + 1e-9).all()


def test_samples_have_the_circuits_distribution() -> None:
    circuit = random_hclt(3, 3, 2, seed=4)
    drawn = queries.sample(circuit, 40_000, seed=1)
    numbers = np.bincount(drawn @ np.array([4, 2, 1]), minlength=8) / len(drawn)
    expected = joint(circuit).sum(axis=1)
    assert np.abs(numbers - expected).max() < 0.015  # six deviations of the largest
    assert (
        queries.sample(circuit, 50, seed=1)[:5] != queries.sample(circuit, 50, seed=2)[:5]
    ).any()


def test_samples_under_a_condition() -> None:
    circuit = random_hclt(4, 3, 2, seed=8)
    item, seen = np.array([1, 0, 1, 0], np.uint8), np.array([True, False, True, False])
    drawn = queries.sample(circuit, 40_000, 3, item, seen)
    assert (drawn[:, seen] == item[seen]).all()
    expected = queries.marginals(circuit, item[None], seen)[0]
    assert np.abs(drawn.mean(axis=0) - expected[:, 1]).max() < 0.015
    both = queries.log_likelihood(circuit, np.array([[1, 1, 1, 1]], np.uint8))
    given_ = queries.log_likelihood(circuit, item[None], seen)
    together = (drawn[:, 1] & drawn[:, 3]).mean()
    assert together == pytest.approx(float(np.exp(both - given_)[0]), abs=0.015)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = random_hclt(30, 8, 16, seed=2)
    items = queries.sample(circuit, 40, seed=0)
    seen = np.random.default_rng(0).random(items.shape) < 0.5
    whole = [
        queries.log_likelihood(circuit, items, seen),
        queries.marginals(circuit, items, seen),
        queries.complete(circuit, items, seen),
    ]
    monkeypatch.setattr(queries, "BATCH_BYTES", 30_000)
    assert len(list(queries._batches(circuit, 40))) > 4
    np.testing.assert_allclose(queries.log_likelihood(circuit, items, seen), whole[0], rtol=1e-12)
    np.testing.assert_allclose(queries.marginals(circuit, items, seen), whole[1], atol=1e-12)
    assert (queries.complete(circuit, items, seen) == whole[2]).all()


def test_long_trees_neither_underflow_nor_lose_what_is_impossible() -> None:
    circuit = random_hclt(3000, 4, 8, seed=6)
    items = queries.sample(circuit, 3, seed=0)
    logs = queries.log_likelihood(circuit, items)
    assert np.isfinite(logs).all()
    assert (logs < -1500).all()  # far below float64's smallest, exp(-745)
    marked = circuit.emissions.copy()
    marked[7, 0] = 0
    marked[7] /= marked[7].sum(axis=0)
    never = make_hclt(circuit.parents, circuit.root, circuit.weights, marked)
    items[:, 7] = 0
    assert (queries.log_likelihood(never, items) == -np.inf).all()
    for ask in (
        lambda: queries.marginals(never, items),
        lambda: queries.most_probable(never, items),
        lambda: queries.sample(never, 3, 0, items),
        lambda: queries.conditional_log_likelihood(
            never, items, ~np.eye(3000, dtype=bool)[7], np.eye(3000, dtype=bool)[7]
        ),
    ):
        with pytest.raises(InputError, match="probability 0"):
            ask()


def test_what_does_not_fit_is_refused() -> None:
    circuit = random_hclt(4, 2, 3, seed=0)
    items = np.zeros((2, 4), np.uint8)
    with pytest.raises(InputError, match=r"expected integers \[N, 4\]"):
        queries.log_likelihood(circuit, items[:, :3])
    with pytest.raises(InputError, match="items are float64"):
        queries.log_likelihood(circuit, items.astype(np.float64))
    with pytest.raises(InputError, match=r"not in 0\.\.2"):
        queries.log_likelihood(circuit, items + 3)
    with pytest.raises(InputError, match="observed is"):
        queries.log_likelihood(circuit, items, np.ones((3, 4), bool))
    with pytest.raises(InputError, match="no way"):
        queries.complete(circuit, items, np.ones(4, bool), "median")
    with pytest.raises(InputError, match="-1 items"):
        queries.sample(circuit, -1, 0)
    assert queries.sample(circuit, 0, 0).shape == (0, 4)
    assert queries.log_likelihood(circuit, items[:0]).shape == (0,)
