"""Secrets at rest: bound to their place, readable with old keys, useless without."""

import pytest

from models.errors import InvariantBroken
from storage.vault import Vault

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
CONTEXT = "app|app_1|webhook_secret"


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    vault = Vault({"k1": OLD}, active="k1")

    sealed = vault.seal(b"a secret", context=CONTEXT)

    assert vault.open(sealed, context=CONTEXT) == b"a secret"
    assert b"a secret" not in sealed
    assert vault.key_id_of(sealed) == "k1"
    assert sealed != vault.seal(b"a secret", context=CONTEXT)


def test_a_secret_does_not_open_in_another_place() -> None:
    vault = Vault({"k1": OLD}, active="k1")
    sealed = vault.seal(b"a secret", context=CONTEXT)

    with pytest.raises(InvariantBroken):
        vault.open(sealed, context="app|app_2|webhook_secret")


def test_no_byte_of_a_sealed_secret_can_be_changed() -> None:
    vault = Vault({"k1": OLD}, active="k1")
    sealed = vault.seal(b"a secret", context=CONTEXT)

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(InvariantBroken):
            vault.open(bytes(changed), context=CONTEXT)


def test_a_sealed_secret_cut_short_does_not_open() -> None:
    vault = Vault({"k1": OLD}, active="k1")
    sealed = vault.seal(b"a secret", context=CONTEXT)

    for length in range(len(sealed)):
        with pytest.raises(InvariantBroken):
            vault.open(sealed[:length], context=CONTEXT)


def test_old_keys_still_open_and_new_secrets_use_the_active_one() -> None:
    sealed = Vault({"k1": OLD}, active="k1").seal(b"a secret", context=CONTEXT)
    turned = Vault({"k1": OLD, "k2": NEW}, active="k2")

    assert turned.open(sealed, context=CONTEXT) == b"a secret"
    assert turned.key_id_of(turned.seal(b"another", context=CONTEXT)) == "k2"


def test_after_rewrapping_the_old_key_is_not_needed_any_more() -> None:
    sealed = Vault({"k1": OLD}, active="k1").seal(b"a secret", context=CONTEXT)

    rewrapped = Vault({"k1": OLD, "k2": NEW}, active="k2").rewrap(sealed, context=CONTEXT)

    only_new = Vault({"k2": NEW}, active="k2")
    assert only_new.key_id_of(rewrapped) == "k2"
    assert only_new.open(rewrapped, context=CONTEXT) == b"a secret"
    with pytest.raises(InvariantBroken, match="'k1'"):
        only_new.open(sealed, context=CONTEXT)


@pytest.mark.parametrize(
    ("keys", "active"), [({"k1": OLD}, "k2"), ({"k1": b"too short"}, "k1"), ({}, "k1")]
)
def test_a_vault_without_a_usable_key_is_refused(keys: dict[str, bytes], active: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Vault(keys, active=active)
