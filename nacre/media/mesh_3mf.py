"""3MF packages: objects, components and build items of the core specification (version 1.3).

Objects become meshes, build items and components become nodes, base materials and colours become
materials of faces. Anything else in the package (slicers' settings, previews) is left out, and the
notes say so.
"""

from __future__ import annotations

import io
import xml.parsers.expat
import zipfile
import zlib
from array import array
from dataclasses import dataclass, field, replace
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import as_faces, narrowed, texts

CHUNK = 1 << 20
NAMESPACE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MOST_NODES = 1 << 16
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
    *(EOFError, OSError, ValueError),  # places in the directory that lie outside of the file
)
"""What reading a damaged ZIP archive raises."""


@dataclass
class _Object:
    """One object of the package; ``parts`` are its components."""

    name: str
    material: tuple[str, int] | None
    positions: array[float] = field(default_factory=lambda: array("d"))
    triangles: array[int] = field(default_factory=lambda: array("q"))
    materials: array[int] = field(default_factory=lambda: array("i"))
    parts: list[tuple[str, list[float] | None]] = field(default_factory=list)


class _Reader:
    """What the elements of a model part said so far."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.unit = "millimeter"
        self.objects: dict[str, _Object] = {}
        self.items: list[tuple[str, list[float] | None]] = []
        self.materials: list[dict[str, Any]] = []
        self.places: dict[tuple[str, int], int] = {}
        self.group = ""
        self.in_group = 0
        self.current: _Object | None = None
        self.left_out: set[str] = set()

    def element(self, name: str, given: dict[str, str]) -> None:
        """One start tag."""
        name = name.rpartition(":")[2]
        handler = getattr(self, f"_{name}", None)
        if handler is not None:
            handler(given)
        elif name not in IGNORED:
            self.left_out.add(name)

    def _model(self, given: dict[str, str]) -> None:
        self.unit = given.get("unit", self.unit)

    def _basematerials(self, given: dict[str, str]) -> None:
        self.group, self.in_group = given["id"], 0

    _colorgroup = _basematerials

    def _base(self, given: dict[str, str]) -> None:
        self._add_material(given.get("name", ""), given.get("displaycolor", ""))

    def _color(self, given: dict[str, str]) -> None:
        self._add_material("", given.get("color", ""))

    def _add_material(self, name: str, colour: str) -> None:
        material: dict[str, Any] = {"name": name} if name else {}
        if colour:
            material["extras"] = {"displaycolor": colour}
        self.places[self.group, self.in_group] = len(self.materials)
        self.materials.append(material)
        self.in_group += 1

    def _object(self, given: dict[str, str]) -> None:
        material = None
        if "pid" in given:
            material = (given["pid"], int(given.get("pindex", 0)))
        self.current = _Object(given.get("name", ""), material)
        self.objects[given["id"]] = self.current

    def _vertex(self, given: dict[str, str]) -> None:
        found = self._now().positions
        found.extend((float(given["x"]), float(given["y"]), float(given["z"])))
        if len(found) % (3 << 16) == 0:
            self.limits.check("vertices", len(found) // 3, "3MF package")

    def _triangle(self, given: dict[str, str]) -> None:
        now = self._now()
        now.triangles.extend((int(given["v1"]), int(given["v2"]), int(given["v3"])))
        material = now.material
        if "p1" in given and ("pid" in given or material is not None):
            material = (given.get("pid", material[0] if material else ""), int(given["p1"]))
        now.materials.append(self.places.get(material, -1) if material is not None else -1)
        if len(now.materials) % (1 << 16) == 0:
            self.limits.check("vertices", len(now.materials), "faces of a 3MF package")

    def _component(self, given: dict[str, str]) -> None:
        self._now().parts.append((given["objectid"], _matrix(given.get("transform"))))

    def _item(self, given: dict[str, str]) -> None:
        self.items.append((given["objectid"], _matrix(given.get("transform"))))

    def _now(self) -> _Object:
        if self.current is None:
            raise InputError("3MF: geometry outside of an object")
        return self.current


IGNORED = {"resources", "mesh", "vertices", "triangles", "components", "build", "metadata"}


def _matrix(text: str | None) -> list[float] | None:
    """The 12 numbers of a transform as the 16 of glTF (both by columns of a column vector)."""
    if text is None:
        return None
    n = [float(word) for word in text.split()]
    if len(n) != 12:
        raise ValueError
    return [*n[0:3], 0.0, *n[3:6], 0.0, *n[6:9], 0.0, *n[9:12], 1.0]


def read_3mf(data: bytes, limits: Limits) -> Scene:
    """The scene in a 3MF package.

    Raises:
        InputError: it is damaged.
        LimitExceeded: it unpacks to more than ``limits`` allow.
    """
    reader = _Reader(limits)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            infos = {info.filename.lower().lstrip("/"): info for info in package.infolist()}
            limits.check("items", len(infos), "files of a 3MF package")
            models = [name for name in infos if name.endswith(".model")]
            root = "3d/3dmodel.model"
            name = root if root in models else min(models, default="")
            if not name:
                raise InputError("3MF: the package has no model")
            limits.check("bytes", infos[name].file_size, f"3MF part {name}")
            with package.open(infos[name]) as part:
                _parse(part, infos[name].file_size, reader)
            others = sorted(set(infos) - {name, "_rels/.rels", "[content_types].xml"})
    except DAMAGED as error:
        raise InputError(f"3MF: the package is damaged ({error})") from None
    return _scene(reader, others)


def _parse(part: Any, size: int, reader: _Reader) -> None:
    """Feed a model part to ``reader``, never more than the ``size`` that the package declares."""
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = reader.element
    parser.StartDoctypeDeclHandler = _refuse_doctype
    read = 0
    try:
        while chunk := part.read(CHUNK):
            read += len(chunk)
            if read > size:
                raise InputError("3MF: a part is longer than the package says")
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except xml.parsers.expat.ExpatError as error:
        raise InputError(f"3MF: the model is no XML that can be read ({error})") from None
    except (KeyError, ValueError, OverflowError):
        raise InputError(
            f"3MF: an element at line {parser.CurrentLineNumber} lacks a value, or has a bad one"
        ) from None


def _refuse_doctype(*_: Any) -> None:
    raise InputError("3MF: the model has a document type, which 3MF does not permit")


def _scene(reader: _Reader, others: list[str]) -> Scene:
    meshes: list[Mesh] = []
    number: dict[str, int] = {}
    for identity, found in reader.objects.items():
        if len(found.positions):
            number[identity] = len(meshes)
            meshes.append(_mesh(found))
    if not meshes:
        raise InputError("3MF: no object has a mesh")
    for mesh in meshes:
        reader.limits.check("vertices", len(mesh.vertices), "3MF package")
    document: dict[str, Any] = {
        "scenes": [{"nodes": []}],
        "scene": 0,
        "nodes": [],
        "meshes": [
            {"primitives": [{"nacre": [i]}], **({"name": m.name} if m.name else {})}
            for i, m in enumerate(meshes)
        ],
        "extras": {"unit": reader.unit},
    }
    if reader.materials:
        document["materials"] = reader.materials
    for identity, matrix in reader.items or [(identity, None) for identity in number]:
        node = _node(reader, identity, matrix, number, document["nodes"], 0)
        document["scenes"][0]["nodes"].append(node)
    plain = len(meshes) == 1 and not reader.materials and reader.unit == "millimeter"
    if plain and document["nodes"] == [{"mesh": 0}]:
        document = {}
    notes = []
    if reader.left_out:
        notes.append(f"3MF elements left out: {', '.join(sorted(reader.left_out)[:8])}")
    if others:
        notes.append(f"{len(others)} other files of the 3MF package were left out")
    return Scene(tuple(meshes), document, notes=tuple(notes))


def _mesh(found: _Object) -> Mesh:
    vertices = narrowed(np.array(found.positions, np.float64).reshape(-1, 3))
    faces = as_faces(np.array(found.triangles, np.int64), len(vertices))
    materials = np.array(found.materials, np.int32)
    attributes: tuple[Attribute, ...] = ()
    one = None
    if len(materials) and materials.min() == materials.max():
        one = int(materials[0]) if materials[0] >= 0 else None
    elif len(materials):
        attributes = (Attribute("material", "generic", "face", materials[:, None]),)
    return Mesh(vertices, faces, attributes, name=found.name, material=one)


def _node(
    reader: _Reader,
    identity: str,
    matrix: list[float] | None,
    number: dict[str, int],
    nodes: list[dict[str, Any]],
    depth: int,
) -> int:
    """Add the node of an object and those of its components; its number."""
    if depth > 32 or len(nodes) >= MOST_NODES or identity not in reader.objects:
        raise InputError("3MF: components that are missing, too deep or too many")
    place, node = len(nodes), dict[str, Any]()
    nodes.append(node)
    found = reader.objects[identity]
    if matrix is not None:
        node["matrix"] = matrix
    if identity in number:
        node["mesh"] = number[identity]
    elif found.name:
        node["name"] = found.name
    children = [
        _node(reader, part, part_matrix, number, nodes, depth + 1)
        for part, part_matrix in found.parts
    ]
    if children:
        node["children"] = children
    return place


TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" '
    'ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
)
RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rel0" Target="/3D/3dmodel.model" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)


def write_3mf(scene: Scene) -> bytes:
    """A 3MF package of all meshes, each where the nodes put it."""
    from nacre.media.mesh_nodes import placements

    if any(attribute.name == "primitive" for m in scene.meshes for attribute in m.attributes):
        scene = replace(scene, meshes=(scene.flattened(),), document={})
    unit = scene.document.get("extras", {}).get("unit", "millimeter")
    unit = unit if isinstance(unit, str) else "millimeter"
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<model unit={quoteattr(unit)} xml:lang="en-US" xmlns="{NAMESPACE}"><resources>',
    ]
    materials = [m for m in scene.document.get("materials", ()) if isinstance(m, dict)]
    if materials:
        out.append('<basematerials id="1">')
        out += [_material(each) for each in materials]
        out.append("</basematerials>")
    for number, mesh in enumerate(scene.meshes):
        out += _object_lines(number + 2, mesh, bool(materials))
    out.append("</resources><build>")
    for number, _, matrix in placements(scene):
        columns = matrix.T[:, :3].ravel()
        plain = np.array_equal(matrix, np.eye(4))
        place = "" if plain else f' transform="{" ".join(map(repr, columns.tolist()))}"'
        out.append(f'<item objectid="{number + 2}"{place}/>')
    out.append("</build></model>")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in (
            ("[Content_Types].xml", TYPES),
            ("_rels/.rels", RELATIONS),
            ("3D/3dmodel.model", "\n".join(out)),
        ):
            package.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _material(material: dict[str, Any]) -> str:
    extras = material.get("extras")
    colour = extras.get("displaycolor") if isinstance(extras, dict) else None
    name = escape(str(material.get("name") or "material"), {'"': "&quot;"})
    return f'<base name="{name}" displaycolor={quoteattr(str(colour or "#FFFFFFFF"))}/>'


def _object_lines(identity: int, mesh: Mesh, has_materials: bool) -> list[str]:
    name = f" name={quoteattr(mesh.name)}" if mesh.name else ""
    whole = ""
    if has_materials and mesh.material is not None:
        whole = f' pid="1" pindex="{mesh.material}"'
    out = [f'<object id="{identity}" type="model"{name}{whole}><mesh><vertices>']
    out += ['<vertex x="{}" y="{}" z="{}"/>'.format(*row) for row in texts(mesh.vertices)]
    out.append("</vertices><triangles>")
    of_face = next(
        (a.values[:, 0].tolist() for a in mesh.attributes
         if has_materials and a.domain == "face" and a.name == "material"), None
    )  # fmt: skip
    for row, (a, b, c) in enumerate(mesh.faces.tolist()):
        own = f' pid="1" p1="{of_face[row]}"' if of_face and of_face[row] >= 0 else ""
        out.append(f'<triangle v1="{a}" v2="{b}" v3="{c}"{own}/>')
    out.append("</triangles></mesh></object>")
    return out
