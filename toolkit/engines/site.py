"""What profiles (``clusters/*/ip*_config.py``) import, and name as classes: it stays as it is, whatever lies behind it.

Copies of profiles live for years in the folders of those who adapted them.
"""

from toolkit.engines.controller import configure_controller
from toolkit.engines.inside import configure_engine
from toolkit.engines.inside.devices import check_pinned, visible_gpus
from toolkit.engines.launchers.batch import (
    EngineJob,
    configure_jobs,
    htcondor_description,
    lsf_script,
    pbs_script,
    script_path,
    sge_script,
    slurm_script,
)
from toolkit.engines.launchers.local import GpuEngines, LocalEngines
from toolkit.engines.launchers.ssh import SshEngines, read_hosts

__all__ = [
    "EngineJob",
    "GpuEngines",
    "LocalEngines",
    "SshEngines",
    "check_pinned",
    "configure_controller",
    "configure_engine",
    "configure_jobs",
    "htcondor_description",
    "lsf_script",
    "pbs_script",
    "read_hosts",
    "script_path",
    "sge_script",
    "slurm_script",
    "visible_gpus",
]
