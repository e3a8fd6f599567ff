"""Hugging Face's semantic segmentation networks by name: ``hf:org/name``, ``hf:directory``."""

import dataclasses
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.models.assembly import model_of
from toolkit.models.building import BuildError, build_network
from toolkit.models.definitions import IMAGENET, InputRules, NetworkDefinition, Normalization
from toolkit.models.model import Model
from toolkit.models.names import ModelName, ModelOptionError, UnknownNameError
from toolkit.models.networks.huggingface_networks import HuggingFaceNetwork
from toolkit.models.torchvision_operators import define_missing_operators
from toolkit.models.weights import WeightsError
from toolkit.paths import expand

_OPTIONS = ("dataset", "mean", "revision", "std")
_OF_NO_MATTER = ("_name_or_path", "_commit_hash", "dtype", "torch_dtype", "transformers_version")
"""What a configuration says of its file, and not of the network."""


def load_huggingface(name: ModelName) -> Model:
    """Load a checkpoint: ``revision`` (a branch, tag or commit on the hub).

    Normalisation, class names and sizes are the checkpoint's own. Code of a checkpoint is never run.
    """
    name.check_options(_OPTIONS)
    folder = Path(expand(name.name)).expanduser()
    if folder.is_dir():
        name = ModelName(name.provider, str(folder.resolve()), name.options)
    config = _config(name)
    if (commit := config.get("_commit_hash")) is not None:
        name = name.with_option("revision", commit)  # engines that load it later get the same
    preprocessing = _preprocessing(name)
    arguments: dict[str, Any] = {"config": {key: value for key, value in config.items() if key not in _OF_NO_MATTER}}
    if preprocessing.get("do_flip_channel_order"):
        arguments["bgr"] = True
    if config.get("model_type") == "oneformer":
        arguments["task_tokens"] = _task_tokens(name, int(config.get("task_seq_len", 77)))
    definition = NetworkDefinition("huggingface", arguments)
    network = _network(name, definition)
    rules = InputRules.of(network)
    divisor = preprocessing.get("size_divisor") or rules.size_divisor
    return model_of(
        name,
        definition,
        network,
        _normalization(preprocessing),
        _class_names(config),
        rules=dataclasses.replace(rules, size_divisor=divisor),
    )


def _where(name: ModelName) -> dict[str, Any]:
    return {"revision": name.options["revision"]} if "revision" in name.options else {}


def _config(name: ModelName) -> Mapping[str, Any]:
    define_missing_operators()
    from transformers import PretrainedConfig

    try:
        found, _ = PretrainedConfig.get_config_dict(name.name, **_where(name))
    except (OSError, ValueError) as error:
        raise UnknownNameError(
            f"model {str(name)!r}: there is no directory {name.name!r} with a config.json, and none can be fetched "
            f"from the hub: {error}"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise UnknownNameError(f"model {str(name)!r}: its config.json names no model_type")
    return found


def _network(name: ModelName, definition: NetworkDefinition) -> HuggingFaceNetwork:
    try:
        network = build_network(definition)
    except BuildError as error:
        raise ModelOptionError(f"model {str(name)!r}: {error.__cause__ or error}") from (error.__cause__ or error)
    assert isinstance(network, HuggingFaceNetwork)
    try:
        network.load_checkpoint(name.name, **_where(name))
    except Exception as error:  # transformers lets through what safetensors, pickle and the hub raise
        raise WeightsError(f"model {str(name)!r}: its weights cannot be used: {error}") from error
    return network


def _preprocessing(name: ModelName) -> Mapping[str, Any]:
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(name.name, **_where(name))
    except (OSError, ValueError, ImportError) as error:
        warnings.warn(
            f"model {str(name)!r}: no preprocessor_config.json can be read ({error}); its input is normalised as "
            "ImageNet's photos are; say otherwise with mean= and std=",
            stacklevel=5,
        )
        return {}
    found: dict[str, Any] = processor.to_dict()
    return found


def _normalization(preprocessing: Mapping[str, Any]) -> Normalization:
    if not preprocessing:
        return IMAGENET
    rescale = preprocessing.get("rescale_factor", 1 / 255) if preprocessing.get("do_rescale", True) else 1.0
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if preprocessing.get("do_normalize"):
        mean, std = preprocessing["image_mean"], preprocessing["image_std"]
    # (x · rescale − mean) / std, in units of x
    scaled = [tuple(round(value / rescale, 6) for value in values) for values in (mean, std)]
    return Normalization(*scaled)  # type: ignore[arg-type]  # three channels


def _class_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = {int(index): str(name) for index, name in (config.get("id2label") or {}).items()}
    ordered = [names[index] for index in sorted(names)]
    if all(name == f"LABEL_{index}" for index, name in enumerate(ordered)):
        return ()  # what transformers writes where nobody gave names
    repeated = {name for name, count in Counter(ordered).items() if count > 1}
    return tuple(f"{name} ({index})" if name in repeated else name for index, name in enumerate(ordered))


def _task_tokens(name: ModelName, length: int) -> list[int]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name.name, **_where(name))
    except (OSError, ValueError) as error:
        raise UnknownNameError(f"model {str(name)!r}: it has no tokenizer for its task: {error}") from error
    # Padding counts as 0 there, as in OneFormerProcessor.
    encoded = tokenizer("the task is semantic", padding="max_length", max_length=length, truncation=True)
    return [token * mask for token, mask in zip(encoded["input_ids"], encoded["attention_mask"], strict=True)]
