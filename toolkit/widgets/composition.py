"""What pictures are made of: as a table, and as bars per image."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toolkit.widgets.names import short_names, wrapped

REST = "(other)"
"""What stands for all that has no column, row or bar of its own."""
FRACTION = "fraction of the pixels"
"""What a composition is of, unless it says something else."""
REST_COLOR = (0.75, 0.75, 0.75)
"""Its colour."""


def composition_table(results: xr.Dataset, min_fraction: float = 0.001) -> pd.DataFrame:
    """Fraction of each class per image, for the images that are done.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    min_fraction : float
        Classes that reach this fraction in no image are added up in a column ``(other)``.

    Returns
    -------
    pandas.DataFrame
        One row per image, named by its file (and folders, where two files have one name: `short_names`); one column per
        class, largest first; rows sum to 1.
    """
    is_done = results.status.values == "done"
    done = results.isel(image=np.flatnonzero(is_done))
    names = np.array(short_names([str(uri) for uri in results.uri.values]), dtype=object)  # as in every other table
    table = pd.DataFrame(
        done.composition.values,
        index=pd.Index(names[is_done], name="image"),
        columns=list(done.class_name.values),
    )
    shown = table.columns[table.max() >= min_fraction]
    table = table[shown[np.argsort(-table[shown].mean().to_numpy(), kind="stable")]].assign(
        **{REST: table.drop(columns=shown).sum(axis="columns")}
    )
    return table if (table[REST] > 0).any() else table.drop(columns=REST)


def summarize_composition(table: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and range of each class over the images of a table.

    Parameters
    ----------
    table : pandas.DataFrame
        From `composition_table`.

    Returns
    -------
    pandas.DataFrame
        One row per class: ``mean``, ``std``, ``min``, ``median``, ``max``.
    """
    statistics = {name: getattr(table, name)() for name in ("mean", "std", "min", "median", "max")}
    return pd.DataFrame(statistics, index=table.columns).rename_axis("class")


def leave_out(results: xr.Dataset, classes: Sequence[str]) -> xr.Dataset:
    """Results without some classes, such as the background: the fractions are those of the other pixels.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    classes : sequence of str
        Their names.

    Returns
    -------
    xarray.Dataset
        The same images without these classes; ``composition`` sums to 1 again. Images that hold nothing else have no
        fractions then: their ``status`` is ``"left out"``. The ``long_name`` of the composition says what it is of.

    Raises
    ------
    KeyError
        The run has no such class; the message offers the nearest, and lists those that it has.
    """
    known = [str(name) for name in results.class_name.values]
    for name in classes:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise KeyError(f"no class {name!r}; {hint}the run has {', '.join(known)}")
    if not classes:
        return results
    rest = results.isel(class_name=np.flatnonzero(~np.isin(known, list(classes))))
    total = rest.composition.sum("class_name", skipna=False).values
    is_empty = (rest.status.values == "done") & ~(total > 0)
    composition = rest.composition / np.where(total > 0, total, np.nan)[:, None]
    composition.attrs["long_name"] = f"{FRACTION} that are not {' or '.join(map(str, classes))}"
    return rest.assign(
        composition=composition,
        status=("image", np.where(is_empty, "left out", rest.status.values.astype(object))),
    )


def plot_composition(
    table: pd.DataFrame, colors: Mapping[str, Sequence[float]], title: str = "", label: str = FRACTION
) -> Figure:
    """Stacked bars, one per row, of the fractions in a table.

    Parameters
    ----------
    table : pandas.DataFrame
        From `composition_table` or `group_composition`.
    colors : mapping
        RGB in 0…1 by class name, from `class_colors`.
    title, label : str
        Above the bars, and below them: what the fractions are of.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown yet; a notebook shows it as the value of a cell.
    """
    fractions = table.drop(columns="images", errors="ignore")
    names = [wrapped(str(label)) for label in fractions.index]
    most_lines = max((name.count("\n") + 1 for name in names), default=1)
    figure = Figure(figsize=(9, 1.2 + (0.2 + 0.15 * most_lines) * max(len(names), 1)), layout="constrained")
    axes: Axes = figure.add_subplot()
    left = np.zeros(len(fractions))
    for name in fractions.columns:
        widths = fractions[name].to_numpy()
        color = colors.get(str(name), REST_COLOR)
        axes.barh(range(len(fractions)), widths, left=left, label=str(name), color=color, edgecolor="white", lw=0.5)
        left += widths
    # File names may hold dollar signs, which matplotlib would take for formulas.
    axes.set_yticks(range(len(fractions)), names, parse_math=False)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel=label, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    if len(fractions.columns):
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    return figure
