"""Settings that cannot work are refused at start, in words that say what to set."""

import base64

import pytest

from settings import SettingsError, load_settings

_KEY = "k1=" + base64.b64encode(b"1" * 32).decode()


@pytest.fixture(autouse=True)
def _needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYCENTER_DATABASE_URL", "postgresql://app@127.0.0.1/paycenter")
    monkeypatch.setenv("PAYCENTER_PAYLOAD_KEYS", _KEY)
    monkeypatch.setenv("PAYCENTER_VAULT_KEYS", _KEY)


@pytest.mark.parametrize("text", ["0", "30,-1", "nan", "inf", ""])
def test_silence_that_is_no_time_at_all_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PAYCENTER_QUERY_AFTER", text)

    with pytest.raises(SettingsError, match="PAYCENTER_QUERY_AFTER"):
        load_settings()


def test_a_role_that_no_worker_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYCENTER_WORKER_ROLES", "payment,sweeper")

    with pytest.raises(SettingsError, match="PAYCENTER_WORKER_ROLES"):
        load_settings()


def test_a_wrong_key_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYCENTER_VAULT_KEYS", "k1=c2hvcnQ=")

    with pytest.raises(SettingsError, match="key k1 is not 32 bytes") as refused:
        load_settings()

    assert "c2hvcnQ" not in str(refused.value)


def test_addresses_of_channels_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PAYCENTER_CHANNEL_URLS", "one=http://127.0.0.1/a?b=c, two=https://two.example"
    )

    assert load_settings().channel_urls == {
        "one": "http://127.0.0.1/a?b=c",
        "two": "https://two.example",
    }


@pytest.mark.parametrize("text", ["https://two.example", "two=", "=https://x", "two=two.example"])
def test_an_address_without_its_channel_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PAYCENTER_CHANNEL_URLS", text)

    with pytest.raises(SettingsError, match="PAYCENTER_CHANNEL_URLS"):
        load_settings()
