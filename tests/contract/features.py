"""What a channel declares, in words scenarios can ask for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from channels.base import Channel, Method, Reconciling
from models.channel import Operation
from models.money import exponent_of


class Feature(StrEnum):
    """Something that one method of a channel does, or does not need."""

    PAY = "pay"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    CAPTURE = "capture"
    VOID = "void"
    STATEMENT = "statement"
    # The payer's code comes with the order; without one the payer acts at the channel's cashier.
    PAYER_CODE = "payer_code"
    CASHIER = "cashier"
    PAYER_PRESENT = "payer_present"
    # The order itself calls the channel; else the payer's browser carries it there.
    SENDS = "sends"
    REPEAT_SAFE = "repeat_safe"
    # The payer may try again there after a refusal, and late, until we close it.
    STAYS_OPEN = "stays_open"
    ZERO_DECIMAL = "zero_decimal"


@dataclass(frozen=True)
class Case:
    """One method of one channel."""

    channel: str
    method: str
    features: frozenset[Feature]

    def __str__(self) -> str:
        return f"{self.channel}-{self.method.removeprefix(f'{self.channel}_')}"


@dataclass(frozen=True)
class Scenario:
    """A test function, and what a case must have and may not have for it to run.

    `once`: whatever the method, so that one case of each channel is enough.
    """

    name: str
    needs: frozenset[Feature]
    without: frozenset[Feature]
    once: bool

    def cases(self, offered: tuple[Case, ...]) -> tuple[Case, ...]:
        fitting = [
            case
            for case in offered
            if self.needs <= case.features and not self.without & case.features
        ]
        if not self.once:
            return tuple(fitting)
        firsts = {case.channel: case for case in reversed(fitting)}
        return tuple(reversed(firsts.values()))


SCENARIOS: dict[str, Scenario] = {}

Test = TypeVar("Test", bound=Callable[..., Any])


def scenario(
    *needs: Feature, without: frozenset[Feature] = frozenset(), once: bool = False
) -> Callable[[Test], Test]:
    """Make a test function a scenario. It takes the fixture `shop`."""

    def register(test: Test) -> Test:
        name = f"{test.__module__}.{test.__name__}"
        SCENARIOS[name] = Scenario(name, frozenset(needs), without, once)
        return test

    return register


_OF_HOLDS = frozenset({Operation.CAPTURE, Operation.VOID})


def features_of(
    channel: Channel, method: Method, *, sends: bool, stays_open: bool
) -> Iterator[Feature]:
    """What `channel` declares of itself and of `method`."""
    operations = channel.capabilities.operations
    if not method.manual_capture:
        operations -= _OF_HOLDS
    yield from (Feature(operation.value) for operation in operations)
    yield Feature.PAYER_CODE if method.needs_payer_code else Feature.CASHIER
    declared = {
        Feature.STATEMENT: isinstance(channel, Reconciling),
        Feature.PAYER_PRESENT: method.payer_present,
        Feature.SENDS: sends,
        Feature.STAYS_OPEN: stays_open,
        Feature.REPEAT_SAFE: method.repeat_safe,
        Feature.ZERO_DECIMAL: any(not exponent_of(c) for c in channel.capabilities.currencies),
    }
    yield from (feature for feature, has in declared.items() if has)
