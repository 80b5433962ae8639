"""How a process ends that is asked to, by Ctrl-C, SIGTERM or the end of its terminal. Imports nothing heavy."""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
PARENT_SECONDS = 0.2  # between looks at whether the parent of a worker lives
asked: list[int] = []  # signals that asked this process to end, as far as it listened
_code: int | None = None  # of a command that was asked


class Ending:
    """Whether this process was asked to end; called, it says so."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.at_once = True  # whether asking again ends at once, which what is being stored must not

    def __call__(self) -> bool:
        """Return whether it was."""
        return self.signal is not None

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Take note of a signal."""
        asked.append(number)
        if self.signal is not None and self.at_once:
            raise KeyboardInterrupt
        again = "; interrupt again to stop at once" if self.at_once else " and keeping what was learned"
        print(f"\nstopping after this epoch{again}", file=sys.stderr)
        self.signal = number


@contextlib.contextmanager
def deferred() -> Iterator[Ending]:
    """Let a first signal that asks to end wait until a training has ended its epoch, and a second one end it at once.

    Any but Ctrl-C is delivered again when the block ends, so that the process then ends by it.
    """
    ending = Ending()
    # Only the main thread is interrupted, and only it may say what happens then.
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    heard = [number for number in SIGNALS if number == signal.SIGINT or _ours(number)]
    before = _handle(ending.ask, heard)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if ending.signal not in (None, signal.SIGINT):
            signal.raise_signal(ending.signal)


@contextlib.contextmanager
def listening(for_good: bool) -> Iterator[list[int]]:
    """Let each signal that asks to end raise a KeyboardInterrupt in the block, and give the list of those that came.

    With `for_good`, one that comes after the block ends the process at once, so that nothing is told of what was under
    way in libraries; else things are as before.
    """
    asked.clear()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    hook = sys.unraisablehook

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    def swallowed(unraisable: "sys.UnraisableHookArgs") -> None:
        # It came where a library can't raise, e.g. as an object was freed: it comes again a moment later.
        if issubclass(unraisable.exc_type, KeyboardInterrupt) and asked:
            threading.Timer(0.01, os.kill, (os.getpid(), asked[-1])).start()
        else:
            hook(unraisable)

    before, sys.unraisablehook = _handle(ask, SIGNALS), swallowed
    if for_good:
        atexit.register(_leave)  # the first to be registered is the last to be called
    try:
        yield asked
    finally:
        if for_good:
            _handle(lambda number, frame: os._exit(128 + number), SIGNALS)
        else:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)


def code_after(asked: list[int], code: int) -> int:
    """Return the exit code of a command whose own is `code`, after the signals that asked it to end."""
    global _code
    _code = 128 + asked[-1] if asked and code else code
    return _code


def _leave() -> None:
    # An interpreter in which one interruption was handled inside a library may end by that signal all the same.
    if asked and _code is not None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(_code)


def _ours(number: int) -> bool:
    """Return whether nobody else handles a signal, as the managers of jobs on a cluster do."""
    handler = signal.getsignal(number)
    return handler == signal.SIG_DFL or getattr(handler, "__module__", None) == __name__


def _handle(handler: "signal._HANDLER", numbers: Iterable[int]) -> dict[int, "signal._HANDLER"]:
    """Set the handler of the signals that are not ignored, as nohup has it, and return those before."""
    heard = [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    return {number: signal.signal(number, handler) for number in heard}


def with_parent(parent: int) -> None:
    """Let this worker end when the process that started it has ended, however that did."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch over the parent").start()
