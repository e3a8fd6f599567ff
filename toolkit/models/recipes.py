"""All that it takes to make a model: what every provider returns for a name, and a bundle for its folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from torch import nn

from toolkit.models.definitions import IMAGENET, NetworkDefinition, Normalization, Output
from toolkit.models.descriptors import load_dataset
from toolkit.models.errors import ModelError, ModelOptionError
from toolkit.models.names import ModelName
from toolkit.models.weights import Weights, fit_weights, read_weights
from toolkit.paths import expand

COMMON_OPTIONS = ("dataset", "mean", "output", "seed", "std", "weights")
"""Options of every network that is built with random weights and can be given others."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a model is made. `toolkit.models.building` follows it, `toolkit.models.loading` makes the model."""

    title: str
    """What is made, for messages, such as ``model 'pspnet-resnet50'``."""
    name: str
    """What people call it."""
    source: str
    """What ``load_model`` takes to make it again elsewhere."""
    definition: NetworkDefinition
    """How the network is built."""
    normalization: Normalization
    """How pixels become its input."""
    class_names: Mapping[str, Sequence[str]]
    """Names of the classes by where they were found, the best first; those that are empty do not count."""
    put_weights: Callable[[nn.Module], None] | None = None
    """Gives the network its weights; None: it keeps random ones, and a warning says so."""
    weights_sha256: str = ""
    """Checksum of the weights where it is known; empty: it is computed."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """RGB colour of each class, 0…255."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `InputRules` that are other than the network itself says."""
    seed: int = 0
    """Of the random weights."""
    at_first: Mapping[str, Any] = field(default_factory=dict)
    """What the network is built with besides the definition's arguments, to fetch weights that are the model's own
    afterwards."""
    refusal: type[ModelError] = ModelOptionError
    """The error where the network cannot be built, or does not do what it must."""


def recipe_of(
    name: ModelName,
    definition: NetworkDefinition,
    normalization: Normalization = IMAGENET,
    weights: Weights | None = None,
    **details: Any,
) -> Recipe:
    """The recipe for a name, with the options that all networks take.

    Parameters
    ----------
    name : ModelName
        With absolute paths.
    definition, normalization
        Fields of the recipe; the options ``mean`` and ``std`` come before the normalisation given here.
    weights : Weights, optional
        The network's weights and the class names that came with them.
    **details
        Other fields of the recipe; ``class_names`` are those of a checkpoint.

    Raises
    ------
    ModelOptionError
        An option has a value that it cannot have.
    """
    mean, std = name.numbers("mean", 3), name.numbers("std", 3)
    if std and min(std) <= 0:
        raise name.refusal("std", "3 numbers above 0")
    dataset = load_dataset(name.options["dataset"]) if "dataset" in name.options else None
    if weights is not None:
        origin = name.options.get("weights", str(name))
        details["put_weights"] = partial(fit_weights, tensors=weights.tensors, origin=origin)
        details["class_names"] = weights.class_names
    if is_sigmoid(name):
        definition = replace(definition, output="sigmoid")
    return Recipe(
        title=f"model {str(name)!r}",
        name=name.stem,
        source=str(name),
        definition=definition,
        normalization=Normalization(mean or normalization.mean, std or normalization.std),  # type: ignore[arg-type]
        class_names={
            "the checkpoint": details.pop("class_names", ()),
            f"dataset={name.options.get('dataset')}": dataset.class_names if dataset else (),
        },
        palette=dataset.palette if dataset else (),
        seed=name.count("seed", least=0),
        **details,
    )


def is_sigmoid(name: ModelName) -> bool:
    """Whether the option ``output`` says that the network's only channel is the logit of one class."""
    output = name.options.get("output", "softmax")
    if output not in get_args(Output):
        raise name.refusal("output", " or ".join(get_args(Output)))
    return output == "sigmoid"


def option_classes(name: ModelName, key: str, default: int) -> int:
    """The number of output channels: in an option, or one per class of the data set in the option ``dataset``."""
    if is_sigmoid(name):
        return name.count(key, 1)
    return name.count(
        key, len(load_dataset(name.options["dataset"]).class_names) if "dataset" in name.options else default
    )


def option_weights(name: ModelName) -> tuple[ModelName, Weights | None]:
    """The weights in the option ``weights``, whose path may begin with ``data_catalog:``; the name with it absolute."""
    if "weights" not in name.options:
        return name, None
    path = Path(expand(name.options["weights"])).expanduser().resolve()
    return name.with_option("weights", str(path)), read_weights(path)
