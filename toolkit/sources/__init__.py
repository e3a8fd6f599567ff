"""The bytes and pixels of an image by its URI, and the URIs of the images that a person names.

A back end is one class, `toolkit.sources.source.Source`, entered in `toolkit.sources.registry`.
"""

from toolkit.sources.decoding import decode_image, read_image
from toolkit.sources.errors import ERROR_CODES, AccessError, NoImagesError, SourceError, UnreachableError
from toolkit.sources.listing import Listing, list_images
from toolkit.sources.reading import ReadLimits, read_bytes
from toolkit.sources.uris import is_remote, normalize_uri

__all__ = [
    "ERROR_CODES",
    "AccessError",
    "Listing",
    "NoImagesError",
    "ReadLimits",
    "SourceError",
    "UnreachableError",
    "decode_image",
    "is_remote",
    "list_images",
    "normalize_uri",
    "read_bytes",
    "read_image",
]
