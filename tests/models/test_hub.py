"""Checkpoints of a hub that answers, of one that does not, and of a cache: each in a process of its own, since the
client reads its address once."""

import http.server
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from toolkit.models import ModelError, define_missing_operators, load_model

NAME = "streets/tiny"
COMMIT = "0" * 40


def save_checkpoint(folder: Path) -> None:
    define_missing_operators()
    import transformers

    config = transformers.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[4] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=4, num_labels=3
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    transformers.SegformerImageProcessor(image_mean=[0.1] * 3).save_pretrained(folder)


class Hub(http.server.BaseHTTPRequestHandler):
    """The few addresses of a hub that a client asks for, of one checkpoint."""

    folder: Path
    status = 404

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        place = f"/{NAME}/resolve/"
        _, _, file = self.path.partition("?")[0].removeprefix(place).partition("/")
        path = self.folder / file
        found = self.path.startswith(place) and file and path.is_file()
        content = path.read_bytes() if found else b""
        self.send_response(200 if found or self.path == "/" else self.status)
        if self.path.startswith(place):
            self.send_header("X-Repo-Commit", COMMIT)
            if not found:
                self.send_header("X-Error-Code", "EntryNotFound")
        elif self.path != "/":
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("ETag", f'"{file}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def said(name: str) -> str:
    """What comes of loading a model: the red channel's mean, or the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f"mean {load_model(name).normalization.mean[0]:.1f}"
    except ModelError as error:
        return f"{type(error).__name__}: {error}"


def forget(file: str) -> None:
    (path,) = Path(os.environ["HF_HOME"]).glob(f"hub/models--streets--tiny/snapshots/*/{file}")
    path.unlink()


def tell_all(folder: str, port: int) -> None:
    """In a process of its own: what is said with a hub, and then without."""
    Hub.folder = Path(folder)
    told = {}
    with serving(Hub, port):
        told["there"] = said(f"hf:{NAME}")
        told["not there"] = said("hf:streets/unknown")
    told["complete cache"] = said(f"hf:{NAME}")
    told["its commit"] = said(f"hf:{NAME}?revision={COMMIT}")
    told["no network"] = said("hf:streets/unknown")
    forget("preprocessor_config.json")
    told["no preprocessing"] = said(f"hf:{NAME}")
    told["encoder"] = said("smp:FPN/resnet18?classes=3&encoder_weights=imagenet")
    print(json.dumps(told))


def tell_one(name: str) -> None:
    """In a process of its own: what is said of a name."""
    print(json.dumps({"said": said(name)}))


def in_a_process(call: str, tmp_path: Path, **variables: str) -> dict[str, Any]:
    here = Path(__file__)
    code = f"import sys; sys.path[:0] = [{str(here.parent)!r}]; import {here.stem} as test; test.{call}"
    cleared = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment = {**cleared, "PYTHONPATH": str(here.parents[2]), "HF_HOME": str(tmp_path / "home"), **variables}
    environment.pop("HF_HUB_OFFLINE", None)
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def free_port() -> int:
    with serving(Hub) as port:
        return port


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hub")
    save_checkpoint(folder / "checkpoint")
    port = free_port()
    call = f"tell_all({str(folder / 'checkpoint')!r}, {port})"
    return in_a_process(call, folder, HF_ENDPOINT=f"http://127.0.0.1:{port}")


def test_a_checkpoint_of_the_hub_is_fetched(told: dict[str, Any]) -> None:
    assert told["there"] == "mean 25.5"


@pytest.mark.parametrize("name", ["complete cache", "its commit"])
def test_without_the_hub_a_complete_cache_is_enough(told: dict[str, Any], name: str) -> None:
    assert told[name] == "mean 25.5"


def test_a_name_that_the_hub_does_not_know_is_told_from_no_network(told: dict[str, Any]) -> None:
    assert told["not there"].startswith("UnknownNameError")
    assert "cannot be reached" not in told["not there"]
    assert told["no network"].startswith("UnknownNameError")
    assert "the hub's cache has no config.json of it, and http://127.0.0.1" in told["no network"]
    assert "cannot be reached (ConnectError" in told["no network"]
    assert "give hf:DIRECTORY" in told["no network"]


def test_a_checkpoint_whose_preprocessing_is_out_of_reach_is_not_taken_for_one_without(told: dict[str, Any]) -> None:
    assert "the hub's cache has no preprocessor_config.json of it" in told["no preprocessing"]


def test_weights_of_an_encoder_are_out_of_reach(told: dict[str, Any]) -> None:
    assert told["encoder"].startswith("WeightsError")
    assert "cannot be reached" in told["encoder"]


class Proxy(Hub):
    """Lets nobody through."""

    def do_GET(self) -> None:
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_CONNECT = do_GET


def test_a_proxy_that_refuses_is_named(tmp_path: Path) -> None:
    with serving(Proxy) as port:
        call = f"tell_one('hf:{NAME}')"
        proxy = f"http://127.0.0.1:{port}"
        told = in_a_process(call, tmp_path, HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=proxy, HTTPS_PROXY=proxy)
    assert "a proxy before it, answers 407" in told["said"]


def test_weights_of_torchvision_out_of_reach_name_the_place_where_they_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ModelError, match=f"cannot be fetched from .*put the file at {tmp_path}.*weights=FILE"):
        load_model("torchvision:fcn_resnet50?weights=DEFAULT")
