"""Channels' statements as files, under the hash of what is in them: kept for ever, never changed.

`<folder>/<account>/<day>/<sha256>`. A file lies under its name only when all of it is on disk, so
a crash leaves a draft behind and never half a statement.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from models.errors import NotFound, Unavailable
from models.reconciliation import StatementFacts, StatementSource

_CHUNK_BYTES = 1024 * 1024
_DRAFT_END = ".draft"
# Longer than any download or upload may take; what is older was left behind by a crash.
_DRAFT_LIFETIME = timedelta(days=1)


class Draft:
    """A statement on its way in. `write` it, or let somebody write to `path`; then keep it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def write(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
        self._file.write(chunk)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class StatementFiles:
    """The folder of statements. API and workers of one house share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def draft(self, account_id: str, day: date) -> Iterator[Draft]:
        """A place for a statement that comes in; gone again unless it was kept.

        Raises Unavailable when the folder cannot be written to.
        """
        try:
            place = self._place(account_id, day)
            place.mkdir(parents=True, exist_ok=True)
            self._remove_old_drafts(place)
        except OSError as error:
            raise _cannot_write(error) from error
        draft = Draft(place / f"{uuid4().hex}{_DRAFT_END}")
        try:
            yield draft
        except OSError as error:
            raise _cannot_write(error) from error
        finally:
            draft.close()
            draft.path.unlink(missing_ok=True)

    def keep(
        self, draft: Draft, account_id: str, day: date, source: StatementSource
    ) -> StatementFacts:
        """Give a complete draft its name for ever. The same bytes again are the same file."""
        draft.close()
        sha256, size = _hash_and_flush(draft.path)
        place = self._place(account_id, day)
        draft.path.replace(place / sha256)
        _flush_folder(place)
        return StatementFacts(source=source, sha256=sha256, bytes=size)

    def path_of(self, account_id: str, day: date, sha256: str) -> Path:
        """Where a kept statement lies. Raises NotFound `statement-missing` when it is gone."""
        path = self._place(account_id, day) / sha256
        if not path.is_file():
            raise NotFound(f"the statement {sha256} is not kept here", code="statement-missing")
        return path

    def _place(self, account_id: str, day: date) -> Path:
        return self._folder / account_id / day.isoformat()

    @staticmethod
    def _remove_old_drafts(place: Path) -> None:
        before = (datetime.now().astimezone() - _DRAFT_LIFETIME).timestamp()
        for path in place.glob(f"*{_DRAFT_END}*"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


def _hash_and_flush(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def _flush_folder(folder: Path) -> None:
    """A new name is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(error: OSError) -> Unavailable:
    return Unavailable(f"statements cannot be kept now ({error.strerror})")
