"""Engines by HTCondor: `toolkit.Cluster.start("htcondor", n=8)`, or `ipcluster start --profile-dir=… -n 8`.

The controller runs where that is called, say on a login node; the engines are jobs. This folder must lie on a file
system that the nodes see, under the same path: engines find the controller, and the keys for it, in ``security/``. What
they print is in ``log/``. See docs/clusters/schedulers.md.
"""

# ---- what a site must change ----------------------------------------------------------------------------------------
REQUIREMENTS = ""  # of a machine, such as "(OpSysAndVer == \"Debian12\")"; "": none
ACCOUNT = ""  # accounting group; "": the default one
WALLTIME = "04:00:00"  # an engine that runs into it loses at most its batch; jobs of shorter time begin sooner
CPUS_PER_ENGINE = 4
MEMORY_PER_ENGINE = "8G"  # "": the site's default
GPUS_PER_ENGINE = 0  # 1 where there are GPUs; an engine uses one
OPTIONS = []  # further lines of the description, such as ["gpus_minimum_memory = 16000"]
ACTIVATE = ""  # lines of shell before an engine starts, such as "module load cuda\nsource ~/.venv/bin/activate"
ENGINES = None  # how many, where neither `-n` nor `Cluster.start(n=…)` says; None: one
# ---------------------------------------------------------------------------------------------------------------------

from toolkit.engines.site import EngineJob, configure_jobs, htcondor_description  # noqa: E402

c = get_config()  # noqa: F821  given by ipyparallel
job = EngineJob(
    queue=REQUIREMENTS,
    account=ACCOUNT,
    walltime=WALLTIME,
    cpus=CPUS_PER_ENGINE,
    memory=MEMORY_PER_ENGINE,
    gpus=GPUS_PER_ENGINE,
    options=OPTIONS,
    activate=ACTIVATE,
)
configure_jobs(c, __file__, "HTCondor", htcondor_description(job), ENGINES)
