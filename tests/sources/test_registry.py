"""Every URI has one back end, by its scheme."""

import pytest

from toolkit.sources import SourceError
from toolkit.sources.registry import SOURCES, source_of


def test_each_scheme_is_of_one_source() -> None:
    schemes = [scheme for source in SOURCES for scheme in source.schemes]
    assert len(schemes) == len(set(schemes))
    assert {"file", "sftp", "s3", "https"} <= set(schemes)
    for source in SOURCES:
        assert all(source_of(f"{scheme.upper()}://host/a.jpg") is source for scheme in source.schemes)


def test_a_plain_path_is_a_file() -> None:
    assert source_of("/photos/a.jpg") is source_of("file:///photos/a.jpg")


@pytest.mark.parametrize(
    ("uri", "written"),
    [("sftp://host/a", "b%20%23.jpg"), ("https://host/a", "b%20%23.jpg"), ("s3://bucket/a", "b #.jpg")],
)
def test_a_path_is_written_as_its_source_wants_it(uri: str, written: str) -> None:
    assert source_of(uri).encode("b #.jpg") == written


def test_an_unknown_scheme_names_those_that_are_read() -> None:
    with pytest.raises(
        SourceError, match=r"no reader for ftp://; give a local path or one of file://, sftp://"
    ) as caught:
        source_of("ftp://host/a.jpg")
    assert caught.value.code == "unsupported_scheme"
