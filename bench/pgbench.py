"""pgbench of the PostgreSQL we run, making the same call: the ledger without our Python."""

import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass

from bench.postings import (
    CURRENCY,
    FEE_MINOR,
    MERCHANTS,
    MERCHANTS_OF_AN_APP,
    NET_MINOR,
    Crowd,
)
from devstack.postgres import EmbeddedPostgres
from models.ledger import AccountKind

# The JSON is put together by the server, since pgbench cannot; it costs it some microseconds.
# A random event of 2^62 meets an earlier one never in practice; then the count would say so.
_SCRIPT = """\
\\set event random(1, 4611686018427387904)
\\set merchant {merchant}
SELECT post_ledger_transaction(CAST(format(
'{{"id": "ltx_native_%1$s", "event_type": "payment.captured", "event_id": "native_%1$s",
"app_id": "app_bench_%2$s", "occurred_at": "2026-11-21", "postings": [
{{"debit": {{"kind": "{clearing}", "owner": "acc_%3$s"}},
"credit": {{"kind": "{pending}", "owner": "mer_%3$s"}},
"amount_minor": {net}, "currency": "{currency}"}},
{{"debit": {{"kind": "{clearing}", "owner": "acc_%3$s"}},
"credit": {{"kind": "{income}", "owner": ""}},
"amount_minor": {fee}, "currency": "{currency}"}}]}}',
CAST(:event AS bigint), CAST(:merchant AS bigint) / {of_an_app}, CAST(:merchant AS bigint)
) AS jsonb));
"""
_POSTED = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)
_RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


@dataclass(frozen=True)
class PgbenchDone:
    """What it says it did, and the CPU it took itself."""

    posted: int
    per_second: float
    cpu_seconds: float


def script(crowd: Crowd) -> str:
    return _SCRIPT.format(
        merchant="0" if crowd is Crowd.HOT else f"random(0, {MERCHANTS - 1})",
        clearing=AccountKind.CHANNEL_CLEARING.value,
        pending=AccountKind.MERCHANT_PENDING.value,
        income=AccountKind.FEE_INCOME.value,
        net=NET_MINOR,
        fee=FEE_MINOR,
        currency=CURRENCY,
        of_an_app=MERCHANTS_OF_AN_APP,
    )


def run_pgbench(
    postgres: EmbeddedPostgres, crowd: Crowd, *, clients: int, seconds: float
) -> PgbenchDone:
    """Post for so many seconds over `clients` connections with prepared statements."""
    before = _children_seconds()
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script(crowd))
        file.flush()
        command = [str(postgres.binary("pgbench")), "--no-vacuum", "--protocol=prepared"]
        command += [f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={int(seconds)}"]
        done = subprocess.run(
            [*command, f"--file={file.name}", postgres.app_url],
            capture_output=True,
            text=True,
            check=True,
        )
    failed = _FAILED.search(done.stdout)
    assert failed is None or failed[1] == "0", done.stdout
    posted, rate = _POSTED.search(done.stdout), _RATE.search(done.stdout)
    assert posted is not None, done.stdout
    assert rate is not None, done.stdout
    return PgbenchDone(
        posted=int(posted[1]),
        per_second=float(rate[1]),
        cpu_seconds=_children_seconds() - before,
    )


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
