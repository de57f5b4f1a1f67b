"""One run of a reconciliation: a statement's lines against our rows, all or nothing.

It is long and streams, so it has a connection of its own and runs in a thread; memory does not grow
with the number of lines.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, LiteralString, Protocol
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from models.errors import InvariantBroken, Unavailable
from models.reconciliation import (
    DiscrepancyClass,
    LineKind,
    MatchingRules,
    ReconciliationOrder,
    RunResult,
    SideTotals,
    StatementFacts,
    StatementLine,
)
from storage import statement_sql as sql

# Lines handed to PostgreSQL at a time: some 250 kB.
_BLOCK = 2_000
# A sort or hash of the comparison may take this much of PostgreSQL's memory before it spills.
_WORK_MEM = "64MB"


class LineSource(Protocol):
    """What is read of a statement: its lines, once. An error on the way leaves nothing behind."""

    def lines(self) -> Iterator[StatementLine]: ...


@dataclass(frozen=True)
class StatementRun:
    """What a run works on. `statement` None: the channel says that nothing moved that day."""

    order: ReconciliationOrder
    facts: StatementFacts
    rules: MatchingRules
    statement: LineSource | None
    now: datetime


def day_limits(day: date, timezone: str) -> tuple[datetime, datetime]:
    """The first instant of a business day by the channel's own clock, and that of the next one."""
    zone = ZoneInfo(timezone)
    midnights = (datetime.combine(each, clock_time(), zone) for each in (day, day + timedelta(1)))
    starts_at, ends_at = midnights
    return starts_at, ends_at


def load_and_classify(
    database_url: str, run: StatementRun, progress: Callable[[int], None] = lambda _: None
) -> RunResult:
    """Stage the lines, compare, write down what does not match, and finish the run.

    `progress` is told the lines staged so far. Nothing is written unless the statement was read to
    its end without an error, so whatever its reader raises leaves all as it was. Raises
    InvariantBroken when the sums do not add up, Unavailable when the database is not there.
    """
    try:
        with psycopg.connect(
            _plain(database_url), application_name="paycenter-reconciliation"
        ) as connection:
            return _Run(connection, run).carry_out(progress)
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database is not available ({type(error).__name__})") from error


class _Run:
    def __init__(self, connection: psycopg.Connection[Any], run: StatementRun) -> None:
        self._connection = connection
        self._run = run
        order = run.order
        starts_at, ends_at = day_limits(order.business_day, order.timezone)
        self._values: dict[str, Any] = {
            "reconciliation_id": order.reconciliation_id,
            "account_id": order.account_id,
            "app_id": order.app_id,
            "channel": order.channel,
            "day": order.business_day,
            "timezone": order.timezone,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "cutoff": timedelta(minutes=run.rules.cutoff_minutes),
            "fee_bps": run.rules.channel_fee_bps,
            "fee_tolerance": run.rules.fee_tolerance_minor,
            "now": run.now,
        }

    def carry_out(self, progress: Callable[[int], None]) -> RunResult:
        began = time.monotonic()
        self._prepare()
        lines = self._stage(progress)
        self._compare()
        result = self._result(lines, time.monotonic() - began)
        if not result.adds_up:
            raise InvariantBroken(f"the sums of the statement do not add up: {result.totals}")
        self._write_down(result)
        return result

    def _prepare(self) -> None:
        self._execute("SET LOCAL statement_timeout = 0")
        self._execute(f"SET LOCAL work_mem = '{_WORK_MEM}'")
        # Runs of one account change each other's discrepancies: one at a time.
        self._execute("SELECT pg_advisory_xact_lock(hashtextextended(%(account_id)s, 4))")

    def _stage(self, progress: Callable[[int], None]) -> int:
        self._execute(sql.STAGE)
        staged = 0
        if self._run.statement is not None:
            with self._connection.cursor().copy(sql.COPY) as copy:
                for block, count in _blocks(self._run.statement.lines()):
                    copy.write(block)
                    staged += count
                    progress(staged)
        return staged

    def _compare(self) -> None:
        for statement in (
            "ANALYZE staged",
            sql.OURS,
            "ANALYZE ours",
            sql.FINDINGS,
            sql.DUPLICATES,
            sql.COMPARE,
            "ANALYZE finding",
            sql.KNOWN_PAYMENTS,
            sql.KNOWN_REFUNDS,
            sql.SETTLE_OURS,
        ):
            self._execute(statement)

    def _result(self, lines: int, seconds: float) -> RunResult:
        totals = tuple(
            SideTotals(
                kind=LineKind(row[0]),
                currency=row[1],
                statement_count=int(row[2]),
                statement_minor=int(row[3]),
                fees_minor=int(row[4]),
                ours_count=int(row[5]),
                ours_minor=int(row[6]),
                difference_minor=int(row[7]),
            )
            for row in self._execute(sql.TOTALS)
        )
        classes = self._execute(sql.CLASSES).fetchall()
        matched = self._execute(sql.MATCHED).fetchone()
        return RunResult(
            lines=lines,
            matched=matched[0] if matched else 0,
            totals=totals,
            classes={DiscrepancyClass(name): count for name, count in classes},
            rules=self._run.rules,
            seconds=round(seconds, 3),
        )

    def _write_down(self, result: RunResult) -> None:
        for statement in (sql.CARRIED, sql.MENDED, sql.KEEP):
            self._execute(statement)
        unresolved = self._execute(sql.UNRESOLVED).fetchone()
        facts = self._run.facts
        self._execute(
            sql.FINISH,
            unresolved=unresolved[0] if unresolved else 0,
            source=facts.source.value,
            sha256=facts.sha256 or None,
            bytes=facts.bytes,
            result=Jsonb(result.model_dump(mode="json")),
        )

    def _execute(self, statement: LiteralString, **more: Any) -> psycopg.Cursor[Any]:
        return self._connection.execute(statement, self._values | more)


def _blocks(lines: Iterable[StatementLine]) -> Iterator[tuple[str, int]]:
    """Lines in PostgreSQL's COPY format, many at a time, so that few calls carry them."""
    rows: list[str] = []
    number = 0
    for number, line in enumerate(lines, start=1):
        rows.append(_row(number, line))
        if len(rows) == _BLOCK:
            yield "".join(rows), len(rows)
            rows.clear()
    if rows:
        yield "".join(rows), len(rows)


def _row(number: int, line: StatementLine) -> str:
    kind, serial, refund_serial, reference, amount, fee, currency, occurred_at = line
    ours = serial if kind is LineKind.PAYMENT else refund_serial
    key = ours or f"{serial}/{reference}"
    text = f"{key}\t{serial}\t{refund_serial}\t{reference}"
    # Our own numbers are letters and digits; what else a channel may write is escaped.
    if not f"{key}{refund_serial}{reference}{serial}".isalnum():
        text = "\t".join(_escaped(part) for part in (key, serial, refund_serial, reference))
    return f"{number}\t{kind.value}\t{text}\t{amount}\t{fee}\t{currency}\t{occurred_at}\n"


def _escaped(part: str) -> str:
    for character, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        part = part.replace(character, written)
    return part.replace("\x00", "")


def _plain(url: str) -> str:
    """The address as libpq knows it, without the name of a driver."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"
