"""The demo's last act: its own day against Alipay's bill, with differences planted in the bill."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import RenderableType

from devstack.api_client import Access
from devstack.reconciliation_views import day_picture
from devstack.reconciling import ReconciledDay, reconciled
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop

_BEIJING = ZoneInfo("Asia/Shanghai")
# What the bill is made to say: a payment that nobody here knows, and 1.00 less for one of ours.
_STRANGE, _STRANGE_MINOR = "T-NOBODY-KNOWS", 1_23
_LESS_MINOR = 1_00


@dataclass(frozen=True)
class DemoDay:
    """The day as a table. `problems` is empty when both differences were found, and no sum lies.

    `strange_id` is the discrepancy of the payment that nobody here knows.
    """

    picture: RenderableType
    problems: tuple[str, ...]
    business_day: str
    strange_id: str


async def reconcile_today(
    admin: Access, shop: Shop, sandbox: SandboxControl, payment_id: str
) -> DemoDay:
    """Plant the differences, reconcile the day on which `payment_id` was paid, and compare."""
    payment = await shop.payment(payment_id)
    day = datetime.fromisoformat(payment["succeeded_at"]).astimezone(_BEIJING).date()
    # In reality a bill is out on the next morning.
    await sandbox.bill_settings(same_day=True)
    await sandbox.plant("extra_row", number=_STRANGE, amount_minor=_STRANGE_MINOR)
    await sandbox.plant(
        "other_amount", number=payment["serial"], amount_minor=payment["amount"] - _LESS_MINOR
    )
    result = await reconciled(admin, shop.account_id, day)
    strange = [one["id"] for one in result.discrepancies if one["serial"] == _STRANGE]
    return DemoDay(
        picture=day_picture(result.day, result.discrepancies),
        problems=tuple(_problems(result, payment["serial"])),
        business_day=str(day),
        strange_id=strange[0] if strange else "",
    )


def _problems(result: ReconciledDay, serial: str) -> list[str]:
    found = {(one["class"], one["serial"]) for one in result.discrepancies}
    wanted = {("channel_only", _STRANGE), ("amount_diff", serial)}
    missed = [f"the day did not show {class_} of {which}" for class_, which in wanted - found]
    if not result.day["result"]:
        return [*missed, "the day has no result"]
    lies = [
        f"the {side['kind']}s do not add up"
        for side in result.day["result"]["totals"]
        if side["statement"] != side["ours"] + side["difference"]
    ]
    return missed + lies
