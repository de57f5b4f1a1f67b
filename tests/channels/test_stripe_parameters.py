"""What an admin enters for Stripe, and what the router may ask of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Operation
from channels.http import ChannelHttp
from channels.registry import ChannelRegistry, build_registry
from channels.stripe.adapter import CAPABILITIES
from channels.stripe.amounts import CURRENCIES, money_of, obstacle_to, stripe_amount
from channels.stripe.parameters import StripeParameters
from models.errors import InvalidRequest
from models.money import Money, exponent_of
from tests.channels.stripe_side import as_entered


@pytest.fixture
def registry(http: ChannelHttp) -> ChannelRegistry:
    return build_registry(http)


def parsed(**changes: str) -> StripeParameters:
    return StripeParameters.model_validate(as_entered(**changes))


@pytest.mark.parametrize("prefix", ["sk", "rk"])
@pytest.mark.parametrize(("mode", "is_live"), [("test", False), ("live", True)])
def test_the_mode_is_the_secret_keys(prefix: str, mode: str, is_live: bool) -> None:
    parameters = parsed(secret_key=f"{prefix}_{mode}_1", publishable_key=f"pk_{mode}_1")

    assert parameters.is_live is is_live


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"secret_key": "pk_test_example"}, "#/parameters/secret_key"),
        ({"secret_key": "sk_example"}, "#/parameters/secret_key"),
        ({"secret_key": "sk_test_a\r\nX-Other: 1"}, "#/parameters/secret_key"),
        ({"secret_key": "sk_test_" + "a" * 300}, "#/parameters/secret_key"),
        ({"secret_key": ""}, "#/parameters/secret_key"),
        ({"publishable_key": "sk_test_example"}, "#/parameters/publishable_key"),
        ({"publishable_key": "pk_live_example"}, "#/parameters/publishable_key"),
        ({"secret_key": "sk_live_example"}, "#/parameters/publishable_key"),
        ({"webhook_secrets": "secret"}, "#/parameters/webhook_secrets"),
        ({"webhook_secrets": "whsec_good_one secret"}, "#/parameters/webhook_secrets"),
        ({"webhook_secrets": "whsec_ab"}, "#/parameters/webhook_secrets"),
        ({"webhook_secrets": " ".join(["whsec_123456"] * 9)}, "#/parameters/webhook_secrets"),
        ({"webhook_secret": "whsec_123456"}, "#/parameters/webhook_secret"),
    ],
)
def test_what_cannot_work_is_named_and_never_repeated(
    registry: ChannelRegistry, changes: dict[str, str], pointer: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        registry.parse_parameters("stripe", as_entered(**changes))

    assert [problem.pointer for problem in caught.value.problems] == [pointer]
    assert all(
        value not in problem.detail
        for value in changes.values()
        if value
        for problem in caught.value.problems
    )


def test_several_webhook_secrets_are_told_apart() -> None:
    parameters = parsed(webhook_secrets=" whsec_111111, whsec_222222\nwhsec_333333 ")

    assert parameters.webhook_keys == (b"whsec_111111", b"whsec_222222", b"whsec_333333")


def test_secrets_are_write_only_and_split_parameters_make_the_same_account_again(
    registry: ChannelRegistry,
) -> None:
    schema = registry.parameters_schema("stripe")
    read = registry.parse_parameters("stripe", as_entered())
    public, secrets = registry.split_secrets(read)
    account = registry.account("acc_1", version=1, channel="stripe", parameters=public | secrets)

    assert {name for name, one in schema["properties"].items() if one.get("writeOnly")} == {
        "secret_key",
        "webhook_secrets",
    }
    assert set(schema["required"]) == {"secret_key", "publishable_key"}
    assert public == {"publishable_key": "pk_test_example"}
    assert account.parameters.webhook_keys == (b"whsec_the_first_one",)


def test_an_account_without_webhook_secrets_can_be_read_back(registry: ChannelRegistry) -> None:
    entered = {"secret_key": "sk_test_1", "publishable_key": "pk_test_1"}
    public, secrets = registry.split_secrets(registry.parse_parameters("stripe", entered))

    account = registry.account("acc_1", version=1, channel="stripe", parameters=public | secrets)

    assert account.parameters.webhook_keys == ()


def test_parameters_do_not_show_their_secrets() -> None:
    parameters = parsed()

    assert "sk_test_example" not in f"{parameters!r} {parameters}"
    assert "whsec_the_first_one" not in f"{parameters!r} {parameters}"


# ---- what the router may ask ------------------------------------------------------------------


def test_stripe_does_all_operations_with_two_methods_that_may_be_repeated() -> None:
    method, page = CAPABILITIES.methods

    assert CAPABILITIES.operations == frozenset(Operation)
    assert page.name == "stripe_checkout"
    assert page.repeat_safe
    assert not page.needs_payer_code
    assert not page.manual_capture
    assert method.name == "stripe_card"
    assert method.repeat_safe
    assert method.needs_payer_code
    assert method.manual_capture
    assert method.hold_seconds == 7 * 24 * 3600
    assert not method.payer_present


@pytest.mark.parametrize(
    "currency",
    ["USD", "EUR", "GBP", "HKD", "JPY", "SGD", "AUD", "CAD", "CNY", "KWD", "KRW", "ISK"],
)
def test_the_currencies_people_pay_in_are_taken(currency: str) -> None:
    assert currency in CAPABILITIES.currencies
    assert obstacle_to(Money(amount_minor=10_000, currency=currency)) is None


def test_a_currency_is_counted_as_iso_counts_it_with_one_exception() -> None:
    hundredfold = {
        code for code in CURRENCIES if stripe_amount(Money(amount_minor=1, currency=code)) != 1
    }

    assert hundredfold == {"ISK"}
    assert {code for code in CURRENCIES if exponent_of(code) == 3} == {
        "BHD", "JOD", "KWD", "OMR", "TND",
    }  # fmt: skip


@given(currency=st.sampled_from(sorted(CURRENCIES)), amount=st.integers(0, 99_999_999))
def test_what_stripe_is_told_reads_back_as_the_same_money(currency: str, amount: int) -> None:
    money = Money(amount_minor=amount, currency=currency)

    assert money_of(stripe_amount(money), currency.lower()) == money


@pytest.mark.parametrize(("amount", "currency"), [(50_001, "isk"), (100, "zzz"), (100, "mga")])
def test_an_amount_stripe_cannot_mean_is_not_read(amount: int, currency: str) -> None:
    with pytest.raises(ValueError, match=r"amount|currency"):
        money_of(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "is_fine"),
    [
        (50, "USD", True),
        (49, "USD", False),
        (99_999_999, "USD", True),
        (100_000_000, "USD", False),
        (30, "GBP", True),
        (400, "HKD", True),
        (399, "HKD", False),
        (50, "JPY", True),
        (99_999_999, "JPY", True),
        (5_120, "KWD", True),
        (5_124, "KWD", False),
        (999_999, "ISK", True),
        (1_000_000, "ISK", False),
    ],
)
def test_limits_are_those_of_the_currency(amount: int, currency: str, is_fine: bool) -> None:
    obstacle = obstacle_to(Money(amount_minor=amount, currency=currency))

    assert (obstacle is None) is is_fine


def test_the_routers_range_holds_every_amount_stripe_takes() -> None:
    assert obstacle_to(Money(amount_minor=CAPABILITIES.amount_min_minor, currency="GBP")) is None
    assert CAPABILITIES.amount_max_minor == 99_999_999
