"""What several test files need: photos, small pictures, and codecs of another package."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from nacre import registry

# Small pictures gain nothing from threads, and two test processes on two cores lose much by them.
# Tests of what threads change set their number themselves.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

ROOT = Path(__file__).parent.parent
PLUGIN = Path(__file__).parent / "plugin"

# Photos inside installed packages, by package.
PHOTOS = {
    "skimage": ("data/chelsea.png", "data/astronaut.png", "data/rocket.jpg", "data/camera.png"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with ``train/`` and ``eval/`` (``NACRE_DATA``); skips where there is none."""
    folder = Path(os.environ.get("NACRE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "eval").is_dir():
        pytest.skip(f"no data in {folder}; set NACRE_DATA to a folder with train/ and eval/")
    return folder


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """Real photos that installed packages carry; skips where there is none."""
    found = []
    for package, names in PHOTOS.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            found += [path for name in names if (path := Path(spec.origin).parent / name).is_file()]
    if not found:
        pytest.skip("no installed package carries photos (scikit-image, scikit-learn, matplotlib)")
    return found


@pytest.fixture(scope="session")
def pictures() -> dict[str, npt.NDArray[np.uint8] | npt.NDArray[np.uint16]]:
    """Small pictures ``[H, W, C]`` of every kind, by name; smooth with a little noise."""
    rng = np.random.default_rng(7)

    def smooth(height: int, width: int, channels: int) -> npt.NDArray[np.float64]:
        y, x = np.mgrid[0:height, 0:width]
        waves = [np.sin(x / (5 + c) + c) * np.cos(y / (7 + c)) for c in range(channels)]
        return (
            0.5
            + 0.4 * np.stack(waves, axis=-1)
            + 0.02 * rng.standard_normal((height, width, channels))
        )

    def whole(values: npt.NDArray[np.float64], top: int) -> npt.NDArray[np.float64]:
        return np.rint(values.clip(0, 1) * top)

    return {
        "grey": whole(smooth(40, 56, 1), 255).astype(np.uint8),
        "rgb": whole(smooth(48, 64, 3), 255).astype(np.uint8),
        "rgba": whole(smooth(33, 47, 4), 255).astype(np.uint8),
        "grey16": whole(smooth(20, 30, 1), 65535).astype(np.uint16),
        "pixel": np.array([[[10, 20, 30]]], np.uint8),
    }


@pytest.fixture
def picture_file(tmp_path: Path, pictures: dict[str, npt.NDArray[np.uint8]]) -> Path:
    """``photo.png`` in a folder of its own: RGB, 64 x 48."""
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(pictures["rgb"]).save(path)
    return path


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another package with the codecs ``toy`` and ``toy-model`` is installed; its folder."""
    monkeypatch.syspath_prepend(PLUGIN)
    registry.third_parties.cache_clear()
    yield PLUGIN
    registry.third_parties.cache_clear()
    sys.modules.pop("nacre_toy", None)


@pytest.fixture
def write_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], Path]:
    """Writes a model of ``toy-model`` with a card into the folder that ``NACRE_MODELS`` names."""
    from safetensors.numpy import save_file

    from nacre.models import model_id

    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("NACRE_MODELS", str(folder))

    def write(name: str, gain: float) -> Path:
        path = folder / f"{name}.safetensors"
        save_file({"gain": np.array(gain, np.float32)}, path)
        card = {
            "name": name,
            "codec": "toy-model",
            "id": model_id(path).hex(),
            "data": "none",
            "steps": 3,
            "seconds": 0.5,
            "device": "cpu",
            "figures": [{"quality": 50, "psnr_db": 30.0}],
        }
        path.with_suffix(".json").write_text(json.dumps(card))
        return path

    return write
