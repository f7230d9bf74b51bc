"""Checks of a body's media type, content encoding and size; decompression. `route` reads bodies."""

import zlib
from collections.abc import Sequence

from service.errors import BodyTooLarge, UnsupportedEncoding, UnsupportedMedia


def check_encoding(encoding: bytes, encodings: Sequence[str]) -> None:
    """Raise `UnsupportedEncoding` unless it is none, or one of these."""
    if encoding in {b"", b"identity"} or encoding.decode("latin-1") in encodings:
        return
    detail = "Compressed bodies are not spoken here; send the JSON as it is, without Content-Encoding."
    if encodings:
        detail = f"This content encoding is not spoken here; send {' or '.join(encodings)}, or none."
    raise UnsupportedEncoding(detail, accepted=("identity", *encodings))


def check_media_type(content_type: str, media_types: Sequence[str]) -> None:
    """Raise `UnsupportedMedia` unless it is one of these; `application/*+json` stands for all of that kind."""
    media_type, *parameters = content_type.split(";")
    media_type = media_type.strip()
    is_suffixed = media_type.startswith("application/") and media_type.endswith("+json")
    if media_type not in media_types and not (is_suffixed and "application/*+json" in media_types):
        raise UnsupportedMedia(f"Send the body as Content-Type: {media_types[0]}.", accepted=media_types[:1])
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMedia("JSON is UTF-8; send it so, and leave charset out.", accepted=media_types[:1])


def decompress(body: bytes, limit: int) -> bytes:
    """Decompress gzip, up to `limit` bytes. Raises `UnsupportedEncoding`, `BodyTooLarge`."""
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)  # 16: gzip (RFC 1952)
    try:
        content = decompressor.decompress(body, limit + 1)
    except zlib.error:
        content = b""
    if len(content) > limit:
        raise too_large(limit)
    if not decompressor.eof or decompressor.unused_data:
        detail = "The body is not one member of gzip (RFC 1952); send it so, or without Content-Encoding."
        raise UnsupportedEncoding(detail, accepted=("identity", "gzip"))
    return content


def too_large(limit: int) -> BodyTooLarge:
    """The error for a body over the limit."""
    return BodyTooLarge(f"The body is over the limit of {limit} bytes; send fewer or shorter inputs a request.")
