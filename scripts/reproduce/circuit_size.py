"""Bits a pixel against the size of a circuit: learn several, write rows and draw them.

    circuit_size.py learn NAME SET OUT.json STATES:KEEP ...
    circuit_size.py draw OUT.json FIGURE.png

``learn`` takes an idx, npz or npy file or a folder of pictures, learns a circuit of so many states
that keeps so great a part of its blocks of weights, by the recipe of ``nacre train circuit-image``
(12 epochs, every 12th picture held out for choices and for the figure), and adds a row for each;
rows that are there already are not learned again. Bits are those of the held-out pictures under the
float circuit; ``loss_percent`` is by how much the integer circuit, at the step of a model file,
codes 800 of them worse; bytes are those of the model's tables. One thread: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nacre.entropy.circuits.integer import IntegerCircuit
from nacre.entropy.circuits.learning import Plan, Stage, learn
from nacre.entropy.circuits.model import BLOCK
from nacre.entropy.circuits.queries import log_likelihood
from nacre.entropy.circuits.walk import intervals, space_for
from nacre.train.circuit_image import HELD_OUT, LEVEL_STEP, mover, read_symbols

EPOCHS, VARIED = 12, 0.5
LANES, MEASURED, TOTAL = 32, 800, 2**24
Row = dict[str, Any]


def coded_bits(circuit: IntegerCircuit, symbols: npt.NDArray[np.uint8]) -> float:
    """Bits a symbol of what the coder would write, from its own intervals."""
    space, bits = space_for(circuit.layout), 0.0
    for start in range(0, len(symbols), LANES):
        lanes = np.ascontiguousarray(symbols[start : start + LANES])
        lower, frequency = np.empty((2, *lanes.shape), np.uint32)
        intervals(circuit.layout, lanes, space, lower, frequency)
        bits -= float(np.log2(frequency / TOTAL).sum())
    return bits / symbols.size


def learned_row(name: str, source: Path, states: int, keep: float) -> Row:
    """A row; parameters are the weights and emissions that are free and kept."""
    symbols, shape = read_symbols([source])
    chosen = np.arange(len(symbols)) % HELD_OUT == HELD_OUT - 1
    plan = Plan((Stage(states, EPOCHS, keep=keep),), varied=VARIED)
    start = time.process_time()
    learned = learn(symbols[~chosen], symbols[chosen], 256, plan, vary=mover(shape))
    assert learned is not None
    seconds = time.process_time() - start
    circuit = IntegerCircuit.from_hclt(learned.circuit, step=LEVEL_STEP)
    some = symbols[chosen][:MEASURED]
    exact = -float(log_likelihood(learned.circuit, some).mean()) / some.shape[1] / math.log(2)
    blocks, full = len(circuit.block_at), (circuit.variables - 1) * circuit.width**2
    return {
        "set": name,
        "states": circuit.states,
        "keep": keep,
        "held_bits": round(learned.held_nats / (symbols.shape[1] * math.log(2)), 4),
        "loss_percent": round(100 * (coded_bits(circuit, some) / exact - 1), 4),
        "blocks_kept": round(blocks / full, 3),
        "parameters": blocks * BLOCK**2 + circuit.variables * (circuit.values - 1) * states,
        "model_bytes": len(circuit.to_bytes()),
        "cpu_seconds": round(seconds),
    }


def draw(rows: list[Row], target: Path) -> None:
    from matplotlib.figure import Figure

    names = sorted({row["set"] for row in rows})
    figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        own = [row for row in rows if row["set"] == name]
        for label, marker, part in (
            ("all blocks", "o-", [row for row in own if row["keep"] == 1]),
            ("pruned", "s", [row for row in own if row["keep"] != 1]),
        ):
            part = sorted(part, key=lambda row: row["model_bytes"])
            sizes = [row["model_bytes"] / 1e6 for row in part]
            bits = [row["held_bits"] for row in part]
            axes.plot(sizes, bits, marker, label=label)
            for size, bit, row in zip(sizes, bits, part, strict=True):
                text = f"{row['states']}, {row['blocks_kept']:.0%}"
                axes.annotate(text, (size, bit), (5, 5), textcoords="offset points", fontsize=8)
        axes.set(title=f"{name}, held out", xlabel="model, MB", ylabel="bits a pixel")
        axes.legend(fontsize=8)
        axes.margins(0.2)
        axes.grid(alpha=0.3)
    figure.savefig(target, dpi=120, metadata={"Software": None})


def main() -> None:
    torch.set_num_threads(1)
    mode, *arguments = sys.argv[1:]
    if mode == "draw":
        draw(json.loads(Path(arguments[0]).read_text()), Path(arguments[1]))
        return
    name, source, table = arguments[0], Path(arguments[1]), Path(arguments[2])
    rows: list[Row] = json.loads(table.read_text()) if table.exists() else []
    for size in arguments[3:]:
        states, keep = int(size.split(":")[0]), float(size.split(":")[1])
        if (name, states, keep) in {(r["set"], r["states"], r["keep"]) for r in rows}:
            continue
        rows.append(learned_row(name, source, states, keep))
        rows.sort(key=lambda row: (row["set"], row["states"], row["parameters"]))
        table.write_text("[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n")
        print(rows, flush=True)


if __name__ == "__main__":
    main()
