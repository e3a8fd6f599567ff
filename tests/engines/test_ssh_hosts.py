"""The file of hosts that engines are started on by SSH."""

from pathlib import Path

import pytest

from toolkit.engines import Cluster
from toolkit.engines.launchers.ssh import Host, read_hosts
from toolkit.paths import clusters


def test_each_line_is_a_host_with_what_it_can_have(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "# comment\n\ngpu1 gpus=2\nme@gpu2.example:2222 gpus=2 engines=4  # two each\ncpu1 engines=3\nbox\n"
    )
    assert read_hosts(hosts) == [
        Host("gpu1", None, engines=2, gpus=2),
        Host("me@gpu2.example", 2222, engines=4, gpus=2),
        Host("cpu1", None, engines=3),
        Host("box"),
    ]


@pytest.mark.parametrize(
    "line",
    ["a b", "host engines=x", "host engines=0", "host cores=2", "host:port", "a@b@c", "host engines", "host gpus=-1"],
)
def test_a_line_that_is_no_host_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "hosts").write_text(f"good\n{line}\n")
    with pytest.raises(ValueError, match=r"hosts:2: .* is not like 'user@host:22 engines=2 gpus=2'"):
        read_hosts(tmp_path / "hosts")


def test_a_file_without_hosts_is_refused_where_the_cluster_is_started() -> None:
    with pytest.raises(ValueError, match=r"clusters/ssh/hosts names no host; write one per line"):
        read_hosts(clusters() / "ssh" / "hosts")
    with pytest.raises(ValueError, match=r"the settings in .*ipcluster_config\.py cannot be used: .* names no host"):
        Cluster.start("ssh")


def test_engines_of_a_host_with_gpus_have_one_each_in_turn() -> None:
    host = Host("gpu1", engines=4, gpus=2)
    assert [host.environment(i)["CUDA_VISIBLE_DEVICES"] for i in range(4)] == ["0", "1", "0", "1"]
    assert "CUDA_VISIBLE_DEVICES" not in Host("cpu1", engines=2).environment(1)
