"""Where an app lets payers be sent back to. Nothing else becomes a link of ours."""

from urllib.parse import urlsplit


def lies_under(address: str, registered: str) -> bool:
    """Whether `address` is `registered` or lies under it: same origin, path within it.

    The path ends at a segment: `/shop` holds `/shop/done` and not `/shopping`. A `..` in any
    spelling is refused, since browsers resolve it after us.
    """
    one, other = urlsplit(address), urlsplit(registered)
    if (one.scheme, one.hostname, one.port) != (other.scheme, other.hostname, other.port):
        return False
    if _climbs(one.path):
        return False
    base = other.path.rstrip("/")
    return one.path.rstrip("/") == base or one.path.startswith(f"{base}/")


def registration_problem(url: str, *, allow_http: bool) -> str | None:
    """Why `url` cannot be registered, or None."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not allow_http:
        return "use https"
    if parts.query or parts.fragment:
        return "leave out what follows ? or #; orders may add it"
    return "write the path without . and .." if _climbs(parts.path) else None


def _climbs(path: str) -> bool:
    plain = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/")
    return "\\" in path or any(part in (".", "..") for part in plain.split("/"))
