"""Serve the notebooks as pages to click in, on this machine only, behind a token."""

from argparse import Namespace

from workbench import DISTRIBUTION
from workbench.cli.output import Option, keep_places
from workbench.errors import UserError

JSON = False


def add(option: Option) -> None:
    option("--port", type=int, help="default: Voila's")
    option("--no-browser", action="store_true", help="print the address instead of opening it")


def run(args: Namespace) -> None:
    try:
        from workbench.pages import app
    except ImportError as error:
        wanted = f"pip install '{DISTRIBUTION}[app]' brings it, and so does make app"
        raise UserError(f"the app needs Voila, which is not installed here ({error}); {wanted}") from None
    keep_places()
    options = ["--no-browser"] if args.no_browser else []
    app.serve(options + ([f"--port={args.port}"] if args.port else []))
