"""The sections of the report of `explore.ipynb`: each a list of what to display, one line where there is nothing."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from toolkit.catalog import Catalog
from toolkit.widgets.composition import FRACTION, composition_table, leave_out, plot_composition, summarize_composition
from toolkit.widgets.covariates import (
    correlate_composition,
    covariate_names,
    format_correlation,
    group_composition,
    plot_correlation,
    read_covariate,
)
from toolkit.widgets.names import short_names
from toolkit.widgets.note import Note
from toolkit.widgets.overlay import overlay_sheet

Colors = Mapping[str, Sequence[float]]

_NAMED = 3


def summary(results: xr.Dataset, catalog: str, left_out: Sequence[str] = ()) -> list[object]:
    """What the report is of: how many images of which catalog, run and model, and which pixels count.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    catalog : str
        What the catalog is called.
    left_out : sequence of str
        Classes that are left out.
    """
    n_done, n_failed, n_pending = (int((results.status == status).sum()) for status in ("done", "failed", "pending"))
    attributes = results.attrs
    counts = f"{n_done:,} of {results.sizes['image']:,} images done, {n_failed:,} failed, {n_pending:,} pending"
    notes = [Note(f"{PurePath(catalog).name}, run {attributes['run_id']} of {attributes['model']}: {counts}.")]
    if left_out:
        n_empty = n_done - int((leave_out(results, left_out).status == "done").sum())
        words = f"Without {', '.join(left_out)}: fractions are of the other pixels."
        if n_empty:
            words += f" {_photos(n_empty)} {'is' if n_empty == 1 else 'are'} nothing else, and not counted."
        notes.append(Note(words))
    return list(notes)


def composition(results: xr.Dataset, colors: Colors, min_fraction: float = 0.001, shown: int = 40) -> list[object]:
    """What the images that are done are made of: over all of them, and image by image.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    colors : mapping
        RGB in 0…1 by class name, from `class_colors`.
    min_fraction : float
        Classes below this fraction in every image are added up.
    shown : int
        How many images the table and the bars list.
    """
    table = composition_table(results, min_fraction)
    if table.empty:
        return [Note("No image is done.")]
    first = table.head(shown)
    of = f"{len(first)} of {len(table):,} images" if len(first) < len(table) else f"{len(table):,} images"
    styled = first.style.format("{:.1%}").format_index(escape="html")
    return [
        summarize_composition(table).style.format("{:.1%}").format_index(escape="html"),
        styled.background_gradient(cmap="Greens", vmin=0, vmax=1),
        plot_composition(first, colors, f"What images are made of ({of})", _label(results)),
    ]


def overlays(catalog: Catalog, run_id: str | None, most: int, target: str | os.PathLike[str] = "") -> list[object]:
    """The first photos that are done, with their label maps; also saved as a picture where a target is given."""
    if not most or not (catalog.to_xarray(run_id).status == "done").any():
        return [Note("No photos were asked for." if not most else "No image is done.")]
    sheet = overlay_sheet(catalog, run_id, most=most)
    if os.fspath(target):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        sheet.savefig(target, dpi=110)
    return [sheet]


def by_covariate(results: xr.Dataset, covariate: str, colors: Colors, min_fraction: float = 0.001) -> list[object]:
    """How the composition goes with what else is known of the images: means by group, or a scatter and correlations.

    Parameters
    ----------
    results : xarray.Dataset
        From `Catalog.to_xarray`.
    covariate : str
        Name of the covariate, as `read_covariate` takes it; empty for none.
    colors : mapping
        RGB in 0…1 by class name.
    min_fraction : float
        Classes below this fraction everywhere are left out.

    Raises
    ------
    KeyError
        The catalog has no such covariate.
    """
    known = covariate_names(results)
    if not covariate:
        none = "Nothing else is known of the images; a table of them may say more, a column for each thing."
        return [Note(f"No covariate was chosen; the catalog has {', '.join(known)}." if known else none)]
    found = read_covariate(results, covariate)
    if found.values.empty:
        return [Note("No image is done.")]
    if found.kind == "groups":
        groups = group_composition(results, covariate, min_fraction)
        styled = groups.style.format("{:.1%}", subset=groups.columns[1:]).format_index(escape="html")
        shown: list[object] = [
            styled,
            plot_composition(groups, colors, f"Mean composition by {covariate}", _label(results)),
        ]
    else:
        table = correlate_composition(results, covariate, min_fraction)
        forms: dict[Any, Any] = {
            "mean": "{:.1%}",
            "Pearson": format_correlation,
            "Spearman": format_correlation,
            "images": "{:,}",
        }
        styled = table.style.format(forms).format_index(escape="html")
        shown = [styled, plot_correlation(results, covariate, colors, min_fraction)]
    return [*shown, *_without(results, found.values.isna().to_numpy(), covariate)]


def _without(results: xr.Dataset, missing: np.ndarray, covariate: str) -> list[Note]:
    if not missing.any():
        return []
    rows = np.flatnonzero(results.status.values == "done")[missing]
    all_names = short_names([str(uri) for uri in results.uri.values])
    names = [all_names[row] for row in rows[:_NAMED]]
    more = ", …" if len(rows) > len(names) else ""
    return [Note(f"No {covariate}: {_photos(int(missing.sum()))} ({', '.join(names)}{more}).")]


def flags(catalog: Catalog, run_id: str | None, most: int = 100) -> list[object]:
    """The images that are blank, or copies of others; a line if there are none. All of them are counted everywhere."""
    found = catalog.flags(run_id)
    unknown = int(found.attrs.get("not_looked_at", 0))
    not_looked: list[object] = [Note(f"{_photos(unknown)} of an older version were not looked at.")] if unknown else []
    if found.empty:
        return not_looked or [Note("No picture is blank, and none is a copy of another.")]
    names = short_names([str(uri) for uri in catalog.to_xarray(run_id).uri.values])
    listed = found.head(most)
    reasons = [_flags_in_words(flag, names) for _, flag in listed.iterrows()]
    table = pd.DataFrame({"image": [names[int(row)] for row in listed.index], "what": reasons}, index=listed.index)
    of = f", the first {most} of them" if len(found) > most else ""
    return [Note(f"{_photos(len(found))}{of}:"), table.style.format(escape="html"), *not_looked]


def _flags_in_words(flag: pd.Series, names: Sequence[str]) -> str:
    words = ["blank"] if flag["blank"] else []
    if flag["duplicate_of"] >= 0:
        words.append(f"the same pixels as {names[int(flag['duplicate_of'])]}")
    elif flag["near_duplicate_of"] >= 0:
        words.append(f"nearly the same as {names[int(flag['near_duplicate_of'])]}")
    return ", ".join(words)


def failed(catalog: Catalog, run_id: str | None, most: int = 100) -> list[object]:
    """The images that failed, and why; a line if there are none."""
    errors = catalog.errors(run_id)
    if errors.empty:
        return [Note("No image failed.")]
    of = f", the first {most} of {len(errors):,}" if len(errors) > most else ""
    return [Note(f"{_photos(len(errors))}{of}:"), errors.head(most).style.format(escape="html")]


def published(catalog: Catalog, run_id: str | None, target: str) -> list[object]:
    """Write the run for others where a target is given; a line that says so, or how."""
    if not target:
        return [Note("Not written; the parameter publication says where to.")]
    catalog.publish(run_id, target, partial=True, overwrite=True)
    pending = int((catalog.to_xarray(run_id).status == "pending").sum())
    return [Note(f"Written to {target}" + (f", though {pending:,} images are pending." if pending else "."))]


def _label(results: xr.Dataset) -> str:
    return str(results.composition.attrs.get("long_name", FRACTION))


def _photos(number: int) -> str:
    return f"{number:,} photo{'' if number == 1 else 's'}"
