"""Which channel account an attempt goes to.

The oldest account that can do it wins; one that was tried in vain is left out.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from models.channel import Capabilities, ChannelAccount, Method, Operation, Route
from models.payment import PaymentOrder, Verdict

RULE_VERSION = "routing-1"


def plan_route(
    order: PaymentOrder,
    *,
    accounts: Sequence[ChannelAccount],
    capabilities: Mapping[str, Capabilities],
    tried: AbstractSet[str] = frozenset(),
) -> tuple[Verdict, Route | None]:
    """The route for the next attempt, and why each account before it was passed over.

    `accounts` come oldest first; `capabilities` are by channel name.
    """
    reasons: list[str] = []
    for account in accounts:
        obstacle = _obstacle(order, account, capabilities.get(account.channel), tried)
        if obstacle is None:
            reasons.append(f"{account.id} on {account.channel} takes it")
            return _verdict(reasons, accepted=True), _route_to(account)
        reasons.append(f"{account.id}: {obstacle}")
    if not reasons:
        reasons.append(f"the merchant has no active account for {order.method}")
    return _verdict(reasons, accepted=False), None


def offers(
    order: PaymentOrder,
    *,
    accounts: Sequence[ChannelAccount],
    capabilities: Mapping[str, Capabilities],
) -> tuple[Method, ...]:
    """The methods a payer may choose from for an order that names none, oldest account first.

    Left out is what needs a code that only a till or an app's own form can read.
    """
    offered: dict[str, Method] = {}
    for account in accounts:
        able = capabilities.get(account.channel)
        for method in able.methods if able is not None else ():
            chosen = order.model_copy(update={"method": method.name})
            if (
                method.name in account.methods
                and not method.needs_payer_code
                and able is not None
                and _lacks(chosen, account.channel, able) is None
            ):
                offered.setdefault(method.name, method)
    return tuple(offered.values())


def offers_verdict(offered: Sequence[Method]) -> Verdict:
    """The verdict on what `offers` found."""
    if not offered:
        return _verdict(["the merchant has no active account that could take it"], accepted=False)
    names = ", ".join(method.name for method in offered)
    return _verdict([f"the payer may choose {names}"], accepted=True)


def _obstacle(
    order: PaymentOrder,
    account: ChannelAccount,
    able: Capabilities | None,
    tried: AbstractSet[str],
) -> str | None:
    if account.id in tried:
        return "was tried before"
    if able is None:
        return f"channel {account.channel} is not installed"
    return _lacks(order, account.channel, able)


def _lacks(order: PaymentOrder, channel: str, able: Capabilities) -> str | None:
    """What a channel cannot do of what the order asks."""
    method = next((method for method in able.methods if method.name == order.method), None)
    if Operation.PAY not in able.operations or method is None:
        return f"{channel} has no {order.method}"
    if order.capture_method == "manual" and not method.manual_capture:
        return f"{channel} cannot hold money for {order.method}"
    if order.money.currency not in able.currencies:
        return f"{channel} does not take {order.money.currency}"
    if not able.amount_min_minor <= order.money.amount_minor <= able.amount_max_minor:
        return f"{channel} takes {able.amount_min_minor} to {able.amount_max_minor} minor units"
    return None


def _route_to(account: ChannelAccount) -> Route:
    return Route(
        channel=account.channel,
        account_id=account.id,
        account_version=account.version,
        fee_bps=account.fee_bps,
    )


def _verdict(reasons: list[str], *, accepted: bool) -> Verdict:
    return Verdict(
        step="routing", accepted=accepted, rule_version=RULE_VERSION, reasons=tuple(reasons)
    )
