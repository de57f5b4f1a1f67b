"""Stripe's books: only added to, rebuilt from their history, one money movement per cause."""

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from sandbox.books import Books
from sandbox.stripe.books import StripeBooks
from sandbox.stripe.events import signature_header
from sandbox.stripe.models import Intent, IntentStatus, Kind, Posting
from tests.sandbox.card_shop import CardShop
from tests.sandbox.conftest import START
from tests.sandbox.process import Control, SandboxProcess

_EXAMPLE = (
    Path(__file__).parents[3] / "shared" / "specs" / "stripe" / "vectors" / "webhook_generated.json"
)


@pytest.fixture
def stripe_books(books: Books) -> StripeBooks:
    return StripeBooks(books)


def an_intent(**changes: object) -> Intent:
    intent = Intent(
        id="pi_1",
        account_id="acct_1",
        order_no="T1",
        created_at=START,
        amount=19_99,
        currency="usd",
        status=IntentStatus.REQUIRES_CAPTURE,
        capture_method="manual",
        automatic_methods=None,
        method_types=("card",),
        metadata={"order": "T1"},
        description=None,
        statement_descriptor=None,
        return_url=None,
        client_secret="pi_1_secret_1",
    )
    return intent.model_copy(update=changes)


def a_posting(**changes: object) -> Posting:
    posting = Posting(
        id="txn_1",
        account_id="acct_1",
        order_no="T1",
        created_at=START,
        intent="pi_1",
        type="charge",
        source="ch_1",
        amount=19_99,
        fee=88,
        currency="usd",
        available_at=START + timedelta(days=2),
    )
    return posting.model_copy(update=changes)


@pytest.mark.parametrize("table", ["stripe_change", "stripe_posting"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET amount = 1", "DELETE FROM {}"])
def test_history_cannot_be_changed(
    books: Books, stripe_books: StripeBooks, table: str, statement: str
) -> None:
    stripe_books.save(an_intent(), Kind.CREATED, START)
    stripe_books.post(a_posting())

    with pytest.raises(sqlite3.IntegrityError, match="never"):
        books.connection.execute(statement.format(table))


def test_an_intent_is_captured_once(stripe_books: StripeBooks) -> None:
    stripe_books.save(an_intent(), Kind.CAPTURED, START, 19_99)

    with pytest.raises(sqlite3.IntegrityError):
        stripe_books.save(an_intent(), Kind.CAPTURED, START, 19_99)

    assert stripe_books.captures() == 1


def test_a_charge_is_posted_once(stripe_books: StripeBooks) -> None:
    stripe_books.post(a_posting())

    with pytest.raises(sqlite3.IntegrityError):
        stripe_books.post(a_posting(id="txn_2"))

    assert stripe_books.balance("acct_1", START) == {"usd": (0, 19_11)}
    assert stripe_books.balance("acct_1", START + timedelta(days=2)) == {"usd": (19_11, 0)}


def test_signatures_are_those_of_the_published_example() -> None:
    if not _EXAMPLE.exists():
        pytest.skip("the example is not here: ../shared/specs/stripe/vectors")
    example = json.loads(_EXAMPLE.read_text())

    header = signature_header(
        [example["secret"]], example["timestamp"], example["payload"].encode()
    )

    assert header == example["header"]


async def test_the_latest_states_can_be_made_again_from_the_history(
    tmp_path: Path, browser: httpx.AsyncClient
) -> None:
    process = SandboxProcess(tmp_path).start()
    shop = CardShop(await Control(process.base_url, browser).post("/stripe/accounts"), browser)
    paid = await shop.pay("pm_card_visa", order="T1")
    await shop.refund(paid["id"], amount=5_00)
    await shop.try_to_pay("pm_card_chargeDeclined", order="T2")
    await shop.pay("pm_card_threeDSecure2Required", order="T3")
    process.kill()

    books = Books(tmp_path / "books.sqlite3")
    stripe_books = StripeBooks(books)
    before = _states(books)
    stripe_books.rebuild()
    after = _states(books)
    books.close()

    assert len(before) == 3 + 2 + 1  # intents, charges, refunds
    assert after == before


def _states(books: Books) -> set[tuple[str, str]]:
    rows = books.connection.execute(
        "SELECT id, body FROM stripe_object WHERE class IN ('intent', 'charge', 'refund')"
    )
    return {(row["id"], row["body"]) for row in rows}


async def test_what_was_pending_ends_after_a_kill(
    tmp_path: Path, browser: httpx.AsyncClient
) -> None:
    process = SandboxProcess(tmp_path, "--time-scale", "0.003").start()  # 5 minutes are 0.9 s
    control = Control(process.base_url, browser)
    shop = CardShop(await control.post("/stripe/accounts"), browser)
    intent = await shop.pay("pm_sandbox_processing", order="T1")

    process.kill()
    process.start()
    idle = await control.post("/quiesce", within_seconds=60)
    after = await shop.get(f"payment_intents/{intent['id']}")
    process.kill()

    assert idle == {"idle": True}
    assert (intent["status"], after["status"]) == ("processing", "succeeded")
