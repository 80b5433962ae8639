"""The claims at the end of a notebook, each told with its numbers, or failing."""

import html

from IPython.display import display

from workbench.pages.tables import Shown


def claim(says: str, holds: object, measured: str = "", asserted: bool = True) -> None:
    """Say that a claim holds, and with which numbers; where it does not, fail with the same sentence.

    Args:
        says: the claim, a sentence without its full stop. holds: whether it does.
        measured: the numbers, e.g. "12.3 points".
        asserted: False where the claim was made of other data than these: then it is only said whether it holds here.

    Raises:
        AssertionError: it does not hold.
    """
    sentence = f"{says}: {measured}." if measured else f"{says}."
    if not holds and asserted:
        raise AssertionError(f"this claim does not hold: {sentence}")
    line = f"✓ {sentence}" if holds else f"✗ not on these data, of which it was not claimed: {sentence}"
    display(Shown(f'<p style="margin:0">{html.escape(line)}</p>', line))
