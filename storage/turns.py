"""Taking turns: work that several processes could do, done by one of them at a time."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def take_turn(connection: AsyncConnection, name: str) -> bool:
    """Whether it is ours until the transaction ends; False at once when another has it."""
    taken = await connection.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtext(:name))"), {"name": f"paycenter {name}"}
    )
    return bool(taken)
