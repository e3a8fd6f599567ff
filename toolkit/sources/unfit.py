"""What a file seems to be that is neither an image nor a table, in words."""

from toolkit.sources.formats import ALLOWED_FORMATS, OTHER_PICTURE_SUFFIXES, recognize

_BY_SUFFIX = {
    (".doc", ".docx", ".odt", ".rtf", ".pages"): "a text document",
    (".ppt", ".pptx", ".odp", ".key"): "a presentation",
    (".numbers",): "a Numbers spreadsheet; export it as CSV or XLSX",
    (".pdf", ".ps", ".eps"): "a PDF or PostScript document",
    (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mts", ".wmv"): "a video; give single frames of it",
    (".mp3", ".wav", ".m4a", ".flac", ".ogg"): "a sound",
    (".tar", ".tgz", ".7z", ".rar", ".tbz2", ".txz"): "an archive; unpack it, and give the folder",
    (".dta", ".sav", ".rds", ".rdata", ".sas7bdat", ".por"): "a file of a statistics program; export it as CSV",
    (".db", ".sqlite", ".sqlite3", ".mdb", ".accdb"): "a database; export its table as CSV",
    (".kml", ".kmz", ".gpx", ".gml", ".dbf", ".shx", ".prj"): "a geographic file; save it as GeoJSON or CSV",
    (".html", ".htm", ".xml", ".md", ".rst", ".log", ".yaml", ".yml", ".toml", ".ini"): "a text file",
    (".py", ".ipynb", ".r", ".rmd", ".sh", ".js"): "a program or notebook",
    (".npy", ".npz", ".mat", ".h5", ".hdf5", ".nc", ".pt", ".pth", ".safetensors", ".pkl"): "a file of arrays",
    (".exe", ".dll", ".so", ".bin", ".dmg", ".iso"): "a program or disk image",
    OTHER_PICTURE_SUFFIXES: "a picture in a format that is not read; save it as JPEG",
}


def is_picture(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a picture that is read."""
    return recognize(head) in ALLOWED_FORMATS


def seems_to_be(name: str, head: bytes | None = None) -> str:
    """What a file seems to be, by its suffix, or by its first bytes; "" if nothing tells.

    Examples
    --------
    >>> seems_to_be("report.docx")
    'a text document'
    >>> seems_to_be("notes", b"Dear all")
    'a text file'
    """
    for suffixes, words in _BY_SUFFIX.items():
        if name.lower().endswith(suffixes):
            return words
    if head is None:
        return ""
    if not head:
        return "an empty file"
    known = recognize(head)
    if known is not None:
        return f"{'an' if known.startswith(('A', 'E', 'I', 'O', 'MP4')) else 'a'} {known}"
    try:
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return "a file of an unknown kind"
    return "a file of an unknown kind" if b"\0" in head else "a text file"
