"""The bytes of an image by its URI: what is read, what is refused, and in which words."""

import os
import pickle
from pathlib import Path

import pytest

from toolkit.sources import (
    ERROR_CODES,
    AccessError,
    ReadLimits,
    SourceError,
    UnreachableError,
    normalize_uri,
    read_bytes,
)


def code_of(uri: str, limits: ReadLimits | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        read_bytes(uri, limits or ReadLimits())
    assert caught.value.uri == uri
    return caught.value.code


def test_a_plain_path_is_read(tmp_path: Path) -> None:
    (tmp_path / "a b%20.jpg").write_bytes(b"content")
    assert read_bytes(str(tmp_path / "a b%20.jpg")) == b"content"


def test_a_file_uri_is_read(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(b"content")
    assert read_bytes((tmp_path / "a b.jpg").as_uri()) == b"content"


def test_a_file_uri_of_localhost_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert read_bytes(f"file://localhost{tmp_path}/a.jpg") == b"content"


def test_a_name_that_is_not_utf8_is_read_by_its_normal_form(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(path)).write_bytes(b"content")
    uri = normalize_uri(os.fsdecode(path))
    assert uri.isascii()
    assert read_bytes(uri) == b"content"


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert read_bytes(str(tmp_path / "link.jpg")) == b"content"


def test_no_file_is_missing(tmp_path: Path) -> None:
    assert code_of(str(tmp_path / "none.jpg")) == "missing"


def test_a_path_through_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert code_of(str(tmp_path / "a.jpg" / "b.jpg")) == "missing"


def test_a_link_to_nowhere_is_missing_and_says_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(SourceError, match=r"nowhere\.jpg") as caught:
        read_bytes(str(tmp_path / "link.jpg"))
    assert caught.value.code == "missing"


@pytest.mark.parametrize("name", ["nul\0byte.jpg", "surrogate\ud800.jpg"])
def test_a_name_that_no_file_can_have_is_missing(name: str) -> None:
    assert code_of(name) == "missing"


def test_a_directory_is_unreadable(tmp_path: Path) -> None:
    assert code_of(str(tmp_path)) == "unreadable"


def test_a_link_to_itself_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert code_of(str(tmp_path / "loop.jpg")) == "unreadable"


def test_a_name_that_is_too_long_is_unreadable(tmp_path: Path) -> None:
    assert code_of(str(tmp_path / ("a" * 300 + ".jpg"))) == "unreadable"


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    path.chmod(0)
    if os.access(path, os.R_OK):  # as root no permission is ever denied

        def deny(*arguments: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", deny)
    assert code_of(str(path)) == "unreadable"


def test_a_pipe_is_unreadable_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert code_of(str(tmp_path / "pipe.jpg")) == "unreadable"


def test_a_device_is_unreadable() -> None:
    assert code_of("/dev/zero") == "unreadable"


def test_a_file_without_bytes_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert code_of(str(tmp_path / "a.jpg")) == "empty"


def test_a_file_of_exactly_the_byte_cap_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    assert read_bytes(str(tmp_path / "a.jpg"), ReadLimits(max_bytes=5)) == b"12345"


def test_a_file_over_the_byte_cap_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"123456")
    assert code_of(str(tmp_path / "a.jpg"), ReadLimits(max_bytes=5)) == "too_large"


def test_a_file_that_does_not_state_its_size_is_capped_all_the_same() -> None:
    assert Path("/proc/self/status").stat().st_size == 0
    assert code_of("/proc/self/status", ReadLimits(max_bytes=20)) == "too_large"


@pytest.mark.parametrize("uri", ["ftp://host/a.jpg", "file://another-host.example/a.jpg"])
def test_a_scheme_without_reader_is_unsupported(uri: str) -> None:
    assert code_of(uri) == "unsupported_scheme"


def test_an_error_names_the_file_the_reason_and_the_code() -> None:
    assert str(SourceError("missing", "/photos/a.jpg", "does not exist")) == "/photos/a.jpg: does not exist [missing]"


@pytest.mark.parametrize("code", ERROR_CODES)
def test_an_error_survives_pickling(code: str) -> None:
    error = pickle.loads(pickle.dumps(SourceError(code, "/photos/a.jpg", "reason")))
    assert (type(error), error.code, error.uri, error.reason) == (SourceError, code, "/photos/a.jpg", "reason")


@pytest.mark.parametrize("kind", [AccessError, UnreachableError])
def test_an_error_of_a_server_survives_pickling(kind: type[AccessError | UnreachableError]) -> None:
    error = pickle.loads(pickle.dumps(kind("sftp://host", "reason")))
    assert (type(error), error.server, error.reason, str(error)) == (
        kind,
        "sftp://host",
        "reason",
        str(kind("sftp://host", "reason")),
    )


def test_an_error_with_a_code_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="code: 'lost'"):
        SourceError("lost", "/photos/a.jpg", "reason")


@pytest.mark.parametrize("limit", ["max_pixels", "max_bytes"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_limit_is_a_positive_integer(limit: str, value: float, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"{limit} must be a whole number of at least 1, not {value}"):
        ReadLimits(**{limit: value})  # type: ignore[arg-type]
