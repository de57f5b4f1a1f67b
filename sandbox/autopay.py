"""A standing payer: pays, or refuses, what merchants submit, right after their answer is out."""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from sandbox.books import Books, Trade, TradeFilter, TradeStatus
from sandbox.desk import Refused, TradeDesk

_SETTING = "auto-pay"
_OPEN = frozenset({TradeStatus.PREPARED, TradeStatus.WAITING})
_PAGE = 1000


class Action(StrEnum):
    PAY = "pay"
    REFUSE = "refuse"


class AutoPayRule(BaseModel):
    """Whether, how and after how long trades are paid. `out_trade_no` is a part of the number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool
    action: Action = Action.PAY
    delay_seconds: float = Field(default=0, ge=0, le=86_400)
    out_trade_no: str | None = None

    def wants(self, trade: Trade) -> bool:
        named = self.out_trade_no is None or self.out_trade_no in trade.out_trade_no
        return self.enabled and named and trade.status in _OPEN


class AutoPayer:
    """Carries out the rule. The rule is kept, so a restarted sandbox pays what it had not yet."""

    def __init__(self, books: Books, desk: TradeDesk, *, progress: Callable[[], None]) -> None:
        self._books = books
        self._desk = desk
        self._progress = progress
        kept = books.read_setting(_SETTING)
        self.rule = AutoPayRule.model_validate_json(kept) if kept else AutoPayRule(enabled=False)
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def set_rule(self, rule: AutoPayRule) -> None:
        self.rule = rule
        self._books.write_setting(_SETTING, rule.model_dump_json())

    def start(self) -> None:
        """Take up again what was open when the process ended."""
        if self.rule.enabled:
            for status in _OPEN:
                self._consider_all(status)

    def stop(self) -> None:
        for handle in self._waiting.values():
            handle.cancel()
        self._waiting.clear()

    def is_idle(self) -> bool:
        return not self._waiting

    def consider(self, trade: Trade) -> None:
        """Pay it as the rule says, after the rule's delay."""
        if self.rule.wants(trade):
            self.pay_later(trade, self.rule.delay_seconds, self.rule.action)

    def pay_later(self, trade: Trade, delay_seconds: float, action: Action = Action.PAY) -> None:
        if trade.trade_no not in self._waiting:
            loop = asyncio.get_running_loop()
            handle = loop.call_later(delay_seconds, self._act, trade.trade_no, action)
            self._waiting[trade.trade_no] = handle

    def _consider_all(self, status: TradeStatus) -> None:
        after = ""
        while trades := self._books.list_trades(
            TradeFilter(status=status, after=after, limit=_PAGE)
        ):
            for trade in trades:
                self.consider(trade)
            after = trades[-1].trade_no

    def _act(self, trade_no: str, action: Action) -> None:
        del self._waiting[trade_no]
        self._progress()
        trade = self._books.find_by_trade_no(trade_no)
        if trade is None or trade.status not in _OPEN:
            return
        try:
            if action is Action.PAY:
                self._desk.pay(trade)
            else:
                self._desk.refuse(trade)
        except Refused:
            return  # its time ran out while we waited
