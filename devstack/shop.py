"""A business app whose merchant has Alipay and Stripe, made through the public API alone."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from ulid import ULID

from devstack.api_client import Access, ApiClient
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl

# Where payers may come back to. No such host: who follows it is met by the test.
RETURN_URL = "https://shop.example/return"
METHODS = ("alipay_qr", "alipay_page", "alipay_wap", "alipay_buyer_code")
_FEE_BPS = 60
_ALIPAY_TAKES_BPS = 60
_CARD_FEE_BPS = 290
_KEY_BITS = 2048


@dataclass(frozen=True)
class Order:
    """What to order. `expires_in` None: the API's default; `method` None: the payer chooses."""

    amount: int = 19_99
    currency: str = "CNY"
    method: str | None = "alipay_qr"
    subject: str = "Two tickets"
    payer_code: str | None = None
    expires_in: int | None = 600
    return_url: str | None = None
    capture_method: str | None = None

    def body(self, merchant_id: str, order_no: str) -> dict[str, Any]:
        optional = {
            "payer_code": self.payer_code,
            "expires_in": self.expires_in,
            "return_url": self.return_url,
            "capture_method": self.capture_method,
            "method": self.method,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        return given | {
            "order_no": order_no,
            "merchant_id": merchant_id,
            "amount": self.amount,
            "currency": self.currency,
            "subject": self.subject,
        }


class Shop:
    """An onboarded app: orders payments and looks at them with its own key."""

    def __init__(self, api: ApiClient, app_id: str, merchant_id: str, account_id: str) -> None:
        self.api = api
        self.app_id = app_id
        self.merchant_id = merchant_id
        self.account_id = account_id

    @classmethod
    async def onboard(
        cls, admin: Access, sandbox: SandboxControl, receiver: Receiver, *, name: str = "shop"
    ) -> Self:
        """Everything a new business app goes through, as the admin does it."""
        private, public = make_key_pair()
        alipay = await sandbox.register_app(public)
        async with ApiClient(admin.url, admin.key) as api:
            app = await api.post(
                "/v1/apps",
                {
                    "name": name,
                    "webhook_url": receiver.url_for(name),
                    "return_urls": [RETURN_URL],
                },
            )
            receiver.trust(name, app["webhook_secret"])
            merchant = await api.post("/v1/merchants", {"name": name, "app_id": app["id"]})
            account = await api.post(
                "/v1/channel-accounts",
                {
                    "merchant_id": merchant["id"],
                    "channel": "alipay",
                    "methods": list(METHODS),
                    "fee_bps": _FEE_BPS,
                    "channel_fee_bps": _ALIPAY_TAKES_BPS,
                    "parameters": {
                        "app_id": alipay["app_id"],
                        "seller_id": alipay["seller_id"],
                        "app_private_key": private,
                        "alipay_public_key": alipay["alipay_public_key"],
                    },
                },
            )
            await _onboard_stripe(api, sandbox, merchant["id"], admin.url)
        key = app["api_key"]
        return cls(ApiClient(admin.url, key), app["id"], merchant["id"], account["id"])

    async def order(self, order: Order, *, order_no: str | None = None) -> dict[str, Any]:
        """POST a payment; the same `order_no` again is the same payment."""
        body = order.body(self.merchant_id, order_no or new_order_number())
        return await self.api.post("/v1/payments", body)

    async def capture(self, payment_id: str, amount: int | None = None) -> dict[str, Any]:
        """Take what is held, or part of it."""
        body = {} if amount is None else {"amount": amount}
        return await self.api.post(f"/v1/payments/{payment_id}/capture", body)

    async def cancel(self, payment_id: str) -> dict[str, Any]:
        return await self.api.post(f"/v1/payments/{payment_id}/cancel", {})

    async def refund(
        self, payment_id: str, amount: int, *, refund_no: str | None = None
    ) -> dict[str, Any]:
        """POST a refund; the same `refund_no` again is the same refund."""
        number = refund_no or new_order_number()
        body = {"payment_id": payment_id, "refund_no": number, "amount": amount}
        return await self.api.post("/v1/refunds", body)

    async def payment(self, payment_id: str) -> dict[str, Any]:
        return await self.api.get(f"/v1/payments/{payment_id}")

    async def serial_of(self, payment_id: str) -> str:
        """The order number under which the channel knows a payment."""
        return str((await self.payment(payment_id))["serial"])

    async def explain(self, payment_id: str) -> dict[str, Any]:
        return await self.api.get(f"/v1/payments/{payment_id}/explain")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.api.__aexit__(kind, error, traceback)


async def _onboard_stripe(
    api: ApiClient, sandbox: SandboxControl, merchant_id: str, public_url: str
) -> None:
    """The merchant's account at Stripe, and our address in it for its webhooks."""
    stripe = await sandbox.stripe_account()
    account = await api.post(
        "/v1/channel-accounts",
        {
            "merchant_id": merchant_id,
            "channel": "stripe",
            "methods": ["stripe_card", "stripe_checkout"],
            "fee_bps": _CARD_FEE_BPS,
            "parameters": {
                "secret_key": stripe["secret_key"],
                "publishable_key": stripe["publishable_key"],
                "webhook_secrets": stripe["webhook_secret"],
            },
        },
    )
    callbacks = f"{public_url}/callbacks/stripe/{account['id']}"
    await sandbox.stripe_account(account_id=stripe["account_id"], webhook_url=callbacks)


def new_order_number() -> str:
    return f"order-{ULID()}"


def make_key_pair() -> tuple[str, str]:
    """A private and a public RSA key as PEM, as Alipay's own tool would make them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()
