"""A glTF document and its buffers: entries, views and accessors, with every bound checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits

MAGIC, JSON_CHUNK, BIN_CHUNK = b"glTF", 0x4E4F534A, 0x004E4942
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
POINTS, TRIANGLES, STRIP, FAN = 0, 4, 5, 6
UNUSED = "nacre: unused"
"""Name of an entry of a written document that only keeps the numbers of the others."""
DRACO, MESHOPT = "KHR_draco_mesh_compression", "EXT_meshopt_compression"
GEOMETRY = ("bufferView", "byteOffset", "count", "min", "max", "sparse")
"""What an accessor says of the place and size of its data; the rest is its type."""


@dataclass
class Document:
    """A glTF file taken apart: its JSON, and the bytes of its buffers."""

    json: dict[str, Any]
    buffers: list[memoryview]
    limits: Limits
    taken: set[int] = field(default_factory=set)

    def entry(self, kind: str, number: Any) -> dict[str, Any]:
        """Entry ``number`` of a list of the document.

        Raises:
            InputError: there is none.
        """
        entries = self.json.get(kind, [])
        if not isinstance(number, int) or not isinstance(entries, list):
            raise InputError(f"glTF: {kind} {number!r} is not there")
        if not 0 <= number < len(entries) or not isinstance(entries[number], dict):
            raise InputError(f"glTF: {kind} {number!r} is not there")
        found: dict[str, Any] = entries[number]
        return found

    def view(self, number: Any) -> memoryview:
        """The bytes of a buffer view.

        Raises:
            InputError: it is not inside its buffer.
        """
        found = self.entry("bufferViews", number)
        buffer = found.get("buffer", -1)
        offset, length = found.get("byteOffset", 0), found.get("byteLength", -1)
        whole = all(isinstance(value, int) for value in (buffer, offset, length))
        if not whole or not 0 <= buffer < len(self.buffers):
            raise InputError(f"glTF: buffer view {number} has no buffer")
        if offset < 0 or length < 0 or offset + length > len(self.buffers[buffer]):
            raise InputError(
                f"glTF: buffer view {number} ends at byte {offset + length:,} of a buffer of "
                f"{len(self.buffers[buffer]):,}; the file is cut short"
            )
        found_bytes: memoryview = self.buffers[buffer][offset : offset + length]
        return found_bytes

    def accessor(self, number: Any) -> npt.NDArray[Any]:
        """The values of an accessor, ``[count, K]`` of its component type.

        Raises:
            InputError: it is not inside its buffer view, or no scalar or vector.
        """
        found = self.entry("accessors", number)
        kind = COMPONENTS.get(found.get("componentType", 0))
        width = WIDTHS.get(found.get("type", ""))
        count = found.get("count", -1)
        if kind is None or width is None or not isinstance(count, int) or count < 0:
            raise InputError(f"glTF: accessor {number} is none of vertices")
        self.limits.check("vertices", count, f"glTF accessor of {count:,}")
        self.taken.add(number)
        if "bufferView" in found:
            values = self._strided(found, np.dtype("<" + kind), width, count, number)
        else:
            values = np.zeros((count, width), kind)
        if "sparse" in found:
            values = self._sparse(found["sparse"], values.copy(), number)
        return values.astype(kind, copy=False)

    def _strided(
        self, found: dict[str, Any], dtype: np.dtype[Any], width: int, count: int, number: Any
    ) -> npt.NDArray[Any]:
        view = self.view(found["bufferView"])
        size = width * dtype.itemsize
        stride = self.entry("bufferViews", found["bufferView"]).get("byteStride", size)
        offset = found.get("byteOffset", 0)
        whole = isinstance(stride, int) and isinstance(offset, int) and size <= stride <= 255
        if stride == size:
            whole = isinstance(offset, int)
        last = offset + (count - 1) * stride + size if whole and count else 0
        if not whole or offset < 0 or last > len(view):
            raise InputError(f"glTF: accessor {number} reaches past its buffer view")
        if not count:
            return np.zeros((0, width), dtype)
        return np.ndarray((count, width), dtype, view, offset, (stride, dtype.itemsize)).copy()

    def _sparse(self, sparse: Any, values: npt.NDArray[Any], number: Any) -> npt.NDArray[Any]:
        try:
            count, places, fresh = sparse["count"], sparse["indices"], sparse["values"]
            kind = np.dtype("<" + COMPONENTS[places["componentType"]])
            at = self._strided(places, kind, 1, count, number)[:, 0]
            new = self._strided(
                fresh, values.dtype.newbyteorder("<"), values.shape[1], count, number
            )
        except (KeyError, TypeError):
            raise InputError(f"glTF: accessor {number} is sparse and damaged") from None
        if at.size and int(at.max()) >= len(values):
            raise InputError(f"glTF: accessor {number} is sparse and names value {int(at.max())}")
        values[at.astype(np.int64)] = new
        return values
