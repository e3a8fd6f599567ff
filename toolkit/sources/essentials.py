"""What of a PNG or JPEG file its pixels are made of, without texts, profiles and thumbnails that only describe it.

What describes a picture cannot make it a bad one: however large a profile, however broken a text, they are left out
before Pillow sees the file. Only the places in which an orientation may stand are kept, beside it.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_PNG_SIGNATURE_BYTES = 8
_TRANSPARENCY_BYTES = {0: 2, 2: 6}
"""Of grey and of colour; a palette has one for as many entries as it likes."""
_EXIF_TEXT = "Raw profile type exif"
_XMP_TEXT = "XML:com.adobe.xmp"
_MOST_TEXT_BYTES = 2**20

_EXIF_SEGMENT = b"Exif\0\0"
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Essentials:
    """What of a file its pixels are made of."""

    content: bytes
    """The file without all else."""
    n_frames: int = 1
    """How many pictures it holds."""
    info: dict[str, Any] = field(default_factory=dict)
    """Where its orientation may stand, by the names that Pillow has in ``Image.info``."""


def essentials_of_png(data: bytes) -> Essentials:
    """The chunks of a PNG that its pixels are made of.

    Of an animation they are those of the picture that is shown where animations are not. A transparency that is broken
    is none, as for libpng.

    Raises
    ------
    ValueError
        What stands before the pixels is not what a PNG must have.
    """
    kept, info = [data[:_PNG_SIGNATURE_BYTES]], dict[str, Any]()
    n_animated = n_controls = colour_type = 0
    seen = False
    for start, kind, content in _chunks(data):
        if re.fullmatch(rb"\w{4}", kind) is None:
            if not seen:
                raise ValueError(f"broken PNG file (chunk {kind!r})")
            break
        whole = data[start : start + 12 + len(content)]
        if kind == b"IHDR":
            colour_type = content[9] if len(content) > 9 else 0
        if kind in (b"IHDR", b"PLTE") and not seen and not _is_intact(whole):
            raise ValueError(f"broken PNG file (bad checksum in {kind!r})")
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(whole)
        elif kind == b"tRNS":
            if _is_intact(whole) and len(content) >= _TRANSPARENCY_BYTES.get(colour_type, 0):
                kept.append(whole)
        elif kind == b"acTL" and not seen and len(content) >= 8:
            n_animated = int.from_bytes(content[:4], "big")
        elif kind == b"fcTL":
            n_controls += not seen
        elif kind == b"eXIf":
            info["exif"] = _EXIF_SEGMENT + content
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            info |= _text(kind, content)
        seen = seen or kind == b"IDAT"
        if kind == b"IEND":
            break
    # A picture without a frame's control before it is none of the animation's.
    n_hidden = 1 if n_animated and not n_controls else 0
    return Essentials(b"".join(kept), max(n_animated + n_hidden, 1), info)


def _is_intact(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _chunks(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Start, kind and content of each chunk; those of the last may be cut off."""
    position = _PNG_SIGNATURE_BYTES
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield position, data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _text(kind: bytes, content: bytes) -> dict[str, Any]:
    """A text in which an orientation may stand; nothing for any other."""
    name, _, rest = content.partition(b"\0")
    if name not in (_EXIF_TEXT.encode(), _XMP_TEXT.encode()):
        return {}
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed, rest = rest[:1] == b"\1", b"".join(rest[2:].split(b"\0", 2)[2:])
    elif compressed:
        rest = rest[1:]
    if compressed:
        try:
            rest = zlib.decompressobj().decompress(rest, _MOST_TEXT_BYTES)
        except zlib.error:
            return {}
    return {name.decode(): rest.decode("utf-8", "replace")}


def essentials_of_jpeg(data: bytes) -> Essentials:
    """The segments of a JPEG that its pixels are made of; from its first scan on all is kept as it is."""
    kept, info = [data[:2]], dict[str, Any]()
    position = 2
    for start, end in _segments(data):
        marker, content = data[start + 1], data[start + 4 : end]
        position = end
        if marker == 0xE1 and content.startswith(_EXIF_SEGMENT):
            # Larger ones are continued in further segments.
            info["exif"] = info["exif"] + content[len(_EXIF_SEGMENT) :] if "exif" in info else content
        elif marker == 0xE1 and content.startswith(_XMP_SEGMENT):
            info["xmp"] = content[len(_XMP_SEGMENT) :]
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or _says_colours(marker, content):
            kept.append(data[start:end])
    scan = data.find(b"\xff", position)
    return Essentials(b"".join([*kept, data[scan if scan >= 0 else position :]]), info=info)


def _says_colours(marker: int, content: bytes) -> bool:
    """Whether a decoder learns from a segment what the channels are (ITU-T T.871; Adobe's technical note 5116)."""
    return (marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14) or (
        marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12
    )


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each whole segment before the first scan; garbage between them is passed over."""
    position = 2
    while 0 <= (position := data.find(b"\xff", position)) <= len(data) - 4:
        marker = data[position + 1]
        if marker in (0xD9, 0xDA):
            return
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # without content
            position += 2
        else:
            end = position + 2 + max(int.from_bytes(data[position + 2 : position + 4], "big"), 2)
            if end > len(data):
                return
            yield position, end
            position = end
