"""The vocabulary of failed images, as the catalog stores it."""

ERROR_MEANINGS: dict[str, str] = {
    "": "no error",
    "missing": "there is no such file",
    "unreadable": "the file exists but cannot be read: permissions, a directory, a broken link, a failing disk",
    "empty": "the file holds no bytes",
    "too_large": "more bytes or pixels than the limits allow",
    "not_an_image": "the bytes are not those of any known image format",
    "unsupported_format": "a format, or a kind of pixels, outside the allow-list",
    "truncated": "the image ends before its time",
    "corrupt": "an image of an allowed format that cannot be decoded",
    "unsupported_scheme": "a kind of URI that cannot be read",
    "out_of_memory": "segmenting the image took more memory than there is",
    "engine_lost": "every engine that worked on the image died",
    "internal": "anything else; the log holds the traceback",
    "timeout": "no engine that worked on the image got any further with it",
    "area_empty": "none of the image's pixels lies in the area that was asked for",
    "area_unreadable": "the image's own mask, which says what of it counts, is not given or cannot be read",
    "not_a_panorama": "the image's sides are not those of the panorama that was asked for",
}
"""Each error code with its meaning. The position is what the catalog stores: add at the end, never reorder."""

ERROR_CODES: tuple[str, ...] = tuple(ERROR_MEANINGS)
"""Codes by stored number."""
