"""A network of a user's, as it came in a bundle."""

from torch import Tensor, nn


class Stripes(nn.Module):
    """Logits at a quarter of the resolution: the mean, and its opposite."""

    size_remainder = 0

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(4)
        self.mix = nn.Conv2d(3, n_classes, 1)
        nn.init.constant_(self.mix.weight, 0.25)
        nn.init.constant_(self.mix.bias, 0.5)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.mix(self.pool(image))
        return logits
