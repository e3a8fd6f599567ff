"""What a network is apart from its weights: how it is built, prepared for, and told from others."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from toolkit.arguments import whole_number


@dataclass(frozen=True)
class Normalization:
    """How RGB values 0…255 become the network's input: ``(x - mean) / std`` per channel."""

    mean: tuple[float, float, float]
    """Channel means, in units of 0…255, RGB."""
    std: tuple[float, float, float]
    """Channel standard deviations, in units of 0…255, RGB."""


IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""The mean and standard deviation of ImageNet's photos, as most networks expect them."""


@dataclass(frozen=True)
class SourceCode:
    """A Python file that defines a network, as it was read."""

    file: str
    """Name of the file."""
    class_name: str
    """Class in it that is the network."""
    content: bytes = field(repr=False)
    """The whole file."""
    folder: Path = field(default=Path(), compare=False, repr=False)
    """Where it was read from, for tracebacks."""

    @property
    def sha256(self) -> str:
        """Checksum of the file."""
        return hashlib.sha256(self.content).hexdigest()


Output = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class NetworkDefinition:
    """How a network is built: one of the toolkit's architectures, or a class in a file of the user's, and arguments."""

    architecture: str = ""
    """Key of ``ARCHITECTURES``; empty where there is code."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the architecture or class is called with; values that JSON holds."""
    code: SourceCode | None = None
    """The user's file and class."""
    output: Output = "softmax"
    """What turns logits into probabilities: a softmax over one channel per class; or the sigmoid of the network's only
    channel, which stands for the second of two classes."""

    @property
    def title(self) -> str:
        """Its name in messages."""
        if self.code is not None:
            return f"class {self.code.class_name!r} of {self.code.file}"
        return f"architecture {self.architecture!r}"


@dataclass(frozen=True)
class InputRules:
    """Which sizes a network takes, and how its logits are brought back to them."""

    size_divisor: int = 1
    """Sides are ``k * size_divisor + size_remainder`` pixels."""
    size_remainder: int = 0
    """See ``size_divisor``."""
    align_corners: bool = False
    """How logits are upsampled to the input."""
    least_side: int = 1
    """Sides are at least so many pixels."""

    def __post_init__(self) -> None:
        for name, least in (("size_divisor", 1), ("size_remainder", 0), ("least_side", 1)):
            whole_number(name, getattr(self, name), least=least)

    def accepts(self, side: int) -> bool:
        """Whether the network takes an input whose side is that many pixels."""
        return self.round_up(side) == side

    def round_up(self, side: int) -> int:
        """The smallest side, in pixels, that the network takes and that is not below ``side``."""
        steps = -(-(max(side, self.least_side) - self.size_remainder) // self.size_divisor)
        return max(steps, 1 if self.size_remainder == 0 else 0) * self.size_divisor + self.size_remainder

    @classmethod
    def of(cls, network: object) -> "InputRules":
        """What a network says of itself in attributes of these names."""
        return cls(**{name: getattr(network, name, default) for name, default in vars(cls()).items()})


def document_of(
    definition: NetworkDefinition,
    class_names: tuple[str, ...],
    normalization: Normalization,
    rules: InputRules,
    own_rules: InputRules,
) -> dict[str, Any]:
    """What ``model.json`` says of a network, without its name, colours and weights.

    Of its ``rules`` only those stand there that differ from ``own_rules``, what the network says of itself.
    """
    code = definition.code
    return {
        **({"code": {"file": code.file, "class": code.class_name, "sha256": code.sha256}} if code else {}),
        **({} if code else {"architecture": definition.architecture}),
        "arguments": dict(definition.arguments),
        **({} if definition.output == "softmax" else {"output": definition.output}),
        "class_names": list(class_names),
        "normalization": {key: [float(value) for value in values] for key, values in vars(normalization).items()},
        **{key: value for key, value in vars(rules).items() if value != getattr(own_rules, key)},
    }


def digest_of(document: Mapping[str, Any], weights_sha256: str) -> str:
    """The sha256 that tells a model from others.

    Names of files, the model's name and its colours change nothing in a label map, so they are no part of it.
    """
    identity = {**document, "weights": weights_sha256}
    if "code" in identity:
        identity["code"] = {key: value for key, value in identity["code"].items() if key != "file"}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
