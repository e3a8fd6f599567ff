"""Networks by name: weights, classes, normalisation.

A provider is one module of `toolkit.models.providers` that turns a name into a `Recipe`; so does `bundles` with a
directory. `building` follows a recipe, and `loading` makes a `Model` of what comes out.
"""

from toolkit.models.definitions import InputRules, NetworkDefinition, Normalization
from toolkit.models.descriptors import (
    DatasetDescriptor,
    ModelDescriptor,
    list_datasets,
    list_models,
    load_dataset,
    load_model_descriptor,
)
from toolkit.models.errors import (
    BundleError,
    DescriptorError,
    ModelError,
    ModelOptionError,
    UnknownNameError,
    WeightsError,
)
from toolkit.models.loading import UntrainedNetworkWarning, load_bundle, load_model
from toolkit.models.model import Model
from toolkit.models.providers.pspnet import PSPNet
from toolkit.models.sigmoid import SigmoidNetwork
from toolkit.models.torchvision_operators import define_missing_operators

__all__ = [
    "BundleError",
    "DatasetDescriptor",
    "DescriptorError",
    "InputRules",
    "Model",
    "ModelDescriptor",
    "ModelError",
    "ModelOptionError",
    "NetworkDefinition",
    "Normalization",
    "PSPNet",
    "SigmoidNetwork",
    "UnknownNameError",
    "UntrainedNetworkWarning",
    "WeightsError",
    "define_missing_operators",
    "list_datasets",
    "list_models",
    "load_bundle",
    "load_dataset",
    "load_model",
    "load_model_descriptor",
]
