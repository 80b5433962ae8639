"""Write a stored run's encoder as a plain PyG module, and its embeddings in files that others read."""

import argparse

from workbench.cli.output import add_run, show


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_run(parser)
    parser.add_argument("folder", metavar="FOLDER", help="where to write; it is made")


def run(args: argparse.Namespace) -> int:
    """Write the files and list them."""
    from workbench.training import store as runs

    files = [str(file) for file in runs.load(runs.find(args.run_name)).export(args.folder)]
    return show(args, {"files": files}, "\n".join(files))
