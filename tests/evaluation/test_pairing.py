"""A mask is given to the photo that it is of, or to none: never to another."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.evaluation import EvaluationError
from toolkit.evaluation.targets import ImagesOfTargets, TargetFinder, find_targets
from toolkit.models import load_dataset


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


def finder(
    targets: Path | str, images: Sequence[str], everything: Sequence[str] = (), dataset: str | None = None
) -> TargetFinder:
    descriptor = None if dataset is None else load_dataset(dataset)
    return find_targets(targets, ImagesOfTargets(images, everything), descriptor)


def found(targets: Path | str, images: Sequence[str], dataset: str | None = None) -> list[object]:
    """Masks below the folder of the targets, None, or ``"doubt"``."""
    sought = finder(targets, images, dataset=dataset)

    def one(position: int, uri: str) -> object:
        try:
            return sought.find(position, uri)
        except EvaluationError:
            return "doubt"

    return [one(position, uri) for position, uri in enumerate(images)]


class TestTwoCities:
    IMAGES = tuple(f"/data/photos/{city}/{n:03}.png" for city in ("bern", "basel") for n in range(2))

    def test_masks_of_one_city_are_not_those_of_the_other(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "bern/000.png", "bern/001.png")
        for targets in (tmp_path / "masks", tmp_path / "masks" / "bern", f"{tmp_path}/masks/*/*.png"):
            assert found(targets, self.IMAGES) == [*masks, None, None]

    def test_nor_are_those_that_lack_in_a_city_labelled_in_part(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "bern/000.png", "bern/001.png", "basel/001.png")
        assert found(tmp_path / "masks", self.IMAGES) == [masks[0], masks[1], None, masks[2]]

    def test_without_folders_of_masks_nobody_knows(self, tmp_path: Path) -> None:
        touch(tmp_path / "masks", "000.png", "001.png")
        assert found(tmp_path / "masks", self.IMAGES) == ["doubt"] * 4

    def test_a_photo_that_was_removed_can_still_be_the_one(self, tmp_path: Path) -> None:
        (mask,) = touch(tmp_path / "masks", "000.png")
        bern, basel = self.IMAGES[0], self.IMAGES[2]
        sought = find_targets(str(tmp_path / "masks"), ImagesOfTargets([basel], [basel], removed=[bern]), None)
        with pytest.raises(EvaluationError, match=f"{mask} could be the mask of {basel} and of {bern}"):
            sought.find(0, basel)

    def test_a_mask_that_was_listed_and_removed_is_of_its_photo(self, tmp_path: Path) -> None:
        (mask,) = touch(tmp_path / "masks", "000.png")
        image = self.IMAGES[0]
        sought = find_targets(str(tmp_path / "masks"), ImagesOfTargets([image], [image], removed=[mask]), None)
        assert sought.find(0, image) == mask

    def test_the_error_shows_the_mask_and_both_photos(self, tmp_path: Path) -> None:
        (mask,) = touch(tmp_path, "000.png")
        with pytest.raises(EvaluationError) as caught:
            finder(tmp_path, self.IMAGES).find(2, self.IMAGES[2])
        assert all(text in str(caught.value) for text in (mask, self.IMAGES[0], self.IMAGES[2], "mapping or table"))

    def test_photos_that_are_not_asked_for_can_claim_a_mask(self, tmp_path: Path) -> None:
        touch(tmp_path, "000.png")
        with pytest.raises(EvaluationError, match="could be the mask of"):
            finder(tmp_path, self.IMAGES[:1], self.IMAGES).find(0, self.IMAGES[0])

    def test_one_citys_photos_have_none_of_anothers_masks(self, tmp_path: Path) -> None:
        touch(tmp_path / "masks", "basel/000.png", "basel/church.png")
        photos = [f"{tmp_path}/photos/bern/{name}.jpg" for name in ("000", "church")]
        assert found(tmp_path / "masks", photos) == [None, None]
        assert "basel/000.png is called so, but lies in 'basel'" in finder(tmp_path / "masks", photos).nearly(photos[0])

    def test_names_that_are_there_once_need_no_folders(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "000.png", "001.png")
        assert found(tmp_path / "masks", ["/photos/bern/000.jpg", "/photos/basel/001.jpg"]) == masks

    def test_photos_and_masks_may_lie_together_city_by_city(self, tmp_path: Path) -> None:
        cities = ("bern", "basel")
        images = touch(tmp_path, *(f"{city}/photos/000.jpg" for city in cities))
        masks = touch(tmp_path, *(f"{city}/masks/000.png" for city in cities))
        for targets in (tmp_path, f"{tmp_path}/*/masks/*.png", f"{tmp_path}/**/*.png"):
            assert found(targets, images) == masks
        assert found(tmp_path / "bern" / "masks", images) == [masks[0], None]
        assert found(tmp_path / "bern" / "masks", [images[1].replace("000", "007"), images[0]]) == [None, masks[0]]

    def test_a_city_that_the_pattern_names_counts(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "day/bern/000.png")
        assert found(f"{tmp_path}/masks/*/bern/*.png", [*self.IMAGES, "/data/photos/day/bern/000.png"]) == [
            *[None] * 4,
            masks[0],
        ]


class TestFolders:
    @pytest.mark.parametrize("labelled", ["b/000.png", "a/b/000.png"])
    def test_a_folder_more_is_another_place(self, tmp_path: Path, labelled: str) -> None:
        (mask,) = touch(tmp_path / "masks", labelled)
        images = ["/photos/b/000.jpg", "/photos/a/b/000.jpg"]
        assert found(tmp_path / "masks", images) == ([mask, None] if labelled == "b/000.png" else [None, mask])

    def test_their_order_counts(self, tmp_path: Path) -> None:
        touch(tmp_path / "masks", "a/b/000.png")
        assert found(tmp_path / "masks", ["/photos/b/a/000.jpg", "/photos/c/a/000.jpg"]) == [None, None]

    def test_the_masks_of_several_photos_may_share_a_folder_if_names_tell_them(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "bern/l1.png", "bern/r1.png", "bern/1.png")
        images = [f"/photos/bern/{side}/{side[0]}1.jpg" for side in ("left", "right")]
        assert found(tmp_path / "masks", images) == masks[:2]
        assert found(tmp_path / "masks", [f"/photos/bern/{side}/1.jpg" for side in ("left", "right")]) == ["doubt"] * 2

    def test_masks_beside_and_below_their_photos(self, tmp_path: Path) -> None:
        images = touch(tmp_path, "a.png", "bern/b.png")
        masks = touch(tmp_path, "masks/a.png", "bern/masks/b.png", "bern/b_mask.png")
        assert found(tmp_path, images) == masks[:2]
        assert found(f"{tmp_path}/**/*_mask.png", images) == [None, masks[2]]

    def test_old_masks_in_a_folder_below_are_a_doubt(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.png", "old/a.png")
        assert found(tmp_path, ["/photos/a.jpg"]) == ["doubt"]

    def test_a_folder_that_no_photo_is_in_is_passed_over_unless_names_are_numbers(self, tmp_path: Path) -> None:
        names = ("street_corner", "000", "IMG_0012", "frame-7")
        masks = touch(tmp_path, *(f"anna/{name}.png" for name in names))
        assert found(tmp_path, [f"/photos/{name}.jpg" for name in names]) == [masks[0], None, None, None]

    def test_a_folder_that_the_name_begins_with_is_not_another_one(self, tmp_path: Path) -> None:
        touch(tmp_path / "masks", "bern/bern_2.png")
        assert found(tmp_path / "masks", ["/photos/basel/bern_2.jpg", "/photos/ulm/1.jpg"]) == [None, None]

    def test_photos_on_a_server(self, tmp_path: Path) -> None:
        masks = touch(tmp_path / "masks", "bern/000.png", "zürich/000.png")
        images = ["s3://bucket/photos/bern/000.jpg", "sftp://host/photos/z%C3%BCrich/000.jpg", "s3://bucket/x/000.jpg"]
        assert found(tmp_path / "masks", images) == [masks[0], masks[1], None]

    def test_the_same_tree_on_two_servers(self, tmp_path: Path) -> None:
        touch(tmp_path / "masks", "bern/000.png")
        images = [f"{host}/photos/bern/000.jpg" for host in ("sftp://one", "sftp://other", "")]
        assert found(tmp_path / "masks", images) == ["doubt"] * 3

    def test_links(self, tmp_path: Path) -> None:
        (mask,) = touch(tmp_path / "labels of 2020", "bern/000.png")
        (tmp_path / "masks").symlink_to(tmp_path / "labels of 2020")
        (tmp_path / "labels of 2020" / "all").symlink_to(tmp_path / "labels of 2020")
        images = ["/photos/bern/000.png", "/photos/basel/000.png"]
        assert found(tmp_path / "masks", images) == [mask.replace("labels of 2020", "masks"), None]


class TestNames:
    def test_photos_of_one_name_in_several_formats(self, tmp_path: Path) -> None:
        (mask,) = touch(tmp_path, "p.png")
        assert found(tmp_path, ["/photos/p.png", "/photos/p.bmp"]) == ["doubt"] * 2
        assert found(tmp_path, ["/photos/p.png", "/photos/q.bmp"]) == [mask, None]

    def test_a_photo_is_not_the_mask_of_another(self, tmp_path: Path) -> None:
        images = touch(tmp_path, "p.jpg", "p.png", "q.jpg", "q.png", "q_mask.png")
        assert found(tmp_path, images[:4]) == [None] * 4
        assert "p.png is called so, but is an image of the catalog itself" in finder(tmp_path, images).nearly(images[0])

    def test_a_mask_that_was_listed_as_a_photo_is_one_by_its_own_suffix(self, tmp_path: Path) -> None:
        images = touch(tmp_path, "p.jpg", "p_mask.png")
        assert found(f"{tmp_path}/*_mask.png", images) == [images[1], None]

    def test_masks_of_one_name_in_several_formats(self, tmp_path: Path) -> None:
        touch(tmp_path, "p.png", "p.tif")
        assert found(tmp_path, ["/photos/p.jpg"]) == ["doubt"]

    @pytest.mark.parametrize("other", ["1", "01", "0001", "001 (copy)", "001_flip", "x001", "IMG_001"])
    def test_zeros_copies_and_what_stands_around_are_other_names(self, tmp_path: Path, other: str) -> None:
        (mask,) = touch(tmp_path, "001.png")
        assert found(tmp_path, ["/photos/001.jpg", f"/photos/{other}.jpg"]) == [mask, None]

    def test_letters_count_in_their_case_but_for_the_suffix(self, tmp_path: Path) -> None:
        masks = touch(tmp_path, "Ab.PNG")
        assert found(tmp_path, ["/photos/Ab.JPG", "/photos/AB.JPG"]) == [masks[0], None]

    def test_any_unicode_normal_form(self, tmp_path: Path) -> None:
        name = "zürich/fußgänger.png"
        (mask,) = touch(tmp_path / "masks", unicodedata.normalize("NFD", name))
        images = ["/photos/" + unicodedata.normalize("NFC", name), "/photos/basel/fußgänger.png"]
        assert found(tmp_path / "masks", images) == [mask, None]

    def test_two_photos_whose_names_differ_in_that_only(self, tmp_path: Path) -> None:
        touch(tmp_path, "über.png")
        images = [f"/photos/{unicodedata.normalize(form, 'über.jpg')}" for form in ("NFC", "NFD")]
        assert found(tmp_path, images) == ["doubt"] * 2

    def test_a_prefix(self, tmp_path: Path) -> None:
        masks = touch(tmp_path, "bern_000.png", "bern_001.png", "basel_000.png")
        images = [f"/photos/{city}/000.jpg" for city in ("bern", "basel")]
        assert found(f"{tmp_path}/bern_*.png", images) == ["doubt"] * 2
        assert found(tmp_path, ["/photos/basel_000.jpg"]) == masks[2:]


class TestDataSets:
    def test_cityscapes(self, tmp_path: Path) -> None:
        stems = [f"{split}/{city}/{city}_000000_000019" for split, city in (("train", "ulm"), ("val", "munster"))]
        images = touch(tmp_path / "leftImg8bit", *(f"{stem}_leftImg8bit.png" for stem in stems))
        masks = touch(tmp_path / "gtFine", *(f"{stem}_gtFine_labelIds.png" for stem in stems))
        for targets in (tmp_path, tmp_path / "gtFine", f"{tmp_path}/gtFine/*/*/*.png"):
            assert found(targets, images, "cityscapes-35") == masks
        assert found(tmp_path / "gtFine" / "val", images, "cityscapes-35") == [None, masks[1]]
        assert found(tmp_path / "gtFine", images[1:], "cityscapes-35") == masks[1:]
        flat = [f"/photos/{Path(image).name}" for image in images]
        assert found(tmp_path / "gtFine", flat, "cityscapes-35") == masks

    def test_ade20k(self, tmp_path: Path) -> None:
        names = ("training/ADE_train_00000001", "validation/ADE_val_00000001")
        images = touch(tmp_path / "images", *(f"{name}.jpg" for name in names))
        masks = touch(tmp_path / "annotations", *(f"{name}.png" for name in names))
        for targets in (tmp_path, tmp_path / "annotations"):
            assert found(targets, images, "ade20k-150") == masks
        assert found(tmp_path / "annotations" / "validation", images[1:], "ade20k-150") == masks[1:]

    def test_voc(self, tmp_path: Path) -> None:
        images = touch(tmp_path, "JPEGImages/2007_000032.jpg", "JPEGImages/2007_000033.jpg")
        masks = touch(tmp_path, "SegmentationClass/2007_000032.png", "SegmentationObject/2007_000032.png")
        assert found(tmp_path / "SegmentationClass", images, "voc-21") == [masks[0], None]
        assert found(tmp_path, images, "voc-21") == ["doubt", None]

    def test_mapillary_vistas(self, tmp_path: Path) -> None:
        names = [f"{split}/{{}}/_{n}BrZ0zqJ" for n, split in enumerate(("training", "validation"))]
        images = touch(tmp_path, *(f"{name.format('images')}.jpg" for name in names))
        masks = touch(tmp_path, *(f"{name.format('v1.2/labels')}.png" for name in names))
        touch(tmp_path, *(f"{name.format('v2.0/labels')}.png" for name in names))
        assert found(f"{tmp_path}/*/v1.2/labels/*.png", images) == masks
        assert found(tmp_path / "training" / "v1.2" / "labels", images) == [masks[0], None]

    def test_kitti_numbers_its_splits_alike(self, tmp_path: Path) -> None:
        images = touch(tmp_path, *(f"{split}/image_2/000000_10.png" for split in ("training", "testing")))
        (mask,) = touch(tmp_path, "training/semantic/000000_10.png")
        assert found(tmp_path / "training" / "semantic", images) == [mask, None]
        assert found(f"{tmp_path}/*/semantic/*.png", images) == [mask, None]


PLACES = ["", "bern", "basel", "a/bern", "bern/a", "a/b/bern", "1", "masks"]
NAMES = ["000", "001", "1", "church", "IMG_1", "bern_2"]
LAYOUTS = ["{root}/masks/{place}/{name}", "{root}/{place}/masks/{name}", "{root}/labels/gt/{place}/{name}"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_answer_is_the_masks_own_photo_or_an_error(data: st.DataObject) -> None:
    photo = st.tuples(st.sampled_from(PLACES), st.sampled_from(NAMES), st.sampled_from([".jpg", ".png", ".bmp"]))
    photos = data.draw(st.lists(photo, min_size=1, max_size=10, unique=True))
    labelled = [photo for photo in photos if data.draw(st.booleans())]
    beside = data.draw(st.booleans())
    layout = data.draw(st.sampled_from([*LAYOUTS, "{root}/flat/{name}"]))
    with TemporaryDirectory() as root:
        images = {
            (place, name, suffix): str(
                Path(root, place, "photos", name + suffix) if beside else Path(root, "photos", place, name + suffix)
            )
            for place, name, suffix in photos
        }
        owner = {}
        for place, name, suffix in labelled:
            mask = str(Path(layout.format(root=root, place=place, name=name + ".png")))
            if mask not in owner and mask not in images.values():
                owner[mask] = images[place, name, suffix]
        touch(Path(root), "flat/none.txt", "labels/none.txt", "masks/none.txt", *owner)
        targets = data.draw(
            st.sampled_from([f"{root}/masks", f"{root}/labels", f"{root}/flat", f"{root}/**/*.png", root])
        )
        answers = found(targets, list(images.values()))
        for image, answer in zip(images.values(), answers, strict=True):
            assert answer is None or answer == "doubt" or owner[str(answer)] == image


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_trees_of_the_same_folders_are_paired_wholly_whatever_part_of_them_is_listed(data: st.DataObject) -> None:
    photo = st.tuples(st.sampled_from(["bern", "basel", "a/ulm", "1/2", "1/3"]), st.sampled_from(NAMES[:-1]))
    photos = data.draw(st.lists(photo, min_size=1, max_size=10, unique=True))
    labelled = [photo for photo in photos if data.draw(st.booleans())]
    listed = [photo for photo in photos if data.draw(st.booleans())]
    with TemporaryDirectory() as root:
        touch(Path(root), "masks/none.txt", *(f"masks/{place}/{name}.png" for place, name in labelled))
        answers = found(f"{root}/masks", [f"{root}/photos/{place}/{name}.jpg" for place, name in listed])
        assert answers == [
            f"{root}/masks/{place}/{name}.png" if (place, name) in labelled else None for place, name in listed
        ]
