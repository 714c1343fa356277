"""Everything that nacre raises on purpose.

    NacreError
    ├── FormatError              the bytes are not a stream that this version can decode
    │   ├── NotNacre             another kind of file (the message names it where it can)
    │   ├── UnsupportedVersion   a nacre stream of a version or codec that is not known here
    │   ├── Truncated            the stream ends before its sections do
    │   └── ChecksumMismatch     the bytes changed after they were written
    ├── LimitExceeded            a declared size is over a limit of :class:`nacre.Limits`
    ├── ModelError               a model file is missing, damaged or of another codec
    └── InputError               what the caller handed in cannot be used

A message says what was found, what was expected, where, and what to do about it. Any other
exception that leaves nacre is a bug in nacre.
"""


class NacreError(Exception):
    """Base of every error that nacre raises on purpose."""


class FormatError(NacreError):
    """The bytes are not a stream that can be decoded."""


class NotNacre(FormatError):  # noqa: N818 - a statement about the file reads better than "...Error"
    """The bytes do not begin with nacre's signature."""


class UnsupportedVersion(FormatError):  # noqa: N818
    """A format version, codec number or header value that this release does not know."""


class Truncated(FormatError):  # noqa: N818
    """The stream ends before all that its header declares was read."""


class ChecksumMismatch(FormatError):  # noqa: N818
    """A CRC-32 differs: the bytes were changed after they were written."""


class LimitExceeded(NacreError):  # noqa: N818
    """A declared size is over a limit; nothing was allocated for it."""


class ModelError(NacreError):
    """A model file is missing, damaged, or belongs to another codec."""


class InputError(NacreError):
    """What the caller handed in cannot be used (a file, an array, a setting)."""
