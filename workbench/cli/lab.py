"""Open JupyterLab on a notebook, on this machine only, with its token."""

import os
import sys
from argparse import Namespace
from pathlib import Path
from urllib.parse import quote

import workbench as wb
from workbench.cli.output import Option, keep_places

JSON = False


def add(option: Option) -> None:
    option("notebook", nargs="?", default="00_start", metavar="NOTEBOOK", help="default: %(default)s")
    option("--port", type=int, help="default: JupyterLab's")
    option("--no-browser", action="store_true", help="print the address instead of opening it")


def run(args: Namespace) -> None:
    path, here = wb.notebooks.find(args.notebook).resolve(), Path.cwd()
    folder = here if path.is_relative_to(here) else path.parent
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # it would ask the package index
    command += [f"--LabApp.default_url=/lab/tree/{quote(path.relative_to(folder).as_posix())}"]
    command += ["--no-browser"] if args.no_browser else []
    command += [f"--ServerApp.port={args.port}"] if args.port else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("workbench: JupyterLab wants to be told when root starts it: adding --allow-root", file=sys.stderr)
        command.append("--allow-root")
    keep_places()
    sys.stderr.flush()
    os.execv(sys.executable, command)
