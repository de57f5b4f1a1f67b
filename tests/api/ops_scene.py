"""One of everything that operations look at, made the way it comes about."""

from dataclasses import dataclass, field

from argon2 import PasswordHasher
from sqlalchemy import text

from api.passwords import Passwords
from models.channel import Approved
from models.ids import late_workflow_id
from models.merchant import Role
from models.money import Money
from models.payment import AttemptStatus, PaymentStatus
from storage import payments
from tests.api import testpay
from tests.api.console import Person, logged_in
from tests.api.world import Tenant, World, paid
from tests.factories import a_transition
from tests.storage.arrange import a_prepared_payment, a_shop

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HOSTILE = '"><script>alert(1)</script>'
NOBODYS_SERIAL = "01KAH3W3F0Q7V2H8T0M4X5N6P701"


@dataclass
class Scene:
    """A world with things in it, and three people in front of the console."""

    world: World
    tenant: Tenant
    ops: Person
    finance: Person
    admin: Person
    payments: dict[str, str] = field(default_factory=dict)
    refund_id: str = ""
    parked_id: str = ""

    def path(self, name: str) -> str:
        return f"/console/payments/{self.payments[name]}"


async def a_scene(world: World) -> Scene:
    """Paid, open, late, unknown and reviewed payments, a large refund, all kinds of callbacks."""
    tenant = await world.tenant(refund_approval_above=1000)
    ops, finance, admin = [
        await logged_in(world, role) for role in (Role.OPS, Role.FINANCE, Role.ADMIN)
    ]
    scene = Scene(world, tenant, ops, finance, admin)
    await _payments(scene)
    await _messages(scene)
    return scene


async def _payments(scene: Scene) -> None:
    world, tenant, found = scene.world, scene.tenant, scene.payments
    found["paid"] = await world.paid_payment(tenant, subject=f"Tickets {HOSTILE}", order_no="A<b>1")
    found["open"] = (await world.pay(tenant, amount=500)).json()["id"]
    scene.refund_id = (await world.refund(tenant, found["paid"], amount=1500)).json()["id"]
    found["late"] = await _paid_late(scene)
    for name, status in (("unknown", PaymentStatus.PROCESSING), ("review", PaymentStatus.REVIEW)):
        found[name] = await _stuck(world, status)


async def _paid_late(scene: Scene) -> str:
    """Canceled by its app, and paid nevertheless: the app wants to be asked."""
    world, tenant = scene.world, scene.tenant
    payment_id: str = (await world.pay(tenant)).json()["id"]
    await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key, body={})
    await world.ended(payment_id)
    serial = f"{payment_id.removeprefix('pay_')}01"
    money = Money(amount_minor=1999, currency="CNY")
    world.channel.says[serial] = Approved(channel_reference="2026112022001", money=money)
    await world.callback(tenant.account_id, paid(payment_id))
    callback_id = await _callback_of(world, payment_id)
    handle = world.deps.client.get_workflow_handle(late_workflow_id(payment_id, callback_id))
    await handle.result()
    return payment_id


async def _callback_of(world: World, payment_id: str) -> str:
    query = text("SELECT id FROM callback WHERE payment_id = :id")
    async with world.deps.database.transaction("test read") as connection:
        found: str = await connection.scalar(query, {"id": payment_id})
    return found


async def _stuck(world: World, status: PaymentStatus) -> str:
    shop = await a_shop(world.deps.database)
    order, attempt = await a_prepared_payment(world.deps.database, shop)
    move = a_transition(order, status, attempt_status=AttemptStatus.UNKNOWN)
    async with world.deps.database.transaction("arrange") as connection:
        stuck = attempt.model_copy(update={"status": AttemptStatus.UNKNOWN})
        await payments.record_transition(connection, move, attempt=stuck, exchange=None)
    return order.payment_id


async def _messages(scene: Scene) -> None:
    """A callback for a serial that is nobody's, one with another amount, and a forged one."""
    world, account_id = scene.world, scene.tenant.account_id
    nobodys = paid("pay_" + NOBODYS_SERIAL[:-2], reference=HOSTILE)
    await world.callback(account_id, nobodys)
    await world.callback(account_id, paid(scene.payments["open"], amount=499))
    await world.http.post(
        f"/callbacks/{testpay.NAME}/{account_id}",
        content=b"{}",
        headers={testpay.SIGNATURE: "forged", "authorization": "secret", "x-odd": HOSTILE},
    )
    admin = await world.admin()
    parked = await world.call("GET", "/v1/callbacks?match=parked", key=admin)
    scene.parked_id = parked.json()["items"][0]["id"]
