"""The suite itself: every scenario runs for somebody, and nothing declared goes without one."""

from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from channels.base import Capturing, Channel, Method, Refunding
from channels.http import ChannelHttp
from models.channel import Capabilities, Operation
from models.money import exponent_of
from tests.contract.conftest import CASES, CONNECT_TIMEOUT, READ_TIMEOUT, registry_at, side_of
from tests.contract.features import SCENARIOS, Case, Feature

_HERE = Path(__file__).parent
_NOWHERE = ChannelHttp(connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
_REGISTRY = registry_at(_NOWHERE, lambda _: "http://127.0.0.1:1/")
CHANNELS = [_REGISTRY.get(name) for name in _REGISTRY.names()]

# What each declared field is covered by: a feature, or the scenario that looks at its value.
_DECLARED = {
    *("methods", "operations", "currencies", "amount_min_minor", "amount_max_minor"),
    *("expiry_max_seconds", "timezone"),
}
_DECLARED_OF_METHODS = {
    *("name", "title", "repeat_safe", "payer_present", "needs_payer_code", "manual_capture"),
    "hold_seconds",
    "device",
}


@pytest.fixture(scope="module", autouse=True)
def _all_scenarios_are_known() -> None:
    for file in sorted(_HERE.glob("test_*.py")):
        import_module(f"tests.contract.{file.stem}")


def test_every_scenario_runs_for_at_least_one_channel() -> None:
    assert SCENARIOS
    assert [name for name, scenario in SCENARIOS.items() if not scenario.cases(CASES)] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_declared_feature_has_a_scenario_that_runs(case: Case) -> None:
    needed = [scenario.needs for scenario in SCENARIOS.values() if case in scenario.cases(CASES)]

    assert case.features - frozenset[Feature]().union(*needed) == set()


def test_every_feature_is_offered_by_somebody() -> None:
    offered = frozenset[Feature]().union(*(case.features for case in CASES))

    assert set(Feature) - offered == set()


def test_nothing_can_be_declared_that_this_suite_does_not_know() -> None:
    assert set(Capabilities.model_fields) == _DECLARED
    assert set(Method.model_fields) == _DECLARED_OF_METHODS


def test_every_channel_has_a_side_and_every_side_a_channel() -> None:
    files = {file.stem for file in (_HERE / "sides").glob("*.py")} - {"__init__", "base"}

    assert files == set(_REGISTRY.names())


def test_no_scenario_knows_a_channel_by_name() -> None:
    names = {name for channel in CHANNELS for name in (channel.name, type(channel).__name__)}
    words = {
        file.name: file.read_text().lower()
        for file in (*_HERE.glob("test_*.py"), _HERE / "shop.py", _HERE / "operations.py")
    }

    assert [
        (file, name) for file, text in words.items() for name in names if name.lower() in text
    ] == []


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_what_a_channel_declares_is_what_it_is(channel: Channel) -> None:
    declared = channel.capabilities
    holds = {Operation.CAPTURE, Operation.VOID}

    assert {Operation.PAY, Operation.QUERY, Operation.CLOSE} <= declared.operations
    assert (Operation.REFUND in declared.operations) == isinstance(channel, Refunding)
    assert bool(holds & declared.operations) == isinstance(channel, Capturing)
    assert isinstance(channel, Capturing) == any(m.manual_capture for m in declared.methods)
    assert all(method.manual_capture == bool(method.hold_seconds) for method in declared.methods)
    assert all(method.name.startswith(f"{channel.name}_") for method in declared.methods)
    assert len({method.name for method in declared.methods}) == len(declared.methods) > 0
    assert all(exponent_of(currency) >= 0 for currency in declared.currencies)
    assert 0 < declared.amount_min_minor < declared.amount_max_minor
    assert declared.expiry_max_seconds > 0
    assert ZoneInfo(declared.timezone)
    assert side_of(channel.name).price.money.currency in declared.currencies
