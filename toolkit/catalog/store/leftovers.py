"""What desktops, network file systems, synchronisers and editors leave in every folder: nobody's data."""

import re

from toolkit.sources.foreign import HIDDEN, reason_for_file, reason_for_folder

_HIDDEN_NAMES = {
    *(".localized", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".appledb", ".appledesktop", ".apdisk"),
    *(".volumeicon.icns", ".documentrevisions-v100", ".directory", ".ipynb_checkpoints", ".stignore", ".dropbox"),
    *(".dropbox.attr", ".owncloudsync.log", ".nextcloudsync.log", ".gvfs", ".caltrash"),
}
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
    known = {reason_for_folder(name), reason_for_file(name)} - {"", HIDDEN}
    return bool(known) or name.lower() in _HIDDEN_NAMES or _PATTERNS.fullmatch(name) is not None
