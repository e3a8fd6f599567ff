"""The paper's PSPNet: semseg's names and shapes, and its forward against an independent construction."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolkit.models import Model, PSPNet, load_dataset, load_model

MakeNoise = Callable[..., Tensor]
Shapes = dict[str, tuple[int, ...]]

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def convolution(name: str, n_out: int, n_in: int, side: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (n_out, n_in, side, side)


def batch_norm(name: str, n: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (n,)
    yield f"{name}.num_batches_tracked", ()


def head(name: str, n_in: int, width: int, n_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from convolution(f"{name}.0", width, n_in, 3)
    yield from batch_norm(f"{name}.1", width)
    yield from convolution(f"{name}.4", n_classes, width, 1)
    yield f"{name}.4.bias", (n_classes,)


def published_shapes(n_layers: int, n_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the state dict that semseg publishes."""
    for index, (n_out, n_in) in zip((0, 3, 6), ((64, 3), (64, 64), (128, 64)), strict=True):
        yield from convolution(f"layer0.{index}", n_out, n_in, 3)
        yield from batch_norm(f"layer0.{index + 1}", n_out)
    n_in = 128
    for stage, (n_blocks, width) in enumerate(zip(BLOCKS[n_layers], (64, 128, 256, 512), strict=True), start=1):
        for block in range(n_blocks):
            place = f"layer{stage}.{block}"
            yield from convolution(f"{place}.conv1", width, n_in, 1)
            yield from batch_norm(f"{place}.bn1", width)
            yield from convolution(f"{place}.conv2", width, width, 3)
            yield from batch_norm(f"{place}.bn2", width)
            yield from convolution(f"{place}.conv3", 4 * width, width, 1)
            yield from batch_norm(f"{place}.bn3", 4 * width)
            if block == 0:
                yield from convolution(f"{place}.downsample.0", 4 * width, n_in, 1)
                yield from batch_norm(f"{place}.downsample.1", 4 * width)
            n_in = 4 * width
    for index in range(4):
        yield from convolution(f"ppm.features.{index}.1", 512, 2048, 1)
        yield from batch_norm(f"ppm.features.{index}.2", 512)
    yield from head("cls", 4096, 512, n_classes)
    yield from head("aux", 1024, 256, n_classes)


@pytest.mark.parametrize("n_layers", [50, 101])
def test_the_state_dict_has_the_published_names_and_shapes(n_layers: int) -> None:
    with torch.device("meta"):
        network = PSPNet(n_layers, n_classes=150)
    found = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    expected = dict(published_shapes(n_layers, 150))
    assert found == expected
    # Stem, blocks of three convolutions with batch norms, four shortcuts, four bins, two heads.
    assert len(found) == 18 + 18 * sum(BLOCKS[n_layers]) + 4 * 6 + 4 * 6 + 2 * 8


class Construction:
    """The network written out from its state dict alone, layer by layer; remembers what each part gave."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights
        self.outputs: dict[str, Tensor] = {}

    def conv(self, x: Tensor, name: str, stride: int = 1, dilation: int = 1) -> Tensor:
        weight = self.weights[f"{name}.weight"]
        padding = dilation * (weight.shape[-1] // 2)
        return F.conv2d(x, weight, self.weights.get(f"{name}.bias"), stride, padding, dilation)

    def bn(self, x: Tensor, name: str) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (self.weights[f"{name}.{part}"].view(1, -1, 1, 1) for part in parts)
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    def stem(self, x: Tensor) -> Tensor:
        for index, stride in ((0, 2), (3, 1), (6, 1)):
            x = self.bn(self.conv(x, f"layer0.{index}", stride), f"layer0.{index + 1}").clamp(min=0)
        return F.max_pool2d(x, 3, 2, 1)

    def block(self, x: Tensor, place: str, stride: int, dilation: int) -> Tensor:
        hidden = self.bn(self.conv(x, f"{place}.conv1"), f"{place}.bn1").clamp(min=0)
        hidden = self.bn(self.conv(hidden, f"{place}.conv2", stride, dilation), f"{place}.bn2").clamp(min=0)
        hidden = self.bn(self.conv(hidden, f"{place}.conv3"), f"{place}.bn3")
        if f"{place}.downsample.0.weight" in self.weights:
            x = self.bn(self.conv(x, f"{place}.downsample.0", stride), f"{place}.downsample.1")
        return (hidden + x).clamp(min=0)

    def pyramid(self, x: Tensor) -> Tensor:
        parts = [x]
        for index, n_bins in enumerate((1, 2, 3, 6)):
            place = f"ppm.features.{index}"
            pooled = F.adaptive_avg_pool2d(x, n_bins)
            pooled = self.bn(self.conv(pooled, f"{place}.1"), f"{place}.2").clamp(min=0)
            parts.append(F.interpolate(pooled, x.shape[-2:], mode="bilinear", align_corners=True))
        return torch.cat(parts, 1)

    def head(self, x: Tensor, name: str) -> Tensor:
        return self.conv(self.bn(self.conv(x, f"{name}.0"), f"{name}.1").clamp(min=0), f"{name}.4")

    def run(self, x: Tensor) -> dict[str, Tensor]:
        outputs = {"layer0": self.stem(x)}
        strides, dilations = {2: 2}, {3: 2, 4: 4}
        for stage in (1, 2, 3, 4):
            x = outputs[f"layer{stage - 1}"]
            n_blocks = len({name.split(".")[1] for name in self.weights if name.startswith(f"layer{stage}.")})
            for block in range(n_blocks):
                stride = strides.get(stage, 1) if block == 0 else 1
                x = self.block(x, f"layer{stage}.{block}", stride, dilations.get(stage, 1))
            outputs[f"layer{stage}"] = x
        outputs["ppm"] = self.pyramid(outputs["layer4"])
        outputs["cls"] = self.head(outputs["ppm"], "cls")
        outputs["aux"] = self.head(outputs["layer3"], "aux")
        return outputs


def with_lively_batch_norms(network: nn.Module) -> nn.Module:
    """Statistics and scales as training leaves them, so that no batch norm is the identity."""
    generator = torch.Generator().manual_seed(9)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) / 10
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
            module.weight.data = torch.rand(module.num_features, generator=generator) + 0.5
            module.bias.data = torch.randn(module.num_features, generator=generator) / 10
    return network


@pytest.mark.parametrize(("n_layers", "size"), [(50, (65, 97)), (101, (49, 33))])
def test_every_layer_equals_an_independent_construction(n_layers: int, size: tuple[int, int], noise: MakeNoise) -> None:
    torch.manual_seed(1)
    network = with_lively_batch_norms(PSPNet(n_layers, n_classes=7, width=8)).eval().requires_grad_(False)
    found: dict[str, Tensor] = {}

    def remember(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: found.update({name: output.clone()})

    for name in ("layer0", "layer1", "layer2", "layer3", "layer4", "ppm", "cls"):
        network.get_submodule(name).register_forward_hook(remember(name))
    image = noise(*size)
    network(image)
    found["aux"] = network.get_submodule("aux")(found["layer3"])
    expected = Construction(dict(network.state_dict())).run(image)
    assert found.keys() == expected.keys()
    for name, output in expected.items():
        torch.testing.assert_close(found[name], output, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (97, 9)])
def test_logits_lie_on_every_eighth_pixel_from_corner_to_corner(
    small_pspnet: Model, noise: MakeNoise, size: tuple[int, int]
) -> None:
    logits = small_pspnet.network(noise(*size))
    assert logits.shape == (2, 5, (size[0] - 1) // 8 + 1, (size[1] - 1) // 8 + 1)
    assert small_pspnet.align_corners


def test_it_takes_sides_of_eight_k_plus_one(small_pspnet: Model) -> None:
    assert [side for side in range(1, 40) if small_pspnet.accepts(side)] == [1, 9, 17, 25, 33]
    assert small_pspnet.accepts(473)
    assert small_pspnet.accepts(713)


def test_in_training_the_auxiliary_head_answers_too(noise: MakeNoise) -> None:
    network = PSPNet(50, 4, width=4, blocks=(1, 1, 1, 1)).train()
    logits, auxiliary = network(noise())
    assert logits.shape == auxiliary.shape == (2, 4, 9, 9)
    (logits.mean() + 0.4 * auxiliary.mean()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_dropout_drops_whole_channels_with_probability_a_tenth() -> None:
    dropouts = [module for module in PSPNet(50, 4, width=4).modules() if isinstance(module, nn.Dropout2d)]
    assert [dropout.p for dropout in dropouts] == [0.1, 0.1]


def test_the_image_is_left_alone(small_pspnet: Model, noise: MakeNoise) -> None:
    image = noise()
    small_pspnet.network(image)
    assert torch.equal(image, noise())


@pytest.mark.parametrize(("arguments", "culprit"), [({"n_layers": 34}, "n_layers"), ({"n_classes": 0}, "n_classes")])
def test_wrong_arguments_are_refused(arguments: dict[str, int], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        PSPNet(**arguments)


@pytest.mark.filterwarnings("ignore::toolkit.models.UntrainedNetworkWarning")
def test_a_data_set_gives_classes_and_colours() -> None:
    model = load_model("pspnet-resnet101?dataset=ade20k-150&width=1")
    dataset = load_dataset("ade20k-150")
    assert (model.class_names, model.palette) == (dataset.class_names, dataset.palette)
    assert model.normalization.mean == (123.675, 116.28, 103.53)
    assert model.normalization.std == (58.395, 57.12, 57.375)
