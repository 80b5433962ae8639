"""Files and folders that are whole or not there, and seals that tell what was damaged. Imports nothing heavy."""

import ctypes
import hashlib
import json
import os
import re
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SEAL = "sha256"
FOREIGN_SECONDS = 24 * 3600.0  # without a change, after which the draft of another machine's process is abandoned
_DRAFT = re.compile(r"\.(.+)\.([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}\.part(\..*)?")  # of what, by which machine and process
_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux


class Damaged(ValueError):
    """What a file holds is not what was written to it."""


def draft_of(path: Path, ending: str = "") -> Path:
    """Return a hidden place beside a path where this process makes what will stand there."""
    return path.with_name(f".{path.name}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.part{ending}")


def abandoned(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the drafts in a folder whose process has ended, each with the name of what it was to be."""
    for draft in folder.glob(".*.part*"):
        parts = _DRAFT.fullmatch(draft.name)
        if parts and not _lives(draft, parts[2], int(parts[3])):
            yield draft, parts[1]


def sweep(path: Path) -> None:
    """Remove what processes that have ended left of making a file or folder."""
    for left, name in abandoned(path.parent):
        if name == path.name:
            remove(left)


def remove(path: Path) -> None:
    """Remove a file or folder as far as that is possible; another process may do the same at this moment."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def copied(path: Path, place: Path) -> None:
    """Copy a file or folder, with the times of its files, over what is there."""
    remove(place)
    shutil.copytree(path, place) if path.is_dir() else shutil.copy2(path, place)


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a draft to write, which takes the file's place when the block ends well and is gone when it doesn't.

    A process that was killed here leaves a draft that the next one to write the same file removes. A device or a pipe
    is written as it is, and where a link leads is written, not the link.
    """
    if file.is_relative_to("/dev") or (file.exists() and not file.is_file()):
        yield file
        return
    file = Path(os.path.realpath(file))
    sweep(file)
    draft = draft_of(file, file.suffix)  # by which libraries choose a form
    try:
        with draft.open("xb") as made:
            mode = os.fstat(made.fileno()).st_mode & 0o777
        yield draft
        draft.chmod(mode)  # libraries that write by way of a file of their own leave it to its owner alone
        onto_disk(draft)
        draft.replace(file)
        onto_disk(file.parent)
    finally:
        remove(draft)


def onto_disk(*paths: Path) -> None:
    """Force the content of files, and the names in folders, onto the disk, in this order, where a system can.

    What takes its place before its content is there may be empty after a power cut.
    """
    for path in paths:
        with suppress(OSError):
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def exchange(draft: Path, path: Path) -> None:
    """Let two folders take each other's place: in one step on Linux, else `abandoned` finds what stood there."""
    swap = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if swap and swap(_HERE, os.fsencode(draft), _HERE, os.fsencode(path), _EXCHANGE) == 0:
        return
    path.rename(aside := draft_of(path))
    draft.rename(path)
    aside.rename(draft)


def check_writable(folder: Path, mebibytes: int = 1) -> None:
    """Raise an OSError where files of some size can't be kept in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = draft_of(folder / "trial")
    try:
        draft.write_bytes(bytes(mebibytes * 2**20))
    finally:
        remove(draft)


def checksum(file: Path, bytes_left_out: int = 0) -> str:
    """Return the SHA-256 of a file, or of all but its last bytes."""
    hashed, left = hashlib.sha256(), file.stat().st_size - bytes_left_out
    with file.open("rb") as content:
        while left > 0 and (block := content.read(min(left, 2**20))):
            hashed.update(block)
            left -= len(block)
    return hashed.hexdigest()


def sealed(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts, plain values, with their checksum."""
    return {**facts, SEAL: _digest(facts)}


def unsealed(text: str, required: bool = True) -> dict[str, Any]:
    """Return the facts that a text holds as JSON, without their seal.

    Raises:
        Damaged: they are not what was sealed, or, where that is `required`, have no seal.
    """
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise Damaged(f"it is no JSON: {error}") from None
    if not isinstance(facts, dict):
        raise Damaged("it holds no named facts")
    seal = facts.pop(SEAL, None)
    if seal is None and required:
        raise Damaged("it has no checksum")
    if seal is not None and seal != _digest(facts):
        raise Damaged("it was changed after it was written")
    return facts


def _digest(facts: dict[str, Any]) -> str:
    read = json.loads(json.dumps(facts))  # as they come back, e.g. with lists for tuples
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def _machine() -> str:
    """Return what tells the process numbers of this machine, or container, from those of another."""
    with suppress(OSError):
        return _short(f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}")
    return _short(socket.gethostname())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _lives(draft: Path, machine: str, number: int) -> bool:
    """Return whether the process that makes a draft may still be at it."""
    try:
        changed = draft.stat().st_mtime
    except OSError:  # gone meanwhile
        return True
    if machine != _machine():
        return time.time() - changed < FOREIGN_SECONDS
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(number)
        # Numbers come round again: a process that began after the draft was changed last doesn't make it.
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < changed + 1
    return False
