"""TLS: a certificate from files, read again when they change."""

import logging
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from service.settings import Settings

if TYPE_CHECKING:
    import uvicorn

POLL_SECONDS = 1.0

logger = logging.getLogger(__name__)


def certificate_fault(settings: Settings) -> str | None:
    """Why the certificate can't be used; None if it can."""
    if settings.tls_cert_file is None:
        return None
    try:
        _context(os.fspath(settings.tls_cert_file), settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        return f"SEQSERVE_TLS_CERT_FILE: {settings.tls_cert_file} can't be used: {error}"
    return None


def renewing_context(config: "uvicorn.Config", _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """For uvicorn's setting `ssl_context_factory`: each handshake uses the newest certificate.

    The files are checked at most once a second, when a client connects. A pair that can't be used is logged, and the
    previous one stays in use.
    """
    assert config.ssl_certfile is not None
    files = os.fspath(config.ssl_certfile), config.ssl_keyfile
    outer = newest = _context(*files)
    state, checked = _state(*files), time.monotonic()

    def use_newest(connection: ssl.SSLObject, _name: str | None, _context_of_it: ssl.SSLContext) -> None:
        nonlocal newest, state, checked
        if time.monotonic() - checked > POLL_SECONDS:
            checked = time.monotonic()
            if (found := _state(*files)) != state:
                state = found
                try:
                    newest = _context(*files)
                    logger.info("%s was renewed", files[0])
                except (OSError, ssl.SSLError) as error:
                    logger.error("%s can't be used: %s; the previous certificate stays in use", files[0], error)
        connection.context = newest

    outer.sni_callback = use_newest  # called for clients that name no server, too
    return outer


def _context(certificate: str, key: "str | os.PathLike[str] | None") -> ssl.SSLContext:
    """Raises `OSError` or `ssl.SSLError` where the files aren't there or don't belong together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key, password=_no_password)
    return context


def _no_password() -> str:
    """Otherwise OpenSSL would ask at the terminal."""
    raise ssl.SSLError("the key is encrypted; the service takes plain ones")


def _state(*files: "str | os.PathLike[str] | None") -> list[tuple[int, int, int] | None]:
    """Changes whenever one of the files does."""
    state: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            stat = Path(file).stat() if file is not None else None
        except OSError:
            stat = None
        state.append(None if stat is None else (stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return state
