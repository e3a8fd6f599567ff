"""Where the files that come with the toolkit lie: beside the package in a checkout, inside it in a wheel."""

import os
from pathlib import Path

DATA_CATALOG_PREFIX = "data_catalog:"

_PACKAGE = Path(__file__).resolve().parent


def shared_folder(name: str) -> Path:
    """A folder that came with the toolkit."""
    checkout = _PACKAGE.parent / name
    return checkout if checkout.is_dir() else _PACKAGE / "_share" / name


def data_catalog() -> Path:
    """The folder of models, data sets, samples and, by default, of catalogs.

    Returns
    -------
    pathlib.Path
        The folder that the environment variable ``SEGSCAPE_DATA_CATALOG`` names, or the one that came with the toolkit.
    """
    chosen = os.environ.get("SEGSCAPE_DATA_CATALOG")
    return Path(chosen) if chosen else shared_folder("data_catalog")


def clusters() -> Path:
    """The folder of the ipyparallel profiles that came with the toolkit."""
    return shared_folder("clusters")


def cache() -> Path:
    """Where this machine keeps what can be fetched again: models that were sent to it, files of servers.

    Returns
    -------
    pathlib.Path
        The folder that the environment variable ``SEGSCAPE_CACHE`` names, or ``~/.cache/segscape``.
    """
    chosen = os.environ.get("SEGSCAPE_CACHE")
    usual = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(chosen) if chosen else Path(usual).expanduser() / "segscape"


def expand(path: str) -> str:
    """Replace the prefix ``data_catalog:`` by the data catalog's folder, so that a notebook's defaults hold anywhere.

    Examples
    --------
    >>> expand("data_catalog:samples").endswith("data_catalog/samples")
    True
    >>> expand("photos/*.jpg")
    'photos/*.jpg'
    """
    if path.startswith(DATA_CATALOG_PREFIX):
        return str(data_catalog() / path.removeprefix(DATA_CATALOG_PREFIX))
    return path
