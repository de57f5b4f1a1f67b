"""Reading Alipay's daily bill: a zip of GBK tables, one line for each payment and refund.

Source: channels reference section 2 (bill) and the bill's own text in published samples of 2019 to
2026; read 2026-11-20.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from channels.alipay.statement_lines import Columns, Sums, refuse
from models.reconciliation import StatementLine, StatementTotals

# A day of a million lines unpacks to 250 MB; beyond this it is no bill but an attack on our disk.
UNPACKED_MAX_BYTES = 8 * 1024**3
_ENTRIES_MAX = 100
_LINE_MAX = 16_384  # characters; a real line has some 300

_ENCODING = "gb18030"  # GBK, and what was added to it later
_NAME_END = "_业务明细.csv"
_FIRST = "#支付宝业务明细查询"
_END = "业务明细列表结束"
# An account's number is its holder's id and, in all bills seen, 0156 behind it.
_ACCOUNT_SUFFIXES = ("", "0156")


class AlipayStatement:
    """One bill of `seller_id` for `day`. Go through `lines` to their end, then read `totals`.

    Every way in which it can be wrong is an InvalidRequest with a code of its own: `statement-`
    and missing, truncated, malformed, wrong-encoding, wrong-merchant, wrong-day, wrong-totals.
    The totals come last in the file, so what was loaded is good only when no error came. One line
    at a time is held in memory.
    """

    def __init__(self, path: Path, *, seller_id: str, day: date) -> None:
        self._path = path
        self._seller_id = seller_id
        self._day = day
        self._totals: StatementTotals | None = None

    @property
    def totals(self) -> StatementTotals:
        """What the lines add up to. Raises RuntimeError before they were read to their end."""
        if self._totals is None:
            raise RuntimeError("the lines were not read to their end")
        return self._totals

    def lines(self) -> Iterator[StatementLine]:
        """The lines in the bill's own order, read as they are asked for."""
        with _unpacked(self._path) as raw:
            yield from self._read(raw)

    def _read(self, raw: IO[bytes]) -> Iterator[StatementLine]:
        _check_first(raw.readline(_LINE_MAX))
        text = _Text(raw)
        self._check_account(text.next())
        self._check_period(text.next())
        text.next()  # the rule above the table
        columns, sums = Columns(text.next()), Sums()
        for line in text.until_end():
            found, received = columns.read(line, text.number)
            sums.add(found, received)
            yield found
        sums.check(text.next(), text.next())
        text.drain()
        self._totals = sums.totals()

    def _check_account(self, line: str) -> None:
        if not any(line == f"#账号：[{self._seller_id}{end}]" for end in _ACCOUNT_SUFFIXES):
            if not line.startswith("#账号："):
                refuse("malformed", "its second line names no account")
            refuse("wrong-merchant", f"it says {line[1:60]}, ours is {self._seller_id}")

    def _check_period(self, line: str) -> None:
        start, end = _midnight(self._day), _midnight(self._day + timedelta(days=1))
        if line.split() != f"#起始日期：[{start}] 终止日期：[{end}]".split():
            if not line.startswith("#起始日期："):
                refuse("malformed", "its third line names no period")
            refuse("wrong-day", f"it says {line[1:80]}, asked for was {self._day}")


class _Text:
    """The text line by line, without line ends, counted as an editor counts."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._source = TextIOWrapper(raw, encoding=_ENCODING, newline="\n")
        self.number = 1  # the first line was looked at as bytes

    def next(self) -> str:
        self.number += 1
        line = self._source.readline(_LINE_MAX)
        if not line.endswith("\n"):
            refuse("truncated", f"it ends in line {self.number}")
        return line.rstrip("\r\n")

    def until_end(self) -> Iterator[str]:
        """The lines before the one that ends the list."""
        readline = self._source.readline
        while (line := readline(_LINE_MAX)).endswith("\n"):
            self.number += 1
            if line.startswith("#") and _END in line:
                return
            yield line.rstrip("\r\n")
        refuse("truncated", f"it ends in line {self.number + 1}")

    def drain(self) -> None:
        """Read what is left, so that the archive's checksum is compared."""
        while self._source.read(_LINE_MAX):
            pass


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The table inside the archive, decompressed as it is read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_entry(archive)) as raw:
            yield raw
    except FileNotFoundError:
        refuse("missing", "there is no such file")
    except (zipfile.BadZipFile, zlib.error, EOFError):
        refuse("truncated", "the archive is damaged, or not all of it is there")
    except UnicodeDecodeError as error:
        if "incomplete" in error.reason:
            refuse("truncated", "it ends in the middle of a character")
        refuse("wrong-encoding", "the text is not GBK")


def _entry(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The table of lines; beside it lies a summary. Names are GBK without a word of it."""
    entries = archive.infolist()[:_ENTRIES_MAX]
    found = [entry for entry in entries if _name(entry).endswith(_NAME_END)]
    if len(found) != 1:
        refuse("missing", f"the archive holds {len(found)} tables named …{_NAME_END}")
    if found[0].file_size > UNPACKED_MAX_BYTES:
        refuse("malformed", f"it unpacks to {found[0].file_size} bytes")
    return found[0]


def _name(entry: zipfile.ZipInfo) -> str:
    """Python takes a name without the UTF-8 flag for code page 437."""
    try:
        return entry.filename.encode("cp437").decode(_ENCODING)
    except UnicodeError:
        return entry.filename


def _check_first(line: bytes) -> None:
    if line.rstrip(b"\r\n") == _FIRST.encode(_ENCODING):
        return
    if line.removeprefix(b"\xef\xbb\xbf").startswith(_FIRST.encode()):
        refuse("wrong-encoding", "the text is UTF-8, not GBK")
    if not line.endswith(b"\n"):
        refuse("truncated", "it ends in its first line")
    refuse("malformed", "it does not begin like a bill")


def _midnight(day: date) -> str:
    return f"{day:%Y年%m月%d日} 00:00:00"
