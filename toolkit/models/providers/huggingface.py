"""Hugging Face's networks for semantic segmentation, by checkpoint: ``hf:org/name``, ``hf:directory``."""

import contextlib
import itertools
import operator
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolkit.models.definitions import IMAGENET, NetworkDefinition, Normalization
from toolkit.models.errors import ModelOptionError, UnknownNameError, WeightsError
from toolkit.models.names import ModelName
from toolkit.models.providers.hub import REMEDY, is_known_to_lack, reached_or_offline
from toolkit.models.recipes import Recipe, is_sigmoid, recipe_of
from toolkit.models.torchvision_operators import define_missing_operators
from toolkit.models.wrapped import WrappedNetwork
from toolkit.paths import expand

_OPTIONS = ("dataset", "mean", "output", "revision", "std")
_OF_NO_MATTER = ("_name_or_path", "_commit_hash", "dtype", "torch_dtype", "transformers_version")
"""What a configuration says of its file, and not of the network."""

_PIXEL_TYPES = ("beit", "data2vec-vision", "mobilenet_v2", "mobilevit", "mobilevitv2", "segformer", "upernet")
"""Types that give logits per pixel and take images of any shape (DPT takes squares only)."""

_MASK_TYPES = ("mask2former", "maskformer", "oneformer")
"""Types that give masks with classes, from which transformers computes semantic scores in one way."""

_PATCH_TYPES = ("beit", "data2vec-vision")
"""Types that cut off what does not fill a patch, instead of padding it."""

_MASK2FORMER_SIDE = 384
"""Mask2Former's post-processing resizes masks to this square before it sums them up, whatever the size of the image."""

_LEAST_SCORE = 1.4e-45
"""The smallest float32 above 0, so that every score has a logarithm and none changes place."""


def huggingface_recipe(name: ModelName) -> Recipe:
    """A checkpoint: ``revision`` (a branch, tag or commit on the hub).

    Normalisation, class names and sizes are the checkpoint's own. Code of a checkpoint is never run.
    """
    name.check_options(_OPTIONS)
    if not name.name:
        raise UnknownNameError("model 'hf:': say which checkpoint: hf:ORG/NAME, or hf:DIRECTORY")
    folder = Path(expand(name.name)).expanduser()
    if folder.is_dir():
        return _recipe(ModelName(name.provider, str(folder.resolve()), name.options), "")
    with reached_or_offline() as unreachable:
        return _recipe(name, unreachable)


def _recipe(name: ModelName, unreachable: str) -> Recipe:
    config = _config(name, unreachable)
    _check_output(name, config)
    if (commit := config.get("_commit_hash")) is not None:
        name = name.with_option("revision", commit)  # engines that load it later get the same
    preprocessing = _preprocessing(name, unreachable)
    arguments: dict[str, Any] = {"config": {key: value for key, value in config.items() if key not in _OF_NO_MATTER}}
    if preprocessing.get("do_flip_channel_order"):
        arguments["bgr"] = True
    if config.get("model_type") == "oneformer":
        arguments["task_tokens"] = _task_tokens(name, int(config.get("task_seq_len", 77)))
    divisor = preprocessing.get("size_divisor")
    return recipe_of(
        name,
        NetworkDefinition("huggingface", arguments),
        _normalization(preprocessing),
        put_weights=partial(_fetch_weights, name=name),
        class_names=_class_names(config),
        rules={"size_divisor": divisor} if divisor else {},
    )


def _check_output(name: ModelName, config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of which more than one class may be on at a pixel, or whose only channel is no logit."""
    if config.get("problem_type") == "multi_label_classification":
        raise ModelOptionError(
            f"model {str(name)!r}: its config.json says multi_label_classification, where a pixel may be of several "
            "classes at once; here it has one"
        )
    if is_sigmoid(name) and config.get("model_type") in _MASK_TYPES:
        raise name.refusal("output", f"softmax for a network of type {config['model_type']}, which gives scores")


def _fetch_weights(network: nn.Module, name: ModelName) -> None:
    assert isinstance(network, HuggingFaceNetwork)
    if Path(name.name).is_dir():
        return _load(network, name, "")
    with reached_or_offline() as unreachable:
        return _load(network, name, unreachable)


def _load(network: "HuggingFaceNetwork", name: ModelName, unreachable: str) -> None:
    try:
        network.load_checkpoint(name.name, **_where(name))
    except Exception as error:  # transformers lets through what safetensors, pickle and the hub raise
        if unreachable:
            raise WeightsError(_offline(name, "weights", unreachable)) from error
        raise WeightsError(f"model {str(name)!r}: its weights cannot be used: {error}") from error


def _offline(name: ModelName, what: str, unreachable: str) -> str:
    return (
        f"model {str(name)!r}: there is no directory {name.name!r} here, the hub's cache has no {what} of it, and "
        f"{unreachable}. {REMEDY}; or bring the checkpoint's files on a disk, and give hf:DIRECTORY"
    )


def _where(name: ModelName) -> dict[str, Any]:
    return {"revision": name.options["revision"]} if "revision" in name.options else {}


def _config(name: ModelName, unreachable: str) -> Mapping[str, Any]:
    define_missing_operators()
    from transformers import PretrainedConfig

    try:
        found, _ = PretrainedConfig.get_config_dict(name.name, **_where(name))
    except (OSError, ValueError) as error:
        if unreachable:
            raise UnknownNameError(_offline(name, "config.json", unreachable)) from error
        raise UnknownNameError(
            f"model {str(name)!r}: there is no directory {name.name!r} with a config.json, and none can be fetched "
            f"from the hub: {error}"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise UnknownNameError(f"model {str(name)!r}: its config.json names no model_type")
    return found


def _preprocessing(name: ModelName, unreachable: str) -> Mapping[str, Any]:
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(name.name, **_where(name))
    except (OSError, ValueError, ImportError) as error:
        # Wrong numbers would come of taking it for a checkpoint that has none.
        file = "preprocessor_config.json"
        if not Path(name.name).is_dir() and not is_known_to_lack(name.name, file, name.options.get("revision")):
            words = _offline(name, file, unreachable) if unreachable else f"model {str(name)!r}: its {file}: {error}"
            raise UnknownNameError(words) from error
        warnings.warn(
            f"model {str(name)!r}: no preprocessor_config.json can be read ({error}); its input is normalised as "
            "ImageNet's photos are; say otherwise with mean= and std=",
            stacklevel=6,
        )
        return {}
    return dict(processor.to_dict())


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


class HuggingFaceNetwork(WrappedNetwork):
    """Normalised RGB ``(n, 3, height, width)`` → logits ``(n, n_classes, h, w)``.

    Where the wrapped network gives masks with classes (Mask2Former, MaskFormer, OneFormer), the logits are the
    logarithm of the semantic scores that transformers' ``post_process_semantic_segmentation`` computes for the size of
    the input: the argmax is the same, and softmax gives the scores divided by their sum.

    Parameters
    ----------
    config : mapping
        What the checkpoint's ``config.json`` holds.
    bgr : bool
        Whether the network wants blue first (MobileViT does).
    task_tokens : sequence of int, optional
        What the tokenizer makes of the task, for OneFormer.

    Raises
    ------
    ValueError
        Networks of this type are not for semantic segmentation, or the installed transformers does not know them.
    """

    def __init__(
        self, config: Mapping[str, Any], *, bgr: bool = False, task_tokens: Sequence[int] | None = None
    ) -> None:
        model_type = str(config.get("model_type"))
        known = huggingface_types()
        if model_type not in known:
            raise ValueError(
                f"transformers' {model_type!r} is not among the networks used here: {', '.join(sorted(known))}"
            )
        import transformers
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

        # The whole network's weights follow, so that none are fetched for its backbone.
        settings = dict(config) | ({"use_pretrained_backbone": False} if config.get("use_pretrained_backbone") else {})
        arguments: dict[str, Any] = {"config": dict(config)}
        arguments |= {"bgr": True} if bgr else {}
        arguments |= {"task_tokens": list(task_tokens)} if task_tokens is not None else {}
        network_class = getattr(transformers, known[model_type])
        super().__init__(network_class(CONFIG_MAPPING[model_type].from_dict(settings)), arguments)
        self.model_type = model_type
        self.bgr = bgr
        if model_type in _PATCH_TYPES:
            self.size_divisor = int(self.wrapped.config.patch_size)
            self.least_side = 2 * self.size_divisor  # one of its scales halves the grid of patches
        if model_type == "segformer":
            self.least_side = _least_segformer_side(self.wrapped.config)
        tokens = None if task_tokens is None else torch.tensor(list(task_tokens))
        self.register_buffer("task_tokens", tokens, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        image = image.flip(1) if self.bgr else image
        if self.model_type in _MASK_TYPES:
            return self._log_scores(image)
        if self.model_type == "upernet":
            # Its own forward upsamples to the size of the image and runs the auxiliary head.
            features = self.wrapped.backbone.forward_with_filtered_kwargs(image).feature_maps
            decoded: Tensor = self.wrapped.decode_head(features)
            return decoded
        logits: Tensor = self.wrapped(image).logits
        return logits

    def _log_scores(self, image: Tensor) -> Tensor:
        tasks = {}
        if isinstance(self.task_tokens, Tensor):
            tasks["task_inputs"] = self.task_tokens.expand(len(image), -1)
        outputs = self.wrapped(image, **tasks)
        masks = outputs.masks_queries_logits.float()
        if self.model_type == "mask2former":
            masks = F.interpolate(masks, (_MASK2FORMER_SIDE,) * 2, mode="bilinear", align_corners=False)
        classes = outputs.class_queries_logits.float().softmax(-1)[..., :-1]  # the last one stands for no object
        scores = torch.einsum("bqc, bqhw -> bchw", classes, masks.sigmoid())
        scores = F.interpolate(scores, image.shape[-2:], mode="bilinear", align_corners=False)
        return scores.clamp_(min=_LEAST_SCORE).log_()

    def published_weights(self) -> dict[str, Tensor]:
        """The weights by the names under which transformers publishes them, which its versions agree on."""
        weights = super().published_weights()
        with contextlib.suppress(ImportError):  # before version 5 the names within were those published
            from transformers.core_model_loading import revert_weight_conversion

            weights = dict(revert_weight_conversion(self.wrapped, weights))
        return weights

    def put_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load weights by those names; all must be there."""
        self.load_checkpoint(None, state_dict=dict(tensors))

    def load_checkpoint(self, checkpoint: str | None, **options: Any) -> None:
        """Load weights by transformers' own means: of a name on the hub, a directory, or None with a ``state_dict``
        among the options of ``from_pretrained``.

        Raises
        ------
        RuntimeError
            The checkpoint lacks weights, or has some of another shape; the message names some of them.
        """
        network, report = type(self.wrapped).from_pretrained(
            checkpoint, config=self.wrapped.config, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
        for kind in ("missing", "mismatched"):
            names = sorted(str(name) for name in report[f"{kind}_keys"])
            if names:
                raise RuntimeError(f"{len(names)} weights {kind}: {', '.join(names[:3])}{' …' * (len(names) > 3)}")
        # So that names are those published, and not those of the file that happened to be read.
        vars(network).pop("_weight_conversions", None)
        trainable = any(parameter.requires_grad for parameter in self.wrapped.parameters())
        self.wrapped = network.float().train(self.training).requires_grad_(trainable)


def _least_segformer_side(config: Any) -> int:
    """Pixels of input from which on no stage has fewer pixels than its attention merges into one."""
    strides = itertools.accumulate(config.strides, operator.mul)
    return max(int(stride * merged) for stride, merged in zip(strides, config.sr_ratios, strict=True))


def huggingface_types() -> dict[str, str]:
    """The types of semantic segmentation networks that the installed transformers has, with their classes' names."""
    define_missing_operators()
    from transformers.models.auto import modeling_auto as auto

    classes = {
        **auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES,
        **auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES,
    }
    return {model_type: classes[model_type] for model_type in (*_PIXEL_TYPES, *_MASK_TYPES) if model_type in classes}
