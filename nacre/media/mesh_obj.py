"""Wavefront OBJ files: positions, texture coordinates and normals, each with indices of its own.

A vertex is a position of the file; ``vt`` and ``vn`` become attributes of corners, so that a seam
splits no vertex. Material and group of each face are kept, and the MTL file and the pictures that
it names are carried as they are.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.files import PICTURES
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import (
    as_faces,
    corner_attribute,
    fan_notes,
    fans,
    first_uses,
    narrowed,
    texts,
)

CHECKED_LINES = 1 << 16
NONE = -1


STATES = {"usemtl": "material", "g": "group", "o": "object", "s": "smooth"}
"""Statements that hold for the faces behind them, and the attributes that they become."""


@dataclass
class _Lines:
    """What the lines of a file said so far."""

    positions: array[float] = field(default_factory=lambda: array("d"))
    colours: array[float] = field(default_factory=lambda: array("d"))
    uvs: array[float] = field(default_factory=lambda: array("d"))
    normals: array[float] = field(default_factory=lambda: array("d"))
    corners: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("i"))
    of_face: dict[str, array[int]] = field(
        default_factory=lambda: {key: array("i") for key in STATES}
    )
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {key: {} for key in STATES})
    current: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, NONE))
    libraries: list[str] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)


def read_obj(data: bytes, limits: Limits, folder: Path | None = None) -> Scene:
    """The mesh in an OBJ file.

    Args:
        data: the file.
        limits: on vertices, faces, and the bytes of files beside it.
        folder: where the files beside it are; None: they are not looked for.

    Raises:
        InputError: a line is damaged, or a face names what is not there.
        LimitExceeded: there is more than ``limits`` allow.
    """
    lines = _Lines()
    text = data.decode("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ")
    for number, line in enumerate(text.split("\n"), 1):
        try:
            _read_line(line, lines)
        except (ValueError, IndexError, OverflowError):
            raise InputError(f"OBJ: line {number:,} is not understood: {line[:60]!r}") from None
        if number % CHECKED_LINES == 0:
            _check(lines, limits)
    _check(lines, limits)
    if not lines.positions:
        raise InputError("OBJ: no vertices (lines that begin with v)")
    mesh, notes = _mesh(lines)
    names = list(lines.names["usemtl"])
    document: dict[str, Any] = {}
    if names:
        document["materials"] = [{"name": name} for name in names]
    states = {
        STATES[key]: list(known) for key, known in lines.names.items() if known and key != "usemtl"
    }
    if states:
        document["names"] = states
    files, blobs, more = _files_beside(lines.libraries, folder, limits)
    if lines.libraries:
        document["libraries"] = lines.libraries
    if files:
        document["files"] = files
    if lines.skipped:
        notes = (*notes, f"OBJ lines left out: {', '.join(sorted(lines.skipped))}")
    return Scene((mesh,), document, blobs, (*notes, *more))


def _check(lines: _Lines, limits: Limits) -> None:
    limits.check("vertices", len(lines.positions) // 3, "OBJ file")
    limits.check("vertices", len(lines.sizes), "faces of an OBJ file")


def _read_line(line: str, lines: _Lines) -> None:
    words = line.split()
    if not words or words[0][0] == "#":
        return
    key = words[0]
    if key == "v":
        numbers = [float(word) for word in words[1:8]]
        lines.positions.extend((numbers[0], numbers[1], numbers[2]))
        if len(numbers) >= 6:
            lines.colours.extend(numbers[-3:])
    elif key == "vt":
        lines.uvs.extend((float(words[1]), float(words[2]) if len(words) > 2 else 0.0))
    elif key == "vn":
        lines.normals.extend((float(words[1]), float(words[2]), float(words[3])))
    elif key == "f":
        _read_face(words, lines)
    elif key in STATES:
        known = lines.names[key]
        lines.current[key] = known.setdefault(line.strip()[len(key) :].strip(), len(known))
    elif key == "mtllib":
        lines.libraries.append(line.strip()[6:].strip())
    else:
        lines.skipped.add(key[:20])


def _read_face(words: list[str], lines: _Lines) -> None:
    counts = (len(lines.positions) // 3, len(lines.uvs) // 2, len(lines.normals) // 3)
    for word in words[1:]:
        parts = word.split("/")
        for place, count in enumerate(counts):
            part = parts[place] if place < len(parts) else ""
            number = int(part) if part else 0
            if part and number == 0:
                raise ValueError
            lines.corners.append(number - 1 if number >= 0 else count + number)
            if number < 0 and count + number < 0:
                raise ValueError
    lines.sizes.append(len(words) - 1)
    for key, states in lines.of_face.items():
        states.append(lines.current[key])


def _mesh(lines: _Lines) -> tuple[Mesh, tuple[str, ...]]:
    vertices = narrowed(np.array(lines.positions, np.float64).reshape(-1, 3))
    sizes = np.array(lines.sizes, np.int64)
    corners, polygon = fans(sizes)
    table = np.array(lines.corners, np.int64).reshape(-1, 3)[corners]  # [T, 3, v vt vn]
    faces = as_faces(table[..., 0], len(vertices))
    attributes: list[Attribute] = []
    for place, name, width, numbers in (
        (1, "uv", 2, lines.uvs),
        (2, "normal", 3, lines.normals),
    ):
        values, index = (
            narrowed(np.array(numbers, np.float64).reshape(-1, width)),
            table[..., place],
        )
        if (index >= 0).any():
            attributes.append(corner_attribute(name, name, values, index))
    if len(lines.colours) == len(lines.positions):
        colours = narrowed(np.array(lines.colours, np.float64).reshape(-1, 3))
        attributes.append(Attribute("color", "color", "vertex", colours))
    for key, title in STATES.items():
        of_face = np.array(lines.of_face[key], np.int32)[polygon]
        if len(lines.names[key]) > 1 or (len(of_face) and of_face.min() != of_face.max()):
            attributes.append(Attribute(title, "generic", "face", of_face[:, None]))
    material = 0 if lines.names["usemtl"] and not _has(attributes, "material") else None
    notes = fan_notes(sizes)
    if lines.colours and len(lines.colours) != len(lines.positions):
        notes = (*notes, "colours of only some vertices were left out")
    return Mesh(vertices, faces, tuple(attributes), material=material), notes


def _has(attributes: list[Attribute], name: str) -> bool:
    return any(each.name == name for each in attributes)


def _files_beside(
    libraries: list[str], folder: Path | None, limits: Limits
) -> tuple[list[dict[str, Any]], tuple[bytes, ...], tuple[str, ...]]:
    """Names and contents of the MTL files and of the pictures that they name."""
    if folder is None:
        missing = tuple(
            f"{name}: not looked for, the OBJ came without a path" for name in libraries
        )
        return [], (), missing
    files: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    notes: list[str] = []
    waiting = list(dict.fromkeys(libraries))
    while waiting and len(files) < 256:
        name = waiting.pop(0)
        content = _read_beside(folder, name, limits)
        if content is None:
            notes.append(f"{name}: not found beside the OBJ")
            continue
        files.append({"name": name, "blob": len(blobs)})
        blobs.append(content)
        limits.check("bytes", sum(map(len, blobs)), "files beside an OBJ")
        known = {*waiting, *(each["name"] for each in files)}
        if name in libraries:
            waiting += [each for each in _pictures(content) if each not in known]
    return files, tuple(blobs), tuple(notes)


def _pictures(library: bytes) -> list[str]:
    """Names of the pictures in an MTL file, options before them left out."""
    found = []
    for line in library.decode("utf-8", "replace").splitlines():
        words = line.split()
        if words and (words[0].startswith("map_") or words[0] in ("bump", "disp", "norm", "refl")):
            rest = re.sub(r"^\s*\S+\s+", "", line).strip()
            rest = re.sub(r"^(-[a-zA-Z]+(\s+(-?[\d.]+|on|off))*\s+)+", "", rest)
            found.append(rest.strip())
    return list(dict.fromkeys(name for name in found if name))


def is_plain(name: str) -> bool:
    """Whether a file of that name lies in the folder itself or below it."""
    path = Path(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _may_lie_beside(name: str) -> bool:
    """Whether a decoded scene may write a file of that name: nothing but MTL files and pictures."""
    path = Path(name.replace("\\", "/"))
    hidden = any(part.startswith(".") for part in path.parts)
    return is_plain(name) and not hidden and path.suffix.lower() in (".mtl", *PICTURES)


def _read_beside(folder: Path, name: str, limits: Limits) -> bytes | None:
    path = folder / name.replace("\\", "/")
    if not is_plain(name) or not path.is_file():
        return None
    limits.check("bytes", path.stat().st_size, f"file {name}")
    return path.read_bytes()


def write_obj(scene: Scene, mesh: Mesh) -> tuple[bytes, list[tuple[str, bytes]]]:
    """An OBJ file of a flattened mesh, and the files to lie beside it (name, content).

    Numbers are written so that they read back as the same floats.
    """
    document = scene.document
    out = [f"mtllib {name}" for name in document.get("libraries", ())]
    colours = mesh.attribute("color")
    rows = texts(mesh.vertices)
    if colours is not None and colours.domain == "vertex":
        shares = texts(_as_shares(colours.values)[:, :3])
        rows = [row + more for row, more in zip(rows, shares, strict=True)]
    out += [f"v {' '.join(row)}" for row in rows]
    index = [mesh.faces + 1]
    for key, kind in (("vt", "uv"), ("vn", "normal")):
        of_kind = mesh.attribute(kind)  # type: ignore[arg-type]
        if of_kind is None or of_kind.domain == "face" or of_kind.values.dtype.kind != "f":
            index.append(np.zeros_like(mesh.faces))
            continue
        first, number = first_uses(of_kind.values)
        width = 2 if kind == "uv" else 3
        out += [f"{key} {' '.join(row)}" for row in texts(of_kind.values[first][:, :width])]
        of_corner = mesh.faces if of_kind.index is None else of_kind.index
        number = np.append(number, -1)
        index.append((number[of_corner] + 1).astype(np.int32))
    out += _face_lines(mesh, np.stack(index, axis=2), document)
    files = [
        (str(each["name"]), scene.blobs[each["blob"]])
        for each in document.get("files", ())
        if _may_lie_beside(str(each.get("name"))) and 0 <= each.get("blob", -1) < len(scene.blobs)
    ]
    return ("\n".join(out) + "\n").encode(), files


def _as_shares(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colours from 0 to 1."""
    if values.dtype.kind == "f":
        return values
    return values / np.float64(np.iinfo(values.dtype).max)


def _face_lines(mesh: Mesh, index: npt.NDArray[np.int32], document: Any) -> list[str]:
    """``f`` lines, and before them what changes: object, group, material, smoothing."""
    names = {**document.get("names", {})}
    names["material"] = [each.get("name", "") for each in document.get("materials", ())]
    states = []
    for key, title in STATES.items():
        of_face = next((a for a in mesh.attributes if a.domain == "face" and a.name == title), None)
        if of_face is not None and of_face.values.dtype.kind in "iu":
            numbers = of_face.values[:, 0].tolist()
        elif title == "material" and mesh.material is not None:
            numbers = [mesh.material] * len(mesh.faces)
        elif names.get(title):
            numbers = [0] * len(mesh.faces)
        else:
            continue
        states.append((key, title, numbers))
    out: list[str] = []
    last = dict.fromkeys(STATES, NONE)
    for row, corners in enumerate(index.tolist()):
        for key, title, numbers in states:
            if numbers[row] != last[key]:
                last[key] = numbers[row]
                known = names.get(title, [])
                text = known[numbers[row]] if 0 <= numbers[row] < len(known) else ""
                out.append(f"{key} {text}".rstrip())
        out.append("f " + " ".join(map(_corner, corners)))
    return out


def _corner(corner: list[int]) -> str:
    position, uv, normal = corner
    if normal:
        return f"{position}/{uv or ''}/{normal}"
    return f"{position}/{uv}" if uv else str(position)
