"""What can be wrong with a picture that could be read."""

from toolkit.errors import ToolkitError


class PictureError(ToolkitError, ValueError):
    """A picture does not go with the area or projection that were asked for. It pickles.

    Parameters
    ----------
    code : str
        One of the codes of `toolkit.catalog.ERROR_MEANINGS`.
    reason : str
        What is wrong in words.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} [{self.code}]"
