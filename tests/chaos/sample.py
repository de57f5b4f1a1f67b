"""How much is killed in this run: everything (`make chaos`), or a part that a seed chooses."""

import os
import random
from collections.abc import Sequence

IS_FULL = os.environ.get("PAYCENTER_CHAOS") == "full"
SEED = int(os.environ["PAYCENTER_CHAOS_SEED"])  # tests/conftest.py chooses one


def sampled(names: Sequence[str], count: int, *, always: Sequence[str] = ()) -> list[str]:
    """All of them, or those that are never left out and others until there are `count`."""
    if IS_FULL:
        return list(names)
    others = [name for name in names if name not in always]
    picked = random.Random(SEED).sample(others, count - len(always))
    return [name for name in names if name in always or name in picked]
