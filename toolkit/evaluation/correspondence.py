"""Which class of a model answers to which class of a data set, where they are not the same."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit.evaluation.errors import EvaluationError
from toolkit.models import DatasetDescriptor, list_datasets, load_dataset

ClassMapping = Mapping[str, str] | Literal["position", "shared"]
"""Target class by model class; ``"position"``: the same order under other names; ``"shared"``: only equal names."""

_UNCOUNTED = -1


@dataclass(frozen=True)
class Correspondence:
    """The classes that are evaluated, and what becomes which of them."""

    class_names: tuple[str, ...]
    """The classes that are evaluated, ``(n_classes,)``."""
    of_target: tuple[int, ...]
    """Index of each class of the data set among them; -1: its pixels are not counted."""
    of_prediction: tuple[int, ...]
    """Index of each class of the model among them; ``n_classes``: none of them, so that predicting it is wrong."""
    description: str
    """How they were brought together, in words."""


def match_classes(
    model_classes: Sequence[str],
    dataset: DatasetDescriptor | None = None,
    classes: ClassMapping | None = None,
    *,
    only_shared: bool = False,
) -> Correspondence:
    """Bring together the classes of a model and of a data set.

    Parameters
    ----------
    model_classes : sequence of str
        Names of the model's classes, in the order of its label maps.
    dataset : DatasetDescriptor, optional
        The data set whose masks are the targets; without it, they hold indices of the model's classes.
    classes : mapping of str to str, "position" or "shared", optional
        Name of the data set's class by name of the model's; several may become one. A class of the model that is left
        out is always wrong; a class of the data set that no class of the model becomes has IoU 0 where it occurs.
        ``"position"``: both have the same classes in the same order, under other names. ``"shared"``: those that have
        the same name, with `only_shared`.
    only_shared : bool
        Evaluate only the classes that both have: where the truth is another one nothing is counted.

    Returns
    -------
    Correspondence
        Without `classes`: by name, if the names are the same in any order; else by the mapping in the data set's
        descriptor into the model's classes (which are evaluated then), or by the mapping of the data set that has the
        model's classes into this one. Classes that a descriptor marks as ignored are not evaluated.

    Raises
    ------
    EvaluationError
        The classes cannot be brought together; the message says what differs and what to pass.

    Examples
    --------
    >>> match_classes(("sky", "road")).of_prediction
    (0, 1)
    """
    if classes == "shared" and dataset is not None:
        classes, only_shared = shared_names([model_classes], dataset), True
    match = _match(tuple(model_classes), dataset, classes)
    return restrict_to_shared([match])[0] if only_shared else match


def shared_names(models: Iterable[Sequence[str]], dataset: DatasetDescriptor) -> dict[str, str]:
    """The classes that all models and the data set have by the same name, as a mapping of each to itself.

    Raises
    ------
    EvaluationError
        There are none.
    """
    names = [dataset.class_names[index] for index in _counted(dataset)]
    shared = {name: name for name in names if all(name in model for model in models)}
    if not shared:
        raise EvaluationError(
            f"classes='shared': {dataset.name} has no class of the same name, it has {_listed(names)}; give "
            "{model class: class of the data set} and only_shared=True"
        )
    return shared


def restrict_to_shared(matches: Sequence[Correspondence]) -> list[Correspondence]:
    """The same correspondences, of which only those classes are evaluated that targets and all models can have.

    Raises
    ------
    EvaluationError
        There are none.
    """
    everything = range(len(matches[0].class_names))
    kept = [i for i in everything if all(i in match.of_target and i in match.of_prediction for match in matches)]
    if not kept:
        raise EvaluationError("only_shared: no class of the data set answers to a class of the model; give classes=...")
    place = {index: new for new, index in enumerate(kept)}
    return [
        Correspondence(
            class_names=tuple(match.class_names[index] for index in kept),
            of_target=tuple(place.get(index, _UNCOUNTED) for index in match.of_target),
            of_prediction=tuple(place.get(index, len(kept)) for index in match.of_prediction),
            description=f"{match.description}; only the {len(kept)} that both have",
        )
        for match in matches
    ]


def _match(names: tuple[str, ...], dataset: DatasetDescriptor | None, classes: ClassMapping | None) -> Correspondence:
    if dataset is None:
        if classes is not None:
            raise EvaluationError(
                "classes: says which class of a data set is meant, but no data set is named; pass dataset=... too"
            )
        everything = tuple(range(len(names)))
        return Correspondence(names, everything, everything, "masks hold indices of the model's classes")
    if classes == "position":
        return _by_position(names, dataset)
    if classes is not None:
        return _as_given(names, dataset, classes)  # type: ignore[arg-type]
    counted = [dataset.class_names[index] for index in _counted(dataset)]
    if set(counted) <= set(names) <= set(dataset.class_names):
        return _into_dataset(dataset, [dataset.class_names.index(name) for name in names], "classes of the same name")
    found = _by_mapping_of_targets(names, dataset) or _by_mapping_of_predictions(names, dataset)
    if found is None:
        raise EvaluationError(_difference(names, dataset))
    return found


def _counted(dataset: DatasetDescriptor) -> list[int]:
    """Ids of the classes that are not ignored."""
    ignored = {*dataset.ignored, dataset.ignore_index}
    return [index for index in range(len(dataset.class_names)) if index not in ignored]


def _into_dataset(dataset: DatasetDescriptor, ids: Iterable[int | None], description: str) -> Correspondence:
    """Evaluate in the data set's classes; `ids`: what each class of the model is there."""
    counted = _counted(dataset)
    place = {class_id: index for index, class_id in enumerate(counted)}
    return Correspondence(
        class_names=tuple(dataset.class_names[class_id] for class_id in counted),
        of_target=tuple(place.get(class_id, _UNCOUNTED) for class_id in range(len(dataset.class_names))),
        of_prediction=tuple(
            len(counted) if class_id is None else place.get(class_id, len(counted)) for class_id in ids
        ),
        description=description,
    )


def _by_position(names: tuple[str, ...], dataset: DatasetDescriptor) -> Correspondence:
    if len(names) != len(dataset.class_names):
        raise EvaluationError(
            f"classes='position': the model has {len(names)} classes and {dataset.name} {len(dataset.class_names)}; "
            "give the names of corresponding classes instead, as {model class: class of the data set}"
        )
    return _into_dataset(dataset, range(len(names)), "classes of the same position")


def _as_given(names: tuple[str, ...], dataset: DatasetDescriptor, classes: Mapping[str, str]) -> Correspondence:
    if not isinstance(classes, Mapping) or not classes:
        raise EvaluationError(
            f"classes: {classes!r} is neither a mapping of class names nor 'position' or 'shared'; give "
            "{model class: class of the data set}"
        )
    for name, other in classes.items():
        if name not in names:
            raise EvaluationError(f"classes: {name!r} is not a class of the model; it has {_listed(names)}")
        if other not in dataset.class_names:
            raise EvaluationError(
                f"classes: {other!r} is not a class of {dataset.name}; it has {_listed(dataset.class_names)}"
            )
    forgotten = [name for name in names if name in dataset.class_names and name not in classes]
    if forgotten:
        warnings.warn(
            f"classes: {_listed(forgotten)} are classes of the model and of {dataset.name}, but are not given; what is "
            "predicted as one of them counts as wrong",
            stacklevel=2,
        )
    ids = [dataset.class_names.index(classes[name]) if name in classes else None for name in names]
    return _into_dataset(dataset, ids, "classes as given")


def _by_mapping_of_targets(names: tuple[str, ...], dataset: DatasetDescriptor) -> Correspondence | None:
    """Translate the targets into the model's classes."""
    for other_name, ids in dataset.mapping.items():
        other = load_dataset(other_name)
        if other.class_names == names:
            into = _into_dataset(other, range(len(names)), f"masks mapped from {dataset.name} to {other_name}")
            of_target = [into.of_target[class_id] if class_id < len(into.of_target) else _UNCOUNTED for class_id in ids]
            for ignored in set(range(len(ids))) - set(_counted(dataset)):
                of_target[ignored] = _UNCOUNTED
            return Correspondence(into.class_names, tuple(of_target), into.of_prediction, into.description)
    return None


def _by_mapping_of_predictions(names: tuple[str, ...], dataset: DatasetDescriptor) -> Correspondence | None:
    """Translate the label maps into the data set's classes."""
    for other_name in list_datasets():
        other = load_dataset(other_name)
        if other.class_names == names and dataset.name in other.mapping:
            ids = other.mapping[dataset.name]
            return _into_dataset(dataset, ids, f"label maps mapped from {other_name} to {dataset.name}")
    return None


def _difference(names: tuple[str, ...], dataset: DatasetDescriptor) -> str:
    only_model = [name for name in names if name not in dataset.class_names]
    only_dataset = [name for name in dataset.class_names if name not in names]
    parts = [f"the model has {len(names)} classes and {dataset.name} {len(dataset.class_names)}"]
    if only_model:
        parts.append(f"only the model has {_listed(only_model)}")
    if only_dataset:
        parts.append(f"only {dataset.name} has {_listed(only_dataset)}")
    remedy = "pass classes={model class: class of the data set}"
    if len(names) == len(dataset.class_names):
        remedy += ", or classes='position' if they differ in their names only"
    if len(only_dataset) < len(dataset.class_names):
        remedy += ", or classes='shared' to measure those of one name only"
    return f"classes do not correspond: {'; '.join(parts)}; {remedy}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
