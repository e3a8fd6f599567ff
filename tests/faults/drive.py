"""A driver to be killed: ``drive.py CATALOG BUNDLE N_ENGINES [TIME_TO_LIVE]``; without engines, in its process."""

import json
import sys

import toolkit as tk
from toolkit.testing.gate import PROTOCOL


def main(path: str, bundle: str, n_engines: int, time_to_live: float) -> None:
    catalog, model = tk.Catalog.open(path), tk.load_model(bundle)
    cluster = tk.Cluster.start("local", n=n_engines) if n_engines else None
    pids = [] if cluster is None else cluster.resources()["pid"].tolist()
    print(json.dumps(pids), flush=True)
    options = {"batch_size": 1, "flush_seconds": 0.2, "time_to_live": time_to_live}
    tk.segment(catalog, model, PROTOCOL, cluster=cluster, **options).wait()  # type: ignore[arg-type]
    if cluster is not None:
        cluster.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) if len(sys.argv) > 4 else 30.0)
