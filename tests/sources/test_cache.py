"""Files of servers that are kept on this machine."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toolkit.sources import ReadLimits, read_bytes
from toolkit.sources.cache import FileCache
from toolkit.sources.reading import _cache
from toolkit.sources.registry import source_of
from toolkit.testing.ssh_server import SshServer

LIMITS = ReadLimits(cache_bytes=2**20)


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "content").rglob("*") if path.is_file())


class TestFileCache:
    def test_what_was_put_is_found_by_its_version(self, tmp_path: Path) -> None:
        cache = FileCache(tmp_path, 1000)
        assert cache.get("sftp://host/a.jpg", "1") is None
        cache.put("sftp://host/a.jpg", "1", b"one")
        cache.put("sftp://host/a.jpg", "2", b"two")
        assert cache.get("sftp://host/a.jpg", "1") == b"one"
        assert cache.get("sftp://host/a.jpg", "2") == b"two"
        assert cache.get("sftp://host/b.jpg", "1") is None
        assert FileCache(tmp_path, 1000).get("sftp://host/a.jpg", "2") == b"two"

    def test_the_same_content_is_kept_once(self, tmp_path: Path) -> None:
        cache = FileCache(tmp_path, 1000)
        for name in "ab":
            cache.put(f"sftp://host/{name}.jpg", "1", b"the same")
        assert len(kept(tmp_path)) == 1

    def test_what_was_changed_on_the_disk_is_not_used(self, tmp_path: Path) -> None:
        cache = FileCache(tmp_path, 1000)
        cache.put("u", "1", b"right")
        (file,) = kept(tmp_path)
        file.write_bytes(b"wrong")
        assert cache.get("u", "1") is None
        cache.put("u", "1", b"right")
        assert cache.get("u", "1") == b"right"

    def test_what_was_not_used_for_the_longest_time_goes_first(self, tmp_path: Path) -> None:
        cache = FileCache(tmp_path, 10_000)
        for number in range(8):
            cache.put(f"u{number}", "1", bytes([number]) * 1000)
        for path in tmp_path.rglob("*"):
            if path.is_file():
                os.utime(path, (1, 1))
        assert cache.get("u3", "1") is not None
        for number in range(8, 14):
            cache.put(f"u{number}", "1", bytes([number]) * 1000)
        assert cache.get("u3", "1") is not None
        assert cache.get("u13", "1") is not None
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 10_500
        assert sum(cache.get(f"u{number}", "1") is None for number in range(14)) >= 4

    @pytest.mark.parametrize("left", [bytes(64), b"", b"abc", bytes([255]) * 64])
    def test_what_a_power_cut_left_is_no_error(self, tmp_path: Path, left: bytes) -> None:
        cache = FileCache(tmp_path, 1000)
        cache.put("u", "1", b"data")
        (entry,) = (path for path in (tmp_path / "versions").rglob("*") if path.is_file())
        entry.write_bytes(left)
        assert cache.get("u", "1") is None
        cache.put("u", "1", b"data")
        assert cache.get("u", "1") == b"data"

    def test_a_folder_that_cannot_be_written_keeps_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        cache = FileCache(tmp_path / "file" / "below", 1000)
        cache.put("u", "1", b"data")
        assert cache.get("u", "1") is None

    def test_many_at_once(self, tmp_path: Path) -> None:
        cache = FileCache(tmp_path, 20_000)

        def use(number: int) -> bool:
            data = bytes([number % 10]) * 1000
            cache.put(f"u{number % 10}", "1", data)
            return cache.get(f"u{number % 10}", "1") in (None, data)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(use, range(400)))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """URIs in the order in which they were fetched."""
    monkeypatch.setenv("SEGSCAPE_CACHE", str(tmp_path / "cache"))
    _cache.cache_clear()
    uris: list[str] = []
    lock = threading.Lock()
    sftp = source_of("sftp://host")
    read = sftp.read

    def count(uri: str, max_bytes: int, stall_seconds: float) -> bytes:
        with lock:
            uris.append(uri)
        return read(uri, max_bytes, stall_seconds)

    monkeypatch.setattr(sftp, "read", count)
    return uris


def test_a_file_is_fetched_again_when_it_has_changed(ssh: SshServer, tmp_path: Path, fetched: list[str]) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"before")
    uri = ssh.uri(photo)
    assert [read_bytes(uri, LIMITS) for _ in range(3)] == [b"before"] * 3
    assert fetched == [uri]
    photo.write_bytes(b"afterwards")
    assert [read_bytes(uri, LIMITS) for _ in range(2)] == [b"afterwards"] * 2
    assert fetched == [uri] * 2
    photo.unlink()
    with pytest.raises(Exception, match="no such file"):
        read_bytes(uri, LIMITS)


def test_nothing_is_kept_unless_it_is_asked_for(ssh: SshServer, tmp_path: Path, fetched: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"data")
    for _ in range(2):
        read_bytes(ssh.uri(tmp_path / "a.jpg"))
    assert len(fetched) == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("value", [-1, 1.5, True, "1G"])
def test_what_is_no_number_of_bytes_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="cache_bytes must be a whole number of at least 0"):
        ReadLimits(cache_bytes=value)  # type: ignore[arg-type]
