"""Bundles that version 0.1.0 has written are the same models still: by digest, and by what they give."""

from pathlib import Path

import pytest
import torch

from toolkit.models import InputRules, load_model

ASSETS = Path(__file__).parents[1] / "assets" / "bundles_0.1"


@pytest.mark.parametrize(
    ("name", "digest", "size", "logits", "rules"),
    [
        (
            "pspnet",
            "95bbfadf00b3b120891b96af8411a9d3aabc51351adb9121dd2fdabce28afd97",
            (33, 41),
            (-0.4374443590641022, -0.4048512578010559, -0.3233712613582611, -0.5098134875297546),
            InputRules(8, 1, True, 1),
        ),
        (
            "code",
            "015c400c00b70f16aa304098ed0b991420e51e87f07c14e764f0e50c1f1e7230",
            (32, 40),
            (0.6706522703170776, 0.5826440453529358, 0.6059041023254395, 0.5360578894615173),
            InputRules(4, 0, True, 1),
        ),
    ],
)
def test_it_is_the_same_model(
    name: str, digest: str, size: tuple[int, int], logits: tuple[float, ...], rules: InputRules
) -> None:
    model = load_model(ASSETS / name)
    height, width = size
    image = torch.randn(1, 3, 33, 41, generator=torch.Generator().manual_seed(0))[..., :height, :width]
    found = model.network(image).flatten()[:4]
    assert (model.digest, model.rules) == (digest, rules)
    assert torch.allclose(found, torch.tensor(logits), rtol=1e-4, atol=1e-5)


def test_it_is_the_same_bundle_when_it_is_saved_again(tmp_path: Path) -> None:
    for name in ("pspnet", "code"):
        folder = load_model(ASSETS / name).save_bundle(tmp_path / name)
        for file in (ASSETS / name).iterdir():
            if file.is_file():
                assert (folder / file.name).read_bytes() == file.read_bytes(), file
