"""The images below a folder or of a pattern, here and on servers; and what lies there besides."""
# os.path throughout: pathlib rewrites what was written, and raises where os.path answers no.
# ruff: noqa: PTH112, PTH122, PTH207

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote

from fsspec.utils import glob_translate

from toolkit.sources.files_here import spelled_here
from toolkit.sources.foreign import reason_for_path
from toolkit.sources.formats import IMAGE_SUFFIXES
from toolkit.sources.reading import DEFAULT_LIMITS
from toolkit.sources.registry import source_of
from toolkit.sources.uris import normalize_uri

_REASONS_SAID = 6
_NOTHING_MATCHES = "no files match this pattern"


@dataclass(frozen=True)
class Selection:
    """Files of a folder or pattern."""

    files: dict[str, str]
    """By URI in normal form, in order: the path below the folder, or below what the pattern names before its first
    magic, decoded, with ``/``."""
    left_out: dict[str, list[str]]
    """Others, by the reason why they are none of those."""
    nothing: str
    """Words for there being none."""


def below_folder(folder: str) -> Selection:
    """The images at any depth below a folder of this machine, sorted."""
    found, left_out = _images_below(folder)
    start = len(folder.rstrip("/")) + 1
    files = {normalize_uri(file): as_text(file[start:]) for file in sorted(found)}
    return Selection(files, left_out, _no_images_in_words(left_out))


def of_pattern(pattern: str) -> Selection:
    """The files of this machine that a pattern matches, sorted, but for those in foreign folders that it does not
    name."""
    folder, slash, _ = pattern[: _first_magic(pattern)].rpartition("/")
    if folder:
        pattern = spelled_here(folder) + pattern[len(folder) :]
        folder = spelled_here(folder)
    # What is no directory is listed, a link to nowhere too: it becomes a failed image rather than nothing.
    matches = sorted(match for match in glob.glob(pattern, recursive=True) if not os.path.isdir(match))
    below = {match: match[len(folder + slash) :] for match in matches}
    found, left_out = _without_foreign(below, pattern)
    return Selection({normalize_uri(file): as_text(path) for file, path in found.items()}, left_out, _NOTHING_MATCHES)


def below_remote_folder(uri: str) -> Selection:
    """The images at any depth below a folder of a server."""
    found, left_out = _images_below(uri)
    there = _path_of(uri)
    files = {file: there(file)[len(there(uri)) :].lstrip("/") for file in found}
    return Selection(files, left_out, _no_images_in_words(left_out))


def of_remote_pattern(uri: str) -> Selection:
    """The files of a server that a pattern matches; the match is of decoded names."""
    folder = uri[: _first_magic(uri)].rpartition("/")[0]
    there = _path_of(uri)
    matches = re.compile(glob_translate(unquote(uri))).fullmatch
    below: dict[str, str] = {}
    for file, _ in source_of(uri).walk(folder, DEFAULT_LIMITS.stall_seconds):
        path = there(file)[len(there(folder)) :].lstrip("/")
        if matches(unquote(file)) and not any(part.startswith(".") for part in path.split("/")):
            below[file] = path
    found, left_out = _without_foreign(below, unquote(uri))
    return Selection(found, left_out, _NOTHING_MATCHES)


def left_out_in_words(left_out: Mapping[str, Sequence[str]]) -> str:
    """``214 files were left out: 200 thumbnails in @eaDir, 14 .mp4``."""
    counts = sorted(((len(files), reason) for reason, files in left_out.items()), key=lambda one: -one[0])
    total = sum(count for count, _ in counts)
    were = "file was" if total == 1 else "files were"
    words = [f"{count:,} {reason}" for count, reason in counts[:_REASONS_SAID]]
    others = sum(count for count, _ in counts[_REASONS_SAID:])
    return f"{total:,} {were} left out: {', '.join(words)}" + f", {others:,} of other kinds" * bool(others)


def as_text(path: str) -> str:
    """A path as text that can be stored, whatever the bytes of its name."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return quote_from_bytes(path.encode("utf-8", "surrogateescape"))
    return path


def _images_below(folder: str) -> tuple[list[str], dict[str, list[str]]]:
    """The images below a folder, here or on a server; and what else is there, by reason."""
    found: list[str] = []
    left_out: dict[str, list[str]] = {}
    for file, reason in source_of(folder).walk(folder, DEFAULT_LIMITS.stall_seconds):
        if not reason and file.lower().endswith(IMAGE_SUFFIXES):
            found.append(file)
        else:
            suffix = os.path.splitext(file)[1].lower()
            left_out.setdefault(reason or suffix or "without a suffix", []).append(file)
    return found, left_out


def _no_images_in_words(left_out: Mapping[str, Sequence[str]]) -> str:
    words = f"no files ending in {' '.join(IMAGE_SUFFIXES)} in this folder"
    return f"{words} ({left_out_in_words(left_out)})" if left_out else words


def _without_foreign(below: Mapping[str, str], pattern: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Files whose paths are given, without those in foreign folders that a pattern does not name; and these."""
    named = set(pattern.split("/"))
    found: dict[str, str] = {}
    left_out: dict[str, list[str]] = {}
    for file, path in below.items():
        # Wildcards match nothing that is hidden: what is, was named.
        parts = [part for part in path.split("/") if part not in named and not part.startswith(".")]
        reason = reason_for_path("/".join(parts))
        if reason:
            left_out.setdefault(reason, []).append(file)
        else:
            found[file] = path
    return found, left_out


def _first_magic(pattern: str) -> int:
    return re.search(r"[*?[]", pattern).start()  # type: ignore[union-attr]


def _path_of(uri: str) -> Callable[[str], str]:
    """What gives the path of a URI on its server, decoded."""
    encoded = source_of(uri).encode(" ") != " "
    return lambda one: (unquote if encoded else str)("/".join(one.split("/")[3:])).strip("/")
