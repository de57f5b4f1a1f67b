"""`python -m bench.reconciliation`: a statement of a million lines against a million payments.

Beside it, in the same run and on the same server, the least that could do the job: the lines of the
same file copied as they are read, one full join, one GROUP BY (`bare`); and the same from a file
that is ready to be copied, which no channel sends (`ready`). Ours reads the channel's own file
(Alipay's zipped bill), verifies its totals, matches, writes down every difference and finishes the
run. The differences are planted and known, so a run that finds others ends with an error.

`--lines 100000` for a quick look. Nothing else may be at work on the machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from channels.alipay.statement import AlipayStatement
from devstack.postgres import EmbeddedPostgres
from models.reconciliation import (
    MatchingRules,
    ReconciliationOrder,
    StatementFacts,
    StatementSource,
)
from storage.migrate import upgrade
from storage.statement_run import StatementRun, load_and_classify

DAY = date(2026, 11, 20)
SELLER = "2088000000000001"
ACCOUNT, APP, MERCHANT = "acc_bench", "app_bench", "mer_bench"
# Of so many lines, one has that difference. Each is prime, and a line has the first that fits.
PLANTS = {"missing": 9_973, "amount": 10_007, "foreign": 10_009, "fee": 10_037}
FOUND_AS = {
    "missing": "ours_only",
    "amount": "amount_diff",
    "foreign": "channel_only",
    "fee": "fee_diff",
}
_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,"
    "券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


def plant_of(number: int) -> str:
    return next((name for name, every in PLANTS.items() if number % every == 0), "")


def expected(lines: int) -> dict[str, int]:
    """How many of each class a right run finds."""
    found = dict.fromkeys(FOUND_AS.values(), 0)
    for number in range(1, lines + 1):
        if plant := plant_of(number):
            found[FOUND_AS[plant]] += 1
            # A foreign line stands instead of ours, which is then missing.
            found["ours_only"] += plant == "foreign"
    return {name: count for name, count in found.items() if count}


def amount_of(number: int) -> int:
    return 100 + number % 99_900


def rows(lines: int) -> Iterator[tuple[str, int, int, str]]:
    """Serial, amount, fee and time of each line of the statement."""
    for number in range(1, lines + 1):
        plant = plant_of(number)
        if plant == "missing":
            continue
        serial = f"FOREIGN{number:012d}" if plant == "foreign" else f"P{number:015d}"
        amount = amount_of(number) + (plant == "amount")
        fee = round(amount * 60 / 10_000) + 9 * (plant == "fee")
        second = number % 86_400
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        yield serial, amount, fee, f"2026-11-20 {clock}"


# ---- the data ---------------------------------------------------------------------------------

_FILL = """
SET session_replication_role = replica;
INSERT INTO app (id, name, status, webhook_secret, late_success, created_at)
VALUES ('app_bench', 'bench', 'active', '', 'ask', '2026-01-01');
INSERT INTO merchant VALUES ('mer_bench', 'app_bench', 'bench', 'active', '2026-01-01');
INSERT INTO channel_account (id, app_id, merchant_id, channel, version, status, methods, fee_bps,
                             parameters, secrets, created_at)
VALUES ('acc_bench', 'app_bench', 'mer_bench', 'alipay', 1, 'active', '{{alipay_qr}}', 60, '{{}}',
        '', '2026-01-01');
INSERT INTO payment (
    id, app_id, merchant_id, order_no, amount_minor, currency, method, subject, capture_method,
    status, version, notified, late_success, fingerprint, request_id, created_at, updated_at,
    expires_at, initiate_by, succeeded_at, captured_minor, attempt_status
)
SELECT 'pay_' || lpad(n::text, 15, '0'), 'app_bench', 'mer_bench', n::text, 100 + n % 99900, 'CNY',
       'alipay_qr', 'tea', 'automatic', 'succeeded', 3, 1, 'ask', '', '', at, at, at, at, at,
       100 + n % 99900, 'charged'
FROM generate_series(1, {lines}) AS n,
     LATERAL (SELECT timestamptz '2026-11-19 16:00Z' + n % 86400 * interval '1 second') AS t (at);
INSERT INTO attempt (
    id, app_id, payment_id, number, method, serial, channel, account_id, account_version, fee_bps,
    status, amount_minor, currency, channel_reference, created_at, updated_at, charged_at,
    charged_minor
)
SELECT 'att_' || lpad(n::text, 15, '0'), 'app_bench', 'pay_' || lpad(n::text, 15, '0'), 1,
       'alipay_qr', 'P' || lpad(n::text, 15, '0'), 'alipay', 'acc_bench', 1, 60, 'charged',
       100 + n % 99900,
       'CNY', '20261120220014' || lpad(n::text, 14, '0'), at, at, at, 100 + n % 99900
FROM generate_series(1, {lines}) AS n,
     LATERAL (SELECT timestamptz '2026-11-19 16:00Z' + n % 86400 * interval '1 second') AS t (at);
CREATE UNLOGGED TABLE bare_ours AS SELECT serial, amount_minor, currency FROM attempt;
SET session_replication_role = origin;
ANALYZE;
"""


def write_bill(lines: int, path: Path) -> None:
    """Alipay's bill with its two totals, a line at a time."""
    entry = zipfile.ZipInfo("20880000000000010156_20261120_业务明细.csv", (2026, 11, 21, 5, 46, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    count = total = 0
    with zipfile.ZipFile(path, "w", compresslevel=1) as archive, archive.open(entry, "w") as table:
        head = (
            "#支付宝业务明细查询",
            f"#账号：[{SELLER}0156]",
            "#起始日期：[2026年11月20日 00:00:00]   终止日期：[2026年11月21日 00:00:00]",
            "#-----------------------------------------业务明细列表-----------------------------",
            _COLUMNS,
        )
        table.write("".join(f"{line}\r\n" for line in head).encode("gbk"))
        block: list[str] = []
        for number, (serial, amount, fee, at) in enumerate(rows(lines), start=1):
            count, total = count + 1, total + amount
            block.append(_bill_line(number, serial, amount, fee, at))
            if len(block) == 10_000:
                table.write("".join(block).encode("gbk"))
                block.clear()
        table.write("".join(block).encode("gbk"))
        tail = (
            "#-----------------------------------------业务明细列表结束-------------------------",
            f"#交易合计：{count}笔，商家实收共{_yuan(total)}元，商家优惠共0.00元",
            "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元",
            "#导出时间：[2026年11月21日 05:46:49]",
        )
        table.write("".join(f"{line}\r\n" for line in tail).encode("gbk"))


def _bill_line(number: int, serial: str, amount: int, fee: int, at: str) -> str:
    yuan = _yuan(amount)
    cells = (
        f"20261120220014{number:014d}\t",
        f"{serial}\t",
        "交易\t",
        "两杯咖啡",
        "2026-11-20 00:00:00",
        at,
        *["\t"] * 4,
        "*者(150******00)\t",
        yuan,
        yuan,
        *["0.00"] * 5,
        "",
        "0.00\t",
        "0.00",
        "\t",
        f"-{_yuan(fee)}",
        "0.00",
        "",
    )
    return ",".join(cells) + "\r\n"


def _yuan(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def write_copy_file(lines: int, path: Path) -> None:
    with path.open("w") as file:
        for serial, amount, fee, at in rows(lines):
            file.write(f"payment\t{serial}\t{amount}\t{fee}\tCNY\t{at}+08\n")


# ---- the two sides ----------------------------------------------------------------------------

_BARE = """
SELECT class, count(*) FROM (
    SELECT CASE WHEN l.serial IS NULL THEN 'ours_only' WHEN o.serial IS NULL THEN 'channel_only'
                WHEN (l.amount_minor, l.currency) <> (o.amount_minor, o.currency) THEN 'amount_diff'
                ELSE 'match' END AS class
    FROM bare_line l FULL JOIN bare_ours o ON o.serial = l.serial
) AS classified GROUP BY class
"""


def _from_bill(copy: psycopg.Copy, path: Path) -> None:
    for line in AlipayStatement(path, seller_id=SELLER, day=DAY).lines():
        kind, serial, _, _, amount, fee, currency, at = line
        copy.write_row((kind.value, serial, amount, fee, currency, at))


def _from_ready(copy: psycopg.Copy, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            copy.write(block)


def run_bare(url: str, path: Path, fill: Callable[[psycopg.Copy, Path], None]) -> float:
    """COPY, a full join and a GROUP BY, in seconds."""
    with psycopg.connect(url) as connection:
        began = time.monotonic()
        connection.execute(
            "CREATE UNLOGGED TABLE bare_line (kind text, serial text, amount_minor bigint, "
            "fee_minor bigint, currency text, occurred_at timestamptz)"
        )
        with connection.cursor().copy("COPY bare_line FROM STDIN") as copy:
            fill(copy, path)
        connection.execute("ANALYZE bare_line")
        connection.execute(_BARE).fetchall()
        seconds = time.monotonic() - began
        connection.execute("DROP TABLE bare_line")
    return seconds


def run_ours(url: str, path: Path, reconciliation_id: str) -> dict[str, Any]:
    """What the activity does, from the channel's file to the finished run."""
    order = ReconciliationOrder(
        reconciliation_id=reconciliation_id,
        account_id=ACCOUNT,
        app_id=APP,
        channel="alipay",
        business_day=DAY,
        timezone="Asia/Shanghai",
        requested_by="bench",
    )
    run = StatementRun(
        order,
        StatementFacts(source=StatementSource.FETCHED, sha256="0" * 64, bytes=path.stat().st_size),
        MatchingRules(channel_fee_bps=60, cutoff_minutes=0),
        AlipayStatement(path, seller_id=SELLER, day=DAY),
        datetime(2026, 11, 22, tzinfo=UTC),
    )
    began = time.monotonic()
    result = load_and_classify(url, run)
    seconds = time.monotonic() - began
    began = time.monotonic()
    lines = sum(1 for _ in AlipayStatement(path, seller_id=SELLER, day=DAY).lines())
    return {
        "seconds": seconds,
        "parse": time.monotonic() - began,
        "lines": lines,
        "matched": result.matched,
        "classes": {name.value: count for name, count in result.classes.items()},
        "adds_up": result.adds_up,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _ours_in_a_process(url: str, path: Path, reconciliation_id: str) -> dict[str, Any]:
    """In a process of its own, so that its peak of memory is the run's alone."""
    command = [sys.executable, "-m", "bench.reconciliation", "--one", str(path), reconciliation_id]
    done = subprocess.run(command, input=url, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _new_day(url: str, number: int) -> str:
    """The same day of the same account, as if nobody had ever reconciled it."""
    name = f"rec_bench{number}"
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in ("discrepancy_transition", "discrepancy", "reconciliation"):
            connection.execute(f"TRUNCATE {table} CASCADE")
        connection.execute(
            "INSERT INTO reconciliation (id, app_id, account_id, channel, business_day, timezone, "
            "status, runs, requested_by, created_at) VALUES (%s, %s, %s, 'alipay', %s, "
            "'Asia/Shanghai', 'running', 1, 'bench', now())",
            (name, APP, ACCOUNT, DAY),
        )
    return name


def measure(lines: int, rounds: int, say: Console) -> int:
    """Print both sides by round, and the median of their ratio; 1 when a difference was missed."""
    right = expected(lines)
    table = Table(title=f"{lines:,} lines against {lines:,} payments")
    for column in (
        "round",
        "ready s",
        "bare s",
        "ours s",
        "ours / bare",
        "parse alone s",
        "peak MB",
    ):
        table.add_column(column, justify="right")
    ratios, wrong = [], 0
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as server:
        upgrade(server.owner_url)
        bill, ready = Path(folder) / "bill.zip", Path(folder) / "lines.tsv"
        say.print("writing the statement and filling the tables …")
        write_bill(lines, bill)
        write_copy_file(lines, ready)
        with psycopg.connect(server.owner_url, autocommit=True) as connection:
            connection.execute(_FILL.format(lines=lines))
        for number in range(1, rounds + 1):
            fastest = run_bare(server.owner_url, ready, _from_ready)
            bare = run_bare(server.owner_url, bill, _from_bill)
            ours = _ours_in_a_process(server.app_url, bill, _new_day(server.owner_url, number))
            ratios.append(ours["seconds"] / bare)
            cells = (fastest, bare, ours["seconds"], ratios[-1], ours["parse"])
            table.add_row(str(number), *(f"{cell:.2f}" for cell in cells), f"{ours['peak_mb']:.0f}")
            if ours["classes"] != right or not ours["adds_up"]:
                wrong += 1
                say.print(f"found {ours['classes']} instead of {right}", style="red")
    say.print(table)
    say.print(f"ratio, median of the rounds: {median(ratios):.2f}; planted and found: {right}")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("BILL", "RECONCILIATION"), help="for itself")
    options = parser.parse_args()
    if options.one:
        bill, reconciliation_id = options.one
        print(json.dumps(run_ours(sys.stdin.read(), Path(bill), reconciliation_id)))
        return 0
    return measure(options.lines, options.rounds, Console())


if __name__ == "__main__":
    sys.exit(main())
