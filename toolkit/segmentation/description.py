"""A protocol in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.segmentation.protocol import Protocol

_RESIZE = {
    "bilinear": "bilinear in float32, half-pixel centres, no antialiasing",
    "bilinear_uint8": "bilinear, half-pixel centres, no antialiasing, rounded to whole values",
    "pil": "Pillow's bilinear on uint8 (antialiased when it makes smaller)",
}
_FIT = {"stretch": "rescaled at once to", "resize_again": "then rescaled a second time to"}
_ROUNDING = {"half_even": "rounded", "half_up": "rounded, halves up", "floor": "rounded down"}


def description(protocol: "Protocol") -> str:
    """The steps of a protocol, one line each, with every field's value in the last."""
    steps = [_rescaling(protocol), _tiling(protocol), *_padding(protocol), *_mirroring(protocol), *_merging(protocol)]
    lines = [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
    return "\n".join([*lines, "", *_table(protocol)])


def _rescaling(protocol: "Protocol") -> str:
    scales = ", ".join(f"{scale:g}" for scale in protocol.scales)
    base = {
        "original": "the image's own size",
        "long": f"a long side of {protocol.base_size} px",
        "short": f"a short side of {protocol.base_size} px",
        "square": f"{protocol.base_size} × {protocol.base_size} px, whatever the aspect",
    }[protocol.scale_base]
    limit = ""
    if protocol.long_limit is not None:
        limit = f", the long side at most {protocol.long_limit}{' × the scale' if protocol.limit_scales else ''} px"
    multiple = ""
    if protocol.fit != "pad":
        of = f"multiples of {protocol.size_multiple}" if protocol.size_multiple > 1 else "a size that the network takes"
        multiple = f", {_FIT[protocol.fit]} {of}"
    return f"rescale to {scales} × {base}{limit}, {_ROUNDING[protocol.rounding]}{multiple}; {_RESIZE[protocol.resize]}"


def _tiling(protocol: "Protocol") -> str:
    if protocol.mode == "whole":
        return "one tile: the whole rescaled image"
    if protocol.mode == "slices":
        rows, columns = protocol.slices
        return f"{rows} × {columns} slices, each sharing {protocol.slice_overlap:.0%} with its neighbours"
    side = protocol.crop_size
    return f"tiles of {side} × {side} px every {protocol.stride} px, the last one snapped to the edge"


def _padding(protocol: "Protocol") -> list[str]:
    if protocol.mode == "whole" and protocol.fit != "pad":
        return []
    value = "the model's mean colour" if protocol.pad_value == "mean" else "black"
    where = {"center": "on all sides", "bottom_right": "at the bottom and right"}
    if protocol.padding == "none":
        return [f"smaller images are not padded, but up to a size that the network takes ({value})"]
    return [f"smaller images are padded {where[protocol.padding]} with {value}"]


def _mirroring(protocol: "Protocol") -> list[str]:
    if not protocol.flip:
        return []
    if protocol.flip_merge == "image":
        return ["the mirrored image makes a pass of its own"]
    return [f"each tile is also seen mirrored; the mean of the two {protocol.merge} is taken"]


def _merging(protocol: "Protocol") -> list[str]:
    def corners(aligned: bool | None) -> str:
        return "corners as the model was trained" if aligned is None else f"corners {'' if aligned else 'not '}aligned"

    output = corners(protocol.output_align_corners)
    if protocol.upsample == "image":
        return [f"the network's logits are resized to the image's size at once ({output}), then softmax", _MEAN]
    weights = "equal weights" if protocol.blend == "constant" else "gaussian weights"
    restore = f"resized to the image's size ({corners(protocol.restore_align_corners)})"
    upsampled = f"the network's logits are resized to the tile ({output})"
    tiles = (
        f"the {protocol.merge}"
        if protocol.mode == "whole"
        else f"the tiles' {protocol.merge}, averaged with {weights},"
    )
    if protocol.merge == "probabilities":
        return [f"{upsampled}, then softmax", f"{tiles} are {restore}", _MEAN]
    return [upsampled, f"{tiles} are {restore}, then softmax", _MEAN]


_MEAN = "mean of all passes' probabilities; each pixel gets the class with the greatest"


def _table(protocol: "Protocol") -> list[str]:
    settings = protocol.to_dict()
    width = max(map(len, settings))
    return [f"{name:<{width}}  {value}" for name, value in settings.items()]
