"""How compositions go with what else is known of the images: means by group, or correlations."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from toolkit.widgets.composition import FRACTION, REST, REST_COLOR

_NO_COVARIATES = ("image", "uri", "given_uri", "class_name", "run")
_MOST_VALUES = 12  # of a number whose values are groups
_MOST_GROUPS = 40
_MOST_PERIODS = 24
_MOST_POINTS = 5_000
_PERIODS = {"year": "Y", "month": "M", "day": "D", "hour": "h"}
_PARTS = ("year", "month", "day", "hour", "weekday")
_PANELS = 3  # per line


@dataclass(frozen=True, eq=False)
class Covariate:
    """What is known of the images that are done."""

    name: str
    """Its name; ``date.hour`` and the like are parts of a time."""
    kind: Literal["groups", "numbers", "times"]
    """``"groups"`` where several images share each value, else a scale."""
    values: pd.Series
    """One per image that is done, in their order; missing ones are NA."""


def covariate_names(results: xr.Dataset) -> list[str]:
    """The names of the covariates in `Catalog.to_xarray`."""
    over_images = [str(name) for name, values in results.coords.items() if values.dims == ("image",)]
    return [name for name in over_images if name not in _NO_COVARIATES]


def read_covariate(results: xr.Dataset, name: str) -> Covariate:
    """A covariate of the images that are done, and how it is best looked at.

    Text, truth values and numbers of few values make groups, and so do times: years, months, days or hours, whichever
    are the shortest that several images share. What hardly any two images share is a scale.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    name : str
        Its name; of a time also a part of it: ``date.year``, ``.month``, ``.day``, ``.hour`` or ``.weekday``.

    Raises
    ------
    KeyError
        The catalog has no such covariate; the message offers the nearest, and lists those that it has.
    """
    known = covariate_names(results)
    base, _, part = name.rpartition(".")
    column = name if name in known else base if base in known and part in _PARTS else None
    if column is None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise KeyError(f"no covariate {name!r}; {hint}the catalog has {', '.join(known) or 'none'}")
    done = np.flatnonzero(results.status.values == "done")
    values = pd.Series(results[column].isel(image=done).values)
    if column != name:
        return Covariate(name, "groups", _part_of(values, part, name))
    if pd.api.types.is_datetime64_any_dtype(values):
        periods = _shared_periods(values)
        return Covariate(name, "times", values) if periods is None else Covariate(name, "groups", periods)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        finite = values.where(np.isfinite(values.astype(float)))
        n_values = finite.nunique()
        shared = n_values <= _MOST_VALUES and finite.notna().sum() >= 2 * n_values
        return Covariate(name, "groups" if shared else "numbers", finite if not shared else values)
    return Covariate(name, "groups", values.mask(values.astype(object) == ""))


def _part_of(times: pd.Series, part: str, name: str) -> pd.Series:
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise KeyError(f"no covariate {name!r}: {name.rpartition('.')[0]!r} is no time, so it has no {part}")
    if part == "weekday":
        days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        return pd.Series(pd.Categorical(times.dt.day_name(), days, ordered=True))
    return pd.Series(getattr(times.dt, part).astype("Int64"))


def _shared_periods(times: pd.Series) -> pd.Series | None:
    """The shortest periods of which there are few, each with several images."""
    known = times.notna().sum()
    best = None
    for letter in _PERIODS.values():
        periods = times.dt.to_period(letter)
        if 2 <= periods.nunique() <= _MOST_PERIODS and known >= 2 * periods.nunique():
            best = periods
    return best


def group_composition(results: xr.Dataset, covariate: str, min_fraction: float = 0.0, bins: int = 6) -> pd.DataFrame:
    """Mean fraction of each class per group of images.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    covariate : str
        Name of the covariate whose values make the groups, as `read_covariate` takes it.
    min_fraction : float
        Classes that reach this fraction in no group are left out.
    bins : int
        A scale with more values than twice this is cut into so many ranges of equal width.

    Returns
    -------
    pandas.DataFrame
        One row per value of the covariate, in order, and ``(no NAME)`` for images without one; of very many values,
        those of the most images, and ``(other)`` for the rest. One column per class that occurs, largest first;
        ``images`` counts the images of the group that are done.

    Raises
    ------
    KeyError
        The catalog has no such covariate.
    """
    known = read_covariate(results, covariate)
    table = _done_table(results)
    values = known.values
    if known.kind != "groups" and values.nunique() > 2 * bins:
        values = pd.cut(values, bins)
    counts = values.value_counts()
    if len(counts) > _MOST_GROUPS:
        values = values.astype(object).where(values.isin(counts.index[: _MOST_GROUPS - 1]) | values.isna(), REST)
    groups = table.groupby(values, dropna=False, observed=True)
    means = groups.mean()
    labels = [f"(no {covariate})" if pd.isna(value) else value for value in means.index]
    means.index = pd.Index(labels, name=covariate, dtype=object if f"(no {covariate})" in labels else means.index.dtype)
    means = means.loc[:, (means.max() > 0) & (means.max() >= min_fraction)]
    means = means[means.mean().sort_values(ascending=False, kind="stable").index]
    means.insert(0, "images", groups.size().to_numpy())
    return means


def _done_table(results: xr.Dataset) -> pd.DataFrame:
    """Fractions by class of the images that are done."""
    done = results.isel(image=np.flatnonzero(results.status.values == "done"))
    return pd.DataFrame(done.composition.values, columns=list(done.class_name.values))


def correlate_composition(results: xr.Dataset, covariate: str, min_fraction: float = 0.0) -> pd.DataFrame:
    """How the fraction of each class goes with a number or a time.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    covariate : str
        Name of a covariate of numbers or times.
    min_fraction : float
        Classes that reach this fraction in no image are left out.

    Returns
    -------
    pandas.DataFrame
        One row per class, largest mean first: ``mean`` of its fraction; ``Pearson`` and ``Spearman`` (of ranks, ties
        sharing their mean rank), NaN below three images or where either never varies; ``images``, how many count: those
        that are done and have a finite value.

    Raises
    ------
    KeyError
        The catalog has no such covariate.
    """
    table, numbers = _done_table(results), _as_numbers(read_covariate(results, covariate).values)
    known = np.isfinite(numbers.to_numpy())
    table, numbers = table[known].astype(float), numbers[known]
    means = table.mean()[(table.max() > 0) & (table.max() >= min_fraction)]
    columns = ["mean", "Pearson", "Spearman", "images"]
    rows = [
        (mean, _pearson(table[name], numbers), _pearson(table[name].rank(), numbers.rank()), len(numbers))
        for name, mean in means.sort_values(ascending=False, kind="stable").items()
    ]
    order = means.sort_values(ascending=False, kind="stable").index
    return pd.DataFrame(rows, columns=columns, index=order).rename_axis("class")


def _as_numbers(values: pd.Series) -> pd.Series:
    """Numbers; of times, days since the first."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - values.min()) / pd.Timedelta(days=1)
    return pd.Series(values.to_numpy(dtype=float, na_value=np.nan))


def _pearson(first: pd.Series, second: pd.Series) -> float:
    if len(first) < 3 or first.nunique() < 2 or second.nunique() < 2:
        return float("nan")
    return float(np.corrcoef(first.to_numpy(float), second.to_numpy(float))[0, 1])


def plot_correlation(
    results: xr.Dataset,
    covariate: str,
    colors: Mapping[str, Sequence[float]],
    min_fraction: float = 0.0,
    most: int = 6,
) -> Figure:
    """The fraction of each of the largest classes against a number or a time, a point per image.

    Parameters
    ----------
    results, covariate, min_fraction
        As for `correlate_composition`.
    colors : mapping
        RGB in 0…1 by class name, from `class_colors`.
    most : int
        How many classes at most.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown yet. Of more than 5,000 images some are points, evenly chosen; the correlations are of all.
    """
    known = read_covariate(results, covariate)
    correlations = correlate_composition(results, covariate, min_fraction).head(most)
    table = _done_table(results)
    rows = np.flatnonzero(np.isfinite(_as_numbers(known.values).to_numpy()))
    rows = rows[:: max(1, -(-len(rows) // _MOST_POINTS))]
    label = results.composition.attrs.get("long_name", FRACTION)
    lines = max(1, -(-len(correlations) // _PANELS))
    figure = Figure(figsize=(3.4 * _PANELS, 2.9 * lines), layout="constrained")
    grid = figure.subplots(lines, _PANELS, squeeze=False, sharex=True)
    for axes in grid.flat[len(correlations) :]:
        axes.set_axis_off()
    for axes, (name, correlation) in zip(grid.flat, correlations.iterrows(), strict=False):
        color = colors.get(str(name), REST_COLOR)
        _scatter(axes, known, known.values.iloc[rows], table[name].to_numpy()[rows], color)
        axes.set_title(_title(correlation), fontsize="small", parse_math=False)
    figure.supylabel(str(label), fontsize="small", wrap=True)
    return figure


def _scatter(
    axes: Axes, covariate: Covariate, values: pd.Series, fractions: np.ndarray, color: Sequence[float]
) -> None:
    axes.scatter(
        values.to_numpy(), fractions, s=14, color=[tuple(color)], edgecolor="0.4", lw=0.3, alpha=0.7, clip_on=False
    )
    axes.set_xlabel(covariate.name, fontsize="small", parse_math=False)
    axes.tick_params(labelsize="small", labelbottom=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)
    if covariate.kind == "times":
        locator = AutoDateLocator(maxticks=5)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _title(correlation: pd.Series) -> str:
    pearson, spearman = (format_correlation(correlation[kind]) for kind in ("Pearson", "Spearman"))
    return f"{correlation.name}\nPearson {pearson}, Spearman {spearman}, n = {int(correlation['images']):,}"


def format_correlation(value: float) -> str:
    """With its sign, two digits; a dash if there is none."""
    return "–" if np.isnan(value) else f"{value:+.2f}"
