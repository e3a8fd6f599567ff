"""From a definition and the options that all networks take to a model."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from toolkit.models.building import BuildError, build_network
from toolkit.models.definitions import InputRules, NetworkDefinition, Normalization, digest_of, document_of
from toolkit.models.descriptors import DatasetDescriptor, load_dataset
from toolkit.models.model import Model
from toolkit.models.names import ModelName, ModelOptionError
from toolkit.models.networks.wrapped import WrappedNetwork, published_weights
from toolkit.models.probing import ProbeError, probe
from toolkit.models.serialization import weights_sha256
from toolkit.models.weights import Weights, fit_weights, read_weights
from toolkit.paths import expand

COMMON_OPTIONS = ("dataset", "mean", "seed", "std", "weights")
"""Options of every network that is built with random weights and can be given others."""


class UntrainedNetworkWarning(UserWarning):
    """A network has random weights, so its label maps mean nothing."""


def option_dataset(name: ModelName) -> DatasetDescriptor | None:
    """The data set in the option ``dataset``."""
    return load_dataset(name.options["dataset"]) if "dataset" in name.options else None


def option_weights(name: ModelName) -> tuple[ModelName, Weights | None]:
    """The weights in the option ``weights``, whose path may begin with ``data_catalog:``; the name with it absolute."""
    if "weights" not in name.options:
        return name, None
    path = Path(expand(name.options["weights"])).expanduser().resolve()
    return name.with_option("weights", str(path)), read_weights(path)


def assemble(
    name: ModelName, definition: NetworkDefinition, normalization: Normalization, weights: Weights | None
) -> Model:
    """Build a network by its definition and make a model of it.

    Parameters
    ----------
    name : ModelName
        With absolute paths; becomes the model's source.
    definition : NetworkDefinition
        How the network is built.
    normalization : Normalization
        Used unless the options ``mean`` and ``std`` say otherwise.
    weights : Weights or None
        The network's weights; None: random ones by the option ``seed``, with a warning.

    Raises
    ------
    ModelOptionError
        An option has a value that the network does not take.
    WeightsError
        The weights do not fit.

    Warns
    -----
    UntrainedNetworkWarning
        There are no weights.
    """
    try:
        network = build_network(definition, seed=name.count("seed", least=0))
    except BuildError as error:
        raise ModelOptionError(f"model {str(name)!r}: {error}") from (error.__cause__ or error)
    if weights is None:
        warnings.warn(
            f"model {str(name)!r} has random weights: its label maps mean nothing until it is trained; "
            "give weights=path",
            UntrainedNetworkWarning,
            stacklevel=5,
        )
    else:
        fit_weights(network, weights.tensors, name.options.get("weights", str(name)))
    return model_of(name, definition, network, normalization, () if weights is None else weights.class_names)


def model_of(
    name: ModelName,
    definition: NetworkDefinition,
    network: nn.Module,
    normalization: Normalization,
    class_names: Sequence[str],
    *,
    rules: InputRules | None = None,
) -> Model:
    """Make a model of a network that has its weights.

    Parameters
    ----------
    name, definition, normalization
        As for `assemble`.
    network : torch.nn.Module
        In evaluation mode, on the CPU.
    class_names : sequence of str
        Those of the checkpoint; empty where it has none.
    rules : InputRules, optional
        Sizes and corners; what the network says of itself if left out.
    """
    if isinstance(network, WrappedNetwork):
        # What builds it again around these weights, which need not be fetched as they were the first time.
        definition = replace(definition, arguments=network.arguments)
    own_rules = InputRules.of(network)
    rules = rules or own_rules
    try:
        n_outputs = probe(network, rules).shape[1]
    except ProbeError as error:
        raise ModelOptionError(f"model {str(name)!r}: {error}") from (error.__cause__ or error)
    dataset = option_dataset(name)
    known = dataset.class_names if dataset else ()
    for origin, found in (("the checkpoint", class_names), (f"dataset={name.options.get('dataset')}", known)):
        if found and len(found) != n_outputs:
            raise ModelOptionError(f"model {str(name)!r}: {origin} has {len(found)} classes, the network {n_outputs}")
    names = tuple(class_names) or known or tuple(f"class {index}" for index in range(n_outputs))
    normalization = _normalization(name, normalization)
    document = document_of(definition, names, normalization, rules, own_rules)
    return Model(
        network=network,
        class_names=names,
        normalization=normalization,
        name=name.stem,
        digest=digest_of(document, weights_sha256(published_weights(network))),
        source=str(name),
        palette=dataset.palette if dataset else (),
        **vars(rules),
        definition=definition,
    )


def _normalization(name: ModelName, customary: Normalization) -> Normalization:
    mean, std = name.numbers("mean", 3), name.numbers("std", 3)
    if std and min(std) <= 0:
        raise name.refusal("std", "3 numbers above 0")
    return Normalization(mean or customary.mean, std or customary.std)  # type: ignore[arg-type]  # three each
