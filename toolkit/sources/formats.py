"""What the first bytes of a file say it is, and whether its own structure says that its end is missing."""

import struct

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
"""The formats that are decoded, by Pillow's names."""

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"),
    *(".jpe", ".jfif", ".jfi", ".jif", ".mpo", ".dib"),
)
"""The suffixes, in lower case, that files of these formats go by."""

OTHER_PICTURE_SUFFIXES = (
    *(".gif", ".apng", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jxl", ".ppm"),
    *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw", ".raw"),
)
"""Suffixes of pictures that people may expect to be read, and that are not."""

SELF_DELIMITING_FORMATS = ("JPEG", "PNG")
"""The formats for which :func:`ends_early` is certain; for others it only explains why decoding failed."""

# (offset, magic, name). More specific ones first: a CR2 is a TIFF to its first bytes.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"CR\x02", "Canon CR2 raw"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"v/1\1", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"<svg", "SVG"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (0, b"PK\3\4", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip archive"),
)

_ISO_MEDIA_BRANDS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"crx ": "Canon CR3 raw",
}

_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

# Bytes per value of TIFF 6.0's field types, and struct's letters for those that an offset can have.
_TIFF_VALUE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TIFF_LAYOUTS = {3: "H", 4: "I"}


def recognize(data: bytes) -> str | None:
    """Name the format of a file by its first bytes.

    Returns
    -------
    str or None
        One of :data:`ALLOWED_FORMATS`, or another format's name in words, or None for bytes of no known format.

    Examples
    --------
    >>> recognize(b"GIF89a...")
    'GIF'
    """
    if data[4:8] == b"ftyp":
        return _ISO_MEDIA_BRANDS.get(data[8:12], "MP4 or QuickTime video")
    if data.startswith(b"RIFF"):
        return "WEBP" if data[8:12] == b"WEBP" else "AVI or WAV"
    # Two letters are too weak a signature: many a text file starts with BM.
    if data.startswith(b"BM") and (len(data) < 18 or int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES):
        return "BMP"
    if len(data) > 2 and data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3].isspace():
        return "Netpbm"
    return next((name for offset, magic, name in _SIGNATURES if data.startswith(magic, offset)), None)


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP in pixels, by its header; None where there is none.

    Source: RFC 9649, section 2.7.1 (extended), RFC 6386, section 9.1 (lossy), RFC 9649, section 3.4 (lossless).
    """
    first = data[12:16]
    if first == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if first == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if first == b"VP8L" and len(data) >= 25:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def ends_early(format_name: str, data: bytes) -> bool:
    """Whether the structure of a file promises more bytes than there are.

    Parameters
    ----------
    format_name : str
        One of :data:`ALLOWED_FORMATS`.
    data : bytes
        The file.

    Notes
    -----
    For JPEG it also finds what a decoder silently paints grey: a picture that was cut and padded with other bytes (as
    by an interrupted copy into a preallocated file). A byte ``0xff`` in entropy-coded data is always followed by
    ``0x00`` or a restart marker (ITU-T T.81, F.1.2.3), so that a picture without an end-of-image marker after its first
    scan never ended. What was cut and then closed by an end-of-image marker is beyond such a look at the structure.
    """
    match format_name:
        case "JPEG":
            return _jpeg_ends_early(data)
        case "PNG":
            return _png_ends_early(data)
        case "WEBP":
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case "TIFF":
            return _tiff_ends_early(data)
        case _:
            return len(data) < max(18, int.from_bytes(data[2:6], "little"))


def _jpeg_ends_early(data: bytes) -> bool:
    position = 2
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xD9, 0xDA):  # garbage, the end, or the start of a scan
            return data.find(b"\xff\xd9", position) < 0
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a segment
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return True


def _png_ends_early(data: bytes) -> bool:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"IEND":
            return False
        position += 12 + length
    return True


def _tiff_ends_early(data: bytes) -> bool:
    order = "<" if data.startswith(b"II") else ">"
    if data[2:4] in (b"+\0", b"\0+"):
        return False  # BigTIFF: Pillow's own message has to do
    try:
        return any(end > len(data) for end in _tiff_ends(data, order))
    except struct.error:
        return True


def _tiff_ends(data: bytes, order: str) -> list[int]:
    """Where the values, strips and tiles of the first page end, in bytes; struct.error if its directory is cut."""
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (n_entries,) = struct.unpack_from(order + "H", data, directory)
    ends = []
    values: dict[int, tuple[int, ...]] = {}
    for entry in range(directory + 2, directory + 2 + 12 * n_entries, 12):
        tag, kind, count, start = struct.unpack_from(order + "HHII", data, entry)
        size = count * _TIFF_VALUE_SIZES.get(kind, 0)
        if size <= 4:
            start = entry + 8
        ends.append(start + size)
        if kind in _TIFF_LAYOUTS and tag in (273, 279, 324, 325) and ends[-1] <= len(data):
            values[tag] = struct.unpack_from(f"{order}{count}{_TIFF_LAYOUTS[kind]}", data, start)
    # Offsets and byte counts of strips, and of tiles.
    for offsets, lengths in ((273, 279), (324, 325)):
        ends += map(sum, zip(values.get(offsets, ()), values.get(lengths, ()), strict=False))
    return ends
