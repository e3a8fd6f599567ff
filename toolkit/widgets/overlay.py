"""Label maps over their photos, with a legend of what is in them."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from toolkit.arguments import whole_number
from toolkit.catalog import Catalog
from toolkit.sources import SourceError, read_image
from toolkit.widgets.colors import class_colors
from toolkit.widgets.names import short_names, wrapped

_LONGEST_SIDE = 640
_LEAST_FRACTION_IN_LEGEND = 0.001


def overlay(photo: np.ndarray, labels: np.ndarray, colors: np.ndarray, opacity: float = 0.55) -> np.ndarray:
    """Blend the classes' colours over a photo.

    Parameters
    ----------
    photo : numpy.ndarray
        uint8 ``(height, width, 3)``, RGB.
    labels : numpy.ndarray
        Class index per pixel ``(height, width)``.
    colors : numpy.ndarray
        RGB in 0…1 ``(n_classes, 3)``.
    opacity : float
        0 shows the photo alone, 1 the colours alone.

    Returns
    -------
    numpy.ndarray
        uint8 ``(height, width, 3)``.
    """
    blended: np.ndarray = (1 - opacity) * photo + opacity * 255 * colors[labels]
    return np.asarray(blended.round().astype(np.uint8))


def overlay_sheet(
    catalog: Catalog,
    run_id: str | None = None,
    images: Sequence[int] | None = None,
    *,
    most: int = 12,
    columns: int = 2,
) -> Figure:
    """Photos of a run side by side with their label maps.

    Parameters
    ----------
    catalog : Catalog
        Holds the run.
    run_id : str, optional
        The run; the newest by default.
    images : sequence of int, optional
        Rows of the images; by default the first that are done.
    most : int
        How many images at most.
    columns : int
        Pairs of photo and overlay per line.

    Returns
    -------
    matplotlib.figure.Figure
        Photo, overlay and legend per image. A photo that cannot be read any more is said to be so in its place.
    """
    results = catalog.to_xarray(run_id)
    run = str(results.attrs["run_id"])
    done = np.flatnonzero(results.status.values == "done").tolist()
    chosen = [int(image) for image in (done if images is None else images)][: whole_number("most", most, least=0)]
    colors = np.array(list(class_colors(catalog, run, results.class_name.values.tolist()).values()))
    whole_number("columns", columns, least=1)
    lines = max(1, -(-len(chosen) // columns))
    figure = Figure(figsize=(7.2 * columns, 2.9 * lines), layout="constrained")
    grid = figure.subplots(lines, 2 * columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    names = short_names([str(uri) for uri in results.uri.values])
    for position, image in enumerate(chosen):
        left, right = grid[position // columns, 2 * (position % columns) :][:2]
        _draw_pair(left, right, catalog, run, results.isel(image=image), names[image], colors)
    return figure


def _draw_pair(
    left: Axes, right: Axes, catalog: Catalog, run_id: str, result: xr.Dataset, name: str, colors: np.ndarray
) -> None:
    uri = str(result.uri.item())
    # File names may hold dollar signs, which matplotlib would take for formulas.
    left.set_title(wrapped(name), fontsize="small", loc="left", parse_math=False)
    if result.status.item() != "done":
        left.text(0.5, 0.5, str(result.status.item()), ha="center", transform=left.transAxes)
        return
    shape = int(result.height), int(result.width)
    photo = _read_photo(left, uri, shape)
    size = _display_size(*shape)
    small_photo = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
    left.imshow(small_photo)
    try:
        labels = catalog.labels(run_id, int(result.image))
    except KeyError:
        right.text(0.5, 0.5, "no label map was kept", ha="center", transform=right.transAxes)
    else:
        small_labels = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
        right.imshow(overlay(small_photo, small_labels, colors))
    names, fractions = result.class_name.values, result.composition.values
    present = [index for index in np.argsort(-fractions) if fractions[index] >= _LEAST_FRACTION_IN_LEGEND]
    handles = [Patch(color=colors[index], label=f"{names[index]} {fractions[index]:.1%}") for index in present]
    right.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="x-small")


def _read_photo(axes: Axes, uri: str, shape: tuple[int, int]) -> np.ndarray:
    """The photo as it was segmented, or a blank of its size with the reason written over it."""
    try:
        photo = read_image(uri)
        if photo.shape[:2] == shape:
            return photo
        reason = "the photo changed since"
    except SourceError as error:
        reason = f"photo: {error.code}"
    axes.text(0.5, 0.5, reason, ha="center", transform=axes.transAxes)
    return np.full((*shape, 3), 255, dtype=np.uint8)


def _display_size(height: int, width: int) -> tuple[int, int]:
    factor = min(1.0, _LONGEST_SIDE / max(height, width))
    return max(1, round(width * factor)), max(1, round(height * factor))
