"""Parameters: refused when they cannot work, never repeated, and no secret in what we keep."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from channels.base import Account, ChannelParameters
from channels.registry import ChannelRegistry
from models.channel import NotAttempted, Unknown
from models.errors import ChannelMisconfigured, ChannelUnavailable, InvalidRequest
from tests.contract.features import Feature, scenario
from tests.contract.operations import Operation, ask_for_statement
from tests.contract.shop import Shop, now

PAY, QUERY, REFUND = Feature.PAY, Feature.QUERY, Feature.REFUND


async def entered(shop: Shop) -> dict[str, str]:
    """Parameters of a fresh account, as an admin enters them."""
    return await shop.side.open_account(shop.control, shop.inbox.url)


def as_account(
    registry: ChannelRegistry, shop: Shop, parameters: Mapping[str, str], version: int = 9
) -> Account:
    return registry.account("acc_9", version, shop.case.channel, parameters)


# ---- what is entered --------------------------------------------------------------------------


@scenario(once=True)
async def test_every_parameter_is_described_and_secrets_are_write_only(
    shop: Shop, registry: ChannelRegistry
) -> None:
    schema = registry.parameters_schema(shop.case.channel)
    fields = shop.channel.parameters.model_fields

    assert fields
    for name, field in fields.items():
        shown = schema["properties"][name]
        assert shown["description"], name
        hidden = any(part.get("writeOnly") for part in (shown, *shown.get("anyOf", ())))
        assert hidden == ("SecretStr" in str(field.annotation)), name


@scenario(once=True)
async def test_a_parameter_that_is_missing_or_nonsense_is_refused_by_name_and_not_repeated(
    shop: Shop, registry: ChannelRegistry
) -> None:
    whole = await entered(shop)
    required = [
        name for name, field in shop.channel.parameters.model_fields.items() if field.is_required()
    ]

    assert required
    for name in required:
        for wrong in ({k: v for k, v in whole.items() if k != name}, {**whole, name: "nonsense!"}):
            with pytest.raises(InvalidRequest) as refused:
                registry.parse_parameters(shop.case.channel, wrong)
            problems = refused.value.problems
            assert any(problem.pointer == f"#/parameters/{name}" for problem in problems), name
            assert "nonsense!" not in str(problems)


@scenario(once=True)
async def test_a_parameter_nobody_knows_is_refused(shop: Shop, registry: ChannelRegistry) -> None:
    with pytest.raises(InvalidRequest):
        registry.parse_parameters(shop.case.channel, {**await entered(shop), "colour": "red"})


@scenario(once=True)
async def test_an_account_whose_parameters_cannot_be_read_any_more_is_misconfigured(
    shop: Shop, registry: ChannelRegistry
) -> None:
    whole = await entered(shop)
    as_account(registry, shop, whole)

    for version, name in enumerate(whole):
        with pytest.raises(ChannelMisconfigured):
            as_account(registry, shop, {**whole, name: "\x00"}, version)


# ---- what an account holds --------------------------------------------------------------------


class OthersParameters(ChannelParameters):
    """Of some other channel."""

    token: SecretStr


OTHERS = Account(id="acc_7", version=1, parameters=OthersParameters(token=SecretStr("not for you")))


@scenario(once=True)
async def test_an_account_of_another_channel_is_misconfigured(
    shop: Shop, operation: Operation
) -> None:
    shop.account = OTHERS

    with pytest.raises(ChannelMisconfigured):
        await operation.ask(shop)


@scenario(once=True)
async def test_a_callback_to_an_account_of_another_channel_is_misconfigured(shop: Shop) -> None:
    with pytest.raises(ChannelMisconfigured):
        shop.channel.parse_callback(OTHERS, {}, b"{}", now())


@scenario(Feature.STATEMENT, once=True)
async def test_a_statement_for_an_account_of_another_channel_is_misconfigured(
    shop: Shop, tmp_path: Path
) -> None:
    shop.account = OTHERS

    with pytest.raises(ChannelMisconfigured):
        await ask_for_statement(shop, tmp_path / "file")


@scenario(once=True)
async def test_a_key_the_channel_does_not_know_moves_nothing_and_says_nothing(
    shop: Shop, operation: Operation, registry: ChannelRegistry
) -> None:
    shop.account = as_account(registry, shop, shop.side.strangers(await entered(shop)))

    outcome = await operation.ask(shop)

    assert isinstance(outcome, NotAttempted | Unknown)


@scenario(Feature.STATEMENT, once=True)
async def test_a_key_the_channel_does_not_know_gets_no_statement(
    shop: Shop, tmp_path: Path, registry: ChannelRegistry
) -> None:
    shop.account = as_account(registry, shop, shop.side.strangers(await entered(shop)))

    with pytest.raises((ChannelMisconfigured, ChannelUnavailable)):
        await ask_for_statement(shop, tmp_path / "file")


# ---- what is kept -----------------------------------------------------------------------------


@scenario(PAY, QUERY, REFUND, Feature.CLOSE)
async def test_no_secret_and_no_payers_code_is_in_what_we_keep_of_an_exchange(
    shop: Shop, registry: ChannelRegistry
) -> None:
    order, paid = await shop.paid()
    given_back = shop.return_of(order, 5_00, paid.channel_reference)
    await shop.refund(given_back)
    await shop.query_refund(given_back)
    waiting, _ = await shop.waiting()
    await shop.close(waiting)
    if Feature.CAPTURE in shop.case.features:
        held, hold = await shop.paid(capture_method="manual")
        await shop.capture(shop.taking(held, reference=hold.channel_reference))
        await shop.void(held, reference=hold.channel_reference)

    _, secrets = registry.split_secrets(shop.account.parameters)
    hidden = [*secrets.values(), order.payer_code or "", waiting.payer_code or ""]
    pieces = [piece for secret in hidden for piece in secret.split() if len(piece) >= 8]
    exchanges = [answer.exchange for answer in shop.answers if answer.exchange is not None]
    assert pieces
    assert {exchange.operation for exchange in exchanges} >= {"query", "refund", "close"}
    for exchange in exchanges:
        kept = f"{exchange.request}\n{exchange.response}"
        assert not [piece for piece in pieces if piece in kept], exchange.operation
        assert exchange.http_status is not None
        assert exchange.duration_ms >= 0


@scenario(once=True)
async def test_nothing_secret_is_in_the_words_of_an_account(shop: Shop) -> None:
    for name, field in type(shop.account.parameters).model_fields.items():
        value = getattr(shop.account.parameters, name)
        assert field.description, name
        if isinstance(value, SecretStr) and value.get_secret_value():
            assert value.get_secret_value() not in repr(shop.account)
