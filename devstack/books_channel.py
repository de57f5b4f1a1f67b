"""Our books beside the channel's own, as the sandbox shows them: who took what, and who knows it.

Read the channel's first and ours second: what the channel has heard of was on our disk before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from storage.books import OurBooks
from storage.books_check import CheckResult, Holds, Shown, result_of

# How far the channel's clock may be from ours.
_CLOCKS = timedelta(seconds=5)

Trade = Mapping[str, Any]
Row = Mapping[str, Any]


def compare(trades: Sequence[Trade], ours: OurBooks, *, quiet: bool) -> tuple[CheckResult, ...]:
    """Every check that needs both books; without `quiet` those that hold at every instant."""
    books = _Both(trades, ours)
    results = (*books.charges(), *books.refunds(), *books.reflections())
    return tuple(result for result in results if quiet or result.holds is Holds.ALWAYS)


def taken_minor(trade: Trade) -> int:
    """What the channel took for a trade, before anything went back."""
    if not trade["executions"]:
        return 0
    captured = trade.get("captured_minor")
    return int(trade["amount_minor"] if captured is None else captured)


def returned_minor(trade: Trade) -> int:
    """What the channel gave back; a refund on its way at the channel has not arrived."""
    listed = trade["refund_list"]
    if any("status" in refund for refund in listed):
        return sum(int(one["amount_minor"]) for one in listed if _arrived(one))
    return int(trade["refunded_minor"])


class _Both:
    def __init__(self, trades: Sequence[Trade], ours: OurBooks) -> None:
        self._trades = trades
        self._attempts: dict[str, Row] = {row["serial"]: row for row in ours.attempts}
        self._refunds: dict[str, Row] = {row["refund_serial"]: row for row in ours.refunds}
        self._owed = ours.clearing_minor
        self._known = [
            (trade, self._attempts[trade["out_trade_no"]])
            for trade in trades
            if trade["out_trade_no"] in self._attempts
        ]
        self._given = [(trade, one) for trade in trades for one in trade["refund_list"]]

    # ---- what the channel did under our serials --------------------------------------------------

    def charges(self) -> Iterable[CheckResult]:
        trades = len(self._trades)
        yield _always(
            "I1",
            "the channel took money more than once for one serial",
            trades,
            [_trade(trade) for trade in self._trades if int(trade["executions"]) > 1],
        )
        kept: dict[str, list[str]] = defaultdict(list)
        for trade, attempt in self._known:
            if taken_minor(trade) > returned_minor(trade):
                kept[attempt["payment_id"]].append(trade["out_trade_no"])
        yield _quiet(
            "I1",
            "the channel took money for two serials of a payment and kept it",
            len(kept),
            [
                {"payment_id": payment, "serials": " ".join(serials)}
                for payment, serials in kept.items()
                if len(serials) > 1
            ],
        )
        yield _always(
            "I2",
            "the channel heard of another amount than the attempt's, or took more",
            len(self._known),
            [
                _trade(trade) | {"our_minor": attempt["amount_minor"]}
                for trade, attempt in self._known
                if (int(trade["amount_minor"]), trade["currency"])
                != (attempt["amount_minor"], attempt["currency"])
                or taken_minor(trade) > attempt["amount_minor"]
            ],
        )
        yield _always(
            "I4",
            "the channel heard of a number that was not on our disk before",
            trades + len(self._given),
            [
                *(_trade(trade) for trade in self._trades if not self._was_on_disk(trade)),
                *(
                    _refund(trade, one)
                    for trade, one in self._given
                    if one["serial"] and one["serial"] not in self._refunds
                ),
            ],
        )

    def _was_on_disk(self, trade: Trade) -> bool:
        attempt = self._attempts.get(trade["out_trade_no"])
        return attempt is not None and attempt["created_at"] <= _instant(trade) + _CLOCKS

    # ---- what the channel gave back --------------------------------------------------------------

    def refunds(self) -> Iterable[CheckResult]:
        ours = [
            (trade, one, self._refunds[one["serial"]])
            for trade, one in self._given
            if one["serial"] in self._refunds
        ]
        yield _always(
            "I6",
            "the channel gave money back of another serial than the one that took it",
            len(ours),
            [
                _refund(trade, one) | {"our_serial": refund["serial"]}
                for trade, one, refund in ours
                if trade["out_trade_no"] != refund["serial"]
            ],
        )
        times = Counter(one["serial"] for _, one in self._given if one["serial"] and _stands(one))
        yield _always(
            "I7",
            "the channel gave money back twice under one number, or another amount",
            len(ours),
            [
                _refund(trade, one) | {"our_minor": refund["amount_minor"]}
                for trade, one, refund in ours
                if int(one["executions"]) > 1
                or times[one["serial"]] > 1
                or int(one["amount_minor"]) != refund["amount_minor"]
            ],
        )

    # ---- each side knows what the other does -----------------------------------------------------

    def reflections(self) -> Iterable[CheckResult]:
        arrived = {one["serial"]: trade for trade, one in self._given if _arrived(one)}
        yield _quiet(
            "I13",
            "money that the channel took, or gave back, and we did not book",
            len(self._trades) + len(arrived),
            [
                *(
                    _trade(trade) | {"payment": attempt["status"]}
                    for trade, attempt in self._known
                    if taken_minor(trade) > returned_minor(trade)
                    and attempt["attempt_status"] != "charged"
                ),
                *(
                    _trade(trade) | {"refund_serial": serial, "refund": refund["status"]}
                    for serial, trade in arrived.items()
                    if (refund := self._refunds.get(serial)) and refund["status"] != "succeeded"
                ),
            ],
        )
        by_serial = {trade["out_trade_no"]: trade for trade in self._trades}
        charged = [row for row in self._attempts.values() if row["attempt_status"] == "charged"]
        succeeded = [row for row in self._refunds.values() if row["status"] == "succeeded"]
        yield _quiet(
            "I14",
            "a success of ours that the channel knows nothing of, or of which it says another sum",
            len(charged) + len(succeeded),
            [
                *(
                    _attempt(row)
                    for row in charged
                    if taken_minor(by_serial.get(row["serial"], _NOTHING)) != row["captured_minor"]
                ),
                *(
                    {"refund_id": row["refund_id"], "refund_serial": row["refund_serial"]}
                    for row in succeeded
                    if row["refund_serial"] not in arrived
                ),
            ],
        )
        yield self._clearing()

    def _clearing(self) -> CheckResult:
        theirs: Counter[str] = Counter()
        for trade in self._trades:
            theirs[trade["currency"]] += taken_minor(trade) - returned_minor(trade)
        currencies = sorted(theirs.keys() | self._owed.keys())
        return _quiet(
            "I25",
            "what our books say the channel owes us, and what it holds of ours, differ",
            len(currencies),
            [
                {
                    "currency": currency,
                    "our_minor": self._owed.get(currency, 0),
                    "their_minor": theirs[currency],
                }
                for currency in currencies
                if self._owed.get(currency, 0) != theirs[currency]
            ],
        )


_NOTHING: Trade = {"executions": 0}


def _always(name: str, meaning: str, looked_at: int, offenders: list[Shown]) -> CheckResult:
    return result_of(name, meaning, Holds.ALWAYS, looked_at=looked_at, offenders=offenders)


def _quiet(name: str, meaning: str, looked_at: int, offenders: list[Shown]) -> CheckResult:
    return result_of(name, meaning, Holds.WHEN_QUIET, looked_at=looked_at, offenders=offenders)


def _stands(refund: Row) -> bool:
    """Whether it was made at all: Stripe also lists those that failed."""
    return refund.get("status") not in {"failed", "canceled"}


def _arrived(refund: Row) -> bool:
    return bool(refund.get("status", "succeeded") == "succeeded")


def _instant(trade: Trade) -> datetime:
    return datetime.fromisoformat(str(trade["created_at"]))


def _trade(trade: Trade) -> Shown:
    return {
        "serial": str(trade["out_trade_no"]),
        "provider": str(trade["provider"]),
        "their_status": str(trade["status"]),
        "their_minor": int(trade["amount_minor"]),
        "taken_minor": taken_minor(trade),
        "returned_minor": returned_minor(trade),
        "executions": int(trade["executions"]),
    }


def _refund(trade: Trade, refund: Row) -> Shown:
    return {
        "serial": str(trade["out_trade_no"]),
        "refund_serial": str(refund["serial"]),
        "their_minor": int(refund["amount_minor"]),
        "executions": int(refund["executions"]),
    }


def _attempt(row: Row) -> Shown:
    return {
        "serial": str(row["serial"]),
        "payment_id": str(row["payment_id"]),
        "status": str(row["status"]),
        "captured_minor": int(row["captured_minor"]),
    }
