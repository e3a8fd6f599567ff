"""A driver to be killed: ``drive.py CATALOG PROTOCOL N_ENGINES [TIME_TO_LIVE]``; without engines, in its process."""

import json
import sys

import toolkit as tk


def main(path: str, protocol: str, n_engines: int, time_to_live: float) -> None:
    catalog, settings = tk.Catalog.open(path), tk.Protocol(**json.loads(protocol))
    model = tk.load_model("deeplabv3-mobilenetv2-voc")
    cluster = tk.Cluster.start("local", n=n_engines) if n_engines else None
    pids = [] if cluster is None else cluster.resources()["pid"].tolist()
    print(json.dumps(pids), flush=True)
    tk.segment(catalog, model, settings, cluster=cluster, flush_seconds=0.2, time_to_live=time_to_live).wait()
    if cluster is not None:
        cluster.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) if len(sys.argv) > 4 else 30.0)
