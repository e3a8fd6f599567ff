"""Which mask is of which image, where names and folders say it: never the mask of another image."""
# os.path throughout: pathlib rewrites what was written.
# ruff: noqa: PTH122

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from toolkit.evaluation.errors import EvaluationError
from toolkit.evaluation.masks import MASK_SUFFIXES
from toolkit.evaluation.places import MaskFile, Places, beginnings, split

_REMEDY = (
    "let the masks lie in folders that are called as those of their images, name the right folder or give a pattern of "
    "it, or give a mapping or table from URI to mask, or a function of the URI"
)
_MERE_NUMBER = re.compile(r"[^\W\d_]*[\W_]*\d+[\W_]*[^\W\d_]*")
"""What cameras and exports call files, such as ``000``, ``IMG_0012`` or ``frame-12``: many photos are called so."""


@dataclass(frozen=True)
class Naming:
    """What of its name a mask shares with its image."""

    prefix: str
    """Stands in front of it in names of masks."""
    suffixes: Sequence[str]
    """Stand behind it in names of masks, the first that fits; in any case of letters."""
    image_suffix: str = ""
    """Stands behind it in names of images, perhaps in another format; else it ends where the file's suffix begins."""

    def of_mask(self, name: str) -> tuple[str, str] | None:
        """What a mask shares, and the suffix behind it; None: this is no mask's name."""
        suffix = next((suffix for suffix in self.suffixes if name.lower().endswith(suffix.lower())), None)
        if suffix is None or not name.startswith(self.prefix) or len(name) < len(self.prefix) + len(suffix):
            return None
        return name[len(self.prefix) : len(name) - len(suffix)], suffix

    def of_image(self, name: str) -> str:
        """What an image shares."""
        if self.image_suffix and name.endswith(self.image_suffix):
            return name.removesuffix(self.image_suffix)
        # Images are often kept in another format than they were published in.
        return os.path.splitext(name)[0].removesuffix(os.path.splitext(self.image_suffix)[0])

    def __str__(self) -> str:
        front = f"{self.prefix!r} in front and " if self.prefix else ""
        return f"that are called as the image but for {front}the end {' or '.join(map(repr, self.suffixes))}"


_Choices = tuple[Mapping[str, Sequence[MaskFile]], Mapping[str, Sequence[str]]]


class Pairing:
    """Gives each image the one mask that is its own.

    The rule is that of `toolkit.evaluate`. It is right where each mask is of an image that there is; that one is of a
    photo that was never listed is known only where its folders are none of an image that is called so.

    Parameters
    ----------
    masks : iterable of MaskFile
        What was found.
    images : sequence of str
        URIs of all images that there are, not only of those that are asked for: each of them could claim a mask.
    naming : Naming
        What names share.
    removed : sequence of str
        URIs of images that there were: each of them could claim a mask, too, unless it is one itself.
    """

    def __init__(
        self, masks: Iterable[MaskFile], images: Sequence[str], naming: Naming, removed: Sequence[str] = ()
    ) -> None:
        known = set(images)
        if removed:
            masks = list(masks)
            found = {mask.uri for mask in masks}  # those that were listed with the photos by mistake
            images = [*images, *(uri for uri in removed if uri not in found)]
        self._naming = naming
        self._places = Places(images)
        self._images: dict[str, list[str]] = defaultdict(list)
        self._masks: dict[str, list[MaskFile]] = defaultdict(list)
        self._listed: dict[str, list[str]] = defaultdict(list)
        self._choices: dict[str, _Choices] = {}
        for uri in dict.fromkeys(images):
            self._images[self._name(uri)].append(uri)
        for mask in masks:
            name, suffix = naming.of_mask(split(mask.uri)[-1]) or ("", "")
            # A suffix that only masks have tells a mask from a photo that was listed with it; that of a file does not.
            if mask.uri in known and suffix.lower() in MASK_SUFFIXES:
                self._listed[name].append(mask.uri)
            elif suffix:
                self._masks[name].append(mask)

    def find(self, uri: str) -> str | None:
        """The mask of an image; None if it has none.

        Raises
        ------
        EvaluationError
            There is more than one, or it could be of another image as well: both are named.
        """
        best, owners = self._claim(uri)
        if len(best) > 1:
            raise EvaluationError(
                f"targets: {uri} has more than one mask: {best[0].uri} and {best[1].uri}; name the folder of the "
                "masks, a glob pattern that matches one of them, or the data set (dataset=...)"
            )
        if not best:
            return None
        if len(owners) > 1:
            other = next(one for one in owners if one != uri)
            raise EvaluationError(
                f"targets: {best[0].uri} could be the mask of {uri} and of {other}, and neither names nor folders say "
                f"which; {_REMEDY}"
            )
        return best[0].uri if uri in owners else None

    def nearly(self, uri: str) -> str:
        """Why an image has no mask although a file is called as its mask would be; empty if none is."""
        name = self._name(uri)
        best, owners = self._claim(uri)
        if best:
            return f"{best[0].uri} is called so, but is the mask of {owners[0]}"
        if self._masks.get(name):
            mask = self._masks[name][0]
            folders = "/".join(self._places.told_by(mask, uri))
            return f"{mask.uri} is called so, but lies in {folders!r}, and {uri} does not: if it is its mask, {_REMEDY}"
        others = [one for one in self._listed.get(name, ()) if one != uri]
        return f"{others[0]} is called so, but is an image of the catalog itself" if others else ""

    def _name(self, uri: str) -> str:
        return self._naming.of_image(split(uri)[-1])

    def _claim(self, uri: str) -> tuple[Sequence[MaskFile], Sequence[str]]:
        """The best masks of an image, and the images that the first of them may be of."""
        name = self._name(uri)
        if name not in self._choices:
            self._choices[name] = self._choices_of(name)
        chosen, claimants = self._choices[name]
        best = chosen[uri]
        claiming = claimants[best[0].uri] if best else ()
        agreeing = [one for one in claiming if self._places.agree(best[0], one)]
        return best, agreeing or claiming

    def _choices_of(self, name: str) -> _Choices:
        """The best masks of all images of one name, and for each mask the images that it is among the best of."""
        chosen = {}
        claimants = defaultdict(list)
        by_folder: dict[tuple[str, ...], Mapping[str, Sequence[MaskFile]]] = {}
        for uri in self._images[name]:
            host = self._places.host(uri)
            if host not in by_folder:
                by_folder[host] = self._by_innermost_folder(name, uri)
            # A hundred cities with a photo of one name each are looked up, not compared in pairs.
            looked_up = {"", *self._places.folders(uri), *beginnings(name)}
            candidates = [mask for folder in looked_up for mask in by_folder[host].get(folder, ())]
            chosen[uri] = self._best(uri, name, candidates)
            for mask in chosen[uri]:
                claimants[mask.uri].append(uri)
        return chosen, claimants

    def _by_innermost_folder(self, name: str, uri: str) -> Mapping[str, Sequence[MaskFile]]:
        """Masks of one name by the last folder that they tell, empty where they tell none; for images of one host."""
        found = defaultdict(list)
        for mask in self._masks.get(name, ()):
            found[(self._places.told_by(mask, uri) or ("",))[-1]].append(mask)
        return found

    def _best(self, uri: str, name: str, candidates: Sequence[MaskFile]) -> Sequence[MaskFile]:
        """The masks whose folders are the image's, the most of them; several where that does not say which."""
        fitting = [mask for mask in candidates if self._places.fit(mask, uri, name)]
        told = [len(self._places.told_by(mask, uri)) for mask in fitting]
        most = max(told, default=0)
        if most:
            return [mask for mask, n in zip(fitting, told, strict=True) if n == most]
        masks = self._masks.get(name, [])
        strange = [mask for mask in masks if self._places.are_strange(mask, uri)]
        if fitting:
            return [*fitting, *strange]
        is_told_by_name = len(strange) == len(masks) == len(self._images[name]) == 1 and not _MERE_NUMBER.fullmatch(
            name
        )
        return strange if is_told_by_name and self._places.tell_nothing_of(uri, strange[0]) else []
