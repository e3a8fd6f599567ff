"""Objects of a real S3 server, and files of a web server."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import from_url

from toolkit.sources import (
    AccessError,
    NoImagesError,
    ReadLimits,
    SourceError,
    UnreachableError,
    list_images,
    read_bytes,
)
from toolkit.sources.objects import _connect
from toolkit.testing.s3_server import BUCKET, S3Server

ONCE = ReadLimits(retry_seconds=0.1)  # what is refused at once is soon given up


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Connections are made anew: the environment differs from test to test."""
    _connect.cache_clear()
    yield
    _connect.cache_clear()


@pytest.fixture
def photos(s3: S3Server) -> str:
    """URI of some objects."""
    store = from_url(f"s3://{BUCKET}", client_options={"allow_http": True})
    for name in ("a.jpg", "b c.jpg", "below/d.png", "below/e.txt", ".hidden/f.jpg"):
        obstore.put(store, f"photos/{name}", name.encode())
    return f"s3://{BUCKET}/photos"


class TestS3:
    def test_bytes_are_those_of_the_object(self, photos: str) -> None:
        assert read_bytes(f"{photos}/a.jpg") == b"a.jpg"
        assert read_bytes(f"{photos}/b c.jpg") == b"b c.jpg"

    def test_a_folder_and_a_pattern(self, photos: str) -> None:
        assert list_images(photos).uris == [f"{photos}/{name}" for name in ("a.jpg", "b c.jpg", "below/d.png")]
        assert list_images(f"{photos}/**/*.jpg").uris == [f"{photos}/a.jpg", f"{photos}/b c.jpg"]
        with pytest.raises(NoImagesError, match="no files"):
            list_images(f"{photos}/nowhere")

    def test_what_no_camera_made_is_left_out_and_counted(self, photos: str) -> None:
        store = from_url(f"s3://{BUCKET}", client_options={"allow_http": True})
        for name in ("@eaDir/a.jpg/x.jpg", "below/@eaDir/d.png/x.jpg", "__MACOSX/._a.jpg", "a.mp4"):
            obstore.put(store, f"nas/{name}", b"x")
        obstore.put(store, "nas/below/a.jpg", b"x")
        folder = f"s3://{BUCKET}/nas"
        with pytest.warns(UserWarning, match="2 thumbnails in @eaDir, 1 "):
            listing = list_images(folder)
        assert listing.given == ["below/a.jpg"]
        assert set(listing.left_out) == {"thumbnails in @eaDir", "in __MACOSX", ".mp4"}
        assert list_images(f"{folder}/@eaDir").given == ["a.jpg/x.jpg"]
        with pytest.warns(UserWarning, match="were left out"):
            assert list_images(f"{folder}/**/*.jpg").given == ["below/a.jpg"]

    def test_what_is_missing_or_too_large(self, photos: str) -> None:
        with pytest.raises(SourceError) as caught:
            read_bytes(f"{photos}/none.jpg")
        assert caught.value.code == "missing"
        with pytest.raises(SourceError, match="more than max_bytes=3") as caught:
            read_bytes(f"{photos}/a.jpg", ReadLimits(max_bytes=3))
        assert caught.value.code == "too_large"

    def test_a_table_in_the_bucket(self, photos: str) -> None:
        store = from_url(f"s3://{BUCKET}", client_options={"allow_http": True})
        obstore.put(store, "photos/all.csv", b"uri\na.jpg\nb c.jpg\n/photos/below/d.png\n")
        uris = list_images(f"{photos}/all.csv").uris
        assert uris == [f"{photos}/{name}" for name in ("a.jpg", "b c.jpg", "below/d.png")]
        assert [read_bytes(uri) for uri in uris] == [b"a.jpg", b"b c.jpg", b"below/d.png"]

    @pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_wrong_keys(self, s3: S3Server, photos: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, "wrong")
        with pytest.raises(AccessError, match=f"s3://{BUCKET}: {s3.endpoint} says the keys are wrong"):
            read_bytes(f"{photos}/a.jpg")

    def test_a_bucket_that_is_not_there(self, s3: S3Server) -> None:
        with pytest.raises(AccessError, match="there is no bucket 'none'"):
            read_bytes("s3://none/a.jpg")

    def test_a_server_that_is_down(self, photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(UnreachableError, match=f"s3://{BUCKET} cannot be reached"):
            read_bytes(f"{photos}/a.jpg", ONCE)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and the folder that it serves."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path / "web"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


class TestWeb:
    def test_bytes_are_those_of_the_file(self, web: tuple[str, Path]) -> None:
        address, folder = web
        (folder / "a b.jpg").write_bytes(b"bytes")
        assert read_bytes(f"{address}/a%20b.jpg") == b"bytes"

    def test_what_is_missing(self, web: tuple[str, Path]) -> None:
        with pytest.raises(SourceError) as caught:
            read_bytes(f"{web[0]}/none.jpg")
        assert caught.value.code == "missing"

    def test_a_server_that_is_down(self) -> None:
        with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
            read_bytes("http://127.0.0.1:9/a.jpg", ONCE)

    def test_a_server_that_goes_silent(self) -> None:
        over = threading.Event()

        class Silent(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "60")
                self.end_headers()
                self.wfile.write(b"x" * 10)
                over.wait()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(UnreachableError):
                read_bytes(
                    f"http://127.0.0.1:{server.server_port}/a.jpg", ReadLimits(stall_seconds=0.5, retry_seconds=0.1)
                )
        finally:
            over.set()
            server.shutdown()
            server.server_close()

    @pytest.mark.parametrize("refuses_head", [False, True])
    def test_what_a_server_says_nothing_of_is_not_kept(
        self, refuses_head: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEGSCAPE_CACHE", str(tmp_path / "cache"))
        content = [b"one"]

        class Silent(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content[0])))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content[0])

            def do_HEAD(self) -> None:
                if refuses_head:
                    self.send_error(403)
                else:
                    self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            uri = f"http://127.0.0.1:{server.server_port}/a.jpg"
            assert read_bytes(uri, ReadLimits(cache_bytes=10**6)) == b"one"
            content[0] = b"two"
            assert read_bytes(uri, ReadLimits(cache_bytes=10**6)) == b"two"
        finally:
            server.shutdown()
            server.server_close()

    def test_what_cannot_be_opened_stops_the_run_and_no_image_fails_for_it(self) -> None:
        with pytest.raises(AccessError, match=r"az://photos: it cannot be opened"):
            read_bytes("az://photos/a.jpg")

    def test_a_name_that_no_object_can_have_is_one_images_fault(self, s3: S3Server) -> None:
        with pytest.raises(SourceError) as caught:
            read_bytes(f"s3://{BUCKET}/a//b.jpg")
        assert caught.value.code == "unreadable"

    def test_it_may_hold_a_table(self, web: tuple[str, Path]) -> None:
        address, folder = web
        (folder / "photos.csv").write_text("uri,year\na b.jpg,2020\nhttps://elsewhere/c.jpg,2021\n/top/d.jpg,2022\n")
        listing = list_images(f"{address}/photos.csv")
        assert listing.uris == [f"{address}/a%20b.jpg", "https://elsewhere/c.jpg", f"{address}/top/d.jpg"]
        assert listing.covariates is not None
        assert listing.covariates["year"].tolist() == [2020, 2021, 2022]
        with pytest.raises(NoImagesError, match=r"none\.csv'.*there is no such object"):
            list_images(f"{address}/none.csv")

    def test_it_has_no_lists(self, web: tuple[str, Path]) -> None:
        with pytest.raises(NoImagesError, match="web servers have no lists of files"):
            list_images(f"{web[0]}/photos/")
