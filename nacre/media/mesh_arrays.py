"""What readers of mesh files share: polygons into triangles, welding, floats out of decimals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.mesh import Attribute, Floats, Mesh

Longs = npt.NDArray[np.int64]

MOST = (1 << 31) - 1
"""Vertex numbers are 32 bits."""


def fans(sizes: Longs) -> tuple[Longs, Longs]:
    """Triangles of polygons, each a fan around its first corner.

    Args:
        sizes: corners of each polygon, ``[P]``; those of fewer than three give no triangle.

    Returns:
        Places ``[T, 3]`` in the list of all corners, and the polygon of each triangle ``[T]``.

    >>> fans(np.array([3, 4]))[0].tolist()
    [[0, 1, 2], [3, 4, 5], [3, 5, 6]]
    """
    counts = np.maximum(sizes - 2, 0)
    polygon = np.repeat(np.arange(len(sizes)), counts)
    start = np.cumsum(sizes) - sizes
    within = np.arange(len(polygon)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = start[polygon]
    return np.stack([first, first + within + 1, first + within + 2], axis=1), polygon


def fan_notes(sizes: Longs) -> tuple[str, ...]:
    """What :func:`fans` did to the file, in sentences."""
    notes = []
    if many := int((sizes > 3).sum()):
        notes.append(f"{many:,} polygons became triangles (fans around their first corner)")
    if few := int((sizes < 3).sum()):
        notes.append(f"{few:,} faces of fewer than three corners were left out")
    return tuple(notes)


def narrowed(values: npt.NDArray[np.float64]) -> Floats:
    """float32 where it holds the numbers of a text as well as float64 does, else ``values``.

    That is so if they come back from float32 rounded to as many decimals as the text has, or
    written with nine digits or with as few as tell a float32 from its neighbours.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    back = single.astype(np.float64)
    known = np.isfinite(values)
    if (np.isfinite(back) != known).any():
        return values
    if np.array_equal(back, values, equal_nan=True) or _same_decimals(values[known], back[known]):
        return single
    for written in (np.char.mod("%.9g", single), single.astype(str)):
        if np.array_equal(written.astype(np.float64), values, equal_nan=True):
            return single
    return values


def _same_decimals(values: npt.NDArray[np.float64], back: npt.NDArray[np.float64]) -> bool:
    """Whether ``values`` have some number of decimals, and ``back`` rounds to them."""
    for decimals in range(17):
        scale = 10.0**decimals
        wanted = np.rint(values * scale)
        if np.abs(wanted).max(initial=0.0) >= 2.0**53:
            return False
        if np.array_equal(wanted / scale, values):
            return np.array_equal(np.rint(back * scale) / scale, values)
    return False


def texts(values: npt.NDArray[Any]) -> list[list[str]]:
    """Numbers ``[n, K]`` as short texts that :func:`narrowed` makes the same numbers of."""
    if values.dtype.kind != "f":
        return [[str(value) for value in row] for row in values.tolist()]
    short = values.astype(str)
    back = narrowed(short.astype(np.float64))
    same = back.dtype == values.dtype and np.array_equal(back, values, equal_nan=True)
    rows: list[list[str]] = (short if same else values.astype(np.float64).astype(str)).tolist()
    return [[text.removesuffix(".0") for text in row] for row in rows]


def first_uses(rows: npt.NDArray[Any]) -> tuple[Longs, Longs]:
    """Rows that differ bit by bit, in the order of first use.

    Args:
        rows: ``[n, K]`` of any dtype.

    Returns:
        The place of the first of each ``[m]``, and for each row its number among them ``[n]``.
    """
    if not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    plain = np.ascontiguousarray(rows)
    size = plain.shape[1] * plain.dtype.itemsize
    keys = plain.view(np.uint8).reshape(len(plain), size).view(f"V{size}").ravel()
    if size <= 8:
        padded = np.zeros((len(plain), 8), np.uint8)
        padded[:, :size] = plain.view(np.uint8).reshape(len(plain), size)
        keys = padded.view(np.uint64).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[inverse.ravel()]


def welded(mesh: Mesh) -> Mesh:
    """``mesh`` with one vertex a position; what differed between vertices belongs to corners."""
    first, number = first_uses(mesh.vertices)
    if len(first) == len(mesh.vertices):
        return mesh
    attributes = []
    for each in mesh.attributes:
        if each.domain == "vertex":
            rows, value = first_uses(each.values)
            index = value[mesh.faces].astype(np.int32)
            each = replace(each, domain="corner", values=each.values[rows], index=index)
        attributes.append(each)
    faces = number[mesh.faces].astype(np.int32).reshape(-1, 3)
    return replace(
        mesh,
        vertices=mesh.vertices[first],
        faces=faces,
        attributes=tuple(attributes) if len(faces) else (),
        lattice=None,
    )


def as_faces(rows: npt.NDArray[Any], vertices: int) -> npt.NDArray[np.int32]:
    """Integers ``[F, 3]`` as faces.

    Raises:
        InputError: a vertex that is not there (checked before the numbers lose bits).
    """
    from nacre.media.mesh import check_indices

    wide = rows.astype(np.int64, copy=False).reshape(-1, 3)
    check_indices(wide, vertices)
    return wide.astype(np.int32)


def corner_attribute(
    name: str, kind: Any, values: npt.NDArray[Any], index: npt.NDArray[Any]
) -> Attribute:
    """An attribute of corners, its values as often as they are used: equal ones once.

    Args:
        name: of the attribute.
        kind: of the attribute.
        values: ``[n, K]``.
        index: ``[F, 3]``, -1 where a corner has none.

    Raises:
        InputError: a value that is not there.
    """
    flat = index.astype(np.int64).ravel()
    if flat.size and (flat.max() >= len(values) or flat.min() < -1):
        raise InputError(
            f"{name}: a corner names value {int(flat.max()) + 1:,}, there are {len(values):,}"
        )
    first, number = first_uses(values)
    flat = np.where(flat < 0, -1, number[flat] if len(number) else -1)
    used, inverse = np.unique(flat[flat >= 0], return_inverse=True)
    flat[flat >= 0] = inverse.ravel()
    return Attribute(
        name, kind, "corner", values[first][used], flat.reshape(-1, 3).astype(np.int32)
    )
