"""Everything one sandbox is made of, wired together."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.routing import BaseRoute

from sandbox.alipay.gateway import AfterAnswer
from sandbox.alipay.provider import Alipay
from sandbox.autopay import AutoPayer
from sandbox.books import Books, Trade, TradeStatus
from sandbox.desk import TradeDesk
from sandbox.dispatcher import Dispatcher
from sandbox.faults import FaultQueue
from sandbox.outbox import Outbox


def utc_now() -> datetime:
    return datetime.now(UTC)


class House:
    """The parts of a sandbox. `public_url` is asked for late: a chosen port is known late."""

    def __init__(
        self,
        books_path: Path,
        public_url: str,
        *,
        time_scale: float = 1.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.now = now
        self._progress = asyncio.Event()
        self.books = Books(books_path)
        self.outbox = Outbox(self.books)
        self.faults = FaultQueue()
        self.alipay = Alipay(
            books=self.books, folder=books_path.parent, public_url=lambda: public_url, now=now
        )
        self.dispatcher = Dispatcher(
            outbox=self.outbox,
            faults=self.faults,
            wording=self.alipay.wording,
            now=now,
            time_scale=time_scale,
            progress=self._progress.set,
        )
        self.desk = TradeDesk(self.books, now, self.dispatcher.announce)
        self.auto_payer = AutoPayer(self.books, self.desk, progress=self._progress.set)

    def routes(self) -> list[BaseRoute]:
        after = AfterAnswer(pay_first=self._pay_first, consider=self.auto_payer.consider)
        return self.alipay.routes(desk=self.desk, faults=self.faults, after=after)

    async def start(self) -> None:
        await self.dispatcher.start()
        self.auto_payer.start()

    async def stop(self) -> None:
        self.auto_payer.stop()
        await self.dispatcher.stop()
        self.books.close()

    async def become_idle(self, within: timedelta) -> None:
        """Return once nobody is paying and no notification is under way or due `within`."""
        while not (self.auto_payer.is_idle() and self.dispatcher.is_idle(within)):
            self._progress.clear()
            await self._progress.wait()

    async def _pay_first(self, trade: Trade) -> None:
        """The payer is quicker than our answer: paid and told before the merchant hears back."""
        if trade.status in {TradeStatus.PREPARED, TradeStatus.WAITING}:
            trade = self.desk.pay(trade)
        await self.dispatcher.deliver_all(trade)
