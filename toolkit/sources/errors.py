"""What can be wrong with a source: the image, the selection of images, or the server."""

from toolkit.errors import ToolkitError

ERROR_CODES = (
    "missing",
    "unreadable",
    "empty",
    "too_large",
    "not_an_image",
    "unsupported_format",
    "truncated",
    "corrupt",
    "unsupported_scheme",
)
"""Every value of :attr:`SourceError.code`.

``missing``: there is no such file. ``unreadable``: it is there and cannot be read (permission, a directory, a device, a
loop of symbolic links, an error of the disk). ``empty``: no bytes. ``too_large``: more bytes or pixels than the limits
allow. ``not_an_image``: the bytes are no picture. ``unsupported_format``: a picture of a format or pixel type that is
not read. ``truncated``: the end of the picture is missing. ``corrupt``: an allowed format that cannot be decoded.
``unsupported_scheme``: no reader for this kind of URI.
"""


class SourceError(ToolkitError):
    """An image could not be had from its URI. It pickles, so that it can cross from an engine to a driver.

    Parameters
    ----------
    code : str
        One of :data:`ERROR_CODES`.
    uri : str
        The URI as it was asked for.
    reason : str
        What is wrong in words, with the remedy where there is one.

    Raises
    ------
    ValueError
        If `code` is not in the vocabulary.
    """

    def __init__(self, code: str, uri: str, reason: str) -> None:
        if code not in ERROR_CODES:
            raise ValueError(f"code: {code!r} is not one of {', '.join(ERROR_CODES)}")
        # All arguments go to Exception: it is what pickle rebuilds the error from.
        super().__init__(code, uri, reason)
        self.code = code
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri}: {self.reason} [{self.code}]"


def too_many_bytes(uri: str, found: str, max_bytes: int) -> SourceError:
    """The error for a file that is larger than `ReadLimits` allow."""
    remedy = "raise ReadLimits(max_bytes=…), which notebooks and commands call max_megabytes"
    return SourceError("too_large", uri, f"has {found}, more than max_bytes={max_bytes}; {remedy}")


def too_many_pixels(uri: str, width: int, height: int, max_pixels: int) -> SourceError:
    """The error for a picture that is larger than `ReadLimits` allow."""
    remedy = "raise ReadLimits(max_pixels=…), which notebooks and commands call max_megapixels"
    return SourceError("too_large", uri, f"has {width} × {height} pixels, more than max_pixels={max_pixels}; {remedy}")


class NoImagesError(ToolkitError, ValueError):
    """A directory, pattern, table or list was asked for its images and has none."""


class _ServerError(ToolkitError):
    """A server is at fault, and no image of it.

    Parameters
    ----------
    server : str
        Scheme and address, without any secret.
    reason : str
        What is wrong in words, with the remedy where there is one.
    """

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(server, reason)
        self.server = server
        self.reason = reason


class UnreachableError(_ServerError, ConnectionError):
    """A server gave no answer. Nothing is known of the image: it is neither missing nor bad."""

    def __str__(self) -> str:
        return f"{self.server} cannot be reached: {self.reason}"


class AccessError(_ServerError, PermissionError):
    """A server says no to us, or is not the one that we know: no image can be had from it until that is mended."""

    def __str__(self) -> str:
        return f"{self.server}: {self.reason}"
