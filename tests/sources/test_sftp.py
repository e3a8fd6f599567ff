"""Files over SFTP from a real server: what is read, what is missing, what is out of reach, and who is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from toolkit.sources import (
    AccessError,
    NoImagesError,
    ReadLimits,
    SourceError,
    UnreachableError,
    list_images,
    normalize_uri,
    read_bytes,
    read_image,
)
from toolkit.sources.registry import source_of
from toolkit.sources.sftp import CONFIG_VARIABLE
from toolkit.testing.slow_link import slow_link
from toolkit.testing.ssh_server import SshServer

ONCE = ReadLimits(retry_seconds=0.1)  # what is refused at once is soon given up


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of files of many sizes, some with names that a URI has to encode."""
    folder = tmp_path / "files"
    for name in ("a.jpg", "b c#d%.jpg", "ünïcode.PNG", "below/deep/e.jpg", "below/f.txt", ".hidden/g.jpg", ".h.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "large.bmp").write_bytes(bytes(range(256)) * 40_000)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "loop").symlink_to(folder)
    return folder


def test_bytes_are_those_of_the_file(ssh: SshServer, files: Path) -> None:
    assert read_bytes(ssh.uri(files / "a.jpg")) == b"a.jpg"
    assert read_bytes(ssh.uri(files / "large.bmp")) == (files / "large.bmp").read_bytes()
    assert read_bytes(ssh.uri(f"{files}/b%20c%23d%25.jpg")) == b"b c#d%.jpg"


def test_a_picture_is_decoded(ssh: SshServer, small_photos: list[Path]) -> None:
    assert (read_image(ssh.uri(small_photos[0])) == read_image(str(small_photos[0]))).all()


@pytest.mark.parametrize(("name", "code"), [("none.jpg", "missing"), ("below", "unreadable"), ("empty.jpg", "empty")])
def test_what_is_wrong_with_a_file(ssh: SshServer, files: Path, name: str, code: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_bytes(ssh.uri(files / name))
    assert caught.value.code == code
    assert ssh.uri(files / name) in str(caught.value)


def test_a_file_above_the_limit_is_not_fetched(ssh: SshServer, files: Path) -> None:
    with slow_link(ssh.port) as link:
        ssh.trust(ssh.public_key, link.port)
        with pytest.raises(SourceError, match="has 10240000 bytes, more than max_bytes=1000") as caught:
            read_bytes(ssh.uri(files / "large.bmp", link.port), ReadLimits(max_bytes=1000))
        assert caught.value.code == "too_large"
        assert link.passed < 100_000


def test_many_threads_share_a_connection(ssh: SshServer, small_photos: list[Path]) -> None:
    with slow_link(ssh.port, 0.01) as link, ThreadPoolExecutor(16) as pool:
        ssh.trust(ssh.public_key, link.port)
        found = pool.map(lambda photo: read_bytes(ssh.uri(photo, link.port)), small_photos * 5)
        assert list(found) == [photo.read_bytes() for photo in small_photos * 5]
        assert link.connections == 1


class TestListing:
    def test_what_no_camera_made_is_left_out_and_counted(self, ssh: SshServer, files: Path) -> None:
        for name in (
            "@eaDir/a.jpg/x.jpg",
            "@eaDir/b.jpg/x.jpg",
            "below/#recycle/a.jpg",
            ".snapshot/x/a.jpg",
            "Thumbs.db",
        ):
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).touch()
        with pytest.warns(UserWarning, match="2 thumbnails in @eaDir"):
            listing = list_images(ssh.uri(files))
        assert not any("eaDir" in uri or "recycle" in uri or "snapshot" in uri for uri in listing.uris)
        assert {reason: len(found) for reason, found in listing.left_out.items()} == {
            "thumbnails in @eaDir": 2,
            "deleted in #recycle": 1,
            "snapshots in .snapshot": 1,
            "files of desktops": 1,
            "hidden": 2,
            ".txt": 1,
        }
        assert list_images(ssh.uri(f"{files}/@eaDir")).given == ["a.jpg/x.jpg", "b.jpg/x.jpg"]

    def test_paths_are_given_below_the_folder_as_people_know_them(self, ssh: SshServer, files: Path) -> None:
        assert "ünïcode.PNG" in list_images(ssh.uri(files)).given
        assert list_images(ssh.uri(f"{files}/below/**/*.jpg")).given == ["deep/e.jpg"]

    def test_a_folder(self, ssh: SshServer, files: Path) -> None:
        uris = list_images(ssh.uri(files)).uris
        expected = ["a.jpg", "b%20c%23d%25.jpg", "empty.jpg", "large.bmp", "%C3%BCn%C3%AFcode.PNG", "below/deep/e.jpg"]
        assert uris == [ssh.uri(f"{files}/{name}") for name in expected]
        assert read_bytes(uris[1]) == b"b c#d%.jpg"
        assert read_bytes(uris[4]) == "ünïcode.PNG".encode()

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("*.jpg", ["a.jpg", "b%20c%23d%25.jpg", "empty.jpg"]),
            ("**/*.jpg", ["a.jpg", "b%20c%23d%25.jpg", "empty.jpg", "below/deep/e.jpg"]),
            ("below/*", ["below/f.txt"]),
            ("[ab].jpg", ["a.jpg"]),
        ],
    )
    def test_a_pattern(self, ssh: SshServer, files: Path, pattern: str, names: list[str]) -> None:
        assert list_images(ssh.uri(f"{files}/{pattern}")).uris == [ssh.uri(f"{files}/{name}") for name in names]

    def test_an_image(self, ssh: SshServer, files: Path) -> None:
        assert list_images(ssh.uri(files / "a.jpg")).uris == [ssh.uri(files / "a.jpg")]

    @pytest.mark.parametrize("what", ["nowhere", "below/deep/*.png"])
    def test_nothing(self, ssh: SshServer, files: Path, what: str) -> None:
        with pytest.raises(NoImagesError, match=r"127\.0\.0\.1"):
            list_images(ssh.uri(f"{files}/{what}"))


class TestOutOfReach:
    """It is not the image's fault, and is told apart from what is missing."""

    def test_a_server_that_is_down(self, ssh: SshServer, files: Path) -> None:
        ssh.kill()
        with pytest.raises(UnreachableError, match=rf"sftp://127.0.0.1:{ssh.port} cannot be reached: .*Connect call"):
            read_bytes(ssh.uri(files / "a.jpg"), ONCE)

    def test_one_that_comes_back(self, ssh: SshServer, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        uri = ssh.uri(files / "a.jpg")
        read_bytes(uri)
        sftp = source_of(uri)
        read, failed = sftp.read, threading.Event()

        def noting(*arguments: Any) -> bytes:
            try:
                return read(*arguments)
            except UnreachableError:
                failed.set()
                raise

        monkeypatch.setattr(sftp, "read", noting)
        ssh.kill()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read_bytes, uri, ReadLimits(retry_seconds=3600))
            failed.wait()
            ssh.start()
            assert reading.result() == b"a.jpg"

    def test_a_server_that_goes_silent(self, ssh: SshServer, files: Path) -> None:
        with slow_link(ssh.port) as link:
            ssh.trust(ssh.public_key, link.port)
            uri = ssh.uri(files / "a.jpg", link.port)
            read_bytes(uri)
            link.go_silent()
            with pytest.raises(UnreachableError, match="no answer for 1 s"):
                read_bytes(uri, ReadLimits(stall_seconds=1.0, retry_seconds=0.1))
            link.go_silent(False)
            assert read_bytes(uri) == b"a.jpg"

    def test_a_connection_that_breaks_in_mid_file(self, ssh: SshServer, files: Path) -> None:
        with slow_link(ssh.port) as link:
            ssh.trust(ssh.public_key, link.port)
            link.cut_after(3_000_000)
            found = read_bytes(ssh.uri(files / "large.bmp", link.port))
            assert found == (files / "large.bmp").read_bytes()
            assert link.connections == 2


class TestRefusals:
    def test_a_server_with_another_key(self, ssh: SshServer, files: Path) -> None:
        ssh.trust(ssh.stranger.with_suffix(".pub"))
        with pytest.raises(
            AccessError, match=rf"host key is not the one in known_hosts.*`ssh -p {ssh.port} 127.0.0.1`"
        ):
            read_bytes(ssh.uri(files / "a.jpg"))

    def test_a_server_that_nobody_knows(
        self, ssh: SshServer, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = ssh.config.read_text().replace("known_hosts", "no_such_file")
        (tmp_path / "config").write_text(text)
        monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "config"))
        with pytest.raises(AccessError, match="host keys are looked up in known_hosts"):
            read_bytes(ssh.uri(files / "a.jpg"))

    def test_a_key_that_is_not_taken(self, ssh: SshServer, files: Path) -> None:
        ssh.use_key(ssh.stranger)
        with pytest.raises(AccessError, match="takes none of our keys"):
            read_bytes(ssh.uri(files / "a.jpg"))

    def test_a_password_in_a_uri(self) -> None:
        with pytest.raises(ValueError, match="has a password in it") as caught:
            normalize_uri("sftp://me:secret@host/a.jpg")
        assert "secret" not in str(caught.value)

    def test_a_configuration_that_is_not_there(
        self, ssh: SshServer, files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(CONFIG_VARIABLE, "/no/such/file")
        with pytest.raises(AccessError, match=f"{CONFIG_VARIABLE} names /no/such/file, which is no file"):
            read_bytes(ssh.uri(files / "a.jpg"))


def test_a_table_on_the_server_names_files_there(ssh: SshServer, files: Path) -> None:
    table = files / "all.tsv"
    table.write_text(f"uri\tplace\nb c#d%.jpg\there\n{files}/below/deep/e.jpg\tthere\n")
    listing = list_images(ssh.uri(table))
    assert [read_bytes(uri) for uri in listing.uris] == [b"b c#d%.jpg", b"below/deep/e.jpg"]
    assert listing.covariates is not None
    assert listing.covariates["place"].tolist() == ["here", "there"]


def test_an_address_of_ipv6_is_one(ssh: SshServer) -> None:
    with pytest.raises(UnreachableError, match=rf"sftp://\[::1\]:{ssh.port} cannot be reached"):  # it listens on IPv4
        read_bytes(f"sftp://[::1]:{ssh.port}/a.jpg", ONCE)
