"""Is one run better than another, or only luckier: a paired bootstrap over images."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from toolkit.evaluation import EvaluationError, compare_runs


def result_of(intersection: np.ndarray, union: np.ndarray, n_pixels: np.ndarray) -> xr.Dataset:
    """What `evaluate` returns, as far as it matters here: counts ``(n_runs, n_images, n_classes)``."""
    run_ids = [f"run {number}" for number in range(len(intersection))]
    return xr.Dataset(
        {
            "intersection": (("run", "image", "class_name"), intersection.astype(np.uint32)),
            "union": (("run", "image", "class_name"), union.astype(np.uint32)),
            "image_pixels": ("image", n_pixels),
        },
        coords={"run": run_ids, "model": ("run", [f"model {number}" for number in range(len(run_ids))])},
    )


def noisy_result(seed: int, gain: float, n_images: int = 40) -> xr.Dataset:
    """Two runs on images of unlike difficulty; the second is better by about `gain` on each."""
    generator = np.random.default_rng(seed)
    union = generator.integers(50, 100, (1, n_images, 3))
    difficulty = generator.uniform(0.3, 0.9, (1, n_images, 1))
    better = np.array([0, gain])[:, None, None] + generator.normal(0, 0.01, (2, n_images, 3))
    fraction = np.clip(difficulty + better, 0, 1)
    both = np.broadcast_to(union, fraction.shape)
    return result_of(np.round(both * fraction), both, union.sum(axis=(0, 2)))


@pytest.mark.filterwarnings("ignore:result. 2 images are few")
class TestByHand:
    # Two images, two classes; the second run is right everywhere.
    RESULT = result_of(
        np.array([[[2, 0], [1, 3]], [[4, 0], [2, 4]]]),
        np.array([[[4, 0], [2, 4]], [[4, 0], [2, 4]]]),
        np.array([4, 6]),
    )

    def test_the_values_are_those_of_all_images(self) -> None:
        compared = compare_runs(self.RESULT)
        assert compared.mIoU.values.tolist() == [(3 / 6 + 3 / 4) / 2, 1.0]
        assert compared.difference.values.tolist() == [0.0, 1 - (3 / 6 + 3 / 4) / 2]
        accuracy = compare_runs(self.RESULT, metric="aAcc")
        assert accuracy.aAcc.values.tolist() == [0.6, 1.0]

    def test_the_interval_is_that_of_the_images_drawn(self) -> None:
        # Drawn are twice the first, twice the second (a quarter each), or one of each.
        possible = sorted([1 - 0.5, 1 - (0.5 + 0.75) / 2, 1 - (0.5 + 0.75) / 2])
        compared = compare_runs(self.RESULT, confidence=0.9)
        assert float(compared.lower[1]) == possible[0]
        assert float(compared.upper[1]) == possible[-1]

    def test_the_baseline_may_be_another(self) -> None:
        compared = compare_runs(self.RESULT, "run 1")
        assert compared.difference.values.tolist() == [(3 / 6 + 3 / 4) / 2 - 1, 0.0]
        assert (compared.lower[1], compared.upper[1]) == (0, 0)
        assert compared.attrs["baseline"] == "run 1"
        assert compared.model.values.tolist() == ["model 0", "model 1"]


class TestIntervals:
    def test_a_small_difference_on_every_image_is_found_where_images_differ_much(self) -> None:
        compared = compare_runs(noisy_result(0, gain=0.03))
        assert float(compared.lower[1]) > 0.015
        assert float(compared.upper[1]) < 0.045

    def test_where_there_is_none_the_interval_holds_zero(self) -> None:
        held = 0
        for seed in range(20):
            compared = compare_runs(noisy_result(seed, gain=0.0), n_resamples=200)
            held += bool(compared.lower[1] <= 0 <= compared.upper[1])
        assert held >= 16  # 95 % of the time; fewer than 16 of 20 has a chance of 1 in 400

    def test_the_same_seed_gives_the_same_interval(self) -> None:
        result = noisy_result(0, gain=0.01)
        xr.testing.assert_identical(compare_runs(result, seed=3), compare_runs(result, seed=3))
        assert float(compare_runs(result, seed=4).lower[1]) != float(compare_runs(result, seed=3).lower[1])


@pytest.mark.parametrize(
    ("result", "options", "error", "message"),
    [
        (TestByHand.RESULT.isel(run=0), {}, EvaluationError, "is of one run; evaluate several"),
        (TestByHand.RESULT.drop_vars("intersection"), {}, EvaluationError, "evaluate with per_image=True"),
        (TestByHand.RESULT, {"baseline": "run 9"}, EvaluationError, "'run 9' is none of the runs run 0, run 1"),
        (TestByHand.RESULT, {"metric": "IoU"}, ValueError, "metric must be one of 'mIoU', 'aAcc', not 'IoU'"),
        (TestByHand.RESULT, {"confidence": 95}, ValueError, "confidence must be between 0 and 1, not 95"),
        (TestByHand.RESULT, {"n_resamples": 0}, ValueError, "n_resamples must be a whole number of at least 1, not 0"),
    ],
)
def test_mistakes_are_named(result: xr.Dataset, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compare_runs(result, **options)


def test_one_image_says_nothing() -> None:
    with pytest.raises(EvaluationError, match="of one image"):
        compare_runs(noisy_result(0, 0.1, n_images=1))


def test_a_few_images_say_little() -> None:
    with pytest.warns(UserWarning, match="19 images are few"):
        compare_runs(noisy_result(0, 0.1, n_images=19))
