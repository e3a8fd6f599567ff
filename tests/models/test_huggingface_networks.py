"""Hugging Face's networks: logits, classes and normalisation are those of transformers itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolkit.models import Model, ModelOptionError, UnknownNameError, WeightsError, define_missing_operators, load_model

define_missing_operators()
import transformers  # noqa: E402  after the operators are defined

MakeNoise = Callable[..., Tensor]

NAMES = {0: "sky", 1: "tree", 2: "road", 3: "car"}
SIDE = 96


def swin() -> Any:
    return transformers.SwinConfig(
        embed_dim=8,
        depths=[1] * 4,
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=[f"stage{n}" for n in (1, 2, 3, 4)],
    )


def transformer(**options: Any) -> dict[str, Any]:
    return {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32, **options}


CONFIGS: dict[str, Callable[[], Any]] = {
    "segformer": lambda: transformers.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 16, 16, 16], num_attention_heads=[1] * 4, decoder_hidden_size=16
    ),
    "upernet": lambda: transformers.UperNetConfig(
        hidden_size=16, backbone_config=swin(), auxiliary_in_channels=32, auxiliary_channels=8
    ),
    "mobilevit": lambda: transformers.MobileViTConfig(
        hidden_sizes=[16] * 3, neck_hidden_sizes=[8] * 6 + [16], aspp_out_channels=16, num_attention_heads=2
    ),
    "beit": lambda: transformers.BeitConfig(**transformer(image_size=64, patch_size=16, out_indices=[1, 2, 3, 4])),
    "mask2former": lambda: transformers.Mask2FormerConfig(
        backbone_config=swin(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        num_attention_heads=2,
        dim_feedforward=16,
        decoder_layers=2,
        num_queries=5,
    ),
    "maskformer": lambda: transformers.MaskFormerConfig(
        backbone_config=swin(),
        fpn_feature_size=32,
        mask_feature_size=32,
        decoder_config=transformers.DetrConfig(
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            num_queries=5,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
        ),
    ),
    "oneformer": lambda: transformers.OneFormerConfig(
        backbone_config=swin(),
        num_queries=5,
        text_encoder_width=8,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=64,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
    ),
}
CLASSES = {
    "segformer": "SegformerForSemanticSegmentation",
    "upernet": "UperNetForSemanticSegmentation",
    "mobilevit": "MobileViTForSemanticSegmentation",
    "beit": "BeitForSemanticSegmentation",
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "maskformer": "MaskFormerForInstanceSegmentation",
    "oneformer": "OneFormerForUniversalSegmentation",
}
PROCESSORS = {
    "upernet": "SegformerImageProcessor",
    "mobilevit": "MobileViTImageProcessor",
    "beit": "BeitImageProcessor",
    "mask2former": "Mask2FormerImageProcessor",
    "maskformer": "MaskFormerImageProcessor",
}


def lively(network: nn.Module) -> nn.Module:
    """Weights large enough that classes differ from place to place; transformers begins with nearly none."""
    generator = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data = 2 * torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5
    return network.eval().requires_grad_(False)


def write(kind: str, folder: Path, **config: Any) -> nn.Module:
    """Save a checkpoint as it is published, and give its network."""
    settings = CONFIGS[kind]()
    settings.id2label = NAMES
    settings.label2id = {name: index for index, name in NAMES.items()}
    for key, value in config.items():
        setattr(settings, key, value)
    with torch.random.fork_rng():
        torch.manual_seed(5)  # of the biases
        network = lively(getattr(transformers, CLASSES[kind])(settings))
    network.save_pretrained(folder)
    if kind == "oneformer":
        write_oneformer_processor(folder)
    else:
        getattr(transformers, PROCESSORS.get(kind, "SegformerImageProcessor"))().save_pretrained(folder)
    return network


def write_oneformer_processor(folder: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = transformers.CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[])
    classes = {str(index): {"name": name, "isthing": 0} for index, name in NAMES.items()}
    (folder / "classes.json").write_text(json.dumps(classes))
    images = transformers.OneFormerImageProcessor(repo_path=str(folder), class_info_file="classes.json", num_text=2)
    transformers.OneFormerProcessor(images, tokenizer).save_pretrained(folder)


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, nn.Module]:
    """A small random checkpoint of each type: its type, its directory, and transformers' own network."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, write(request.param, folder)


@pytest.fixture(scope="module")
def model(checkpoint: tuple[str, Path, nn.Module]) -> Model:
    return load_model(f"hf:{checkpoint[1]}")


@pytest.fixture
def segformer(tmp_path: Path) -> Path:
    """A SegFormer checkpoint that a test may spoil."""
    write("segformer", tmp_path)
    return tmp_path


def own_outputs(kind: str, folder: Path, network: nn.Module, image: Tensor) -> Any:
    if kind == "oneformer":
        processor = transformers.OneFormerProcessor.from_pretrained(folder)
        blank = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
        tasks = processor(images=[blank], task_inputs=["semantic"], return_tensors="pt")["task_inputs"]
        return network(image, task_inputs=tasks.expand(len(image), -1))
    return network(image.flip(1) if kind == "mobilevit" else image)  # MobileViT's processor puts blue first


def test_label_maps_equal_transformers_own(
    checkpoint: tuple[str, Path, nn.Module], model: Model, noise: MakeNoise
) -> None:
    kind, folder, network = checkpoint
    image = noise(SIDE, SIDE)
    with torch.inference_mode():
        outputs = own_outputs(kind, folder, network, image)
        logits = model.network(image)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    expected = torch.stack(processor.post_process_semantic_segmentation(outputs, target_sizes=[(SIDE, SIDE)] * 2))
    found = F.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=model.align_corners).argmax(1)
    assert torch.equal(found, expected)
    assert len(expected.unique()) > 1


@pytest.mark.parametrize("side", [1, 2, 7, 31, 33])
def test_images_however_small_give_logits_once_padded_to_what_the_network_takes(
    model: Model, noise: MakeNoise, side: int
) -> None:
    with torch.inference_mode():
        logits = model.network(noise(model.round_up(side), model.round_up(side)))
    assert logits.isfinite().all()


def test_logits_equal_transformers_own_before_upsampling(
    checkpoint: tuple[str, Path, nn.Module], model: Model, noise: MakeNoise
) -> None:
    kind, folder, network = checkpoint
    image = noise(SIDE, SIDE)
    with torch.inference_mode():
        outputs = own_outputs(kind, folder, network, image)
        logits = model.network(image)
    if "logits" in outputs:
        size = outputs.logits.shape[-2:]
        found = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        torch.testing.assert_close(found, outputs.logits, rtol=1e-5, atol=1e-5 * float(outputs.logits.abs().max()))
        return
    masks = outputs.masks_queries_logits
    if kind == "mask2former":
        masks = F.interpolate(masks, (384, 384), mode="bilinear", align_corners=False)
    scores = torch.einsum("bqc,bqhw->bchw", outputs.class_queries_logits.softmax(-1)[..., :-1], masks.sigmoid())
    scores = F.interpolate(scores, (SIDE, SIDE), mode="bilinear", align_corners=False)
    torch.testing.assert_close(logits.softmax(1), scores / scores.sum(1, keepdim=True), rtol=1e-4, atol=1e-6)


def test_normalisation_is_the_processors(checkpoint: tuple[str, Path, nn.Module], model: Model) -> None:
    kind, folder, _ = checkpoint
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    pixels = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    options = {"do_resize": False, "do_center_crop": False, "do_pad": False, "return_tensors": "pt"}
    tasks = [["semantic"]] if kind == "oneformer" else []
    expected = processor([pixels], *tasks, **options)["pixel_values"][0]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.normalization.mean, model.normalization.std))
    found = (pixels - mean) / std
    torch.testing.assert_close(found.flip(0) if kind == "mobilevit" else found, expected, rtol=1e-4, atol=1e-4)


def test_it_takes_the_sizes_that_it_says_it_takes(model: Model, noise: MakeNoise) -> None:
    side = model.round_up(70)
    with torch.inference_mode():
        logits = model.network(noise(side, model.round_up(100), 1))
    assert max(logits.shape[-2:]) <= model.round_up(100)


def test_classes_name_and_source_come_from_the_checkpoint(
    checkpoint: tuple[str, Path, nn.Module], model: Model
) -> None:
    assert model.class_names == tuple(NAMES.values())
    assert model.source == f"hf:{checkpoint[1]}"
    assert load_model(model.source).digest == model.digest


def test_a_bundle_of_it_needs_no_checkpoint(model: Model, tmp_path: Path, noise: MakeNoise) -> None:
    copy = load_model(model.save_bundle(tmp_path / "bundle"))
    assert copy.digest == model.digest
    assert (copy.class_names, copy.normalization, copy.rules) == (model.class_names, model.normalization, model.rules)
    with torch.inference_mode():
        expected = model.network(noise(SIDE, SIDE))
        torch.testing.assert_close(
            copy.network(noise(SIDE, SIDE)), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max())
        )


def test_a_relative_directory_becomes_absolute(segformer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(segformer.parent)
    assert load_model(f"hf:{segformer.name}").source == f"hf:{segformer}"


def test_half_precision_checkpoints_are_loaded_in_single_precision(tmp_path: Path) -> None:
    network = write("segformer", tmp_path)
    network.half().save_pretrained(tmp_path)
    assert {parameter.dtype for parameter in load_model(f"hf:{tmp_path}").network.parameters()} == {torch.float32}


def edit(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **changes}))


def test_the_file_and_version_of_a_checkpoint_do_not_change_the_digest(segformer: Path) -> None:
    digest = load_model(f"hf:{segformer}").digest
    edit(
        segformer / "config.json", transformers_version="4.12.0", _name_or_path="/somewhere/else", torch_dtype="float32"
    )
    assert load_model(f"hf:{segformer}").digest == digest


@pytest.mark.parametrize(
    ("changes", "mean", "std"),
    [
        ({"do_normalize": False}, 0.0, 255.0),
        ({"do_rescale": False, "image_mean": [1, 1, 1], "image_std": [2, 2, 2]}, 1.0, 2.0),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]}, 127.5, 127.5),
    ],
    ids=["unnormalised", "unscaled", "from -1 to 1"],
)
def test_unusual_preprocessing_is_followed(segformer: Path, changes: dict[str, Any], mean: float, std: float) -> None:
    edit(segformer / "preprocessor_config.json", **changes)
    normalization = load_model(f"hf:{segformer}").normalization
    assert normalization.mean == pytest.approx((mean,) * 3)
    assert normalization.std == pytest.approx((std,) * 3)


def test_missing_preprocessing_is_warned_of(segformer: Path) -> None:
    (segformer / "preprocessor_config.json").unlink()
    with pytest.warns(UserWarning, match=r"no preprocessor_config\.json.*ImageNet"):
        model = load_model(f"hf:{segformer}")
    assert model.normalization.mean == (123.675, 116.28, 103.53)


def test_classes_without_names_take_those_of_a_data_set(tmp_path: Path) -> None:
    write("segformer", tmp_path, id2label={index: f"LABEL_{index}" for index in range(21)}, label2id=None)
    assert load_model(f"hf:{tmp_path}").class_names[:2] == ("class 0", "class 1")
    assert load_model(f"hf:{tmp_path}?dataset=voc-21").class_names[15] == "person"
    with pytest.raises(ModelOptionError, match="dataset=cityscapes-19 has 19 classes, the network 21"):
        load_model(f"hf:{tmp_path}?dataset=cityscapes-19")


def test_classes_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    write("segformer", tmp_path, id2label={0: "sky", 1: "house", 2: "house"}, label2id=None)
    assert load_model(f"hf:{tmp_path}").class_names == ("sky", "house (1)", "house (2)")


def test_a_checkpoint_without_a_head_is_refused(segformer: Path) -> None:
    network = transformers.SegformerForSemanticSegmentation.from_pretrained(segformer)
    network.segformer.save_pretrained(segformer)
    edit(segformer / "config.json", id2label=NAMES)
    with pytest.raises(WeightsError, match=r"weights missing: decode_head\."):
        load_model(f"hf:{segformer}")


def test_weights_of_another_number_of_classes_are_refused(segformer: Path) -> None:
    edit(segformer / "config.json", id2label={index: str(index) for index in range(7)})
    with pytest.raises(WeightsError, match="mismatched"):
        load_model(f"hf:{segformer}")


def test_damaged_weights_are_refused(segformer: Path) -> None:
    weights = segformer / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="its weights cannot be used"):
        load_model(f"hf:{segformer}")


def test_missing_weights_are_refused(segformer: Path) -> None:
    (segformer / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="its weights cannot be used"):
        load_model(f"hf:{segformer}")


def test_a_network_for_something_else_is_refused_with_those_that_serve(tmp_path: Path) -> None:
    transformers.ViTConfig().save_pretrained(tmp_path)
    transformers.ViTImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(ModelOptionError, match=r"'vit' is not among the networks used here: .*segformer"):
        load_model(f"hf:{tmp_path}")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_directory_without_a_usable_configuration_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UnknownNameError, match=r"config\.json"):
        load_model(f"hf:{tmp_path}")


def test_a_name_that_cannot_be_fetched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the library's attempts
    with pytest.raises(UnknownNameError, match=r"no directory 'no/such' .*hub"):
        load_model("hf:no/such")


def test_unknown_options_are_refused(segformer: Path) -> None:
    with pytest.raises(ModelOptionError, match="unknown option 'classes'"):
        load_model(f"hf:{segformer}?classes=3")
