"""Whether a system that was killed under load kept its promises: its books beside the channel's.

Every payment that a client was told of has ended, and its app knows how; an order that the channel
took money for is taken once, and booked once with the same amount; nothing else is booked; every
ledger transaction sums to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import psycopg

# Both sides name a capture after its serial. Postings that were doubled under other names show as
# a serial that the channel does not know, those within a transaction as another amount.
_BOOKED = """
SELECT replace(ledger_transaction_id, 'ltx_capture_', ''),
       coalesce(sum(amount_minor) FILTER (WHERE amount_minor > 0), 0), sum(amount_minor)
FROM ledger_entry GROUP BY ledger_transaction_id
"""


@dataclass(frozen=True)
class Books:
    """What was captured, by serial, and the ledger transactions that do not sum to nothing."""

    booked: Mapping[str, int]
    unbalanced: Sequence[str] = ()


@dataclass(frozen=True)
class Verdict:
    """`faults` holds what offends, by what it is; empty is what we want."""

    kills: Sequence[str]
    told: int
    faults: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        *,
        kills: Sequence[str],
        told: Sequence[str],
        ends: Mapping[str, str],
        trades: Sequence[Mapping[str, Any]],
        books: Books,
    ) -> Self:
        """`ends` are the webhooks by payment, `trades` the channel's own books."""
        paid = {str(one["out_trade_no"]): one for one in trades if one["status"] == "paid"}
        amounts = {serial: int(one["amount_minor"]) for serial, one in paid.items()}
        payments = {f"pay_{serial[:-2]}" for serial in paid}
        found = {
            "told of twice": sorted({one for one in told if told.count(one) > 1}),
            "without an end": [one for one in told if one not in ends],
            "ended otherwise than the channel says": [
                one
                for one, end in ends.items()
                if one in told and (end == "payment.succeeded") != (one in payments)
            ],
            "taken twice": [s for s, one in paid.items() if int(one["executions"]) != 1],
            "taken and not booked, or not as much": [
                serial for serial, amount in amounts.items() if books.booked.get(serial) != amount
            ],
            "booked and not taken": [serial for serial in books.booked if serial not in amounts],
            "not balanced": list(books.unbalanced),
        }
        return cls(
            kills=kills, told=len(told), faults={what: ids for what, ids in found.items() if ids}
        )

    @property
    def is_passed(self) -> bool:
        """Nothing is wrong, and something was tried."""
        return bool(self.kills) and self.told > 0 and not self.faults

    def in_words(self) -> str:
        words = [f"{len(ids)} {what} ({ids[0]}, …)" for what, ids in self.faults.items()]
        return "; ".join(words) or "nothing lost, nothing doubled"


def read_books(database_url: str) -> Books:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(_BOOKED).fetchall()
    return Books(
        booked={serial: int(amount) for serial, amount, _ in rows},
        unbalanced=[serial for serial, _, rest in rows if rest != 0],
    )
