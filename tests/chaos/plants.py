"""Bugs to be planted: each a change of our own code, and of the guards that would have stopped it.

The developer who makes such a mistake also takes away the constraint that stands in the way; so do
we. What a patch or a function is looked for in has to be there: else nothing was planted.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg

PROJECT = Path(__file__).resolve().parents[2]
_CODE = (
    "activities", "api", "channels", "devstack", "domain", "engine", "models", "observability",
    "sandbox", "storage", "workflows", "cli.py", "settings.py", "worker.py",
)  # fmt: skip


@dataclass(frozen=True)
class Patch:
    """In `file`, `old` (there exactly once) becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class FunctionPatch:
    """In the database function `name`, `old` (there exactly once) becomes `new`."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Plant:
    patches: tuple[Patch, ...] = ()
    functions: tuple[FunctionPatch, ...] = ()
    dropped: tuple[str, ...] = ()


A_NEW_SERIAL_ON_RETRY = Plant(
    patches=(
        Patch(
            "activities/channel.py",
            "            answer = await channel.pay(account, step.request, started)\n",
            "            tries = activity.info().attempt\n"
            "            serial = step.request.serial + ('' if tries == 1 else f'R{tries}')\n"
            "            request = step.request.model_copy(update={'serial': serial})\n"
            "            answer = await channel.pay(account, request, started)\n",
        ),
    )
)
POSTED_TWICE = Plant(
    patches=(
        Patch(
            "activities/ledger.py",
            '        async with self._database.statement("settle payment") as connection:\n',
            "        if ledger_transaction is not None:\n"
            '            async with self._database.statement("post") as connection:\n'
            "                from storage import ledger\n"
            "                await ledger.post(connection, ledger_transaction)\n"
            "            ledger_transaction = None\n"
            '        async with self._database.statement("settle payment") as connection:\n',
        ),
    ),
    functions=(
        FunctionPatch(
            "post_ledger_transaction", "    ON CONFLICT (event_type, event_id) DO NOTHING;", ";"
        ),
        FunctionPatch(
            "post_ledger_transaction",
            "BEGIN\n",
            "BEGIN posting := jsonb_set(posting, '{id}',"
            " to_jsonb((posting ->> 'id') || gen_random_uuid()));\n",
        ),
    ),
    dropped=("ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_event_once",),
)
UNKNOWN_IS_FAILED = Plant(
    patches=(
        Patch(
            "activities/channel.py",
            "        answer = await self._send(step)\n",
            "        answer = await self._send(step)\n"
            "        if isinstance(answer.outcome, Unknown):\n"
            "            from models.channel import Declined\n"
            "            failed = Declined(code='timeout', detail=answer.outcome.detail)\n"
            "            answer = answer.model_copy(update={'outcome': failed})\n",
        ),
    )
)
AMOUNT_NOT_COMPARED = Plant(
    patches=(
        Patch("storage/callbacks.py", "WHEN found.disputed THEN 'disputed'\n", "\n"),
        Patch(
            "storage/callbacks.py",
            "    CASE WHEN found.disputed THEN found.amount_minor END,\n"
            "    CASE WHEN found.disputed THEN found.currency END,\n"
            "    CAST(:headers",
            "    NULL, NULL,\n    CAST(:headers",
        ),
        Patch(
            "workflows/findings.py",
            "        if not isinstance(outcome, Approved) or _fits(outcome, order):\n",
            "        if True:\n",
        ),
    ),
    dropped=(
        """DO $$ DECLARE guard record; BEGIN
            FOR guard IN SELECT conrelid::regclass AS relation, conname FROM pg_constraint
                WHERE contype = 'c' AND conrelid IN ('payment'::regclass, 'attempt'::regclass)
                  AND pg_get_constraintdef(oid) ~ '(captured|charged)_minor'
            LOOP
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', guard.relation, guard.conname);
            END LOOP;
        END $$""",
    ),
)
REFUND_SUM_NOT_LOCKED = Plant(
    functions=(
        FunctionPatch("check_refundable", "FOR NO KEY UPDATE", ""),
        # Without the lock two have to be at it in the same moment: a slow machine is enough.
        FunctionPatch(
            "check_refundable",
            "    IF new.amount_minor > refundable THEN",
            "    PERFORM pg_sleep(0.5);\n    IF new.amount_minor > refundable THEN",
        ),
    )
)


def copy_with(plant: Plant, folder: Path) -> Path:
    """Our code in `folder`, with the plant's patches. Raises ValueError when one does not fit."""
    for name in _CODE:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    for patch in plant.patches:
        file = folder / patch.file
        file.write_text(_replaced(file.read_text(), patch.old, patch.new, where=patch.file))
    return folder


def plant_in_database(plant: Plant, owner_url: str) -> None:
    """Change the functions and drop what would have stopped it."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for patch in plant.functions:
            found = connection.execute(
                "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s", (patch.name,)
            ).fetchone()
            text = _replaced(found[0] if found else "", patch.old, patch.new, where=patch.name)
            connection.execute(text.encode())
        for statement in plant.dropped:
            connection.execute(statement.encode())


def _replaced(text: str, old: str, new: str, *, where: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"{where} has {old!r} {text.count(old)} times: nothing was planted")
    return text.replace(old, new)
