"""What people have of the last version goes on working: profiles that name parts of the package, calls of notebooks."""

import importlib
from pathlib import Path

import pytest

from toolkit.notebooks import read_parameters

ROOT = Path(__file__).resolve().parent.parent

NAMED_BY_PROFILES = [
    "toolkit.engines.batch.EngineJob",
    "toolkit.engines.batch.htcondor_description",
    "toolkit.engines.batch.lsf_script",
    "toolkit.engines.batch.pbs_script",
    "toolkit.engines.batch.script_path",
    "toolkit.engines.batch.sge_script",
    "toolkit.engines.batch.slurm_script",
    "toolkit.engines.controller.configure_controller",
    "toolkit.engines.inside.configure_engine",
    "toolkit.engines.inside.devices.check_pinned",
    "toolkit.engines.inside.devices.visible_gpus",
    "toolkit.engines.launchers.GpuEngines",
    "toolkit.engines.launchers.LocalEngines",
    "toolkit.engines.ssh.SshEngines",
    "toolkit.engines.ssh.read_hosts",
]

NAMED_IN_NOTEBOOKS = [
    "toolkit.evaluation.class_table",
    "toolkit.evaluation.compare_runs",
    "toolkit.scenes.generate_scene",
    "toolkit.scenes.write_scenes",
]

PARAMETERS = {
    "evaluate": "catalog runs targets dataset classes missing border_width",
    "explore": "catalog run covariate min_fraction shown overlays overlay_sheet publication",
    "segment": (
        "images catalog model preset scales crop_size stride flip fields soft_composition precision labels "
        "retry_failed cluster engines cache_gb"
    ),
}


@pytest.mark.parametrize("dotted", [*NAMED_BY_PROFILES, *NAMED_IN_NOTEBOOKS])
def test_a_dotted_name_is_still_there(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    assert getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("notebook", PARAMETERS)
def test_a_notebook_takes_the_parameters_that_it_took(notebook: str) -> None:
    taken = {parameter.name for parameter in read_parameters(ROOT / "notebooks" / f"{notebook}.ipynb")}
    assert taken >= set(PARAMETERS[notebook].split())
