"""Which medium a source is, by its content, and who reads and writes it: one line a medium.

    >>> medium_of(b"glTF\\x02\\x00\\x00\\x00")
    'mesh'

Nothing here imports a library; readers and writers are imported when they are called.
"""

from __future__ import annotations

import functools
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.errors import InputError
from nacre.files import PICTURES
from nacre.limits import Limits
from nacre.media.audio_kinds import EXTENSIONS as RECORDINGS
from nacre.media.audio_kinds import KEPT, kind_of_audio, kind_of_name
from nacre.stream import is_nacre, name_of_file

HEAD_BYTES = 1 << 16
"""Of a file, what is looked at."""

Files = list[tuple[str, bytes]]
"""Names and contents of written files; the first is the one that was asked for."""


@dataclass(frozen=True)
class Medium:
    """What the API and the command line need to know of a medium.

    Attributes:
        name: as codecs call it.
        load: ``(source, limits=, strip=)`` to the media object.
        write: ``(object, path)`` to the files that hold it; the extension decides the kind.
        extensions: of the files that are taken out of a folder.
        kept: extensions that ``nacre decode`` keeps, because such files hold what was decoded.
        default: the extension of what is decoded, when the name of the stream does not say.
        noun: how messages call one.
    """

    name: str
    load: Callable[..., Any]
    write: Callable[[Any, Path], Files]
    extensions: tuple[str, ...]
    kept: tuple[str, ...]
    default: str
    noun: str


def _load_image(source: Any, *, limits: Limits, strip: tuple[str, ...] = ()) -> Any:
    from nacre.media.image import load_image

    return load_image(source, limits=limits, strip=strip)


def _write_image(image: Any, path: Path) -> Files:
    from nacre.media.pillow import to_file

    return [(path.name, to_file(image.pixels, image.metadata, path))]


def _load_mesh(source: Any, *, limits: Limits, strip: tuple[str, ...] = ()) -> Any:
    from nacre.media.mesh import load_mesh

    return load_mesh(source, limits=limits, strip=strip)


def _write_mesh(scene: Any, path: Path) -> Files:
    from nacre.media.mesh_files import to_files

    return to_files(scene, path)


def _load_audio(source: Any, *, limits: Limits, strip: tuple[str, ...] = ()) -> Any:
    from nacre.media.audio import load_audio

    return load_audio(source, limits=limits, strip=strip)


def _write_audio(audio: Any, path: Path) -> Files:
    from nacre.media.audio import open_writer

    out = io.BytesIO()
    with open_writer(out, audio.shape, audio.metadata, kind=kind_of_name(path)) as writer:
        writer.write(audio.samples)
    return [(path.name, out.getvalue())]


def _load_splats(source: Any, *, limits: Limits, strip: tuple[str, ...] = ()) -> Any:
    from nacre.media.splat import load_splats

    if set(strip) - {"all"}:
        raise InputError(f"strip {strip[0]!r}: splats carry nothing that could be left out")
    return load_splats(source, limits=limits)


def _write_splats(splats: Any, path: Path) -> Files:
    return [(path.name, splats.to_bytes(path.name))]


SPLATS = (".ply", ".spz", ".sog")
MESHES = (".ply", ".obj", ".stl", ".off", ".glb", ".gltf", ".3mf")

MEDIA = {
    medium.name: medium
    for medium in (
        Medium(
            "image", _load_image, _write_image, PICTURES, (".png", ".tif", ".tiff"), ".png",
            "a picture",
        ),
        Medium("audio", _load_audio, _write_audio, RECORDINGS, KEPT, ".wav", "a recording"),
        Medium("mesh", _load_mesh, _write_mesh, MESHES, MESHES, ".glb", "a mesh"),
        Medium("splat", _load_splats, _write_splats, SPLATS, SPLATS, ".ply", "splats"),
    )
}  # fmt: skip
"""By name."""

EXTENSIONS = frozenset(extension for each in MEDIA.values() for extension in each.extensions)
"""Of files that are encoded out of a folder."""


@dataclass(frozen=True)
class FileKind:
    """A kind of file that is no picture: its extension, its medium, and its name for people."""

    extension: str
    medium: str
    text: str


GLB = FileKind(".glb", "mesh", "a GLB scene")
GLTF = FileKind(".gltf", "mesh", "a glTF scene")
PLY = FileKind(".ply", "mesh", "a PLY mesh")
OBJ = FileKind(".obj", "mesh", "an OBJ mesh")
STL = FileKind(".stl", "mesh", "an STL mesh")
OFF = FileKind(".off", "mesh", "an OFF mesh")
THREE_MF = FileKind(".3mf", "mesh", "a 3MF package")
SPLAT_PLY = FileKind(".ply", "splat", "a PLY file of splats")
SPZ = FileKind(".spz", "splat", "an SPZ file of splats")
SOG = FileKind(".sog", "splat", "a SOG file of splats")
SOUND = FileKind(".wav", "audio", "a recording")

_OBJ_LINE = re.compile(rb"\s*(#|(v|vt|vn|vp|f|l|p|o|g|s|mtllib|usemtl)\b)")
_OBJ_VERTEX = re.compile(rb"v(\s+[-+]?[\d.]+([eE][-+]?\d+)?){3}")


def kind_of_file(head: bytes, name: str = "", size: int | None = None) -> FileKind | None:
    """What kind of file of sound, meshes or splats begins with ``head``; None: none of these.

    Args:
        head: the first :data:`HEAD_BYTES`, or all of it.
        name: of the file; its extension counts where the content says little (OBJ, STL).
        size: of the file in bytes; None: ``head`` is all.
    """
    size = len(head) if size is None else size
    extension = Path(name).suffix.lower()
    if head[:4] == b"glTF":
        return GLB
    if kind_of_audio(head[:16]) is not None:
        return SOUND
    if head[:3] == b"ply" and head[3:4] in (b"\n", b"\r", b" "):
        splats = re.search(rb"^property \w+ (f_dc_0|packed_position)\s*$", head, re.MULTILINE)
        return SPLAT_PLY if splats else PLY
    if head[:4] == b"PK\x03\x04":
        return _kind_of_zip(head, extension)
    if head[:4] == b"NGSP" or (head[:2] == b"\x1f\x8b" and _inflated(head)[:4] == b"NGSP"):
        return SPZ
    if re.match(rb"\s*(ST)?C?N?4?n?OFF\b", head):
        return OFF
    if head.lstrip()[:1] == b"{" and (extension == ".gltf" or b'"asset"' in head):
        return GLTF
    if name_of_file(head[:16]) is None and not is_nacre(head):
        return _kind_of_plain(head, extension, size)
    return None


def _kind_of_zip(head: bytes, extension: str) -> FileKind | None:
    """Of a ZIP archive, by the name of its first file."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")].lower()
    if first in (b"[content_types].xml", b"_rels/.rels") or first.startswith(b"3d/"):
        return THREE_MF
    if first == b"meta.json" or first.endswith(b".webp"):
        return SOG
    return {".3mf": THREE_MF, ".sog": SOG}.get(extension)


def _inflated(head: bytes) -> bytes:
    """The first bytes of a gzip file."""
    try:
        return zlib.decompressobj(31).decompress(head, 16)
    except zlib.error:
        return b""


def _kind_of_plain(head: bytes, extension: str, size: int) -> FileKind | None:
    """Of files without a signature."""
    text = head.lstrip()[:5].lower() == b"solid" and b"facet" in head
    facets = int.from_bytes(head[80:84], "little") if len(head) >= 84 else -1
    if text or extension == ".stl" or (facets > 0 and size == 84 + 50 * facets):
        return STL
    if extension == ".obj":
        return OBJ
    text_lines = head[:4096].replace(b"\\\n", b" ").split(b"\n")[:-1]
    lines = [line for line in text_lines if line.strip()]
    if all(map(_OBJ_LINE.match, lines)) and any(map(_OBJ_VERTEX.match, lines)):
        return OBJ
    return None


def medium_of(source: Any) -> str:
    """The medium of anything that :func:`nacre.encode` takes; ``image`` where nothing else fits.

    A file object is left where it was.
    """
    if isinstance(source, str | Path):
        return _medium_of_path(Path(source))
    if isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source)
        kind = kind_of_file(bytes(view[:HEAD_BYTES]), size=len(view))
        return kind.medium if kind is not None else "image"
    if hasattr(source, "read") and hasattr(source, "seek"):
        return _medium_of_file(source)
    module = type(source).__module__
    if module.startswith("nacre.media.splat"):
        return "splat"
    if module.startswith("nacre.media.audio"):
        return "audio"
    if module.startswith(("numpy", "torch", "PIL", "nacre.media.image")):
        return "image"
    from nacre.media.mesh_objects import is_mesh_object

    return "mesh" if is_mesh_object(source) else "image"


def _medium_of_path(path: Path) -> str:
    try:
        if not path.is_file():
            return "image"
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        kind = kind_of_file(head, path.name, path.stat().st_size)
    except OSError:
        return "image"  # whoever reads it says what is wrong
    return kind.medium if kind is not None else "image"


def _medium_of_file(file: Any) -> str:
    try:
        place = file.tell()
        head = file.read(HEAD_BYTES)
        size = file.seek(0, io.SEEK_END) - place
        file.seek(place)
        kind = kind_of_file(head, size=size) if isinstance(head, bytes) else None
    except (OSError, ValueError):
        return "image"
    return kind.medium if kind is not None else "image"


def settled(source: Any) -> Any:
    """``source``, or the bytes of a file object that can be read only once."""
    if hasattr(source, "read") and not isinstance(source, str | Path):
        seekable = getattr(source, "seekable", None)
        if seekable is not None and not seekable():
            return source.read()
    return source


def open_source(source: Any, what: str, limits: Limits) -> tuple[str, bytes, Path | None]:
    """Name, content and folder of a path, bytes or file object; None: it is in no folder.

    Args:
        source: the path, bytes or file object.
        what: is expected, such as ``"a mesh"``.
        limits: the file may be as long as ``limits.bytes``.

    Raises:
        InputError: it cannot be read, is empty, or a nacre stream.
    """
    name, folder = "the input", None
    try:
        if isinstance(source, str | Path):
            path = Path(source)
            name, folder = str(path), path.parent
            if path.is_dir():
                raise InputError(f"{path} is a folder, {what} is expected")
            limits.check("bytes", path.stat().st_size, f"file {path}")
            data = path.read_bytes()
        elif isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source)
        elif hasattr(source, "read"):
            data = source.read()
        else:
            raise InputError(f"cannot read {what} from {type(source).__name__}")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except PermissionError:
        raise InputError(f"{name}: no permission to read it") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from None
    if not isinstance(data, bytes):
        raise InputError("the file object gives text; open it in binary mode")
    if not data:
        raise InputError(f"{name} is empty (0 bytes), {what} is expected")
    if is_nacre(data[:16]):
        raise InputError(f"{name} is a nacre stream already; decode it with nacre decode")
    return name, data, folder


@functools.cache
def medium(name: str) -> Medium:
    """The medium of that name.

    Raises:
        InputError: files of it cannot be read or written here.
    """
    if name not in MEDIA:
        raise InputError(f"{name} cannot be read or written yet; there are {', '.join(MEDIA)}")
    return MEDIA[name]
