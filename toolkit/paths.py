"""Where the files that come with the toolkit lie: beside the package in a checkout, inside it in a wheel."""

import os
import re
from pathlib import Path, PurePosixPath

DATA_CATALOG_PREFIX = "data_catalog:"
DEMO_CATALOG = "data_catalog:demo.zarr"
"""Where the results of the photos that come along go."""
WORKING_COPIES = "my_notebooks"
"""The folder, in the working directory, of a person's copies of the notebooks."""

_PACKAGE = Path(__file__).resolve().parent
_JUPYTER_SESSION = "JPY_SESSION_NAME"  # set by Jupyter's server for the kernel of a notebook that a person opened


def is_wheel() -> bool:
    """Whether the toolkit was installed from a wheel, so that nothing is to be written beside its files."""
    return (_PACKAGE / "_share").is_dir()


def shared_folder(name: str) -> Path:
    """A folder that came with the toolkit."""
    return _PACKAGE / "_share" / name if is_wheel() else _PACKAGE.parent / name


def notebooks() -> Path:
    """The folder of the notebooks that came with the toolkit."""
    return shared_folder("notebooks")


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

    Of a wheel that folder holds what came with it and nothing else: any other name, such as that of a catalog of
    results, is one in ``data_catalog/`` of the working directory.

    Examples
    --------
    >>> expand("data_catalog:samples").endswith("data_catalog/samples")
    True
    >>> expand("photos/*.jpg")
    'photos/*.jpg'
    """
    if not path.startswith(DATA_CATALOG_PREFIX):
        return path
    rest = path.removeprefix(DATA_CATALOG_PREFIX)
    folder = data_catalog()
    came_along = (folder / rest.split("/")[0]).exists()
    if is_wheel() and folder == shared_folder("data_catalog") and not came_along:
        folder = Path.cwd() / "data_catalog"
    return str(folder / rest)


def catalog_for(images: object, catalog: str) -> str:
    """Where the results of a notebook's images go: the demo's catalog is for the demo's photos only.

    Parameters
    ----------
    images : object
        What the notebook was given as images.
    catalog : str
        What it was given as catalog; empty if nothing was.

    Returns
    -------
    str
        ``catalog``, or the demo's where nothing was given and the images are the photos that come along.

    Raises
    ------
    ValueError
        Nothing was given for other images.

    Examples
    --------
    >>> catalog_for("data_catalog:samples", "")
    'data_catalog:demo.zarr'
    >>> catalog_for("photos", "data_catalog/photos.zarr")
    'data_catalog/photos.zarr'
    """
    if catalog:
        return catalog
    samples = (data_catalog() / "samples").resolve()
    if isinstance(images, str | os.PathLike) and "://" not in os.fspath(images):
        where = Path(expand(os.fspath(images))).expanduser()
        if where.resolve().is_relative_to(samples):
            return DEMO_CATALOG
    fitting = f"data_catalog/{_name_of(images)}.zarr"
    raise ValueError(
        f"no catalog was given for images={_shortened(images)}; the default one is for the demo's photos only. Say "
        f"where the results go: catalog = {fitting!r}, or -p catalog {fitting} in the shell"
    )


def _name_of(images: object) -> str:
    """A name for a catalog of these images."""
    before_magic = re.split(r"[*?[]", str(images))[0] if isinstance(images, str | os.PathLike) else ""
    return re.sub(r"[^\w-]+", "-", PurePosixPath(before_magic).stem).strip("-") or "photos"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def enter_project() -> Path:
    """Have a notebook's relative paths start where those of the shell do: from the project, not the notebook's folder.

    Jupyter starts a kernel in the folder of its notebook. If that is the folder of the project's notebooks, or of a
    person's copies, the working directory becomes the folder above it. What is run from the shell stays where it is.

    Returns
    -------
    pathlib.Path
        The working directory.
    """
    here = Path.cwd()
    if os.environ.get(_JUPYTER_SESSION) and (here.name == WORKING_COPIES or here == notebooks()):
        os.chdir(here.parent)
    return Path.cwd()
