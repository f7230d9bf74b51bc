"""Security headers for browsers: on every response, and more of them on pages."""

from collections.abc import Mapping

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A page may load what comes from here, and nothing inline."""

OF_PAGES: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",  # for browsers that don't know frame-ancestors
}

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}


def on_every_response(*, tls: bool) -> list[tuple[bytes, bytes]]:
    """Raw headers of every response; with `tls` a browser comes back by https only."""
    headers = NO_SNIFFING | ({"Strict-Transport-Security": "max-age=31536000"} if tls else {})
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
