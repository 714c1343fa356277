"""A Pillow opener for .ncr files, on request.

import nacre, PIL.Image

nacre.register_pillow()
picture = PIL.Image.open("photo.ncr")           # the header; pixels when they are needed
picture.save("again.ncr", quality=80)           # keywords are those of nacre.encode
"""

from __future__ import annotations

import io
from typing import IO, Any

import PIL.Image
import PIL.ImageFile

from nacre.api import encode
from nacre.decoding import Decoder
from nacre.media.metadata import Metadata
from nacre.stream import ImageShape, Stream, is_nacre

FORMAT = "NCR"
EXTENSION = ".ncr"

_MODES = {(1, 8): "L", (2, 8): "LA", (3, 8): "RGB", (4, 8): "RGBA", (1, 16): "I;16"}


class NcrImageFile(PIL.ImageFile.ImageFile):
    """One open .ncr file."""

    format = FORMAT
    format_description = "nacre picture"

    def _open(self) -> None:
        """Read the header and the metadata.

        Raises:
            SyntaxError: not a picture that Pillow has a mode for (it then tries other plugins).
            NacreError: a damaged stream.
        """
        self._data = self.fp.read() if self.fp is not None else b""
        stream = Stream.from_bytes(self._data)
        shape = stream.shape
        if not isinstance(shape, ImageShape) or (shape.channels, shape.depth) not in _MODES:
            raise SyntaxError(f"Pillow has no mode for {shape}")
        self._size = (shape.width, shape.height)
        self._mode = _MODES[shape.channels, shape.depth]
        metadata = Metadata.from_stream(stream)
        carried = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
        self.info |= {key: value for key, value in carried.items() if value is not None}
        self.info |= dict(metadata.tags)

    def load(self) -> Any:
        """Decode when the pixels are first needed."""
        if self._data:
            pixels = Decoder().decode(self._data).pixels
            self._data = b""
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(pixels.tobytes())
            self.tile = [PIL.ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]
        return super().load()


def _accept(prefix: bytes) -> bool:
    return is_nacre(prefix)


def _save(image: PIL.Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    file.write(encode(image, **image.encoderinfo))


def register_pillow() -> None:
    """Let Pillow open and save .ncr files from now on; doing it again changes nothing.

    >>> import PIL.Image
    >>> register_pillow()
    >>> PIL.Image.registered_extensions()[".ncr"]
    'NCR'
    """
    PIL.Image.register_open(FORMAT, NcrImageFile, _accept)
    PIL.Image.register_save(FORMAT, _save)
    PIL.Image.register_extension(FORMAT, EXTENSION)
