"""Which reader takes a source of meshes, and which writer a path: a line for each kind of file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nacre.errors import InputError
from nacre.files import write_atomically
from nacre.limits import Limits
from nacre.media.detect import kind_of_file, open_source
from nacre.media.gltf import read_gltf
from nacre.media.gltf_write import bottom_left, write_gltf
from nacre.media.mesh import Scene
from nacre.media.mesh_3mf import read_3mf, write_3mf
from nacre.media.mesh_obj import read_obj, write_obj
from nacre.media.mesh_objects import from_object, is_mesh_object
from nacre.media.mesh_plain import read_off, read_stl, write_off, write_stl
from nacre.media.mesh_ply import read_mesh_ply, write_mesh_ply

Files = list[tuple[str, bytes]]
"""Names and contents of what is written; the first has the name that was asked for."""


@dataclass(frozen=True)
class FileKind:
    """How a kind of file is read and written."""

    read: Callable[[bytes, Limits, Path | None], Scene]
    write: Callable[[Scene, str], Files]


def _glb(scene: Scene, name: str) -> Files:
    return [(name, write_gltf(scene)[0])]


def _gltf(scene: Scene, name: str) -> Files:
    beside = Path(name).with_suffix(".bin").name
    text, binary = write_gltf(scene, binary_name=beside)
    return [(name, text), *([(beside, binary)] if binary else [])]


def _obj(scene: Scene, name: str) -> Files:
    content, beside = write_obj(scene, bottom_left(scene.flattened()))
    return [(name, content), *beside]


def _flat(write: Callable[[Any], bytes]) -> Callable[[Scene, str], Files]:
    return lambda scene, name: [(name, write(bottom_left(scene.flattened())))]


def _3mf(scene: Scene, name: str) -> Files:
    return [(name, write_3mf(scene))]


KINDS = {
    ".ply": FileKind(lambda data, limits, _: read_mesh_ply(data, limits), _flat(write_mesh_ply)),
    ".obj": FileKind(read_obj, _obj),
    ".stl": FileKind(lambda data, limits, _: read_stl(data, limits), _flat(write_stl)),
    ".off": FileKind(lambda data, limits, _: read_off(data, limits), _flat(write_off)),
    ".glb": FileKind(read_gltf, _glb),
    ".gltf": FileKind(read_gltf, _gltf),
    ".3mf": FileKind(lambda data, limits, _: read_3mf(data, limits), _3mf),
}
"""By extension."""


def load_scene(source: Any, limits: Limits) -> Scene:
    """The scene in ``source``, of any kind that :func:`nacre.media.mesh.load_mesh` takes.

    Raises:
        InputError, LimitExceeded: as there.
    """
    if is_mesh_object(source):
        return from_object(source, limits)
    name, data, folder = open_source(source, "a mesh", limits)
    kind = kind_of_file(data, name)
    if kind is None or kind.extension not in KINDS:
        known = ", ".join(each[1:].upper() for each in KINDS)
        found = f"this is {kind.text}" if kind is not None else "it is none that is known"
        raise InputError(f"{name}: a mesh file is expected ({known}); {found}")
    try:
        return KINDS[kind.extension].read(data, limits, folder)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def to_files(scene: Scene, path: Path) -> Files:
    """Names and contents of the files that hold ``scene``; the kind follows from the extension.

    Raises:
        InputError: the extension is not known, or that kind of file cannot hold the scene.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"{path.name}: meshes are written as {', '.join(KINDS)}, not {path.suffix or 'that'}"
        )
    return kind.write(replace(scene, notes=()), path.name)


def save_scene(scene: Scene, path: Path, *, force: bool) -> None:
    """Write ``scene`` to ``path``, and what lies beside it.

    Raises:
        InputError: as :func:`to_files`, or a file exists, or the system refuses.
    """
    files = to_files(scene, path)
    targets = [path, *(path.parent / name.replace("\\", "/") for name, _ in files[1:])]
    for target in targets:
        if target.exists() and not force and target.is_file():
            raise InputError(
                f"{target} exists; choose another name, or allow overwriting with --force"
            )
    for target, (_, content) in zip(targets, files, strict=True):
        if target != path:
            target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content, force=force)
