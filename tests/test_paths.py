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


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as a wheel has it, with its files inside; the working directory is another."""
    package = tmp_path / "site-packages" / "toolkit"
    (package / "_share" / "data_catalog" / "samples").mkdir(parents=True)
    (package / "_share" / "notebooks").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(paths, "_PACKAGE", package)
    return package


def test_a_wheel_has_its_files_inside_the_package(wheel: Path) -> None:
    assert paths.data_catalog() == wheel / "_share" / "data_catalog"
    assert paths.clusters() == wheel / "_share" / "clusters"
    assert paths.notebooks() == wheel / "_share" / "notebooks"


def test_folders_of_others_beside_an_installed_package_are_not_ours(wheel: Path) -> None:
    for name in ("notebooks", "clusters", "data_catalog"):
        (wheel.parent / name).mkdir()
    assert paths.notebooks() == wheel / "_share" / "notebooks"


def test_what_came_with_a_wheel_is_read_from_it(wheel: Path) -> None:
    assert paths.expand("data_catalog:samples/*.jpg") == str(wheel / "_share" / "data_catalog" / "samples" / "*.jpg")


@pytest.mark.parametrize("name", ["demo.zarr", "bundles/mine", "photos-2026.csv"])
def test_what_is_written_with_a_wheel_goes_to_the_working_directory(wheel: Path, name: str) -> None:
    assert paths.expand(f"data_catalog:{name}") == str(Path.cwd() / "data_catalog" / name)


def test_a_chosen_data_catalog_holds_for_a_wheel_too(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSCAPE_DATA_CATALOG", str(tmp_path / "mine"))
    assert paths.expand("data_catalog:demo.zarr") == str(tmp_path / "mine" / "demo.zarr")


class TestCatalogFor:
    @pytest.mark.parametrize(
        "images",
        [
            "data_catalog:samples/samples.csv",
            "data_catalog:samples",
            "data_catalog:samples/*.jpg",
            str(paths.shared_folder("data_catalog") / "samples" / "dog.jpg"),
            paths.shared_folder("data_catalog") / "samples",
        ],
    )
    def test_the_demos_photos_have_the_demos_catalog(self, images: object) -> None:
        assert paths.catalog_for(images, "") == "data_catalog:demo.zarr"

    def test_that_is_so_for_a_relative_path_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(paths.shared_folder("data_catalog"))
        assert paths.catalog_for("samples/samples.csv", "") == "data_catalog:demo.zarr"

    @pytest.mark.parametrize("images", ["photos", "data_catalog:samples", ["a.jpg"]])
    def test_one_that_is_given_is_taken(self, images: object) -> None:
        assert paths.catalog_for(images, "data_catalog/photos.zarr") == "data_catalog/photos.zarr"

    @pytest.mark.parametrize(
        ("images", "fitting"),
        [
            ("photos", "photos"),
            ("photos/", "photos"),
            ("data/bern 2026/*.jpg", "bern-2026"),
            ("survey.csv", "survey"),
            ("sftp://me@storage/street/**/*.jpg", "street"),
            ("s3://bucket", "bucket"),
            ("*.jpg", "photos"),
            ("data_catalog:samples/../../photos", "photos"),
            ("data_catalog:samples2", "data_catalog-samples2"),
            ("", "photos"),
            (["a.jpg", "b.jpg"], "photos"),
            (Path("photos"), "photos"),
        ],
    )
    def test_other_photos_need_one_and_a_name_is_offered(self, images: object, fitting: str) -> None:
        with pytest.raises(ValueError, match="for the demo's photos only") as refused:
            paths.catalog_for(images, "")
        assert f"-p catalog data_catalog/{fitting}.zarr in the shell" in str(refused.value)

    def test_a_long_list_is_not_written_out(self) -> None:
        with pytest.raises(ValueError, match="no catalog was given") as refused:
            paths.catalog_for([f"{number}.jpg" for number in range(1000)], "")
        assert len(str(refused.value)) < 400


class TestEnterProject:
    @pytest.fixture(autouse=True)
    def _come_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(Path.cwd())

    def test_a_notebook_of_the_project_works_in_the_project(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JPY_SESSION_NAME", "segment.ipynb")
        monkeypatch.chdir(paths.notebooks())
        assert paths.enter_project() == Path.cwd() == paths.notebooks().parent

    def test_so_does_a_persons_copy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JPY_SESSION_NAME", "segment.ipynb")
        (tmp_path / "my_notebooks").mkdir()
        monkeypatch.chdir(tmp_path / "my_notebooks")
        assert paths.enter_project() == Path.cwd() == tmp_path

    def test_a_notebook_elsewhere_works_where_it_lies(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JPY_SESSION_NAME", "segment.ipynb")
        (tmp_path / "notebooks").mkdir()
        monkeypatch.chdir(tmp_path / "notebooks")
        assert paths.enter_project() == tmp_path / "notebooks"

    def test_the_shell_stays_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
        monkeypatch.chdir(paths.notebooks())
        assert paths.enter_project() == paths.notebooks()
