"""The machine that a training runs on: its device, the memory that it has, and how much is taken at most."""

import contextlib
import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil
import torch

from workbench.errors import UserError, nearest

_PROCESS = Path("/proc/self")
_GROUPS = Path("/sys/fs/cgroup"), _PROCESS / "cgroup"


def device_of(word: str | None) -> torch.device:
    """Return the device that a word names; None is a GPU where there is one.

    Raises:
        UserError: no such device here.
    """
    if word is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError:
        guess = nearest(word, ["cpu", "cuda", "cuda:0"]) or "cpu"
        raise UserError(f"unknown device {word!r}; did you mean {guess!r}?") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {word!r} was asked for, but torch finds no CUDA GPU here; use device='cpu'")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {word!r} is not supported; use 'cpu' or 'cuda'")
    return device


def describe(device: torch.device) -> str:
    """Name a device with what decides the bits on it: the GPU's model, or the number of threads."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


@contextlib.contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], float]]:
    """Measure the peak of memory in use inside the block above that at its start, in MiB."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        start = torch.cuda.memory_allocated(device)
        yield lambda: (torch.cuda.max_memory_allocated(device) - start) / 2**20
        return
    gc.collect()
    _modules_stay()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)  # memory that was freed but not given back would hide what is used next
    start = highest = psutil.Process().memory_info().rss
    kept, done = _forget_peak(), threading.Event()

    def look() -> None:
        nonlocal highest
        highest = max(highest, _kept_peak() if kept else psutil.Process().memory_info().rss)

    def watch() -> None:
        while not done.wait(0.01):  # a busy machine misses short peaks in this way
            look()

    def peak() -> float:
        if not done.is_set():
            look()
        return (highest - start) / 2**20

    watcher = None if kept else threading.Thread(target=watch, daemon=True)
    if watcher:
        watcher.start()
    try:
        yield peak
    finally:
        look()
        done.set()
        if watcher:
            watcher.join()


@cache
def _modules_stay() -> None:
    """Spare each later collection the walk through the modules, hundreds of milliseconds; after a collection."""
    gc.freeze()


def _forget_peak() -> bool:
    """Have Linux forget the most memory that this process has had; return whether it did."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:  # another system, or a container that forbids it
        return False
    return True


def _kept_peak() -> int:
    """Return the most memory, in bytes, that this process has had since Linux was told to forget."""
    kept = next(line for line in (_PROCESS / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(kept.split()[1]) * 1024


def available_mib() -> float:
    """Return the memory that this process can still have: the machine's, or less where a control group limits it."""
    free, (root, words) = [psutil.virtual_memory().available], _GROUPS
    own = [line.split(":", 2)[2].lstrip("/") for line in words.read_text().splitlines()] if words.exists() else []
    for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        for folder in {root / part / place for part in ("", "memory") for place in ("", *own)}:
            try:
                free.append(int((folder / limit).read_text()) - int((folder / used).read_text()))
            except (OSError, ValueError):  # no such group, or "max": no limit
                continue
    return max(min(free), 0) / 2**20
