"""nacre's wavelet packets beside PyWavelets' on one core; run without arguments."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pywt
import torch

from nacre.transforms.wavelet import WaveletPacket

SHAPE = (1, 3, 512, 768)


def median_seconds(call: Callable[[], object], runs: int = 9) -> float:
    """Of ``runs`` calls after one that does not count."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    torch.set_num_threads(1)
    x = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    tensor = torch.from_numpy(x)
    packet = WaveletPacket("bior4.4", levels=3, dims=2)

    def peer() -> object:
        trees = [pywt.WaveletPacket2D(c, "bior4.4", "periodization", maxlevel=3) for c in x[0]]
        return [node.data for tree in trees for node in tree.get_level(3)]

    megapixels = SHAPE[2] * SHAPE[3] / 1e6
    ours, theirs = median_seconds(lambda: packet.analyze(tensor)), median_seconds(peer)
    print(f"nacre      {megapixels / ours:6.1f} MP/s (RGB, float32, three levels, one thread)")
    print(f"PyWavelets {megapixels / theirs:6.1f} MP/s")


if __name__ == "__main__":
    main()
