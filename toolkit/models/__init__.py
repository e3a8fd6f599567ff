"""Networks by name: weights, classes, normalisation."""

from toolkit.models.bundles import BundleError, load_bundle
from toolkit.models.descriptors import (
    DatasetDescriptor,
    DescriptorError,
    ModelDescriptor,
    UnknownNameError,
    list_datasets,
    list_models,
    load_dataset,
    load_model_descriptor,
)
from toolkit.models.loading import load_model
from toolkit.models.model import Model, Normalization

__all__ = [
    "BundleError",
    "DatasetDescriptor",
    "DescriptorError",
    "Model",
    "ModelDescriptor",
    "Normalization",
    "UnknownNameError",
    "list_datasets",
    "list_models",
    "load_bundle",
    "load_dataset",
    "load_model",
    "load_model_descriptor",
]
