"""Where the files that come with the toolkit lie."""

from pathlib import Path

import pytest

from toolkit import paths


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGSCAPE_DATA_CATALOG", raising=False)


def test_the_data_catalog_holds_the_samples_and_the_built_in_model() -> None:
    assert (paths.data_catalog() / "samples" / "samples.csv").is_file()
    assert (paths.data_catalog() / "models" / "deeplabv3-mobilenetv2-voc.yaml").is_file()


def test_the_data_catalog_does_not_depend_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = paths.data_catalog()
    monkeypatch.chdir(tmp_path)
    assert paths.data_catalog() == before
    assert before.is_absolute()


def test_the_environment_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path))
    assert paths.data_catalog() == tmp_path
    assert paths.expand("data_catalog:demo.zarr") == str(tmp_path / "demo.zarr")


def test_an_empty_variable_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    default = paths.data_catalog()
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", "")
    assert paths.data_catalog() == default


def test_the_prefix_stands_for_the_data_catalog() -> None:
    assert paths.expand("data_catalog:samples/dog.jpg") == str(paths.data_catalog() / "samples" / "dog.jpg")


def test_the_prefix_alone_is_the_folder() -> None:
    assert Path(paths.expand("data_catalog:")) == paths.data_catalog()


@pytest.mark.parametrize(
    "path", ["photos/*.jpg", "data_catalog/demo.zarr", "photos/data_catalog:demo.zarr", "s3://bucket/demo.zarr", ""]
)
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert paths.expand(path) == path


def test_profiles_lie_in_the_clusters_folder() -> None:
    assert (paths.clusters() / "local" / "ipcluster_config.py").is_file()


def test_a_wheel_has_its_files_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "site-packages" / "toolkit")
    assert paths.data_catalog() == tmp_path / "site-packages" / "toolkit" / "_share" / "data_catalog"
    assert paths.clusters() == tmp_path / "site-packages" / "toolkit" / "_share" / "clusters"
