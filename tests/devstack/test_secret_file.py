"""The stack's own secrets are made once, kept, and readable by their owner alone."""

from pathlib import Path

from api.auth import credentials_of
from devstack.secret_file import ADMIN_KEY, read_or_make_secrets, read_secrets
from settings import Settings


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    made = read_or_make_secrets(tmp_path / "secrets.env")

    assert read_or_make_secrets(tmp_path / "secrets.env") == made


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    read_or_make_secrets(tmp_path / "secrets.env")

    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_missing_is_added_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("PAYCENTER_CODEC_TOKEN=known\n")

    secrets = read_or_make_secrets(path)

    assert secrets["PAYCENTER_CODEC_TOKEN"] == "known"
    assert read_secrets(path) == secrets


def test_settings_accept_the_keys(tmp_path: Path) -> None:
    secrets = read_or_make_secrets(tmp_path / "secrets.env")

    settings = Settings.model_validate(
        {
            "database_url": "postgresql://nobody@127.0.0.1/none",
            "payload_keys": secrets["PAYCENTER_PAYLOAD_KEYS"],
            "vault_keys": secrets["PAYCENTER_VAULT_KEYS"],
        }
    )

    assert set(settings.key_bytes("payload_keys")) == {"p1"}


def test_the_api_takes_the_admin_key_for_a_key(tmp_path: Path) -> None:
    key = read_or_make_secrets(tmp_path / "secrets.env")[ADMIN_KEY]

    assert credentials_of(f"Bearer {key}").key_id in key
