"""Origins, as browsers write them."""

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Return a URL's origin as browsers write it: scheme, host, and the port unless it is usual."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port and parts.port != usual else ""
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"
