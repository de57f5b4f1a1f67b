"""The one way our processes connect to Temporal."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import TLSConfig

from engine.encryption import PayloadEncryption


@dataclasses.dataclass(frozen=True)
class TemporalConnection:
    """Where Temporal is and how we prove who we are. The first payload key is the active one."""

    address: str
    namespace: str
    payload_keys: Mapping[str, bytes] = dataclasses.field(repr=False)
    tls: bool = False
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    api_key: str | None = dataclasses.field(default=None, repr=False)
    metrics_address: str | None = None


def data_converter(payload_keys: Mapping[str, bytes]) -> DataConverter:
    """Pydantic models as JSON, encrypted; failure messages and stack traces too."""
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=PayloadEncryption(payload_keys, active=next(iter(payload_keys))),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def connect(
    connection: TemporalConnection,
    *,
    lazy: bool = False,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """Connect, or raise RuntimeError when the server cannot be reached.

    lazy: connect with the first call instead, so that a process can start before Temporal does.
    """
    return await Client.connect(
        connection.address,
        namespace=connection.namespace,
        data_converter=data_converter(connection.payload_keys),
        tls=_tls(connection),
        api_key=connection.api_key,
        runtime=_runtime(connection.metrics_address),
        lazy=lazy,
        interceptors=interceptors,
    )


def _tls(connection: TemporalConnection) -> TLSConfig | bool:
    if not connection.tls:
        return bool(connection.api_key)
    return TLSConfig(
        server_root_ca_cert=_bytes_of(connection.tls_ca_file),
        client_cert=_bytes_of(connection.tls_cert_file),
        client_private_key=_bytes_of(connection.tls_key_file),
    )


def _bytes_of(file: str | None) -> bytes | None:
    return Path(file).read_bytes() if file else None


def _runtime(metrics_address: str | None) -> Runtime | None:
    if metrics_address is None:
        return None
    metrics = PrometheusConfig(
        bind_address=metrics_address, counters_total_suffix=True, durations_as_seconds=True
    )
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))
