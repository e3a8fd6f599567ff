"""The bytes and pixels of an image by its URI, and the URIs of the images that a person names.

Local files for now: a scheme is one more reader (see `toolkit.sources.reading`).
"""

from toolkit.sources.decoding import decode_image, read_image
from toolkit.sources.errors import ERROR_CODES, NoImagesError, SourceError
from toolkit.sources.listing import Listing, list_images
from toolkit.sources.reading import ReadLimits, read_bytes
from toolkit.sources.uris import normalize_uri

__all__ = [
    "ERROR_CODES",
    "Listing",
    "NoImagesError",
    "ReadLimits",
    "SourceError",
    "decode_image",
    "list_images",
    "normalize_uri",
    "read_bytes",
    "read_image",
]
