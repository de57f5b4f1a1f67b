"""Plays the payer and the weather: tells the sandbox what to do, and reads its books."""

from datetime import date
from types import TracebackType
from typing import Any, Self

import httpx

_TIMEOUT_SECONDS = 20.0
_PAGE = "5000"  # the most the sandbox gives at once


class SandboxRefused(Exception):
    """The sandbox did not do what it was told; the message is its answer."""


class SandboxControl:
    """The sandbox's control API, for Alipay."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def register_app(self, public_key: str) -> dict[str, Any]:
        """A merchant's app at Alipay: its ids, and Alipay's own keys and certificates."""
        return await self._send("POST", "/control/alipay/apps", {"public_key": public_key})

    async def stripe_account(self, **fields: Any) -> dict[str, Any]:
        """A merchant's account at Stripe: its keys and webhook secrets. A known id is changed."""
        return await self._send("POST", "/control/stripe/accounts", fields)

    async def stripe_account_told_at(self, webhook_url: str) -> dict[str, Any]:
        """The account whose webhooks go to this address."""
        answer = await self._send("GET", "/control/stripe/accounts")
        (found,) = (one for one in answer["accounts"] if one["webhook_url"] == webhook_url)
        account: dict[str, Any] = found
        return account

    async def new_webhook_secret(self, account_id: str) -> str:
        """From now on Stripe signs this account's webhooks with another secret, and no other."""
        path = f"/control/stripe/accounts/{account_id}/webhook-secrets"
        await self._send("POST", path)
        return str((await self._send("DELETE", path))["webhook_secret"])

    async def pay(self, serial: str, **how: Any) -> dict[str, Any]:
        return await self._send("POST", "/control/trades/pay", {"out_trade_no": serial, **how})

    async def open(self, serial: str) -> dict[str, Any]:
        """The payer scans the code, and does not pay yet."""
        return await self._send("POST", "/control/trades/open", {"out_trade_no": serial})

    async def refuse(self, serial: str) -> dict[str, Any]:
        return await self._send("POST", "/control/trades/refuse", {"out_trade_no": serial})

    async def fault(self, kind: str, **where: Any) -> dict[str, Any]:
        """Misbehave once (or `times`), where `method` and `out_trade_no` say."""
        return await self._send("POST", "/control/faults", {"type": kind, **where})

    async def auto_pay(self, rule: dict[str, Any]) -> None:
        """From now on every payer pays, or refuses, as the rule says."""
        await self._send("PUT", "/control/auto-pay", rule)

    async def bill_settings(self, **settings: Any) -> None:
        """The fee in Alipay's bills, and whether today's is out before the day is over."""
        await self._send("PUT", "/control/alipay/bills/settings", settings)

    async def plant(self, kind: str, **where: Any) -> None:
        """From now on Alipay's bills are wrong like this."""
        await self._send("POST", "/control/alipay/bills/plants", {"type": kind, **where})

    async def clear_plants(self) -> None:
        await self._send("DELETE", "/control/alipay/bills/plants")

    async def bill(self, app_id: str, day: date) -> bytes:
        """A day's bill as a person would download it from Alipay's pages."""
        response = await self._http.get(f"/control/alipay/bills/{app_id}/{day}")
        if not response.is_success:
            raise SandboxRefused(f"the bill of {day}: HTTP {response.status_code}")
        return response.content

    async def quiesce(self) -> bool:
        """Whether the channel has nothing in flight any more; it waits up to ten seconds."""
        return bool((await self._send("POST", "/control/quiesce", {}))["idle"])

    async def clear_faults(self) -> None:
        await self._send("DELETE", "/control/faults")

    async def trade(self, serial: str) -> dict[str, Any] | None:
        """What the channel's books say of one serial; None when they do not know it."""
        found = await self.trades(out_trade_no=serial)
        return found[0] if found else None

    async def trades(self, **query: str) -> list[dict[str, Any]]:
        answer = await self._send("GET", "/control/trades", query=query)
        trades: list[dict[str, Any]] = answer["trades"]
        return trades

    async def every_trade(self) -> list[dict[str, Any]]:
        """The channels' books from the first trade to the last."""
        trades: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            query = {"after": after, "limit": _PAGE}
            answer = await self._send("GET", "/control/trades", query=query)
            trades += answer["trades"]
            after = answer["next"]
        return trades

    async def totals(self) -> dict[str, Any]:
        return await self._send("GET", "/control/totals")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        response = await self._http.request(method, path, json=body, params=query)
        if not response.is_success:
            raise SandboxRefused(f"{method} {path}: HTTP {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer
