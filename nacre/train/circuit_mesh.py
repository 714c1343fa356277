"""The recipe of ``nacre train circuit-mesh``: a network that predicts a vertex of a mesh.

The network sees what the coder of positions sees (``entropy/mesh/features.py``) and answers with a
mixture of logistic distributions in the frame of the vertex's gate. Loss: bits a vertex. Residuals
get uniform noise of one lattice step, so that densities are bounded by what whole numbers cost
(Balle, Laparra, Simoncelli 2017); every shape is seen at several precisions, also turned, mirrored
and from another triangle on.

Beside the network the model has a table that connectivity starts from (``connectivity_prime.py``),
counted on the same meshes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nacre.entropy.mesh.connectivity import encode_connectivity, prime
from nacre.entropy.mesh.features import FEATURE_UNIT, FEATURES, SEEN
from nacre.entropy.mesh.network import Network
from nacre.errors import InputError
from nacre.mesh_models import CODEC
from nacre.train.export import write_model
from nacre.train.loop import Loss, Outcome, Plan, Progress, train
from nacre.train.mesh_network import (
    MeshNet,
    bits_of,
    float_answers,
    integer_answers,
    integer_network,
    measure,
    noisy,
)
from nacre.train.meshes import (
    SCALE,
    Rows,
    Shape,
    Variant,
    mesh_files,
    read_shape,
    rows_of,
    thinned,
)

HELD_OUT = 8
"""Every so-many-th mesh is kept from learning, for choices and the card's figures."""
FIGURE_BITS = (11, 14)


@dataclass(frozen=True)
class Preset:
    """A size of network, a plan, and the ways in which every shape is seen.

    Attributes:
        hidden: width of both hidden layers.
        plan: how long and how fast.
        variants: of every shape.
        meaning: for whom.
        shares: of the faces that are left in thinned copies of every shape.
        thin_variants: of those.
    """

    hidden: int
    plan: Plan
    variants: tuple[Variant, ...]
    meaning: str
    shares: tuple[float, ...] = ()
    thin_variants: tuple[Variant, ...] = ()


_AS_IT_IS = tuple(Variant(bits) for bits in (10, 11, 12, 14))
_OTHERWISE = tuple(
    Variant(bits, turned=True, mirrored=mirror, moved=True)
    for bits, mirror in ((10, False), (11, True), (12, True), (13, False), (14, True), (16, False))
)
_SHARES = (0.5, 0.2)
_THIN = (
    Variant(10),
    Variant(11, turned=True),
    Variant(12, turned=True, mirrored=True),
    Variant(14, turned=True, moved=True),
)

PRESETS = {
    "tiny": Preset(
        16,
        Plan(steps=60, batch=256, rate=4e-3, warmup=10, average=0.9),
        (Variant(11),),
        "for tests: seconds",
    ),
    "small": Preset(
        80,
        Plan(steps=24000, batch=2048, rate=3e-3, warmup=200),
        _AS_IT_IS + _OTHERWISE,
        "the shipped circuit-mesh: 24 thousand parameters, five minutes",
        _SHARES,
        _THIN,
    ),
    "large": Preset(
        192,
        Plan(steps=24000, batch=2048, rate=2e-3, warmup=200),
        _AS_IT_IS + _OTHERWISE,
        "the shipped circuit-mesh-large: 79 thousand parameters, nine minutes",
        _SHARES,
        _THIN,
    ),
}


@dataclass(frozen=True)
class MeshRecipe:
    """Vertices of all variants of all shapes, each as likely."""

    model: MeshNet
    rows: Rows
    plan: Plan
    about: str

    def batch(self, step: int, rank: int) -> Tensor:
        """Rows ``[batch, FEATURES + TARGETS]``: features (1 is 1), then targets, noisy."""
        rng = np.random.default_rng((self.plan.seed, step, rank))
        chosen = rng.integers(0, len(self.rows.features), self.plan.batch)
        features = self.rows.features[chosen].astype(np.float32) / FEATURE_UNIT
        targets = noisy(self.rows.targets[chosen], rng)
        return torch.from_numpy(np.concatenate([features, targets], axis=1))

    def loss(self, model: nn.Module, batch: Tensor, step: int, rank: int) -> Loss:
        """Mean bits a vertex."""
        features, targets = batch[:, :FEATURES], batch[:, FEATURES:]
        vectors = targets[:, SCALE + 1 :].reshape(-1, SEEN, 3)
        bits = bits_of(model(features, vectors), targets[:, :3], targets[:, SCALE]).mean()
        return Loss(bits, float(bits.detach()), 0.0)

    def groups(self) -> list[dict[str, Any]]:
        """One group."""
        return [{"params": list(self.model.parameters())}]


def train_circuit_mesh(
    sources: Sequence[Path],
    out: Path,
    preset: Preset,
    *,
    name: str = CODEC,
    validation: Sequence[Path] = (),
    device: str = "cpu",
    seconds: float | None = None,
    force: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Learn from meshes and export ``out/name.safetensors`` with its card.

    Args:
        sources: mesh files, or folders of them.
        out: folder for the checkpoint and the model.
        preset: size and plan (see :data:`PRESETS`).
        name: of the model.
        validation: meshes for the card's figures; empty holds every 8th of the sources back.
        device: of torch.
        seconds: stop after about so long; the same call goes on from the checkpoint.
        force: replace a model that was exported before.
        report: called now and then; its loss and rate are bits a vertex.
        say: called with a line of text when a stage begins.

    Returns:
        The model file; None when time ran out first.

    Raises:
        InputError: meshes cannot be read or have no triangles, or the model exists.
    """
    target = out / f"{name}.safetensors"
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; choose another --out or give --force")
    say("reading meshes")
    shapes = _read(sources)
    if validation:
        held = _read(validation)
    else:
        held, shapes = shapes[HELD_OUT - 1 :: HELD_OUT], _without_held(shapes)
    say(f"looking at {sum(len(shape.vertices) for shape in shapes):,} vertices")
    torch.manual_seed(preset.plan.seed)
    about = f"circuit-mesh {preset.hidden} {len(shapes)} {preset.variants}"
    recipe = MeshRecipe(MeshNet(preset.hidden), _all_rows(shapes, preset), preset.plan, about)
    outcome = train(
        recipe, preset.plan, out, device=device, seconds=seconds, report=report, every=200
    )
    if outcome is None:
        return None
    say("measuring")
    _export(target, recipe, outcome, (shapes, held), force)
    return target


def _read(sources: Sequence[Path]) -> list[Shape]:
    found = [shape for path in mesh_files(sources) if (shape := read_shape(path)) is not None]
    if not found:
        raise InputError("none of the meshes has triangles")
    return found


def _without_held(shapes: list[Shape]) -> list[Shape]:
    return [shape for place, shape in enumerate(shapes) if place % HELD_OUT != HELD_OUT - 1]


def _all_rows(shapes: Sequence[Shape], preset: Preset) -> Rows:
    """Rows of every variant of every shape and of its thinned copies."""
    views = [(shape, variant) for shape in shapes for variant in preset.variants]
    for shape in shapes:
        copies = (thinned(shape, share) for share in preset.shares)
        views += [(copy, variant) for copy in copies if copy for variant in preset.thin_variants]
    parts = [
        rows_of(shape, variant, np.random.default_rng((preset.plan.seed, place)))
        for place, (shape, variant) in enumerate(views)
    ]
    rows = Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.targets for part in parts]),
    )
    if not len(rows.features):
        raise InputError("the meshes have no two triangles that share an edge")
    return rows


def figures(model: MeshNet, network: Network, held: Sequence[Shape]) -> list[dict[str, float]]:
    """Bits a vertex on meshes that were held out: means over meshes, in integers and in floats."""
    found = []
    for bits in FIGURE_BITS:
        parts = [rows_of(shape, Variant(bits), np.random.default_rng(0)) for shape in held]
        pairs = [
            (measure(integer_answers(network), rows), measure(float_answers(model), rows))
            for rows in parts
            if len(rows.features)
        ]
        if pairs:
            whole, real = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
            figure: dict[str, float] = {"bits": bits, "held_out_meshes": len(pairs)}
            figure |= {"bits_a_vertex": round(whole, 3), "in_floats": round(real, 3)}
            found.append(figure)
    return found


def connectivity_figures(primed: bytes, held: Sequence[Shape]) -> dict[str, float]:
    """Bits a vertex of connectivity on meshes that were held out, means over meshes."""
    if not held:
        return {"table_bytes": len(primed)}

    def bits(table: bytes | None) -> float:
        sizes = [
            len(encode_connectivity(each.faces, len(each.vertices), primed=table).data)
            for each in held
        ]
        pairs = zip(sizes, held, strict=True)
        return round(sum(8 * size / len(each.vertices) for size, each in pairs) / len(held), 3)

    return {
        "table_bytes": len(primed),
        "held_out_meshes": len(held),
        "bits_a_vertex": bits(primed),
        "without_table": bits(None),
    }


def _export(
    target: Path,
    recipe: MeshRecipe,
    outcome: Outcome,
    shapes: tuple[Sequence[Shape], Sequence[Shape]],
    force: bool,
) -> None:
    """Write the integer network, the table of connectivity, and the card."""
    model = recipe.model.cpu().eval()
    network = integer_network(model)
    learned, held = shapes
    vertices = sum(len(shape.vertices) for shape in learned)
    primed = prime(shape.faces for shape in learned)
    card: dict[str, object] = {
        "codec": CODEC,
        "data": f"{len(learned)} meshes of {vertices:,} vertices",
        "steps": outcome.steps,
        "seconds": round(outcome.seconds),
        "device": outcome.device,
        "parameters": network.parameters,
        "figures": figures(model, network, held),
        "connectivity": connectivity_figures(primed, held),
    }
    arrays = network.to_arrays() | {"primed": np.frombuffer(primed, np.uint8)}
    write_model(target, arrays, card, force=force)
