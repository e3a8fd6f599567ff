"""What a run is known by in a catalog: all that decides its results."""

import difflib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.catalog import Catalog, RunSettings
from toolkit.models import Model
from toolkit.runs.tasks import Work
from toolkit.segmentation import NUMERICS_VERSION, Area, Projection, Protocol

AreaWords = Area | str | Path | Mapping[str, Any] | None
"""What `Area.of` takes."""
ProjectionWords = Projection | str | Mapping[str, Any] | None
"""What `Projection.of` takes."""


def settings_of(work: Work, model: Model) -> RunSettings:
    """What a run of this work is known by in a catalog."""
    return RunSettings(
        model=model.name,
        model_digest=model.digest,
        class_names=model.class_names,
        protocol=work.protocol.to_dict(),
        options=_options(work),
        numerics_version=NUMERICS_VERSION,
        palette=model.palette,
    )


def _options(work: Work) -> dict[str, Any]:
    """What of a run's work besides model and protocol decides its results, where it is not as usual."""
    options: dict[str, Any] = {}
    if work.execution.precision != "float32":
        options["precision"] = work.execution.precision
    if work.execution.compile:
        options["compile"] = True
    if work.soft_composition:
        options["soft_composition"] = True
    if work.area is not None:
        options["area"] = work.area.to_dict()
    if work.projection is not None:
        options["projection"] = work.projection.to_json()
    return options


def check_model(model: object, protocol: object) -> None:
    """Refuse what is no model or no protocol, or a model that results could not be told by."""
    if not isinstance(model, Model):
        raise TypeError(f"model must be a Model or the name of one, not {model!r}")
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol, not {protocol!r}; Protocol.preset(name) makes a published one")
    if not model.digest:
        raise ValueError(
            f"model {model.name!r} has no digest, so its results could not be told from another's; set one"
        )


def check_column(catalog: Catalog, name: str) -> None:
    """Refuse a column of masks that no image of the catalog has."""
    known = catalog.covariate_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"area: the catalog has no column {name!r}; {hint}its columns are {', '.join(map(repr, known)) or '(none)'}"
        )


def warn_of_newer_masks(catalog: Catalog, run_id: str, column: str) -> None:
    """Warn if images were given other masks since they were segmented: a run is known by the column, not by these."""
    changes = catalog.history(column)
    if changes.empty:
        return
    changed = changes.groupby("image")["changed"].max()
    started = catalog.to_xarray(run_id).started.to_series().reindex(changed.index)
    newer = changed.index[started < changed]
    if len(newer):
        first = changes.uri[changes.image == newer[0]].iloc[0]
        warnings.warn(
            f"area: {len(newer):,} images, the first {first}, have other masks in {column!r} now than when they were "
            f"segmented; their results stay those of the masks before. A column of another name makes another run",
            stacklevel=3,
        )
