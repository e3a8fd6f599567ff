"""An engine per GPU of this machine: `toolkit.Cluster.start("gpu")`, or `ipcluster start --profile-dir=clusters/gpu`.

Each engine sees its GPU only (CUDA_VISIBLE_DEVICES), checks that it is the right one before it joins, and is replaced
on the same GPU when it dies. Which GPUs are used is what `nvidia-smi` lists, or CUDA_VISIBLE_DEVICES names.
"""

# ---- what a site may change ----------------------------------------------------------------------------------------
ENGINES_PER_GPU = 1  # more where the network is small and the GPU large; each holds the model once
ENVIRONMENT = {}  # variables of every engine, e.g. {"OMP_NUM_THREADS": "4"}; they win over those of the toolkit
# --------------------------------------------------------------------------------------------------------------------

from toolkit.engines.inside.devices import visible_gpus  # noqa: E402

c = get_config()  # noqa: F821  given by ipyparallel

c.Cluster.n = max(1, ENGINES_PER_GPU * len(visible_gpus()))
c.EngineLauncher.environment = ENVIRONMENT
c.Cluster.engine_launcher_class = "toolkit.engines.launchers.GpuEngines"
c.GpuEngines.engines_per_gpu = ENGINES_PER_GPU
c.Cluster.delay = 0
