"""What a check of the books is, and what it found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from models.channel import Frozen

# So many offending rows are shown; how many there are is counted in full.
SHOWN_MAX = 50

Shown: TypeAlias = dict[str, str | int | None]


class Holds(StrEnum):
    """When an invariant has to hold: at every instant, or once nothing is under way any more."""

    ALWAYS = "always"
    WHEN_QUIET = "when quiet"


@dataclass(frozen=True)
class Check:
    """One invariant. `name` is its number (I1 …), `meaning` what a broken one says.

    `of` is what it looks at (what follows FROM), `broken` selects what offends.
    """

    name: str
    meaning: str
    of: str
    broken: str
    holds: Holds = Holds.ALWAYS


class CheckResult(Frozen):
    """What one check found; `rows` are the first of the offending ones."""

    name: str
    meaning: str
    holds: Holds
    looked_at: int
    broken: int
    rows: tuple[Shown, ...] = ()

    @property
    def is_clean(self) -> bool:
        return self.broken == 0


def result_of(
    name: str, meaning: str, holds: Holds, *, looked_at: int, offenders: list[Shown]
) -> CheckResult:
    """The result of a check that was made outside the database."""
    return CheckResult(
        name=name,
        meaning=meaning,
        holds=holds,
        looked_at=looked_at,
        broken=len(offenders),
        rows=tuple(offenders[:SHOWN_MAX]),
    )
