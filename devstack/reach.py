"""Whether our neighbours answer, and what Temporal has to know of us."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from engine.client import TemporalConnection, connect
from engine.search_attributes import REGISTERED
from models.errors import Unavailable
from settings import Settings
from storage.database import Database

_KINDS = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


async def temporal_client(settings: Settings) -> Client:
    """Raises RuntimeError when Temporal cannot be reached."""
    secret = settings.temporal_api_key
    return await connect(
        TemporalConnection(
            address=settings.temporal_address,
            namespace=settings.temporal_namespace,
            payload_keys=settings.key_bytes("payload_keys"),
            tls=settings.temporal_tls,
            tls_ca_file=settings.temporal_tls_ca_file,
            tls_cert_file=settings.temporal_tls_cert_file,
            tls_key_file=settings.temporal_tls_key_file,
            api_key=secret.get_secret_value() if secret else None,
        )
    )


async def unreachable(settings: Settings) -> list[str]:
    """What does not answer, each with what to look at; empty when all is well."""
    problems = []
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    try:
        await database.ping()
    except Unavailable as error:
        problems.append(f"PostgreSQL does not answer ({error}): look at PAYCENTER_DATABASE_URL")
    finally:
        await database.close()
    try:
        await temporal_client(settings)
    except (RuntimeError, RPCError) as error:
        where = settings.temporal_address
        problems.append(
            f"Temporal does not answer at {where} ({error}): look at PAYCENTER_TEMPORAL_ADDRESS"
        )
    return problems


async def register_search_attributes(settings: Settings) -> None:
    """Add the search attributes that the namespace does not have yet."""
    client = await temporal_client(settings)
    namespace = settings.temporal_namespace
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace)
    )
    missing = {n: _KINDS[k] for n, k in REGISTERED.items() if n not in listed.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
        )
