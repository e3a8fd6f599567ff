"""Networks by name: weights, classes, normalisation."""

from toolkit.models.assembly import UntrainedNetworkWarning
from toolkit.models.bundles import BundleError, load_bundle
from toolkit.models.definitions import InputRules, NetworkDefinition, Normalization
from toolkit.models.descriptors import (
    DatasetDescriptor,
    DescriptorError,
    ModelDescriptor,
    list_datasets,
    list_models,
    load_dataset,
    load_model_descriptor,
)
from toolkit.models.loading import load_model
from toolkit.models.model import Model
from toolkit.models.names import ModelOptionError, UnknownNameError
from toolkit.models.networks.pspnet import PSPNet
from toolkit.models.torchvision_operators import define_missing_operators
from toolkit.models.weights import WeightsError

__all__ = [
    "BundleError",
    "DatasetDescriptor",
    "DescriptorError",
    "InputRules",
    "Model",
    "ModelDescriptor",
    "ModelOptionError",
    "NetworkDefinition",
    "Normalization",
    "PSPNet",
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
