"""Which folders tell photos apart, and whether the place of a mask is that of a photo."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Its folders, from the outermost."""
        return split(self.uri)[:-1]

    @property
    def n_named(self) -> int:
        """How many of its folders are named, above all that were found."""
        return self.is_found.index(True) if True in self.is_found else len(self.is_found)


class Places:
    """The folders of all images that there are.

    Parameters
    ----------
    images : sequence of str
        Their URIs.
    """

    def __init__(self, images: Sequence[str]) -> None:
        # Images of one server, or of this machine, have a folder in common; what is below it can tell them apart.
        self._common: dict[tuple[str, ...], tuple[str, ...]] = {}
        folders = dict.fromkeys(split(uri)[:-1] for uri in images)
        for each in folders:
            host = host_of(each)
            self._common[host] = _common_start(self._common.get(host, each), each)
        differing = [each[len(self._common[host_of(each)]) :] for each in folders]
        self._names = {name for each in differing for name in _telling(each)}
        self._in_all = set.intersection(*map(set, differing)) if differing else set()
        # Places that have a folder of photos, and so may have one of masks beside it.
        self._above_kinds = {name for each in differing for name, below in pairwise(each) if _is_kind(below)}

    def told_by(self, mask: MaskFile, uri: str) -> list[str]:
        """Folders of a mask that say of which photo it is, where images lie as this one does."""
        n_named = mask.n_named
        named = mask.folders[self._n_shared(mask, uri) : n_named]
        found = [
            name
            for name, is_found in zip(mask.folders[n_named:], mask.is_found[n_named:], strict=True)
            if is_found or name in self._names
        ]
        inner = list(takewhile(_is_kind, reversed(named)))
        if inner and not self._above_kinds.intersection(named[-len(inner) - 1 : -len(inner)]):
            return _telling(found)
        outer = takewhile(lambda name: name in self._names, reversed(named[: len(named) - len(inner)]))
        return _telling((*reversed(list(outer)), *found))

    def fit(self, mask: MaskFile, uri: str, shared_name: str) -> bool:
        """Whether the image lies in all folders that the mask's place tells, or its name begins with theirs.

        The latter is for photos that were put into fewer folders; such as lie in others say by these what they are of.
        """
        lies_elsewhere = not _in_order(self._differing(uri), mask.folders[self._n_shared(mask, uri) :])
        begins = set() if lies_elsewhere else beginnings(shared_name)
        told = [name for name in self.told_by(mask, uri) if name not in begins]
        return _in_order(told, split(uri)[self._n_shared(mask, uri) : -1])

    def are_strange(self, mask: MaskFile, uri: str) -> bool:
        """Whether the mask was found in folders in which no image is told to lie."""
        return any(name not in self._names for name in self.told_by(mask, uri))

    def tell_nothing_of(self, uri: str, mask: MaskFile) -> bool:
        """Whether the image lies in folders of photos only, below what it shares with the folder of masks named."""
        return not _telling(split(uri)[self._n_shared(mask, uri) : -1])

    def agree(self, mask: MaskFile, uri: str) -> bool:
        """Whether the image's folders, as far as they tell it from others, are all the mask's; there must be some."""
        folders = mask.folders[self._n_shared(mask, uri) :]
        differing = [name for name in self._differing(uri) if name in folders or name not in self._in_all]
        return bool(differing) and _in_order(differing, folders)

    def _differing(self, uri: str) -> list[str]:
        folders = split(uri)[:-1]
        return _telling(folders[len(self._common[host_of(folders)]) :])

    def _n_shared(self, mask: MaskFile, uri: str) -> int:
        """Number of folders above all images and all masks, which say nothing of either."""
        return len(_common_start(self._common[host_of(split(uri))], mask.folders[: mask.n_named]))


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


def _telling(folders: Iterable[str]) -> list[str]:
    return [name for name in folders if not _is_kind(name)]


def _is_kind(folder: str) -> bool:
    return folder.lower() in _SAY_WHAT_LIES_THERE


def _common_start(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(some, others, strict=False)))


def _in_order(names: Iterable[str], others: Iterable[str]) -> bool:
    """Whether all names are among the others, in their order."""
    left = iter(others)
    return all(name in left for name in names)
