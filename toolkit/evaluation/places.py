"""Which folders tell photos apart, and whether the place of a mask is that of a photo."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from unicodedata import normalize
from urllib.parse import unquote

from toolkit.sources.uris import is_remote, local_path

_SAY_WHAT_LIES_THERE = frozenset(
    {"annotation", "annotations", "gt", "gtcoarse", "gtfine", "ground_truth", "groundtruth", "label", "labels", "mask"}
    | {"masks", "segmentation", "segmentationclass", "segmentations", "target", "targets", "truth"}
    | {"image", "images", "imgs", "jpegimages", "leftimg8bit", "photo", "photos", "picture", "pictures"}
)
"""Names of folders, in lower case, that say what kind of file lies in them, and nothing of which photo it is."""


@dataclass(frozen=True)
class MaskFile:
    """A file that may be a mask."""

    uri: str
    """In normal form."""
    is_found: tuple[bool, ...]
    """Of each of its folders, from the outermost, whether it was found (below the folder that a person named, or by a
    star of their pattern) and not named."""


@dataclass(frozen=True)
class _Side:
    """A folder of images."""

    folders: tuple[str, ...]
    """From the outermost."""
    host: tuple[str, ...]
    """As of `host_of`."""


@dataclass(frozen=True)
class _Seen:
    """A folder of masks, as seen from images of a host."""

    told: tuple[str, ...]
    """Its folders that say which photos its masks are of."""
    apart: tuple[str, ...]
    """Its folders below those that are above all images and all masks."""
    n_shared: int
    """How many those are."""


class Places:
    """The folders of all images that there are.

    Parameters
    ----------
    images : sequence of str
        Their URIs.
    """

    def __init__(self, images: Sequence[str]) -> None:
        self._sides: dict[str, _Side] = {}
        self._seen: dict[tuple[object, ...], _Seen] = {}
        # Images of one server, or of this machine, have a folder in common; what is below it can tell them apart.
        self._common: dict[tuple[str, ...], tuple[str, ...]] = {}
        for folder, uri in {_folder(uri): uri for uri in images}.items():
            folders = split(uri)[:-1]
            side = self._sides[folder] = _Side(folders, host_of(folders))
            self._common[side.host] = _common_start(self._common.get(side.host, folders), folders)
        differing = [side.folders[len(self._common[side.host]) :] for side in self._sides.values()]
        self._names = {name for each in differing for name in _telling(each)}
        self._in_all = set.intersection(*map(set, differing)) if differing else set()
        # Places that have a folder of photos, and so may have one of masks beside it.
        self._above_kinds = {name for each in differing for name, below in pairwise(each) if _is_kind(below)}

    def host(self, uri: str) -> tuple[str, ...]:
        """Where an image is: see `host_of`."""
        return self._sides[_folder(uri)].host

    def folders(self, uri: str) -> tuple[str, ...]:
        """The folders of an image, from the outermost."""
        return self._sides[_folder(uri)].folders

    def told_by(self, mask: MaskFile, uri: str) -> tuple[str, ...]:
        """Folders of a mask that say of which photo it is, where images lie as this one does."""
        return self._see(mask, uri).told

    def fit(self, mask: MaskFile, uri: str, shared_name: str) -> bool:
        """Whether the image lies in all folders that the mask's place tells, or its name begins with theirs.

        The latter is for photos that were put into fewer folders; such as lie in others say by these what they are of.
        """
        seen = self._see(mask, uri)
        told: Iterable[str] = seen.told
        if told and _in_order(self._differing(uri), seen.apart):
            begins = beginnings(shared_name)
            told = [name for name in told if name not in begins]
        return _in_order(told, self.folders(uri)[seen.n_shared :])

    def are_strange(self, mask: MaskFile, uri: str) -> bool:
        """Whether the mask was found in folders in which no image is told to lie."""
        return any(name not in self._names for name in self._see(mask, uri).told)

    def tell_nothing_of(self, uri: str, mask: MaskFile) -> bool:
        """Whether the image lies in folders of photos only, below what it shares with the folder of masks named."""
        return not _telling(self.folders(uri)[self._see(mask, uri).n_shared :])

    def agree(self, mask: MaskFile, uri: str) -> bool:
        """Whether the image's folders, as far as they tell it from others, are all the mask's; there must be some."""
        folders = self._see(mask, uri).apart
        differing = [name for name in self._differing(uri) if name in folders or name not in self._in_all]
        return bool(differing) and _in_order(differing, folders)

    def _differing(self, uri: str) -> tuple[str, ...]:
        side = self._sides[_folder(uri)]
        return _telling(side.folders[len(self._common[side.host]) :])

    def _see(self, mask: MaskFile, uri: str) -> _Seen:
        """What a mask's folder says, which is the same for all masks of it and for images of one host."""
        key = (_folder(mask.uri), mask.is_found, self.host(uri))
        if key not in self._seen:
            self._seen[key] = self._look(mask, self.host(uri))
        return self._seen[key]

    def _look(self, mask: MaskFile, host: tuple[str, ...]) -> _Seen:
        n_named = mask.is_found.index(True) if True in mask.is_found else len(mask.is_found)
        folders = split(mask.uri)[:-1]
        n_shared = len(_common_start(self._common[host], folders[:n_named]))
        found = [
            name
            for name, is_found in zip(folders[n_named:], mask.is_found[n_named:], strict=True)
            if is_found or name in self._names
        ]
        named = folders[n_shared:n_named]
        kinds = list(takewhile(_is_kind, reversed(named)))
        above = named[: len(named) - len(kinds)]
        if kinds and not self._above_kinds.intersection(above[-1:]):
            above = ()
        told = [*reversed(list(takewhile(lambda name: name in self._names, reversed(above)))), *found]
        return _Seen(_telling(told), folders[n_shared:], n_shared)


def _folder(uri: str) -> str:
    return uri.rpartition("/")[0]


def split(uri: str) -> tuple[str, ...]:
    """Folders and name, in one Unicode normal form; of a server its scheme and host are the first two."""
    path = local_path(uri)
    text = unquote(uri) if path is None else path
    return tuple(part for part in normalize("NFC", text).split("/") if part)


def host_of(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Scheme and host of a file, as `split` gives them; nothing for files of this machine."""
    return folders[:2] if folders and is_remote(f"{folders[0]}//") else ()


def beginnings(name: str) -> set[str]:
    """What stands before each of the signs that divide a name: ``{"ulm", "ulm_000001"}`` of ``ulm_000001_000019``."""
    return {name[: sign.start()] for sign in re.finditer(r"[\W_]", name)}


def _telling(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in folders if not _is_kind(name))


def _is_kind(folder: str) -> bool:
    return folder.lower() in _SAY_WHAT_LIES_THERE


def _common_start(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(some, others, strict=False)))


def _in_order(names: Iterable[str], others: Iterable[str]) -> bool:
    """Whether all names are among the others, in their order."""
    left = iter(others)
    return all(name in left for name in names)
