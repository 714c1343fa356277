from collections.abc import Iterator

import numpy as np
import pytest
import torch

from nacre.entropy import coder, estimate, priors
from nacre.errors import InputError

pytest.importorskip("compressai")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def test_a_factorised_prior_codes_at_the_rate_it_estimates() -> None:
    """Four channels: a wide Gaussian, a Laplacian, two lumps, and one that is nearly constant."""
    count = 20_000
    lumps = torch.where(torch.rand(count) < 0.3, -9.0, 6.0) + torch.randn(count)
    columns = [
        5 * torch.randn(count) + 0.3,
        torch.distributions.Laplace(0.0, 1.5).sample((count,)),
        lumps,
        0.2 * torch.randn(count),
    ]
    latents = torch.stack(columns, dim=1)
    prior = priors.fit_factorized(latents, steps=300, batch=1024)
    tables = priors.factorized_tables(prior)
    assert tables.count == 4

    with torch.no_grad():
        estimated = float(priors.rate(prior(latents)[1]))
    symbols = np.round(latents.numpy() - priors.medians(prior)).astype(np.int32)
    table = np.tile(np.arange(4), count)
    data = coder.encode(symbols.ravel(), table, tables)
    assert abs(8 * len(data) / estimated - 1) < 0.01
    assert np.array_equal(coder.decode(data, table, tables).reshape(-1, 4), symbols)

    # The model is no empty promise either: near the entropy of the symbols themselves.
    entropy = 0.0
    for column in symbols.T:
        shares = np.unique(column, return_counts=True)[1] / count
        entropy -= count * float((shares * np.log2(shares)).sum())
    assert 8 * len(data) < 1.05 * entropy


def test_a_gaussian_scale_table_codes_at_the_rate_it_estimates() -> None:
    """Scales of eight groups are learned through the conditional's likelihood, then coded."""
    truth = torch.tensor([0.15, 0.3, 0.6, 1.0, 2.0, 4.0, 8.0, 16.0])
    latents = torch.randn(4000, 8) * truth
    prior = priors.gaussian_prior(np.geomspace(0.11, 64, 64).tolist())
    logs = torch.zeros(8, requires_grad=True)
    optimizer = torch.optim.Adam([logs], lr=0.1)
    for _ in range(150):
        rows = latents[torch.randint(len(latents), (512,))]
        loss = priors.rate(prior(rows, logs.exp().expand_as(rows), training=True)[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scales = logs.detach().exp().expand_as(latents)
    symbols = latents.round()
    with torch.no_grad():
        estimated = float(priors.rate(prior(symbols, scales, training=False)[1]))
    tables = priors.gaussian_scale_tables(prior)
    table = prior.build_indexes(scales).numpy().ravel()
    values = symbols.numpy().astype(np.int32).ravel()
    data = coder.encode(values, table, tables)
    assert abs(8 * len(data) / estimated - 1) < 0.01
    assert np.array_equal(coder.decode(data, table, tables), values)
    ideal = estimate.bits(values, table, tables)
    assert 8 * len(data) == pytest.approx(ideal, rel=1e-3)


def test_unusable_latents_are_refused() -> None:
    for shape in ((0, 4), (5,)):
        with pytest.raises(InputError):
            priors.fit_factorized(torch.zeros(shape))
