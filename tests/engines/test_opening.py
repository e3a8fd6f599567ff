"""Engines by a word, as a notebook's parameter says it."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from toolkit import paths
from toolkit.engines import Cluster, open_cluster


@pytest.fixture
def quiet_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the profiles, in which nothing runs."""
    copy = tmp_path / "clusters"
    for profile in paths.clusters().iterdir():
        (copy / profile.name).mkdir(parents=True)
        for settings in profile.glob("*.py"):
            shutil.copy(settings, copy / profile.name)
    monkeypatch.setattr(paths, "clusters", lambda: copy)
    return copy


@pytest.mark.parametrize("n", [None, 2])
def test_none_is_no_engines(n: int | None) -> None:
    with open_cluster("none", n) as cluster:
        assert cluster is None


@pytest.mark.parametrize("name", ["nope", "connect:nope", "", "None"])
def test_an_unknown_profile_is_refused_with_those_that_there_are(name: str) -> None:
    profile = name.removeprefix("connect:")
    with pytest.raises(ValueError, match=f"profile={profile!r} is neither one of .*'local'"), open_cluster(name):
        pass


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_engine_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"n must be a whole number of at least 1, not {n}"), open_cluster("local", n):
        pass


def test_connecting_where_nothing_runs_says_so_and_how_to_start_it(
    quiet_clusters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "connect", partial(Cluster.connect, timeout=0.5))
    with pytest.raises(TimeoutError) as refused, open_cluster("connect:local"):
        pass
    assert "no cluster is running here" in str(refused.value)
    assert f"ipcluster start --profile-dir={quiet_clusters / 'local'}" in str(refused.value)


def test_it_opens_one_that_runs_and_leaves_it_running(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "connect", partial(Cluster.connect, cluster_id=cluster.cluster_id))
    with open_cluster("connect:local") as opened:
        assert opened is not None
        assert opened.n_engines == cluster.n_engines
    assert opened.n_engines == 0
    assert cluster.executor().submit(abs, -3).result(60.0) == 3
