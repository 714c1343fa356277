"""Circuits as models of pictures: exact likelihoods, completions and samples.

    import nacre

    digits = nacre.Circuit.load("circuit-mnist")
    digits.likelihood(pictures)                 # log2 P of each, exact
    digits.inpaint(pictures, missing)           # the missing samples, most probable
    digits.sample(16, seed=1)                   # [16, 28, 28]

What is computed is floating point with the very parameters that code files; no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nacre.circuit_models import fits, load_model
from nacre.entropy.circuits import queries
from nacre.entropy.circuits.model import HCLT
from nacre.errors import InputError
from nacre.media.image_sets import ImageSet, load_image_set
from nacre.media.image_symbols import from_symbols, to_symbols
from nacre.models import find_model
from nacre.stream import ImageShape

if TYPE_CHECKING:
    from nacre.media.image_sets import SetSource

CODEC = "circuit-image"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Circuit:
    """A hidden Chow-Liu tree over pictures of one size and layout.

    Pictures are handed in as to :func:`nacre.load_image_set`: an array ``[N, H, W]`` or
    ``[N, H, W, C]``, a folder, an idx file. Where samples are ``missing``, a Boolean array says so
    that has the shape of the pictures, or one that broadcasts to it, such as ``[H, W]``.

    Attributes:
        tree: over the variables of a picture.
        shape: of a picture.
    """

    tree: HCLT
    shape: ImageShape

    @classmethod
    def load(cls, model: str | Path) -> Circuit:
        """The circuit of a model file.

        Args:
            model: its name, path or id.

        Raises:
            ModelError: there is none, or it is damaged or of another codec.
        """
        found = load_model(find_model(model, codec=CODEC).path)
        return cls(found.circuit.to_hclt(), found.shape)

    def likelihood(
        self, pictures: SetSource, missing: Mask | None = None
    ) -> npt.NDArray[np.float64]:
        """``log2 P`` of each picture, ``[N]``; its negative is the ideal length of its code, bits.

        Args:
            pictures: N of them.
            missing: samples that are summed out; None: no others.

        Raises:
            InputError: the pictures have another layout, or the mask another shape.
        """
        images, symbols = self._variables(pictures)
        seen = None if missing is None else ~self._mask(missing, images)
        bits: npt.NDArray[np.float64] = queries.log_likelihood(self.tree, symbols, seen)
        return bits / math.log(2)

    def bits_per_dimension(self, pictures: SetSource) -> float:
        """Mean over pictures of ``-log2 P / (W * H * C)``: bits a sample.

        Raises:
            InputError: as :meth:`likelihood`, or there are no pictures.
        """
        bits = self.likelihood(pictures)
        if not len(bits):
            raise InputError("no pictures, so no bits per dimension")
        return -float(bits.mean()) / (self.shape.width * self.shape.height * self.shape.channels)

    def inpaint(self, pictures: SetSource, missing: Mask, how: str = "joint") -> npt.NDArray[Any]:
        """The pictures with their missing samples filled in, as an array like the one given.

        Args:
            pictures: N of them; what they hold where samples are missing does not matter.
            missing: True where a sample is to be filled in.
            how: ``joint``: the values of the most probable completion, hidden variables included;
                ``mode``: every sample's most probable value by itself; ``mean``: its mean, rounded.

        Raises:
            InputError: as :meth:`likelihood`, ``how`` is something else, or the mean of 16-bit
                samples is asked for, whose bytes have no mean together.
        """
        images, symbols = self._variables(pictures)
        if how == "mean" and self.shape.depth == 16:
            raise InputError("the mean of 16-bit samples cannot be had; use joint or mode")
        seen = ~self._mask(missing, images)
        filled = from_symbols(queries.complete(self.tree, symbols, seen, how), self.shape)
        if self.shape.depth == 1 and images.pixels.dtype == np.uint8:
            filled = filled.astype(np.uint8) * np.uint8(255)
        return replace(images, pixels=filled).numpy()

    def sample(self, count: int, seed: int) -> npt.NDArray[Any]:
        """Draw pictures: ``[count, H, W]``, or ``[count, H, W, C]`` of several channels.

        Raises:
            InputError: ``count`` is negative.
        """
        drawn = from_symbols(queries.sample(self.tree, count, seed), self.shape)
        return ImageSet(drawn, channel_axis=self.shape.channels > 1).numpy()

    def _variables(self, pictures: SetSource) -> tuple[ImageSet, npt.NDArray[np.uint8]]:
        images = load_image_set(pictures)
        if not fits(self.shape, images):
            raise InputError(f"pictures of {images.shape}, but the circuit is for {self.shape}")
        return images, to_symbols(images, bilevel=self.shape.depth == 1)

    def _mask(self, missing: Mask, images: ImageSet) -> Mask:
        """``missing`` for every variable, ``[N, V]``."""
        mask = np.asarray(missing)
        if mask.dtype != np.bool_:
            raise InputError(f"missing is an array of {mask.dtype}; bool is expected")
        if mask.ndim in (2, 3) and mask.shape[-2:] == images.pixels.shape[1:3]:
            mask = mask[..., None]  # [H, W] or [N, H, W]
        try:
            whole = np.broadcast_to(mask, images.pixels.shape)
        except ValueError:
            raise InputError(
                f"missing has the shape {mask.shape}, the pictures {images.pixels.shape}"
            ) from None
        result: Mask = np.repeat(
            whole.reshape(len(images), -1), 2 if self.shape.depth == 16 else 1, axis=1
        )
        return result
