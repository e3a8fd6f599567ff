"""A network together with what is needed to use it rightly: classes, normalisation, identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from toolkit.models import bundles
from toolkit.models.definitions import InputRules, NetworkDefinition, Normalization

_AS_THE_NETWORK_SAYS: Any = None


@dataclass(frozen=True, eq=False)
class Model:
    """A segmentation network and its definition.

    The network takes normalised RGB ``(n, 3, height, width)`` float32 and gives logits ``(n, n_classes, h, w)`` of the
    size of its input or smaller; whoever uses it resizes them, bilinearly, to the size of the input. ``load_model``
    makes these; build one by hand for networks of your own.
    """

    network: nn.Module = field(repr=False)
    """The network, in evaluation mode."""
    class_names: tuple[str, ...]
    """Names of the classes, at least two, in the order of the network's output channels."""
    normalization: Normalization
    """How pixels become the network's input."""
    name: str = "unnamed"
    """What people call it."""
    digest: str = ""
    """sha256 over weights and definition: equal digests give equal label maps."""
    source: str = ""
    """What ``load_model`` takes to load the same model elsewhere; empty for a model built by hand."""
    palette: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)
    """RGB colour of each class, 0…255; empty if none is customary."""
    size_divisor: int = _AS_THE_NETWORK_SAYS
    """The network takes sides of ``k * size_divisor + size_remainder`` pixels. This and the following are by default
    what the network's attributes of these names say, or else 1, 0, False and 1."""
    size_remainder: int = _AS_THE_NETWORK_SAYS
    """See ``size_divisor``: 1 for networks that want sides of 8k + 1."""
    align_corners: bool = _AS_THE_NETWORK_SAYS
    """How logits that are smaller than the input are upsampled to it: bilinear, corners aligned or not."""
    least_side: int = _AS_THE_NETWORK_SAYS
    """The network takes sides of at least so many pixels; smaller images are padded."""
    definition: NetworkDefinition | None = field(default=None, repr=False)
    """How the network is built; None for one built by hand."""

    def __post_init__(self) -> None:
        if len(self.class_names) < 2:
            raise ValueError(
                f"class_names must be at least two, not {self.class_names!r}: of one class every pixel is; for a "
                "network whose only channel is the logit of one class, give SigmoidNetwork(network) and both names"
            )
        for name, value in vars(InputRules.of(self.network)).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def rules(self) -> InputRules:
        """Which sizes the network takes, and how its logits are brought back to them."""
        return InputRules(self.size_divisor, self.size_remainder, self.align_corners, self.least_side)

    def accepts(self, side: int) -> bool:
        """Whether the network takes an input whose side is that many pixels."""
        return self.rules.accepts(side)

    def round_up(self, side: int) -> int:
        """The smallest side, in pixels, that the network takes and that is not below ``side``."""
        return self.rules.round_up(side)

    def save_bundle(self, path: str | Path, *, arguments: Mapping[str, Any] | None = None) -> Path:
        """Write a directory that ``load_model`` loads anywhere, without a model hub and without the original files.

        Parameters
        ----------
        path : str or pathlib.Path
            The directory; it must not exist yet, or be empty.
        arguments : mapping, optional
            What the network's class was called with, for a network of a class of your own. Values that JSON holds.

        Returns
        -------
        pathlib.Path
            The directory, absolute.

        Raises
        ------
        FileExistsError
            The directory holds something.
        BundleError
            The network cannot be built again from what can be written: its class lies in a notebook, it was changed
            after it was built, or ``arguments`` are not those it was built with.

        Notes
        -----
        The class of a network of your own is copied with the whole file that defines it; the file must need no other
        files of yours. The bundle is loaded again and its logits are compared before it gets its name.
        """
        return bundles.save_bundle(self, path, arguments=arguments)
