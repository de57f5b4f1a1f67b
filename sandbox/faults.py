"""Orders to misbehave: each says what to do, to which requests, how often; and counts itself."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

FAULTS_MAX = 1000  # more than any test plan holds; keeps matching a request cheap


class FaultType(StrEnum):
    """What goes wrong. "before" executes nothing, "after" executes and spoils the answer."""

    DROP_BEFORE = "drop_before"
    HTTP_500_BEFORE = "http_500_before"
    DROP_AFTER = "drop_after"
    HTTP_500_AFTER = "http_500_after"
    DELAY = "delay"
    UNKNOWN_CODE = "unknown_code"
    CALLBACK_BEFORE_ANSWER = "callback_before_answer"
    BAD_SIGNATURE = "bad_signature"
    WRONG_AMOUNT = "wrong_amount"
    DUPLICATE = "duplicate"
    HOLD = "hold"
    LOSE = "lose"
    REORDER = "reorder"


class Target(StrEnum):
    ANSWER = "answer"
    NOTIFICATION = "notification"


_EITHER = {FaultType.BAD_SIGNATURE: Target.ANSWER, FaultType.WRONG_AMOUNT: Target.NOTIFICATION}
_OF_NOTIFICATIONS = frozenset(
    {FaultType.DUPLICATE, FaultType.HOLD, FaultType.LOSE, FaultType.REORDER}
)


class FaultOrder(BaseModel):
    """A fault as it is asked for. `times` None means until it is deleted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: FaultType
    method: str | None = None
    out_trade_no: str | None = None
    times: int | None = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    seconds: float | None = Field(default=None, ge=0, le=600)
    copies: int = Field(default=2, ge=1, le=200)
    target: Target | None = None
    code: str | None = None
    sub_code: str | None = None
    executes: bool = True

    def hits(self, target: Target) -> bool:
        if self.type in _EITHER:
            return target is (self.target or _EITHER[self.type])
        return (self.type in _OF_NOTIFICATIONS) is (target is Target.NOTIFICATION)


class Fault(BaseModel):
    """A fault in the queue: how often it fired, how often it still will (None: without end)."""

    id: str
    order: FaultOrder
    fired: int = 0
    left: int | None
    to_skip: int

    def matches(self, method: str, out_trade_no: str) -> bool:
        wanted = self.order
        return (
            self.left != 0
            and wanted.method in {None, method}
            and (wanted.out_trade_no is None or wanted.out_trade_no in out_trade_no)
        )

    def fires(self) -> bool:
        """Count one match; False while matches are still let through."""
        if self.to_skip:
            self.to_skip -= 1
            return False
        self.fired += 1
        if self.left is not None:
            self.left -= 1
        return True


Taken = dict[FaultType, FaultOrder]


class FaultQueue:
    """The faults asked for, oldest first. Kept in memory: a restarted sandbox behaves."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._made = 0

    def add(self, order: FaultOrder) -> Fault:
        """Raises ValueError when the queue is full."""
        if len(self._faults) >= FAULTS_MAX:
            raise ValueError(f"there are {FAULTS_MAX} faults already; delete some")
        self._made += 1
        fault = Fault(id=f"flt_{self._made}", order=order, left=order.times, to_skip=order.skip)
        self._faults.append(fault)
        return fault

    def all(self) -> tuple[Fault, ...]:
        return tuple(self._faults)

    def remove(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all of them. Returns how many."""
        kept = [fault for fault in self._faults if fault_id not in {None, fault.id}]
        removed = len(self._faults) - len(kept)
        self._faults = kept
        return removed

    def take(
        self, types: frozenset[FaultType], target: Target, *, method: str, out_trade_no: str
    ) -> Taken:
        """The faults that strike now, at most one of each type, each counted as fired."""
        taken: Taken = {}
        for fault in self._faults:
            kind = fault.order.type
            wanted = kind in types and kind not in taken and fault.order.hits(target)
            if wanted and fault.matches(method, out_trade_no) and fault.fires():
                taken[kind] = fault.order
        return taken
