"""What pictures are made of: as a table, as bars per image, and grouped by what else is known of them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

REST = "(other)"
MISSING = "(missing)"
_REST_COLOR = (0.75, 0.75, 0.75)


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
        One row per image, named by its file (and folders, where two files have one name); one column per class, largest
        first; rows sum to 1.
    """
    done = results.isel(image=np.flatnonzero(results.status.values == "done"))
    table = pd.DataFrame(
        done.composition.values,
        index=pd.Index(_short_names(list(done.uri.values)), name="image"),
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


def group_composition(results: xr.Dataset, covariate: str, min_fraction: float = 0.0, bins: int = 6) -> pd.DataFrame:
    """Mean fraction of each class per group of images.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    covariate : str
        Name of the covariate whose values make the groups.
    min_fraction : float
        Classes that reach this fraction in no group are left out.
    bins : int
        A number or time with more values than twice this is cut into so many ranges of equal width.

    Returns
    -------
    pandas.DataFrame
        One row per value of the covariate, and `MISSING` for images without one; one column per class that occurs,
        largest first; ``images`` counts the images of the group that are done.

    Raises
    ------
    KeyError
        The catalog has no such covariate; the message lists those that it has.
    """
    known = [str(name) for name in results.coords if name not in ("image", "uri", "class_name", "run")]
    if covariate not in known:
        raise KeyError(f"no covariate {covariate!r}; the catalog has {', '.join(known) or 'none'}")
    done = results.isel(image=np.flatnonzero(results.status.values == "done"))
    table = pd.DataFrame(done.composition.values, columns=list(done.class_name.values))
    values = pd.Series(done[covariate].values)
    if not pd.api.types.is_object_dtype(values) and values.nunique() > 2 * bins:
        values = pd.cut(values, bins)
    groups = table.groupby(values.mask(values == ""), dropna=False, observed=True)
    means = groups.mean()
    means.index = pd.Index([MISSING if pd.isna(value) else value for value in means.index], name=covariate)
    means = means.loc[:, (means.max() > 0) & (means.max() >= min_fraction)]
    means = means[means.mean().sort_values(ascending=False, kind="stable").index]
    means.insert(0, "images", groups.size().to_numpy())
    return means


def plot_composition(table: pd.DataFrame, colors: Mapping[str, Sequence[float]], title: str = "") -> Figure:
    """Stacked bars, one per row, of the fractions in a table.

    Parameters
    ----------
    table : pandas.DataFrame
        From `composition_table` or `group_composition`.
    colors : mapping
        RGB in 0…1 by class name, from `class_colors`.
    title : str
        Above the bars.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown yet; a notebook shows it as the value of a cell.
    """
    fractions = table.drop(columns="images", errors="ignore")
    figure = Figure(figsize=(9, 1.2 + 0.35 * max(len(fractions), 1)), layout="constrained")
    axes: Axes = figure.add_subplot()
    left = np.zeros(len(fractions))
    for name in fractions.columns:
        widths = fractions[name].to_numpy()
        color = colors.get(str(name), _REST_COLOR)
        axes.barh(range(len(fractions)), widths, left=left, label=str(name), color=color, edgecolor="white", lw=0.5)
        left += widths
    # File names may hold dollar signs, which matplotlib would take for formulas.
    axes.set_yticks(range(len(fractions)), [str(label) for label in fractions.index], parse_math=False)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="fraction of the pixels", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    if len(fractions.columns):
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    return figure


def _short_names(uris: Sequence[str]) -> list[str]:
    """File names, or paths from the folder that all have in common where names alone would not tell files apart."""
    names = [PurePath(uri).name for uri in uris]
    if len({*names}) == len(names):
        return names
    try:
        folder = os.path.commonpath([PurePath(uri).parent for uri in uris])
    except ValueError:  # nothing in common: files here and files elsewhere
        return list(uris)
    return [str(PurePath(uri).relative_to(folder)) for uri in uris]
