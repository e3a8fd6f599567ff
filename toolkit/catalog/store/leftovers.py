"""What desktops, network file systems, synchronisers and editors leave in every folder: nobody's data."""

import re

_NAMES = {
    *(".DS_Store", ".localized", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".AppleDouble"),
    *(".AppleDB", ".AppleDesktop", ".VolumeIcon.icns", ".DocumentRevisions-V100", ".apdisk", "Icon\r", "__MACOSX"),
    *("Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "#recycle"),
    *("#snapshot", ".snapshot", ".zfs", ".directory", "lost+found", ".ipynb_checkpoints", ".stfolder", ".stversions"),
    *(".stignore", ".dropbox", ".dropbox.attr", ".dropbox.cache", ".owncloudsync.log", ".nextcloudsync.log", ".gvfs"),
    *("@tmp", "@Recycle", ".@__thumb", ".thumbnails", ".caltrash", ".sync", ".tmp.drivedownload", ".tmp.driveupload"),
}
_LOWER = {name.lower() for name in _NAMES}
_PATTERNS = re.compile(
    r"""
    \._.*                         # what macOS keeps beside a file on other systems
    | \.nfs[0-9a-f]+ | \.fuse_hidden.* | \.smbdelete.* | \.cifs.*
    | \.Trash(-\d+)?
    | .*~ | ~\$.* | \.~lock\..*\# | \#.*\# | \.\#.* | \..*\.sw[a-p] | 4913
    | .*\.sync-conflict-.* | ~?\.?syncthing[~.].*\.tmp | \..*\.icloud
    | \._sync_.* | \.sync_.*\.db.* | .*\.(crdownload|!sync|bts)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name is one that systems and programs leave behind, wherever they look."""
    return name.lower() in _LOWER or _PATTERNS.fullmatch(name) is not None
