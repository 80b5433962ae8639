"""What a file holds: its bytes, unpacked up to a limit, and its text in the encoding that it has."""

import codecs
import gzip
from pathlib import Path

from workbench.datasets.files.report import Report
from workbench.errors import UserError

UNPACKED, RATIO = 1 << 28, 50  # an archive may unpack to this many bytes, or to so many times its own
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, unpacked where it is .gz; an archive that unpacks to far more is refused before."""
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        if path.suffix.lower() != ".gz":
            return path.read_bytes()
        most = max(UNPACKED, RATIO * path.stat().st_size)
        with gzip.open(path) as file:
            content = file.read(most + 1)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} can't be read: {str(error)[:120] or type(error).__name__}") from error
    if len(content) > most:
        raise UserError(f"{path} unpacks to more than {most >> 20:,} MiB, {RATIO} times its own size; unpack it first")
    return content


def decoded(content: bytes, path: Path, report: Report) -> str:
    """Return bytes as text: by a byte order mark, as UTF-8, or as Windows-1252, which is told."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            report.add("read", f"encoding {encoding.removesuffix('-sig')}, by its byte order mark")
            break
    else:
        encoding = "utf-8"
    if content.startswith(b"PK\3\4"):
        raise UserError(f"{path} is no text but an archive or a workbook, such as Excel's .xlsx; save it as .csv")
    if encoding == "utf-8" and b"\0" in content[:4096]:
        raise UserError(f"{path} is no text: it holds zero bytes; a table in UTF-16 needs a byte order mark")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise UserError(f"{path} begins as {encoding} but goes on otherwise; save it as UTF-8") from None
        text = content.decode("cp1252", errors="replace")
        odd = [line for line in text.splitlines() if not line.isascii()]
        report.add("changed", "encoding: not UTF-8, read as Windows-1252 (Latin-1)", None, odd, warn=True)
        return text
