"""Write a stored run's encoder as a plain PyG module, and its embeddings in files that others read."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_run, show


def add(option: Option) -> None:
    add_run(option)
    option("folder", metavar="FOLDER", help="where to write; it is made")


def run(args: Namespace) -> None:
    files = [str(file) for file in wb.runs.load(wb.runs.find(args.run_name)).export(args.folder)]
    show(args, {"files": files}, "\n".join(files))
