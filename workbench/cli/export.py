"""Write a stored run's encoder as a plain PyG module, and its embeddings in files that others read."""

import argparse

from workbench.cli.output import FINE, add_json, print_json


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument(
        "run_name", metavar="RUN", help="folder of a run, start of its key, or METHOD/GRAPH for the newest"
    )
    parser.add_argument("folder", metavar="FOLDER", help="where to write; it is made")


def run(args: argparse.Namespace) -> int:
    """Write the files and list them."""
    from workbench.training import store as runs

    files = [str(file) for file in runs.load(runs.find(args.run_name)).export(args.folder)]
    if args.json:
        print_json({"files": files})
    else:
        print("\n".join(files))
    return FINE
