"""Engines by a word, as a notebook's parameter says it."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from toolkit import paths
from toolkit.engines import Cluster, NoEnginesError, open_cluster


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
    with pytest.raises(ValueError, match=f"profile {profile!r} is neither one of .*'local'"), open_cluster(name):
        pass


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_engine_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"n must be a whole number of at least 1, not {n}"), open_cluster("local", n):
        pass


@pytest.mark.parametrize(("name", "n"), [("local", 0), ("locale", 2), ("connect:nope", None), ("slurm", "2")])
def test_what_is_wrong_is_refused_before_the_block_is_entered(name: str, n: int | None) -> None:
    with pytest.raises(ValueError, match=r"a notebook's parameter `engines`|is neither one of"):
        open_cluster(name, n)


def test_the_nearest_profile_is_offered() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'htcondor'\?"):
        open_cluster("HTCondr")


SUBMITTED = {"slurm": "sbatch", "pbs": "qsub", "sge": "qsub", "lsf": "bsub", "htcondor": "condor_submit", "ssh": "ssh"}


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_program_that_is_missing_is_named_before_anything_is_started(
    quiet_clusters: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    if name == "ssh":
        (quiet_clusters / "ssh" / "hosts").write_text("me@there\n")
    with (
        pytest.raises(NoEnginesError, match=f"profile '{name}' starts engines with `{SUBMITTED[name]}`, .*'local'"),
        open_cluster(name, 2),
    ):
        pass
    left = [path for folder in ("log", "security", "pid") for path in quiet_clusters.glob(f"*/{folder}/*")]
    assert left == []


@pytest.mark.parametrize("name", ["local", "gpu", *SUBMITTED])
def test_ipyparallel_finds_the_launcher_of_each_profile_again(quiet_clusters: Path, name: str) -> None:
    import ipyparallel

    if name == "ssh":
        (quiet_clusters / "ssh" / "hosts").write_text("me@there\n")
    options = {"profile_dir": str(quiet_clusters / name), "parent": None}
    started = ipyparallel.Cluster(**options)
    found = ipyparallel.Cluster.from_dict(started.to_dict(), **options)
    assert found.engine_launcher_class is started.engine_launcher_class


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
