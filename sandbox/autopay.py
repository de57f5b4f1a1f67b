"""A standing payer: pays, or refuses, what merchants submit, right after their answer is out."""

import asyncio
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from sandbox.books import Books
from sandbox.tills import Action, Payable, Till

_SETTING = "auto-pay"


class AutoPayRule(BaseModel):
    """Whether, how and after how long trades are paid. `out_trade_no` is a part of the number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool
    action: Action = Action.PAY
    delay_seconds: float = Field(default=0, ge=0, le=86_400)
    out_trade_no: str | None = None

    def wants(self, payable: Payable) -> bool:
        named = self.out_trade_no is None or self.out_trade_no in payable.out_trade_no
        return self.enabled and named


class AutoPayer:
    """Carries out the rule. The rule is kept, so a restarted sandbox pays what it had not yet."""

    def __init__(self, books: Books, *, progress: Callable[[], None]) -> None:
        self._books = books
        self._progress = progress
        kept = books.read_setting(_SETTING)
        self.rule = AutoPayRule.model_validate_json(kept) if kept else AutoPayRule(enabled=False)
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def set_rule(self, rule: AutoPayRule) -> None:
        self.rule = rule
        self._books.write_setting(_SETTING, rule.model_dump_json())

    def start(self, *tills: Till) -> None:
        """Take up again what was open when the process ended."""
        if not self.rule.enabled:
            return
        for till in tills:
            for payable in till.waiting():
                self.consider(till, payable)

    def stop(self) -> None:
        for handle in self._waiting.values():
            handle.cancel()
        self._waiting.clear()

    def is_idle(self) -> bool:
        return not self._waiting

    def consider(self, till: Till, payable: Payable) -> None:
        """Pay it as the rule says, after the rule's delay."""
        if self.rule.wants(payable) and till.is_open(payable):
            self.pay_later(till, payable, self.rule.delay_seconds, self.rule.action)

    def pay_later(
        self, till: Till, payable: Payable, delay_seconds: float, action: Action = Action.PAY
    ) -> None:
        trade_no = payable.trade_no
        if trade_no not in self._waiting:
            loop = asyncio.get_running_loop()
            handle = loop.call_later(delay_seconds, self._act, till, trade_no, action)
            self._waiting[trade_no] = handle

    def _act(self, till: Till, trade_no: str, action: Action) -> None:
        del self._waiting[trade_no]
        self._progress()
        till.act(trade_no, action)
