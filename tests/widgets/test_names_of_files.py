"""Names of images that a person tells apart."""

from toolkit.widgets import short_names


def test_a_file_that_no_other_is_called_is_named_by_itself() -> None:
    assert short_names(["/photos/a.jpg", "/elsewhere/b.jpg", "s3://bucket/c.jpg"]) == ["a.jpg", "b.jpg", "c.jpg"]


def test_files_of_one_name_have_as_much_of_their_folders_as_tells_them_apart() -> None:
    uris = ["/p/bern/1.jpg", "/p/basel/1.jpg", "/p/basel/2.jpg"]
    assert short_names(uris) == ["bern/1.jpg", "basel/1.jpg", "2.jpg"]


def test_folders_of_one_name_need_those_above_them() -> None:
    uris = ["/p/bern/2024/1.jpg", "/p/basel/2024/1.jpg", "/p/basel/2025/1.jpg"]
    assert short_names(uris) == ["bern/2024/1.jpg", "basel/2024/1.jpg", "2025/1.jpg"]


def test_files_of_one_path_on_two_servers_have_the_server() -> None:
    uris = ["sftp://one/p/1.jpg", "sftp://two/p/1.jpg", "/p/1.jpg"]
    assert short_names(uris) == ["sftp://one/p/1.jpg", "sftp://two/p/1.jpg", "/p/1.jpg"]


def test_names_of_servers_are_read_as_people_write_them() -> None:
    assert short_names(["sftp://one/p/Z%C3%BCrich%201.jpg"]) == ["Zürich 1.jpg"]


def test_a_long_folder_loses_its_middle_and_a_file_keeps_its_name() -> None:
    folder = "a folder of one district " * 4
    file = f"{'x' * 50}.jpg"
    first, second = short_names([f"/bern/{folder}/{file}", f"/basel/{folder}/{file}"])
    assert first != second
    assert first.startswith("be")
    for name in (first, second):
        assert name.endswith(f"/{file}")
        assert "…" in name
        assert len(name) <= 60


def test_a_long_name_of_a_file_is_never_cut() -> None:
    assert short_names([f"/p/{'x' * 200}.jpg"]) == [f"{'x' * 200}.jpg"]


def test_names_that_cutting_would_make_equal_stay_whole() -> None:
    middle = "a very long way to go until the folders end at last, and on and on"
    uris = [f"/begin{middle}{side}{middle}end/1.jpg" for side in ("east", "west")]
    assert len(set(short_names(uris))) == 2


def test_none_are_none() -> None:
    assert short_names([]) == []
