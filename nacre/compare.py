"""How near a decoded picture, mesh or other thing is to its original."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nacre.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nacre.media.audio import Audio
    from nacre.media.image import Image
    from nacre.media.mesh import Scene
    from nacre.media.splat import Splats


def compare(medium: str, original: Any, decoded: Any) -> tuple[bool, float | None]:
    """Whether two things of a medium are equal, and their PSNR in dB; None where there is none.

    Raises:
        InputError: they cannot be compared.
    """
    if medium == "image":
        return equal_pixels(original, decoded), psnr_db(original, decoded)
    if medium == "mesh":
        return compare_scenes(original, decoded)
    if medium == "splat":
        return same_splats(original, decoded), None
    if medium == "audio":
        return same_sound(original, decoded), sound_psnr_db(original, decoded)
    return bool(original == decoded), None


def compare_scenes(original: Scene, decoded: Scene) -> tuple[bool, float | None]:
    """Whether two scenes are the same in any order, and the distance of their surfaces in dB.

    The distance is that of :mod:`nacre.transforms.surface_distance`, against the diagonal of the
    original's box; of point clouds there is none.
    """
    import numpy as np

    from nacre.media.mesh_compare import same_scene
    from nacre.transforms.surface_distance import Original

    if same_scene(original, decoded):
        return True, math.inf
    corners = [
        np.concatenate([mesh.vertices.astype(np.float64)[mesh.faces] for mesh in scene.meshes])
        for scene in (original, decoded)
    ]
    measurable = all(len(each) and np.isfinite(each).all() for each in corners)
    return False, Original.of(corners[0]).psnr_db(corners[1]) if measurable else None


def same_splats(original: Splats, decoded: Splats) -> bool:
    """Whether two scenes of splats are the same, bit by bit, in any order."""
    import numpy as np

    rows = []
    for splats in (original, decoded):
        arrays = [each for each in splats.arrays().values() if hasattr(each, "dtype")]
        flat = [each.reshape(splats.count, -1).view(np.uint32) for each in arrays if each.size]
        table = np.concatenate(flat, axis=1) if flat else np.zeros((splats.count, 0), np.uint32)
        rows.append(table[np.lexsort(table.T)] if table.size else table)
    return original.antialiased == decoded.antialiased and np.array_equal(rows[0], rows[1])


def same_sound(original: Audio, decoded: Audio) -> bool:
    """Whether rate, depth and every sample agree, bit by bit; metadata is not compared."""
    return (
        original.shape == decoded.shape and original.samples.tobytes() == decoded.samples.tobytes()
    )


def sound_psnr_db(original: Audio, decoded: Audio) -> float | None:
    """Peak signal-to-noise ratio in dB against full scale; None where lengths or rates differ."""
    import numpy as np

    a, b = original, decoded
    if (a.channels, a.length, a.sample_rate_hz) != (b.channels, b.length, b.sample_rate_hz):
        return None
    scales = [1.0 if each.floating else 2.0 ** (1 - each.depth) for each in (a, b)]
    total, step = 0.0, 1 << 20
    for first in range(0, a.length, step):
        part = [
            each.samples[:, first : first + step].astype(np.float64) * scale
            for each, scale in zip((a, b), scales, strict=True)
        ]
        total += float(np.square(part[0] - part[1]).sum())
    error = total / max(a.samples.size, 1)
    if not math.isfinite(error):
        return None
    return -10 * math.log10(error) if error > 0 else math.inf


def equal_pixels(original: Image, decoded: Image) -> bool:
    """Whether size, channels, depth and every sample agree; metadata is not compared."""
    a, b = original.pixels, decoded.pixels
    return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())


def psnr_db(original: Image, decoded: Image) -> float:
    """Peak signal-to-noise ratio in dB over all colour samples; alpha is left out.

    Both are brought to full scale 1 first, so that 16-bit pictures compare with 8-bit ones.

    Returns:
        Infinity when they are equal.

    Raises:
        InputError: the pictures differ in size or in colour channels.
    """
    a, b = _colours(original), _colours(decoded)
    if a.shape != b.shape:
        raise InputError(
            f"pictures of {original.width} x {original.height} x {a.shape[2]} and "
            f"{decoded.width} x {decoded.height} x {b.shape[2]} cannot be compared"
        )
    return -10 * math.log10(error) if (error := _mean_square(a, b)) > 0 else math.inf


def _colours(image: Image) -> npt.NDArray[np.uint8 | np.uint16]:
    """Grey or RGB samples, ``[H, W, 1 or 3]``."""
    pixels: npt.NDArray[np.uint8 | np.uint16] = image.pixels
    return pixels[..., : 1 if image.channels <= 2 else 3]


def _mean_square(
    a: npt.NDArray[np.uint8 | np.uint16], b: npt.NDArray[np.uint8 | np.uint16]
) -> float:
    """Mean squared difference at full scale 1, a strip of rows at a time to keep memory small."""
    import numpy as np

    scale_a, scale_b = (1 / float(np.iinfo(each.dtype).max) for each in (a, b))
    rows = max(1, (1 << 20) // (a.shape[1] * a.shape[2]))
    total = 0.0
    for top in range(0, a.shape[0], rows):
        difference = a[top : top + rows] * scale_a - b[top : top + rows] * scale_b
        total += float(np.square(difference).sum())
    return total / a.size
