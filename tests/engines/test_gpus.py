"""One engine per GPU: the management library is a stand-in, since test machines have none."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from toolkit.engines import Cluster
from toolkit.engines.inside import devices
from toolkit.testing.profiles import adapted
from toolkit.testing.waiting import wait_until

STAND_IN = '''
"""Two GPUs."""
class NVMLError(Exception): pass
class Memory: used = 3 * 2**30
class Rates: gpu = 87
UUIDS = ["GPU-aaaa", "GPU-bbbb"]
def nvmlInit(): pass
def nvmlDeviceGetCount(): return len(UUIDS)
def nvmlDeviceGetHandleByIndex(i):
    if i >= len(UUIDS): raise NVMLError("no such device")
    return i
def nvmlDeviceGetHandleByUUID(uuid):
    if uuid not in UUIDS: raise NVMLError("no such device")
    return UUIDS.index(uuid)
def nvmlDeviceGetUUID(handle): return UUIDS[handle]
def nvmlDeviceGetName(handle): return "Imagined GPU"
def nvmlDeviceGetMemoryInfo(handle): return Memory
def nvmlDeviceGetUtilizationRates(handle): return Rates
'''


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, and in engines that it starts."""
    (tmp_path / "pynvml.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "_nvml", devices._nvml.__wrapped__)
    monkeypatch.setattr(devices, "_first_handle", devices._first_handle.__wrapped__)


@pytest.mark.usefixtures("two_gpus")
class TestVisible:
    @pytest.mark.parametrize(
        ("chosen", "expected"),
        [
            (None, ["GPU-aaaa", "GPU-bbbb"]),
            ("1", ["GPU-bbbb"]),
            ("1, 0", ["GPU-bbbb", "GPU-aaaa"]),
            ("GPU-b", ["GPU-bbbb"]),
            ("", []),
            ("7", []),
            ("GPU-x", []),
        ],
    )
    def test_what_the_environment_chooses(
        self, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: list[str]
    ) -> None:
        if chosen is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert devices.visible_gpus() == expected

    def test_the_device_and_its_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        assert devices.device() == "cuda:0 Imagined GPU"
        assert devices.gpu_usage() == devices.GpuUsage(memory=3 * 2**30, load=87.0)

    def test_a_torch_without_cuda_works_on_the_cpu(self) -> None:
        import torch

        assert not torch.cuda.is_available()
        assert devices.device() == "cpu"


@pytest.mark.usefixtures("two_gpus")
class TestEngines:
    def test_each_has_a_gpu_and_a_new_one_gets_that_of_the_dead(self, tmp_path: Path) -> None:
        profile = adapted("gpu", tmp_path / "site", {"SILENT_SECONDS": "3"})
        engine = (
            (profile / "ipengine_config.py").read_text().replace("\ncheck_pinned()", "")
        )  # there is nothing to find
        (profile / "ipengine_config.py").write_text(engine)
        with Cluster.start(profile) as cluster:
            assert cluster.n_engines == 2
            table = cluster.resources()
            assert set(table["device"]) == {"cuda:0 Imagined GPU"}
            assert set(table["gpu_load"]) == {87.0}
            pinned = {int(pid): psutil.Process(int(pid)).environ()["CUDA_VISIBLE_DEVICES"] for pid in table["pid"]}
            assert set(pinned.values()) == {"GPU-aaaa", "GPU-bbbb"}
            victim = next(iter(pinned))
            psutil.Process(victim).kill()
            wait_until(lambda: cluster.ids in ([0, 2], [1, 2]))
            pids = set(cluster.resources()["pid"].astype(int)) - pinned.keys()
            assert [psutil.Process(pid).environ()["CUDA_VISIBLE_DEVICES"] for pid in pids] == [pinned[victim]]

    def test_more_engines_than_gpus_are_refused(self, tmp_path: Path) -> None:
        profile = adapted("gpu", tmp_path / "site", {})
        with pytest.raises(RuntimeError, match="3 engines to start, but room for 2 on 2 visible GPUs"):
            Cluster.start(profile, n=3)

    def test_an_engine_that_does_not_find_its_gpu_does_not_join(self, tmp_path: Path) -> None:
        profile = adapted("gpu", tmp_path / "site", {})
        with pytest.raises(RuntimeError, match="a process of the cluster ended while starting") as caught:
            Cluster.start(profile, n=1, timeout=60)
        log = Path(str(caught.value).rpartition(" ")[2]).read_text()
        assert "engine for GPU 'GPU-aaaa': torch" in log
        assert "finds none; install a build for CUDA" in log


def test_without_gpus_the_profile_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RuntimeError, match=r"no GPU is visible here: .* without GPUs use the profile 'local'"):
        Cluster.start(adapted("gpu", tmp_path / "site", {}))


class TestCheck:
    """What an engine makes sure of before it joins, with a torch that sees what a test wants it to see."""

    @pytest.fixture(autouse=True)
    def _pinned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aaaa")

    def see(self, monkeypatch: pytest.MonkeyPatch, n: int, uuid: str, *, broken: bool = False) -> None:
        import torch

        def zeros(*_: object, **__: object) -> object:
            if broken:
                raise RuntimeError("CUDA error: device busy")
            return SimpleNamespace(item=lambda: 0.0)

        monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid=uuid))
        monkeypatch.setattr(torch, "zeros", zeros)

    def test_the_right_gpu_will_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.see(monkeypatch, 1, "aaaa")
        devices.check_pinned()

    @pytest.mark.parametrize(
        ("n", "uuid", "broken", "words"),
        [
            (0, "", False, "finds none; install a build for CUDA"),
            (2, "aaaa", False, "it sees 2 GPUs instead of one"),
            (1, "bbbb", False, "it sees 'GPU-bbbb'"),
            (1, "aaaa", True, "it cannot be used: CUDA error: device busy"),
        ],
    )
    def test_anything_else_ends_the_engine(
        self, monkeypatch: pytest.MonkeyPatch, n: int, uuid: str, broken: bool, words: str
    ) -> None:
        self.see(monkeypatch, n, uuid, broken=broken)
        with pytest.raises(SystemExit, match=f"engine for GPU 'GPU-aaaa': .*{words}"):
            devices.check_pinned()
