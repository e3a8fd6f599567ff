"""Images by names that a person tells apart: the file, and as much of its folder as that takes."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote

_LONGEST = 60  # characters; longer ones lose the middle of their folder


def short_names(uris: Sequence[str]) -> list[str]:
    """File names, with so many folders before them as tell the files apart.

    Parameters
    ----------
    uris : sequence of str
        Paths and URIs, all different.

    Returns
    -------
    list of str
        Names in the same order, all different. A long one has ``…`` in the middle of its folder; the file's own name is
        always whole.

    Examples
    --------
    >>> short_names(["/photos/bern/1.jpg", "/photos/basel/1.jpg", "/photos/basel/2.jpg"])
    ['bern/1.jpg', 'basel/1.jpg', '2.jpg']
    """
    parts = [_parts(uri) for uri in uris]
    depths = [1] * len(parts)
    while True:
        names = ["/".join(folders[-depth:]) for folders, depth in zip(parts, depths, strict=True)]
        counts = Counter(names)
        longer = [row for row, name in enumerate(names) if counts[name] > 1 and depths[row] < len(parts[row])]
        if not longer:
            break
        for row in longer:
            depths[row] += 1
    shortened = [_without_middle(name) for name in names]
    counts = Counter(shortened)
    told_apart = [short if counts[short] == 1 else name for short, name in zip(shortened, names, strict=True)]
    return told_apart if len({*told_apart}) == len(uris) else list(uris)


def wrapped(name: str, width: int = 40) -> str:
    """A name in several lines where one is too long: nothing is cut."""
    return "\n".join(name[start : start + width] for start in range(0, len(name), width)) or name


def _parts(uri: str) -> list[str]:
    if "://" not in uri:
        return uri.split("/")
    scheme, rest = uri.split("://", 1)
    host, *folders = rest.split("/")
    return [f"{scheme}://{host}", *map(unquote, folders)]


def _without_middle(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    room = _LONGEST - len(file) - 2
    if len(name) <= _LONGEST or not slash:
        return name
    before = max(room // 2, 0)
    after = max(room - before, 0)
    return f"{folder[:before]}…{folder[len(folder) - after :]}/{file}"
