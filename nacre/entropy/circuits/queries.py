"""Exact questions to a hidden Chow-Liu tree: likelihood, marginals, samples, completions.

All take time linear in the circuit, V · M · (M + K) for an item at most, and are exact but for
float64's rounding. One query is out of reach: the most probable *values* of the missing variables,
hidden ones summed out, is NP-hard in such trees. :func:`most_probable` maximises over values and
hidden states together, which max-product does exactly; :func:`complete` also offers the most
probable value of every variable by itself, and its mean.

Everywhere, ``items`` are integers ``[N, V]`` and ``observed`` is a Boolean array of that shape (or
one that broadcasts to it, such as ``[V]``): False where a variable is missing, whatever ``items``
holds there. None means that all are observed. Work is done in batches of bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.circuits.model import HCLT, Floats
from nacre.errors import InputError

BATCH_BYTES = 48 << 20
"""About the memory for the messages of a batch of items."""

Items = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Messages = list[Floats]
"""``[n, M]`` for every variable."""


def log_likelihood(circuit: HCLT, items: Items, observed: Mask | None = None) -> Floats:
    """Logarithm of the probability of what is observed, in nats: ``[N]``; -inf where it is 0.

    Raises:
        InputError: the shapes do not fit, or an observed value is out of range.
    """
    items, seen = _checked(circuit, items, observed)
    logs = np.empty(len(items))
    for part in _batches(circuit, len(items)):
        _, _, logs[part] = _upward(circuit, items[part], seen[part])
    return logs


def conditional_log_likelihood(
    circuit: HCLT, items: Items, target: Mask, given: Mask | None = None
) -> Floats:
    """Logarithm of ``P(target | given)`` in nats: ``[N]``.

    Args:
        circuit: a tree.
        items: ``[N, V]``.
        target: the variables whose values are asked for.
        given: those that are known; None: no others. Variables of neither are summed out.

    Raises:
        InputError: as :func:`log_likelihood`, or what is given has the probability 0.
    """
    known = np.zeros(circuit.variables, bool) if given is None else given
    below = log_likelihood(circuit, items, known)
    if not np.isfinite(below).all():
        raise _impossible()
    both: Floats = log_likelihood(circuit, items, np.asarray(target, bool) | known) - below
    return both


def marginals(
    circuit: HCLT,
    items: Items,
    observed: Mask | None = None,
    variables: npt.NDArray[np.integer[Any]] | None = None,
) -> Floats:
    """The distribution of every variable given what is observed: ``[N, len(variables), K]``.

    An observed variable has its value with certainty.

    Args:
        circuit: a tree.
        items: ``[N, V]``.
        observed: see above.
        variables: which are asked for; None is all of them.

    Raises:
        InputError: as :func:`log_likelihood`, or what is observed has the probability 0.
    """
    items, seen = _checked(circuit, items, observed)
    asked = np.arange(circuit.variables) if variables is None else np.asarray(variables)
    result = np.zeros((len(items), len(asked), circuit.values))
    for part in _batches(circuit, len(items)):
        posterior = _posteriors(circuit, items[part], seen[part])
        for place, variable in enumerate(asked):
            view = result[part, place]
            known = seen[part, variable]
            view[:] = posterior[variable] @ circuit.emissions[variable].T
            view[known] = 0
            view[known, items[part, variable][known]] = 1
    return result


def hidden_marginals(circuit: HCLT, items: Items, observed: Mask | None = None) -> Floats:
    """The distribution of every hidden variable given what is observed: ``[N, V, M]``.

    Raises:
        InputError: as :func:`marginals`.
    """
    items, seen = _checked(circuit, items, observed)
    result = np.empty((len(items), circuit.variables, circuit.states))
    for part in _batches(circuit, len(items)):
        result[part] = np.stack(_posteriors(circuit, items[part], seen[part]), axis=1)
    return result


def sample(
    circuit: HCLT,
    count: int,
    seed: int,
    given: Items | None = None,
    observed: Mask | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw items, uint8 ``[count, V]``; the same for the same seed.

    Args:
        circuit: a tree.
        count: how many.
        seed: of everything random.
        given: ``[V]``, or ``[count, V]`` for each its own: values that the observed variables have.
        observed: where ``given`` holds; None with ``given`` means everywhere.

    Raises:
        InputError: as :func:`marginals`, or ``count`` is negative.
    """
    if count < 0:
        raise InputError(f"cannot draw {count} items")
    if given is None:
        given, observed = np.zeros(circuit.variables, np.uint8), np.zeros(circuit.variables, bool)
    given = np.asarray(given)
    given = np.broadcast_to(given, (count, *given.shape[-1:]))
    items, seen = _checked(circuit, given, observed)
    drawn = items.copy()
    rng = np.random.default_rng(seed)
    for part in _batches(circuit, count):
        below, _, logs = _upward(circuit, items[part], seen[part])
        if not np.isfinite(logs).all():
            raise _impossible()
        state: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)] * circuit.variables
        for variable in circuit.order:
            parent = circuit.parents[variable]
            prior = circuit.root if parent < 0 else circuit.weights[variable][state[parent]]
            state[variable] = _draw(prior * below[variable], rng)
            value = _draw(circuit.emissions[variable].T[state[variable]], rng)
            drawn[part, variable] = np.where(seen[part, variable], drawn[part, variable], value)
    return drawn.astype(np.uint8)


def complete(
    circuit: HCLT, items: Items, observed: Mask, how: str = "joint"
) -> npt.NDArray[np.uint8]:
    """Items with their missing variables filled in: uint8 ``[N, V]``.

    Args:
        circuit: a tree.
        items: ``[N, V]``.
        observed: False where a variable is to be filled in.
        how: ``"joint"``: the values of :func:`most_probable`. ``"mode"``: every variable's most
            probable value, given what is observed. ``"mean"``: its mean, rounded.

    Raises:
        InputError: as :func:`marginals`, or ``how`` is something else.
    """
    if how == "joint":
        return most_probable(circuit, items, observed)[0]
    if how not in ("mode", "mean"):
        raise InputError(f"no way to complete items called {how!r}; there are joint, mode and mean")
    items, seen = _checked(circuit, items, observed)
    filled = items.copy()
    level = np.arange(circuit.values)
    for part in _batches(circuit, len(items)):
        posterior = _posteriors(circuit, items[part], seen[part])
        for variable in range(circuit.variables):
            missing = ~seen[part, variable]
            if not missing.any():
                continue
            chance = posterior[variable][missing] @ circuit.emissions[variable].T
            value = chance.argmax(axis=1) if how == "mode" else np.rint(chance @ level)
            filled[part, variable][missing] = value
    return filled.astype(np.uint8)


def most_probable(
    circuit: HCLT, items: Items, observed: Mask | None = None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32], Floats]:
    """The most probable values of missing *and hidden* variables together (max-product).

    Returns:
        Items, uint8 ``[N, V]``; hidden states, int32 ``[N, V]``; and the logarithm of the
        probability of both in nats, ``[N]``.

    Raises:
        InputError: as :func:`marginals`.
    """
    items, seen = _checked(circuit, items, observed)
    filled, state = items.copy(), np.zeros(items.shape, np.int32)
    logs = np.empty(len(items))
    likeliest = circuit.emissions.argmax(axis=1)
    peak = circuit.emissions.max(axis=1)
    for part in _batches(circuit, len(items), circuit.states):
        best, logs[part] = _best_states(circuit, items[part], seen[part], peak, state[part])
        for variable in circuit.order[1:]:
            above = state[part, circuit.parents[variable]]
            state[part, variable] = np.take_along_axis(best[variable], above[:, None], 1)[:, 0]
        for variable in range(circuit.variables):
            missing = ~seen[part, variable]
            chosen = likeliest[variable][state[part, variable]]
            filled[part, variable][missing] = chosen[missing]
    return filled.astype(np.uint8), state, logs


def _best_states(
    circuit: HCLT, items: Items, seen: Mask, peak: Floats, state: npt.NDArray[np.int32]
) -> tuple[list[npt.NDArray[np.int32]], Floats]:
    """Max-product upward; sets the root's column of ``state``.

    Returns:
        For every variable but the root its best state for every state of its parent, ``[n, M]``,
        and the logarithms of the probabilities of the best of all.
    """
    best = [np.empty(0, np.int32)] * circuit.variables
    below = _evidence(circuit, items, seen, peak)
    logs = np.zeros(len(items))
    for variable in circuit.order[:0:-1]:
        logs += _rescale(below[variable])
        joint = circuit.weights[variable] * below[variable][:, None, :]
        best[variable] = joint.argmax(axis=2).astype(np.int32)
        below[circuit.parents[variable]] *= joint.max(axis=2)
    root = circuit.order[0]
    logs += _rescale(below[root])
    joint = circuit.root * below[root]
    state[:, root] = joint.argmax(axis=1)
    with np.errstate(divide="ignore"):
        logs += np.log(joint.max(axis=1))
    if not np.isfinite(logs).all():
        raise _impossible()
    return best, logs


def _evidence(circuit: HCLT, items: Items, seen: Mask, missing: Floats | None = None) -> Messages:
    """What every variable by itself says of its hidden state; ``missing`` ``[V, M]`` or ones."""
    messages = []
    for variable in range(circuit.variables):
        message = circuit.emissions[variable][items[:, variable]]
        message[~seen[:, variable]] = 1.0 if missing is None else missing[variable]
        messages.append(message)
    return messages


def _upward(circuit: HCLT, items: Items, seen: Mask) -> tuple[Messages, Messages, Floats]:
    """Evidence in and under every variable for its states, the same for its parent's, and logs.

    The first are rescaled by their maximum, ``passed`` accordingly; ``logs`` is the logarithm of
    the probability of it all.
    """
    below = _evidence(circuit, items, seen)
    passed: Messages = [np.empty(0)] * circuit.variables
    logs = np.zeros(len(items))
    for variable in circuit.order[:0:-1]:
        logs += _rescale(below[variable])
        passed[variable] = below[variable] @ circuit.weights[variable].T
        below[circuit.parents[variable]] *= passed[variable]
    root = circuit.order[0]
    logs += _rescale(below[root])
    with np.errstate(divide="ignore"):
        logs += np.log(below[root] @ circuit.root)
    return below, passed, logs


def _rescale(message: Floats) -> Floats:
    """Divide rows by their largest entry; its logarithms (-inf for a row of zeros)."""
    largest = message.max(axis=1)
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(largest)
    message /= np.where(largest > 0, largest, 1.0)[:, None]
    return logs


def _posteriors(circuit: HCLT, items: Items, seen: Mask) -> Messages:
    """The distribution of every hidden variable given what is seen."""
    below, passed, logs = _upward(circuit, items, seen)
    if not np.isfinite(logs).all():
        raise _impossible()
    root = circuit.order[0]
    below[root] *= circuit.root
    below[root] /= below[root].sum(axis=1, keepdims=True)
    for variable in circuit.order[1:]:
        above, message = below[circuit.parents[variable]], passed[variable]
        share = np.divide(above, message, out=np.zeros_like(above), where=message > 0)
        below[variable] *= share @ circuit.weights[variable]
        below[variable] /= below[variable].sum(axis=1, keepdims=True)
    return below


def _draw(weights: Floats, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """One index per row, with chances in proportion to ``weights`` ``[n, M]``."""
    sums = weights.cumsum(axis=1)
    target = rng.random(len(weights)) * sums[:, -1]
    chosen: npt.NDArray[np.int64] = (sums <= target[:, None]).sum(axis=1)
    return chosen


def _batches(circuit: HCLT, count: int, factor: int = 0) -> Iterator[slice]:
    """Slices of items; ``factor`` counts further ``[n, M]`` arrays of one variable."""
    item = 8 * circuit.states * (2 * circuit.variables + factor) + 16 * circuit.values
    size = max(1, BATCH_BYTES // item)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _checked(circuit: HCLT, items: Items, observed: Mask | None) -> tuple[Items, Mask]:
    """Items as int64, zero where they are missing, and a mask of their shape."""
    items = np.asarray(items)
    if items.ndim != 2 or items.shape[1] != circuit.variables or items.dtype.kind not in "ui":
        found = f"{items.dtype} {list(items.shape)}"
        raise InputError(f"items are {found}; expected integers [N, {circuit.variables}]")
    shown = np.ones(items.shape, bool) if observed is None else np.asarray(observed, bool)
    try:
        seen = np.broadcast_to(shown, items.shape)
    except ValueError:
        found = f"{list(shown.shape)}; expected {list(items.shape)}"
        raise InputError(f"observed is {found}") from None
    whole = np.where(seen, items, 0).astype(np.int64)
    if whole.size and not 0 <= whole.min() <= whole.max() < circuit.values:
        raise InputError(f"an observed value is not in 0..{circuit.values - 1}")
    return whole, seen


def _impossible() -> InputError:
    return InputError("the circuit gives what is observed the probability 0")
