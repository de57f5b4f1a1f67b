"""Differences planted into the statement: what balance transactions say that never happened."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from sandbox.stripe.books import StripeBooks, Wanted
from sandbox.stripe.models import Posting, Refund
from sandbox.stripe.words import AVAILABLE_AFTER, Ids, Shown

_PLANTS_MAX = 1000
_ALL = 10_000_000  # more lines than any planted statement has


class PlantType(StrEnum):
    MISSING_ROW = "missing_row"
    DUPLICATE_ROW = "duplicate_row"
    EXTRA_ROW = "extra_row"
    OTHER_AMOUNT = "other_amount"
    OTHER_FEE = "other_fee"


class LineKind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"


class Plant(BaseModel):
    """A difference as it is asked for; without `account_id` it strikes all accounts.

    `number` names a line: a refund by its own number (`metadata[refund]`) or id, a payment by its
    order's; the source of an extra line has it for its own. `amount_minor` is the amount of an
    extra or changed line, or the fee of `other_fee`; never negative. `at` is when an extra line was
    made, now when it is not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: PlantType
    account_id: str | None = None
    number: str
    amount_minor: int = Field(default=1, ge=0)
    kind: LineKind = LineKind.PAYMENT
    currency: str = Field(default="usd", pattern=r"^[a-z]{3}$")
    at: datetime | None = None


class Plants:
    """The differences asked for. Kept in memory: a restarted sandbox tells the truth."""

    def __init__(self, books: StripeBooks, ids: Ids) -> None:
        self._books = books
        self._ids = ids
        self._plants: list[tuple[Plant, str]] = []

    def add(self, plant: Plant, now: datetime) -> None:
        """Raises ValueError when there are too many."""
        if len(self._plants) >= _PLANTS_MAX:
            raise ValueError(f"there are {_PLANTS_MAX} plants already; delete some")
        dated = plant if plant.at is not None else plant.model_copy(update={"at": now})
        self._plants.append((dated, self._ids.new("txn")))

    def all(self) -> tuple[Plant, ...]:
        return tuple(plant for plant, _ in self._plants)

    def remove_all(self) -> int:
        removed = len(self._plants)
        self._plants = []
        return removed

    def lines(self, wanted: Wanted) -> tuple[Posting, ...]:
        """What the books hold, with what is planted; the newest first, as a page of `wanted`."""
        striking = [
            (plant, line_id)
            for plant, line_id in self._plants
            if plant.account_id in {None, wanted.account_id}
        ]
        if not striking:
            return self._books.list_objects(Posting, wanted)
        whole = Wanted(account_id=wanted.account_id, limit=_ALL)
        found = list(self._books.list_objects(Posting, whole))
        for plant, line_id in striking:
            found = self._with_plant(found, plant, line_id, wanted.account_id or "")
        found.sort(key=lambda posting: posting.id, reverse=True)
        return _page(found, wanted)

    def knows(self, line_id: str) -> bool:
        """Whether a page may begin after it, though no book has it."""
        return any(line_id == planted for _, planted in self._plants)

    def source_of(self, object_id: str) -> Shown | None:
        """The charge or refund that an extra line says it is about."""
        for plant, line_id in self._plants:
            if plant.type is PlantType.EXTRA_ROW and object_id == _source_id(plant, line_id):
                return _source(plant, object_id)
        return None

    def _with_plant(
        self, found: list[Posting], plant: Plant, line_id: str, account_id: str
    ) -> list[Posting]:
        named = {posting.id for posting in found if self._is_named(posting, plant)}
        match plant.type:
            case PlantType.MISSING_ROW:
                return [posting for posting in found if posting.id not in named]
            case PlantType.DUPLICATE_ROW:
                twins = [posting for posting in found if posting.id in named][:1]
                return found + [twin.model_copy(update={"id": line_id}) for twin in twins]
            case PlantType.EXTRA_ROW:
                return [*found, _extra(plant, line_id, account_id)]
            case PlantType.OTHER_AMOUNT:
                return [_other_amount(one, plant) if one.id in named else one for one in found]
            case PlantType.OTHER_FEE:
                fee = {"fee": plant.amount_minor}
                return [
                    posting.model_copy(update=fee) if posting.id in named else posting
                    for posting in found
                ]

    def _is_named(self, posting: Posting, plant: Plant) -> bool:
        if posting.type == "charge":
            return plant.number in {posting.order_no, posting.source}
        refund = self._books.find(Refund, posting.source)
        names = {posting.source, refund.metadata.get("refund") if refund else None}
        return posting.type == "refund" and plant.number in names


def _other_amount(posting: Posting, plant: Plant) -> Posting:
    sign = -1 if posting.amount < 0 else 1
    return posting.model_copy(update={"amount": sign * plant.amount_minor})


def _extra(plant: Plant, line_id: str, account_id: str) -> Posting:
    if plant.at is None:
        raise ValueError("a plant has a time once it is added")
    is_refund = plant.kind is LineKind.REFUND
    return Posting(
        id=line_id,
        account_id=account_id,
        order_no=plant.number,
        created_at=plant.at,
        intent="",
        type="refund" if is_refund else "charge",
        source=_source_id(plant, line_id),
        amount=-plant.amount_minor if is_refund else plant.amount_minor,
        fee=0,
        currency=plant.currency,
        available_at=plant.at + AVAILABLE_AFTER,
    )


def _source_id(plant: Plant, line_id: str) -> str:
    return line_id.replace("txn_", "re_" if plant.kind is LineKind.REFUND else "ch_")


def _source(plant: Plant, object_id: str) -> Shown:
    is_refund = plant.kind is LineKind.REFUND
    return {
        "id": object_id,
        "object": "refund" if is_refund else "charge",
        "amount": plant.amount_minor,
        "currency": plant.currency,
        "metadata": {"refund" if is_refund else "order": plant.number},
        "payment_intent": None,
    }


def _page(found: Iterable[Posting], wanted: Wanted) -> tuple[Posting, ...]:
    matching = [posting for posting in found if _matches(posting, wanted)]
    if wanted.after is not None:
        matching = [posting for posting in matching if posting.id < wanted.after]
    if wanted.before is not None:
        return tuple([one for one in matching if one.id > wanted.before][-wanted.limit :])
    return tuple(matching[: wanted.limit])


def _matches(posting: Posting, wanted: Wanted) -> bool:
    created = int(posting.created_at.timestamp())
    return (
        wanted.created_from <= created <= wanted.created_until
        and (not wanted.types or posting.type in wanted.types)
        and wanted.source in {None, posting.source}
        and wanted.currency in {None, posting.currency}
    )
