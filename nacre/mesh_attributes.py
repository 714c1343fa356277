"""Attributes of a mesh of ``circuit-mesh``: their seams and their values, both ways.

Corners that split alike share seams, and split vertices (``mesh_payload.py``) have the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.attributes import decode_attribute, encode_attribute
from nacre.entropy.mesh.attributes_faces import decode_face_attribute, encode_face_attribute
from nacre.entropy.mesh.connectivity import decode_seams, encode_seams
from nacre.entropy.mesh.network import Network
from nacre.entropy.mesh.surface import Surface
from nacre.errors import FormatError
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Mesh
from nacre.media.mesh_symbols import Form, from_integers, to_integers
from nacre.stream import Bytes

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Manner:
    """What decides how a mesh is coded.

    Attributes:
        bits: of its positions, normals, texture coordinates, colours and other floats.
        effort: 1 to 4.
        lossless: every bit comes back.
        keep: what of the order: ``none``, ``vertex`` or ``all``.
        network, primed: of the model; None: there is none.
    """

    bits: dict[str, int]
    effort: int
    lossless: bool
    keep: Any
    network: Network | None = None
    primed: bytes | None = None


class AttributeWriter:
    """Codes the attributes of a mesh; corners that split alike share their seams."""

    def __init__(
        self,
        mesh: Mesh,
        manner: Manner,
        surface: Surface,
        faces: Int32s,
        corner: Int64s,
        positions: Int64s,
    ) -> None:
        self.mesh, self.manner, self.surface, self.faces = mesh, manner, surface, faces
        self.corner, self.positions = corner, positions
        self.forms: list[Form] = []
        self.seams: list[Int32s] = []
        self.segments: list[bytes] = []
        self.is_split = False

    def split(self, faces: Int32s, isolated: Int64s) -> Int64s:
        """Code which corners belong to which vertex; the input's vertex of each decoded one."""
        _, rows = self.seam(faces.ravel()[self.corner])
        self.is_split = True
        return np.concatenate([rows, isolated])

    def seam(self, values: npt.NDArray[Any]) -> tuple[int, Int64s]:
        """Code seams unless they were; their number from 1, and the value of each seam's row.

        Args:
            values: of each corner in the decoder's order, any number a value, ``[F, 3]``.
        """
        data, index = encode_seams(self.surface, self.faces, values.astype(np.int32))
        flat, found = index.ravel(), np.zeros(int(index.max(initial=-1)) + 1, np.int64)
        found[flat] = values.ravel()
        for number, known in enumerate(self.seams, 1):
            if np.array_equal(known, index):
                return number, found
        self.seams.append(index)
        self.segments.append(data)
        return len(self.seams), found

    def segments_of(self, original: Int64s) -> list[bytes]:
        """All segments of the attributes, seams first met included."""
        for each in self.mesh.attributes:
            self._attribute(each, original)
        return self.segments

    def _attribute(self, each: Attribute, original: Int64s) -> None:
        bits = self.manner.bits[each.kind]
        if each.domain == "face":
            rows = self.corner[:, 0] // 3
            integers, form = to_integers(each, bits, lossless=self.manner.lossless)
            data = encode_face_attribute(self.surface, integers[rows])
        elif each.domain == "vertex":
            integers, form = to_integers(each, bits, lossless=self.manner.lossless)
            index = self.seams[0] if self.is_split else None
            data = self._code(integers[original], index, form)
        else:
            data, form = self._corners(each, bits)
        self.forms.append(form)
        self.segments.append(data)

    def _corners(self, each: Attribute, bits: int) -> tuple[bytes, Form]:
        """An attribute of corners; equal values at a vertex are one."""
        each = _used(each)
        index = each.index if each.index is not None else self.mesh.faces
        flat = index.ravel()[self.corner].astype(np.int64)
        integers, form = to_integers(each, bits, lossless=self.manner.lossless)
        labels = np.unique(integers, axis=0, return_inverse=True)[1].ravel()
        count = len(integers)
        number, found = self.seam(np.append(labels, count)[flat])
        row_of = np.zeros(count + 1, np.int64)
        row_of[labels] = np.arange(count)
        absent = found == count
        form = replace(form, seams=number, absent=bool(absent.any()))
        values = integers[row_of[found]] if count else np.zeros((len(found), form.channels), int)
        if form.absent:
            values = np.concatenate(
                [np.where(absent[:, None], 0, values), ~absent[:, None]], axis=1
            )
        return self._code(values, self.seams[number - 1], form), form

    def _code(self, values: Int64s, index: Int32s | None, form: Form) -> bytes:
        return encode_attribute(
            self.surface,
            self.faces,
            values,
            index,
            kind=form.coded_as,
            positions=self.positions,
            effort=self.manner.effort,
            bits=form.bits,
        )


def _used(each: Attribute) -> Attribute:
    """An attribute of corners without the values that no corner has: they do not come back."""
    if each.index is None:
        return each
    used = np.unique(each.index[each.index >= 0])
    index = np.where(each.index >= 0, np.searchsorted(used, each.index), -1).astype(np.int32)
    return replace(each, values=each.values[used], index=index)


def taken(segments: list[Bytes]) -> bytes:
    """The first of ``segments``, which it leaves.

    Raises:
        FormatError: there is none.
    """
    if not segments:
        raise FormatError("a segment of a mesh is missing")
    return bytes(segments.pop(0))


class AttributeReader:
    """Decodes the attributes of a mesh; ``segments`` are taken from the front.

    Attributes:
        index: the decoded seams.
    """

    def __init__(
        self,
        segments: list[Bytes],
        surface: Surface,
        faces: Int32s,
        positions: Int64s,
        limits: Limits,
    ) -> None:
        self.segments, self.surface, self.faces = segments, surface, faces
        self.positions, self.limits = positions, limits
        self.seams: list[Int32s] = []
        self.is_split = False
        self.bytes = 0

    def split(self) -> Int32s:
        """The seams that split vertices, int32 ``[F, 3]``."""
        self.is_split = True
        return self.seam(1)

    def seam(self, number: int) -> Int32s:
        """Seams ``number`` (from 1); the next ones may be new.

        Raises:
            FormatError: there are not so many.
        """
        if number == len(self.seams) + 1:
            self._take(4 * self.faces.size, "seams")
            self.seams.append(decode_seams(taken(self.segments), self.surface, self.faces))
        if not 1 <= number <= len(self.seams):
            raise FormatError(f"seams {number} of {len(self.seams)}")
        return self.seams[number - 1]

    def attribute(self, form: Form) -> Attribute:
        """The next attribute.

        Raises:
            FormatError: its segment is damaged.
            LimitExceeded: it takes more bytes than ``limits`` allow.
        """
        if form.domain == "face":
            count = len(self.faces)
            self._take(8 * count * form.channels, f"attribute {form.name!r}")
            values = decode_face_attribute(
                taken(self.segments), self.surface, faces=count, channels=form.channels
            )
            return self._made(form, values, None)
        index = self.seams[0] if self.is_split else None
        if form.domain == "corner":
            index = self.seam(form.seams)
        count = self.surface.vertices if index is None else int(index.max(initial=-1)) + 1
        self._take(8 * count * form.channels, f"attribute {form.name!r}")
        values, bits = decode_attribute(
            taken(self.segments),
            self.surface,
            self.faces,
            index,
            kind=form.coded_as,
            channels=form.channels,
            positions=self.positions,
        )
        if bits != (form.bits if form.coded_as == "normal" else 0):
            raise FormatError(f"attribute {form.name!r}: normals of {bits} and {form.bits} bits")
        return self._made(form, values, index if form.domain == "corner" else None)

    def _take(self, count: int, what: str) -> None:
        """Count bytes that are about to be taken; all of a mesh are bounded together."""
        self.bytes += count
        self.limits.check("bytes", self.bytes, f"{what} and those before it")

    def _made(self, form: Form, values: Int64s, index: Int32s | None) -> Attribute:
        if form.absent and index is not None:
            there = values[:, -1]
            if there.size and (there.min() < 0 or there.max() > 1):
                raise FormatError(f"attribute {form.name!r}: a mark that is neither 0 nor 1")
            number = np.where(there == 1, np.cumsum(there) - 1, -1)
            index = number[index].astype(np.int32)
            values = values[there == 1, :-1]
        plain = from_integers(np.ascontiguousarray(values), form)
        return Attribute(form.name, form.kind, form.domain, plain, index)
