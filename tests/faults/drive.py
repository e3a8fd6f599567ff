"""A driver to be killed: ``drive.py CATALOG PROTOCOL N_ENGINES`` segments a catalog, without engines in its process."""

import json
import sys

import toolkit as tk


def main(path: str, protocol: str, n_engines: int) -> None:
    catalog, settings = tk.Catalog.open(path), tk.Protocol(**json.loads(protocol))
    model = tk.load_model("deeplabv3-mobilenetv2-voc")
    cluster = tk.Cluster.start("local", n=n_engines) if n_engines else None
    pids = [] if cluster is None else cluster.resources()["pid"].tolist()
    print(json.dumps(pids), flush=True)
    tk.segment(catalog, model, settings, cluster=cluster, flush_seconds=0.2).wait()
    if cluster is not None:
        cluster.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
