"""Learning circuits: structure, flows, pruning and growing against plain loops; whole runs."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nacre.entropy.circuits import em, growth, queries, structure
from nacre.entropy.circuits.initial import clustered_parameters, random_parameters
from nacre.entropy.circuits.learning import Epoch, Learned, Plan, Stage, learn
from nacre.entropy.circuits.model import HCLT, random_hclt
from nacre.errors import InputError, ModelError

Items = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def truth() -> HCLT:
    return random_hclt(12, 4, 20, seed=3)


@pytest.fixture(scope="module")
def items(truth: HCLT) -> Items:
    return queries.sample(truth, 3000, seed=1)


def of_items(circuit: HCLT, items: Items) -> tuple[em.Parameters, em.Layout, torch.Tensor]:
    """Parameters, layout, and rows of the items."""
    layout = em.make_layout(circuit.parents, circuit.states, len(items))
    rows = em.rows_of(torch.from_numpy(items), layout, circuit.values)
    return em.to_parameters(circuit, layout), layout, rows


def flows_of(
    parameters: em.Parameters, layout: em.Layout, rows: torch.Tensor
) -> tuple[em.Parameters, torch.Tensor]:
    """Flows of all items together, and their log-likelihoods."""
    flows = em.zeros_like(parameters)
    workspace = em.make_workspace(parameters, rows.shape[1])
    logs = em.upward(parameters, layout, rows, workspace)
    em.downward(parameters, layout, rows, workspace, flows, 1.0)
    return flows, logs


def test_mutual_information_is_what_counting_gives(items: Items) -> None:
    found = structure.mutual_information(items, 20, bins=20)
    for a, b in itertools.combinations(range(6), 2):
        table = np.zeros((20, 20))
        np.add.at(table, (items[:, a], items[:, b]), 1 / len(items))
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = table * np.log(table / np.outer(table.sum(axis=1), table.sum(axis=0)))
        assert found[a, b] == pytest.approx(np.nansum(terms), abs=1e-4)
        assert found[a, b] == found[b, a]
    assert (np.diag(found) == 0).all()


def test_mutual_information_does_not_depend_on_blocks(
    items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = structure.mutual_information(items, 20, bins=10, soft=True)
    monkeypatch.setattr(structure, "BLOCK_BYTES", 1)
    monkeypatch.setattr(structure, "CHUNK", 100)
    parts = structure.mutual_information(items, 20, bins=10, soft=True)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_bins_share_out_every_value() -> None:
    for soft in (False, True):
        table = structure.bin_table(256, 16, soft=soft)
        assert table.shape == (256, 16)
        np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-6)
        assert (table.argmax(axis=1) == np.arange(256) // 16).all()
    assert (structure.bin_table(2, 16) == np.eye(2)).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_spanning_tree_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random((6, 6)).astype(np.float32)
    weights = weights + weights.T
    parents = structure.spanning_tree(weights)
    edges = [(i, int(p)) for i, p in enumerate(parents) if p >= 0]
    total = sum(weights[a, b] for a, b in edges)
    pairs = list(itertools.combinations(range(6), 2))
    best = max(
        sum(weights[a, b] for a, b in tree)
        for tree in itertools.combinations(pairs, 5)
        if _joins_all(tree, 6)
    )
    assert total == pytest.approx(best)
    assert _joins_all(edges, 6)
    depths = [_eccentricity(edges, 6, root) for root in range(6)]
    assert depths[int(np.flatnonzero(parents < 0)[0])] == min(depths)


def _joins_all(edges: list[tuple[int, int]] | tuple[tuple[int, int], ...], count: int) -> bool:
    return _reached(edges, 0, count) == set(range(count))


def _reached(edges: object, start: int, steps: int) -> set[int]:
    seen = {start}
    for _ in range(steps):
        seen |= {b for a, b in edges if a in seen} | {a for a, b in edges if b in seen}  # type: ignore[attr-defined]
    return seen


def _eccentricity(edges: list[tuple[int, int]], count: int, root: int) -> int:
    return next(n for n in range(count) if len(_reached(edges, root, n)) == count)


def test_flows_are_posteriors(truth: HCLT, items: Items) -> None:
    few = items[:40]
    parameters, layout, rows = of_items(truth, few)
    flows, logs = flows_of(parameters, layout, rows)
    exact = queries.log_likelihood(truth, few)
    np.testing.assert_allclose(logs.numpy(), exact, rtol=1e-5)
    posterior = queries.hidden_marginals(truth, few)
    for place, variable in enumerate(layout.places.tolist()):
        expected = np.zeros((truth.values, truth.states))
        np.add.at(expected, few[:, variable], posterior[:, variable])
        np.testing.assert_allclose(flows.emissions[place], expected, atol=1e-4)
        if place:  # an edge's flow leaves its parent's state and enters its child's
            above = posterior[:, truth.parents[variable]].sum(axis=0)
            np.testing.assert_allclose(flows.weights[place].sum(dim=1), above, atol=1e-4)
            within = posterior[:, variable].sum(axis=0)
            np.testing.assert_allclose(flows.weights[place].sum(dim=0), within, atol=1e-4)
    root = posterior[:, layout.places[0]].sum(axis=0)
    np.testing.assert_allclose(flows.root, root, atol=1e-4)


def test_edge_flows_are_those_of_enumeration() -> None:
    circuit = random_hclt(3, 2, 2, seed=9)
    few = queries.sample(circuit, 5, seed=0)
    flows, _ = flows_of(*of_items(circuit, few))
    layout = em.make_layout(circuit.parents, 2, 5)
    for place, variable in enumerate(layout.places.tolist()):
        if not place:
            continue
        expected = np.zeros((2, 2))
        for item in few:
            table = np.zeros((2, 2))
            for z in itertools.product(range(2), repeat=3):
                chance = 1.0
                for v, parent in enumerate(circuit.parents):
                    prior = (
                        circuit.root[z[v]] if parent < 0 else circuit.weights[v][z[parent], z[v]]
                    )
                    chance *= prior * circuit.emissions[v][item[v], z[v]]
                table[z[circuit.parents[variable]], z[variable]] += chance
            expected += table / table.sum()
        np.testing.assert_allclose(flows.weights[place], expected, atol=1e-5)


def test_groups_are_slices_of_a_level_with_different_parents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    circuit = random_hclt(50, 4, 3, seed=2)
    few = queries.sample(circuit, 8, seed=0)
    monkeypatch.setattr(em, "GROUP_FLOATS", 2 * 4 * 8)
    parameters, layout, rows = of_items(circuit, few)
    assert sorted(layout.places.tolist()) == list(range(50))
    for depth in layout.depths:
        for group in depth:
            assert 1 <= group.stop - group.start <= 2
            assert len(set(group.parents.tolist())) == group.stop - group.start
            above = layout.places[group.parents].tolist()
            own = layout.places[group.start : group.stop].tolist()
            assert above == circuit.parents[own].tolist()
    _, logs = flows_of(parameters, layout, rows)
    np.testing.assert_allclose(logs.numpy(), queries.log_likelihood(circuit, few), rtol=1e-5)


def test_full_batches_never_lose_likelihood(truth: HCLT, items: Items) -> None:
    layout = em.make_layout(truth.parents, 4, len(items))
    parameters = random_parameters(items, 20, 4, layout, seed=0)
    rows = em.rows_of(torch.from_numpy(items), layout, 20)
    seen = []
    for _ in range(15):
        flows, logs = flows_of(parameters, layout, rows)
        for tensor in flows.tensors():
            tensor /= len(items)
        seen.append(float(logs.mean()))
        em.maximise(parameters, flows, em.Smoothing(0.0, 0.0))
    assert (np.diff(seen) > -1e-4).all()
    assert seen[-1] > seen[0] + 0.5


def test_smoothing_spreads_but_not_what_stands_out() -> None:
    counts = np.full(32, 100)
    counts[[0, 9]] = 5000
    kernel = em.spreading(counts, 2.0)
    np.testing.assert_allclose(kernel.sum(axis=0), 1, rtol=1e-6)
    assert kernel[0, 0] == kernel[9, 9] == 1
    assert (kernel[9, np.arange(32) != 9] == 0).all()
    assert 0 < kernel[12, 10] < kernel[11, 10] < kernel[10, 10] < 1
    flows = em.Parameters(torch.ones(2), torch.ones(1, 2, 2), torch.zeros(1, 32, 2))
    flows.emissions[0, 15, 0] = flows.emissions[0, 0, 1] = 1.0
    parameters = em.zeros_like(flows)
    em.maximise(parameters, flows, em.Smoothing(0, 0, None, torch.from_numpy(kernel), 0.5))
    assert float(parameters.emissions[0, 0, 1]) == pytest.approx(1)
    peak = (1 + 0.5 * kernel[15, 15]) / 1.5
    assert float(parameters.emissions[0, 15, 0]) == pytest.approx(peak, rel=1e-5)


def test_clusters_are_a_better_start_than_chance(truth: HCLT, items: Items) -> None:
    information = structure.mutual_information(items, 20)
    layout = em.make_layout(structure.spanning_tree(information), 4, 512)
    symbols = torch.from_numpy(items)
    chance = random_parameters(items, 20, 4, layout, seed=0)
    clusters = clustered_parameters(items, 20, 4, layout, information, seed=0)
    em.to_hclt(clusters, layout)  # its arrays are distributions
    means = [float(em.log_likelihoods(p, layout, symbols).mean()) for p in (chance, clusters)]
    assert means[1] > means[0]


def trained(states: int) -> tuple[em.Parameters, em.Parameters, em.Layout, torch.Tensor]:
    """A circuit, its flows for one item, its layout and rows of its own samples."""
    circuit = random_hclt(10, states, 6, seed=4)
    few = queries.sample(circuit, 500, seed=0)
    parameters, layout, rows = of_items(circuit, few)
    flows, _ = flows_of(parameters, layout, rows)
    for tensor in flows.tensors():
        tensor /= len(few)
    return parameters, flows, layout, rows


def test_sorting_states_changes_no_probability() -> None:
    parameters, flows, layout, rows = trained(24)
    workspace = em.make_workspace(parameters, 500)
    before = em.upward(parameters, layout, rows, workspace)
    first = growth.block_flows(flows.weights[1:]).flatten().sort(descending=True).values
    growth.sort_states(parameters, flows, layout)
    after = em.upward(parameters, layout, rows, workspace)
    np.testing.assert_allclose(after, before, rtol=1e-5)
    again, _ = flows_of(parameters, layout, rows)
    np.testing.assert_allclose(again.weights / 500, flows.weights, atol=1e-4)
    blocks = growth.block_flows(flows.weights[1:]).flatten().sort(descending=True).values
    third = len(blocks) // 3
    assert blocks[:third].sum() > first[:third].sum()


@pytest.mark.parametrize("states", [20, 24])
def test_pruning_costs_no_more_than_its_bound(states: int) -> None:
    parameters, flows, layout, rows = trained(states)
    workspace = em.make_workspace(parameters, 500)
    before = em.upward(parameters, layout, rows, workspace)
    whole = parameters.weights.clone()
    dropped = growth.prune(parameters, flows, 0.6)
    assert dropped > 0
    blocks = growth.block_flows(parameters.weights[1:]) > 0
    assert 0.55 < float(blocks.float().mean()) <= 0.65
    assert blocks.any(dim=2).all()
    np.testing.assert_allclose(parameters.weights[1:].sum(dim=2), 1, rtol=1e-5)
    kept = parameters.weights > 0
    cut = em.Parameters(parameters.root, whole * kept, parameters.emissions)
    after = em.upward(cut, layout, rows, workspace)  # an item keeps 1 - its flow, or more
    flow = torch.zeros(500, dtype=torch.float64)
    for item in range(500):
        own, _ = flows_of(
            em.Parameters(parameters.root, whole, parameters.emissions), layout, rows[:, [item]]
        )
        flow[item] = (own.weights[1:] * ~kept[1:]).sum()
    bound = torch.log1p(-flow.clamp(max=1 - 1e-12))
    assert (after - before >= bound - 1e-3).all()
    em.maximise(parameters, flows, em.Smoothing())
    assert (parameters.weights[1:] > 0).equal(kept[1:])  # what was pruned stays so


def test_a_state_that_nothing_reaches_keeps_a_block() -> None:
    parameters, flows, layout, rows = trained(24)
    growth.prune(parameters, flows, 0.6)
    flows.weights[:, 8:16] = 0  # rows of the second block of states
    kept = growth.block_flows(parameters.weights[1:]) > 0
    growth.prune(parameters, flows, 0.4)
    left = growth.block_flows(parameters.weights[1:]) > 0
    assert (left <= kept).all()
    assert left.any(dim=2).all()
    em.maximise(parameters, flows, em.Smoothing())
    assert torch.isfinite(
        em.upward(parameters, layout, rows, em.make_workspace(parameters, 500))
    ).all()


def test_growing_keeps_probabilities_but_for_the_noise() -> None:
    parameters, _, layout, rows = trained(8)
    before = em.upward(parameters, layout, rows, em.make_workspace(parameters, 500))
    for noise, tolerance in ((0.0, 1e-4), (0.02, 0.5)):
        grown = growth.grow(parameters, noise=noise, seed=1)
        assert grown.weights.shape == (10, 16, 16)
        after = em.upward(grown, layout, rows, em.make_workspace(grown, 500))
        np.testing.assert_allclose(after, before, atol=tolerance)
    assert not torch.equal(grown.emissions[:, :, 0::2], grown.emissions[:, :, 1::2])


PLAN = Plan((Stage(8, 4), Stage(16, 6, keep=0.75)), folded=1, batch=200)


def test_a_learned_circuit_comes_near_the_truth(truth: HCLT, items: Items) -> None:
    held = queries.sample(truth, 1000, seed=2)
    reports: list[Epoch] = []
    learned = learn(items, held, 20, PLAN, report=reports.append)
    assert learned is not None
    assert learned.circuit.states == 16
    best = -queries.log_likelihood(truth, held).mean()
    alone = np.log([np.bincount(c, minlength=20) / len(items) + 1e-9 for c in items.T])
    independent = -np.mean([alone[v][held[:, v]] for v in range(12)]) * 12
    assert best < learned.held_nats < best + 0.25 * (independent - best)
    assert reports[-1].number == learned.epochs <= PLAN.epochs
    blocks = growth.block_flows(torch.from_numpy(learned.circuit.weights)) > 0
    assert float(blocks.float().mean()) < 0.85
    exact = -queries.log_likelihood(learned.circuit, items).mean()
    assert exact < learned.held_nats


def test_a_run_in_legs_equals_one_run(items: Items, tmp_path: Path) -> None:
    plan = replace(PLAN, varied=0.3)
    varied: list[int] = []

    def vary(some: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        varied.append(len(some))
        return some[torch.randperm(len(some), generator=draw)]

    def run(checkpoint: Path | None, count: int = 600, plan: Plan = plan) -> Learned | None:
        seconds = None if checkpoint is None else 0
        held = items[600:800]
        return learn(
            items[:count], held, 20, plan, vary=vary, checkpoint=checkpoint, seconds=seconds
        )

    whole = run(None)
    assert whole is not None
    assert len(set(varied)) > 3
    assert 100 < np.mean(varied) < 260
    legs, part = 0, None
    while part is None:
        legs += 1
        part = run(tmp_path / "c")
    assert legs == whole.epochs == part.epochs
    for name in ("parents", "root", "weights", "emissions"):
        assert np.array_equal(getattr(whole.circuit, name), getattr(part.circuit, name)), name
    with pytest.raises(InputError, match="another plan"):
        run(tmp_path / "c", plan=replace(plan, seed=1))
    with pytest.raises(InputError, match="another plan"):
        run(tmp_path / "c", count=500)
    (tmp_path / "c").write_bytes(b"nonsense")
    with pytest.raises(ModelError):
        run(tmp_path / "c")


def test_smoothing_is_chosen_where_there_are_few_items() -> None:
    """Noisy grey levels, 60 items: emissions as counted would rule most values out."""
    rng = np.random.default_rng(0)
    light = rng.integers(0, 2, (360, 1)) * 100 + 60
    noisy = (light + rng.normal(0, 8, (360, 9))).clip(0, 255).astype(np.uint8)
    plan = Plan((Stage(8, 4),), batch=20)
    learned = learn(noisy[:60], noisy[60:], 256, plan)
    assert learned is not None
    bits = learned.held_nats / 9 / math.log(2)
    assert bits < 6.0  # the noise alone has log2(8 · sqrt(2 pi e)) = 5.05
    zeros = (learned.circuit.emissions[:, 40:200] < 1e-6).mean()
    assert zeros < 0.5


def test_too_few_items_are_refused(items: Items) -> None:
    with pytest.raises(InputError, match="too few"):
        learn(items[:1], items[:10], 20, PLAN)
    with pytest.raises(InputError, match="too few"):
        learn(items[:10], items[:0], 20, PLAN)
    with pytest.raises(InputError, match="values below 19"):
        structure.mutual_information(items, 19)
