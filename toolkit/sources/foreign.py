"""Files that cameras did not make: thumbnails, bins, snapshots and notes of file servers, desktops and synchronisers.

Copies that a synchroniser keeps of a file that two people changed are not among them: they are pictures of a person,
and perhaps the only ones.
"""

_THUMBNAILS = {"@eadir", ".thumbnails", ".thumb", ".@__thumb", "@__thumb", ".picasaoriginals"}
_BINS = {
    "#recycle",
    "@recycle",
    "$recycle.bin",
    "recycler",
    "recycled",
    ".recycle",
    ".trash",
    ".trashes",
    "network trash folder",
    "lost.dir",
}
_SNAPSHOTS = {"#snapshot", ".snapshot", ".snapshots", "~snapshot", ".zfs", ".ckpt", "@recently-snapshot"}
_SYSTEMS = {
    "system volume information",
    "__macosx",
    "lost+found",
    "#tmp",
    "@tmp",
    "@sharebin",
    "temporary items",
    ".appledouble",
    ".dropbox.cache",
    ".stversions",
    ".stfolder",
    ".sync",
    ".tmp.drivedownload",
    ".tmp.driveupload",
}
_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}

HIDDEN = "hidden"
"""The reason of files and folders whose names begin with a dot."""

LITTER = "files of desktops"
"""The reason of files such as ``Thumbs.db``."""


def reason_for_folder(name: str) -> str:
    """Why a folder of this name is not looked into, in words that follow the number of files; "" if it is."""
    plain = name.lower()
    if plain in _THUMBNAILS:
        return f"thumbnails in {name}"
    if plain in _BINS or plain.startswith(".trash-"):
        return f"deleted in {name}"
    if plain in _SNAPSHOTS:
        return f"snapshots in {name}"
    if plain in _SYSTEMS:
        return f"in {name}"
    return HIDDEN if name.startswith(".") else ""


def reason_for_file(name: str) -> str:
    """Why a file of this name is not listed, whatever it holds; "" if it may be."""
    if name.lower() in _FILES or name.startswith(("._", ".DS_Store")):
        return LITTER
    return HIDDEN if name.startswith(".") else ""


def reason_for_path(path: str) -> str:
    """Why a file at this path, below the folder that was named, is not listed; "" if it may be."""
    *folders, name = path.split("/")
    return next(filter(None, map(reason_for_folder, folders)), "") or reason_for_file(name)


def is_counted(reason: str) -> bool:
    """Whether a folder is opened to count what lies in it; snapshots may be mounted only by that."""
    return reason != HIDDEN and not reason.startswith("snapshots")
