"""A hidden Chow-Liu tree in floats: what learning makes, queries ask and integer circuits take.

Every variable X_v of an item has a hidden variable Z_v of M states. The hidden variables form a
tree, and X_v depends on Z_v alone (Liu & Van den Broeck, "Tractable Regularization of Probabilistic
Circuits", NeurIPS 2021):

    P(x) = sum over z of  P(z_root) · prod over v of  P(z_v | z_parent(v)) · P(x_v | z_v)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

BLOCK = 8
"""Side of the blocks of ``weights`` that pruning makes zero together."""
SUM_TOLERANCE = 1e-6
"""How far a distribution's sum may be from 1."""

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True)
class HCLT:
    """A hidden Chow-Liu tree over V variables of K values, with M hidden states each.

    Attributes:
        parents: int32 ``[V]``, the parent variable; -1 for the root.
        order: int32 ``[V]``, depth-first: a variable, then its subtrees, large ones first.
        root: ``[M]``, ``P(Z_root)``.
        weights: ``[V, M, M]``, ``weights[v, i, j] = P(Z_v = j | Z_parent = i)``; the root's is not
            used. Blocks of 8 x 8 may be zero (pruned).
        emissions: ``[V, K, M]``, ``emissions[v, x, j] = P(X_v = x | Z_v = j)``.

    Raises:
        InputError: the shapes disagree, ``parents`` is no tree, ``order`` is not its order, or an
            array holds no distributions.
    """

    parents: Int32s
    order: Int32s
    root: Floats
    weights: Floats
    emissions: Floats

    def __post_init__(self) -> None:
        variables, values, states = _shape(self.emissions, 3, "emissions")
        _expect("parents", self.parents, (variables,), np.int32)
        _expect("order", self.order, (variables,), np.int32)
        _expect("root", self.root, (states,), np.float64)
        _expect("weights", self.weights, (variables, states, states), np.float64)
        _expect("emissions", self.emissions, (variables, values, states), np.float64)
        if not np.array_equal(self.order, depth_first(self.parents)):
            raise InputError("order is not the depth-first order of parents; use depth_first()")
        _expect_distributions("root", self.root, axis=0)
        edges = self.parents >= 0
        _expect_distributions("weights", self.weights[edges], axis=2)
        _expect_distributions("emissions", self.emissions, axis=1)

    @property
    def variables(self) -> int:
        """V."""
        return self.emissions.shape[0]

    @property
    def values(self) -> int:
        """K, the number of values a variable has."""
        return self.emissions.shape[1]

    @property
    def states(self) -> int:
        """M."""
        return self.emissions.shape[2]


def make_hclt(parents: Int32s, root: Floats, weights: Floats, emissions: Floats) -> HCLT:
    """An :class:`HCLT` whose order is computed; arrays as there.

    Raises:
        InputError: as :class:`HCLT`.
    """
    parents = np.ascontiguousarray(parents, np.int32)
    arrays = (np.ascontiguousarray(a, np.float64) for a in (root, weights, emissions))
    return HCLT(parents, depth_first(parents), *arrays)


def children_of(parents: Int32s) -> list[list[int]]:
    """The children of every variable, by rising number."""
    children: list[list[int]] = [[] for _ in range(len(parents))]
    for variable, parent in enumerate(parents.tolist()):
        if parent >= 0:
            children[parent].append(variable)
    return children


def depth_first(parents: Int32s) -> Int32s:
    """The order in which a tree is coded: int32 ``[V]``, parents before children.

    Of two subtrees the larger comes first, of equals that of the lower number: one rule, so that
    every part of nacre walks a tree in the same way.

    Raises:
        InputError: ``parents`` (int32 ``[V]``, -1 for the root) is not one tree.
    """
    count = len(parents)
    roots = np.flatnonzero(parents == -1)
    if parents.ndim != 1 or len(roots) != 1 or parents.min() < -1 or parents.max() >= count:
        raise InputError("parents is not a tree: exactly one variable must have the parent -1")
    children = children_of(parents)
    breadth_first = [int(roots[0])]
    for variable in breadth_first:
        breadth_first.extend(children[variable])
    if len(breadth_first) != count:
        raise InputError("parents is not a tree: some variables do not hang on the root")
    size = [1] * count
    for variable in breadth_first[:0:-1]:
        size[parents[variable]] += size[variable]
    order, waiting = [], [int(roots[0])]
    while waiting:
        variable = waiting.pop()
        order.append(variable)
        waiting.extend(sorted(children[variable], key=lambda child: (size[child], -child)))
    return np.array(order, np.int32)


def levels_of(parents: Int32s) -> list[Int32s]:
    """The variables of each depth, from the root down, each int32 and by rising number."""
    order = depth_first(parents)
    depth = np.zeros(len(parents), np.int32)
    for variable in order[1:]:
        depth[variable] = depth[parents[variable]] + 1
    return [np.flatnonzero(depth == d).astype(np.int32) for d in range(int(depth.max()) + 1)]


def random_hclt(variables: int, states: int, categories: int, seed: int) -> HCLT:
    """A random tree with random distributions, the same for the same ``seed``; for tests.

    Args:
        variables: V, at least 1.
        states: M.
        categories: K, the number of values a variable has.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(variables)
    parents = np.full(variables, -1, np.int32)
    for place in range(1, variables):
        parents[shuffled[place]] = shuffled[rng.integers(max(0, place - 4), place)]
    root = rng.dirichlet(np.ones(states))
    weights = rng.dirichlet(np.full(states, 0.3), (variables, states))
    emissions = rng.dirichlet(np.full(categories, 0.3), (variables, states)).transpose(0, 2, 1)
    return make_hclt(parents, root, weights, emissions)


def _shape(array: Floats, dimensions: int, name: str) -> tuple[int, ...]:
    if array.ndim != dimensions or 0 in array.shape:
        raise InputError(f"{name} has the shape {array.shape}; expected {dimensions} dimensions")
    return array.shape


def _expect(
    name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...], kind: type[np.generic]
) -> None:
    if array.shape != shape or array.dtype != kind:
        found = f"{array.dtype} {list(array.shape)}"
        raise InputError(f"{name} is {found}; expected {np.dtype(kind)} {list(shape)}")


def _expect_distributions(name: str, array: Floats, axis: int) -> None:
    if not (array >= 0).all():  # also refuses NaN
        raise InputError(f"{name} holds a negative number or none at all")
    off = np.abs(array.sum(axis=axis) - 1).max(initial=0)
    if off > SUM_TOLERANCE:
        raise InputError(f"{name}: distributions must sum to 1, but one is {off:.2g} off")
