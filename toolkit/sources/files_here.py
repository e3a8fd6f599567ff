"""Which of many paths have a file on this machine, and how the file system spells them: a folder is listed once.

A table that was written on macOS may have its names in another Unicode normal form (NFD) than the files (NFC) or the
other way round: to people they are the same name, to most file systems they are not.
"""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH110, PTH118, PTH120

from __future__ import annotations

import itertools
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from toolkit.sources.uris import LOCAL_SCHEME, local_path, normalize_uri, scheme_of

_FEW = 100
"""For so many paths in a folder it is cheaper to ask for each than to list the folder."""


@dataclass(frozen=True)
class FilesHere:
    """What was found out."""

    uris: list[str]
    """The URIs that were asked for, spelled as the file system does."""
    missing: list[str]
    """Those of files that are not here."""
    nearly: dict[str, str]
    """Of the missing, some names with that of a file which differs by upper and lower case, or by backslashes."""


def look_up(uris: Sequence[str]) -> FilesHere:
    """Look for the files of local URIs in normal form; others are taken as they are.

    A name that is there as it is written is that file. Else it is the one file whose name is the same in Unicode's
    normal form C, or without white space around it.
    """
    by_folder: dict[str, list[int]] = defaultdict(list)
    paths: dict[int, str] = {}
    for row, uri in enumerate(uris):
        path = local_path(uri) if scheme_of(uri) == LOCAL_SCHEME else None
        if path is not None:
            paths[row] = path
            by_folder[os.path.dirname(path)].append(row)
    folders = _Folders()
    spelled, missing_rows = list(uris), []
    for folder, rows in by_folder.items():
        for row in folders.without_file(folder, rows, paths):
            found = folders.spelled(paths[row])
            if found is None:
                missing_rows.append(row)
            elif found != paths[row]:
                spelled[row] = normalize_uri(found)
    missing_rows.sort()
    return FilesHere(spelled, [uris[row] for row in missing_rows], folders.nearly(paths[row] for row in missing_rows))


def spelled_here(path: str) -> str:
    """A path as the file system spells it, if it is not there as it is written; else as it is."""
    return path if os.path.lexists(path) else _Folders().spelled(path) or path


class _Folders:
    """Names in the folders that were looked at."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._keyed: dict[tuple[str, Callable[[str], str]], dict[str, list[str]]] = {}
        self._spelled: dict[str, str | None] = {}

    def without_file(self, folder: str, rows: list[int], paths: dict[int, str]) -> list[int]:
        """Those of some rows, all in one folder, that have no file as they are written."""
        if len(rows) <= _FEW:
            return [row for row in rows if not _exists(paths[row])]
        names = self.names(folder)
        start = len(folder.rstrip("/")) + 1
        return [row for row in rows if paths[row][start:] not in names]

    def names(self, folder: str) -> set[str]:
        """Names in a folder; none if it is not there. A link to nowhere is no file."""
        if folder not in self._names:
            try:
                with os.scandir(folder or ".") as entries:
                    names = {entry.name for entry in entries if not entry.is_symlink() or _exists(entry.path)}
            except (OSError, ValueError):
                names = set()
            self._names[folder] = names
        return self._names[folder]

    def spelled(self, path: str) -> str | None:
        """The path of the one file of this name, as the file system spells it; None where there is none."""
        folder, name = os.path.split(path)
        if not name:
            return path
        if folder not in self._spelled:
            self._spelled[folder] = folder if _exists(folder) else self.spelled(folder)
        inside = self._spelled[folder]
        if inside is None:
            return None
        if name in self.names(inside):
            return os.path.join(inside, name)
        # To some file systems upper and lower case are the same; others are not asked for what is not there.
        if self._alike(inside, name, str.casefold) and _exists(os.path.join(inside, name)):
            return os.path.join(inside, name)
        for key in (_composed, _trimmed):
            alike = self._alike(inside, name, key)
            if alike:
                return os.path.join(inside, alike[0]) if len(alike) == 1 else None
        return None

    def nearly(self, paths: Iterable[str], most: int = 3) -> dict[str, str]:
        """Some names with that of a file which a person may have meant."""
        found: dict[str, str] = {}
        for path in itertools.islice(paths, _FEW):
            folder, name = os.path.split(path)
            alike = self._alike(folder, name, str.casefold) if folder in self._names else []
            slashed = path.replace("\\", "/")
            if alike:
                found[name] = alike[0]
            elif slashed != path and _exists(slashed):
                found[name] = name.replace("\\", "/")
            if len(found) == most:
                break
        return found

    def _alike(self, folder: str, name: str, key: Callable[[str], str]) -> list[str]:
        if (folder, key) not in self._keyed:
            keyed: dict[str, list[str]] = defaultdict(list)
            for one in self.names(folder):
                keyed[key(one)].append(one)
            self._keyed[folder, key] = keyed
        return self._keyed[folder, key].get(key(name), [])


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _trimmed(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:
        return False
