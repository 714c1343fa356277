"""Primitives that Draco compressed, unpacked by DracoPy where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

if TYPE_CHECKING:
    from nacre.media.gltf_document import Document


def read_draco(
    source: Document, primitive: dict[str, Any]
) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]:
    """Attributes ``[V, K]`` by name, and indices ``[3 F]`` of a primitive.

    Raises:
        InputError: DracoPy is not installed, or the data is damaged.
    """
    from nacre.media.gltf_document import COMPONENTS, DRACO

    try:
        import DracoPy
    except ImportError:
        raise InputError(
            "glTF: compressed by Draco; install DracoPy (pip install DracoPy), or unpack it first"
        ) from None
    extension = primitive["extensions"][DRACO]
    data = source.view(extension["bufferView"])
    counts = [
        source.entry("accessors", n).get("count", 0) for n in primitive["attributes"].values()
    ]
    for count in (*counts, source.entry("accessors", primitive.get("indices")).get("count", 0)):
        source.limits.check("vertices", count, "glTF accessor")
    try:
        found = DracoPy.decode(bytes(data))
        table = {each["unique_id"]: each["data"] for each in found.attributes}
        indices = np.asarray(found.faces, np.int64).ravel()
    except Exception as error:  # of any kind: DracoPy has none of its own
        raise InputError(f"glTF: Draco data that cannot be unpacked ({error})") from None
    attributes = {}
    for name, number in primitive["attributes"].items():
        accessor = source.entry("accessors", number)
        source.taken.add(number)
        if name in extension["attributes"]:
            values = np.asarray(table[extension["attributes"][name]])
            kind = COMPONENTS[accessor["componentType"]]
            attributes[name] = np.ascontiguousarray(values.reshape(len(values), -1), kind)
        else:
            attributes[name] = source.accessor(number)
    source.taken.add(primitive["indices"])
    return attributes, indices
