from datetime import timedelta
from pathlib import Path

import pytest

import channels
from channels.base import Channel
from channels.http import ChannelHttp
from channels.registry import ChannelRegistry, build_registry, open_registry
from models.errors import ChannelMisconfigured, InvalidRequest, NotFound
from tests.channels.alipay_side import NOW, in_certificate_mode, in_key_mode, issue, root

HOUSEKEEPING = {"__init__", "base", "http", "registry"}


@pytest.fixture
def registry(http: ChannelHttp) -> ChannelRegistry:
    return build_registry(http)


def test_every_adapter_is_registered(registry: ChannelRegistry) -> None:
    folder = Path(channels.__path__[0])
    adapters = {path.stem for path in folder.iterdir() if not path.stem.startswith("__")}

    assert set(registry.names()) == adapters - HOUSEKEEPING


def test_an_unknown_channel_is_not_found(registry: ChannelRegistry) -> None:
    with pytest.raises(NotFound) as caught:
        registry.get("wechat")

    assert caught.value.code == "channel-not-found"


def test_methods_name_their_channel_and_are_unique(registry: ChannelRegistry) -> None:
    methods = registry.methods()

    assert {name: channel for name, (channel, _) in methods.items()}.items() >= {
        ("alipay_qr", "alipay"),
        ("alipay_page", "alipay"),
        ("alipay_wap", "alipay"),
        ("alipay_buyer_code", "alipay"),
        ("stripe_card", "stripe"),
    }
    declared = [
        method for name in registry.names() for method in registry.get(name).capabilities.methods
    ]
    assert len(declared) == len(methods)


def test_only_the_payers_code_may_not_be_sent_twice(registry: ChannelRegistry) -> None:
    methods = {method.name: method for method in registry.get("alipay").capabilities.methods}

    assert {name for name, method in methods.items() if not method.repeat_safe} == {
        "alipay_buyer_code"
    }
    assert methods["alipay_buyer_code"].payer_present
    assert methods["alipay_buyer_code"].needs_payer_code


def test_the_schema_marks_secrets_as_write_only(registry: ChannelRegistry) -> None:
    schema = registry.parameters_schema("alipay")

    secret = {name for name, field in schema["properties"].items() if field.get("writeOnly")}
    assert secret == {"app_private_key"}
    assert set(schema["required"]) == {"app_id", "seller_id", "app_private_key"}
    assert schema["additionalProperties"] is False


def test_missing_parameters_are_named_one_by_one(registry: ChannelRegistry) -> None:
    with pytest.raises(InvalidRequest) as caught:
        registry.parse_parameters("alipay", {})

    assert [problem.pointer for problem in caught.value.problems] == [
        "#/parameters/app_id",
        "#/parameters/seller_id",
        "#/parameters/app_private_key",
    ]


def test_a_parameter_that_is_no_text_is_refused(registry: ChannelRegistry) -> None:
    with pytest.raises(InvalidRequest):
        registry.parse_parameters("alipay", in_key_mode() | {"app_id": 2021000000000001})


def test_split_parameters_make_the_same_account_again(registry: ChannelRegistry) -> None:
    parsed = registry.parse_parameters("alipay", in_key_mode())

    public, secrets = registry.split_secrets(parsed)
    account = registry.account("acc_1", version=1, channel="alipay", parameters=public | secrets)

    assert secrets.keys() == {"app_private_key"}
    assert public.keys() == {"app_id", "seller_id", "alipay_public_key"}
    assert account.parameters.model_dump() == parsed.model_dump()


def test_an_account_is_parsed_once_per_version(registry: ChannelRegistry) -> None:
    first = registry.account("acc_1", version=1, channel="alipay", parameters=in_key_mode())
    again = registry.account("acc_1", version=1, channel="alipay", parameters=in_key_mode())
    newer = registry.account("acc_1", version=2, channel="alipay", parameters=in_key_mode())

    assert again is first
    assert newer is not first


def test_an_account_with_other_parameters_is_never_the_kept_one(
    registry: ChannelRegistry,
) -> None:
    first = registry.account("acc_1", version=1, channel="alipay", parameters=in_key_mode())
    changed = in_key_mode() | {"app_id": "2021000000000002"}

    other = registry.account("acc_1", version=1, channel="alipay", parameters=changed)

    assert other.parameters.app_id == "2021000000000002"
    assert first.parameters.app_id != other.parameters.app_id


def test_an_account_that_cannot_be_read_is_misconfigured_without_its_secrets(
    registry: ChannelRegistry,
) -> None:
    broken = in_key_mode() | {"app_private_key": "not-a-key"}

    with pytest.raises(ChannelMisconfigured) as caught:
        registry.account("acc_1", version=1, channel="alipay", parameters=broken)

    assert "app_private_key" in caught.value.detail
    assert "not-a-key" not in caught.value.detail


def test_an_account_whose_certificate_ran_out_since_can_still_be_read(
    registry: ChannelRegistry,
) -> None:
    old = issue("alipay", by=root(), start=NOW - timedelta(days=9), end=NOW - timedelta(days=1))
    parameters = in_certificate_mode() | {"alipay_certificate": old.pem}

    account = registry.account("acc_1", version=1, channel="alipay", parameters=parameters)

    assert account.parameters.keys_for_callback(NOW) == ()


def test_an_account_does_not_show_its_secrets(registry: ChannelRegistry) -> None:
    account = registry.account("acc_1", version=1, channel="alipay", parameters=in_key_mode())

    assert in_key_mode()["app_private_key"].splitlines()[1] not in f"{account!r} {account}"


def test_an_address_of_no_channel_is_refused(http: ChannelHttp) -> None:
    with pytest.raises(ValueError, match="no channel alipya"):
        build_registry(http, urls={"alipya": "http://127.0.0.1/"})


async def test_a_registry_opened_by_itself_brings_its_client() -> None:
    async with open_registry(
        urls={"alipay": "http://127.0.0.1/"},
        connect_timeout=timedelta(seconds=1),
        read_timeout=timedelta(seconds=1),
    ) as registry:
        channel: Channel = registry.get("alipay")

    assert channel.name == "alipay"
