"""Reading: from a text as it was sent to the words that a person would see, before it is divided into tokens.

Mail is decoded, mark-up taken off, disguised letters are undone. A manifest names the steps of its model in order, so
training and serving read alike; without steps a text is taken as it is.
"""

import base64
import binascii
import email
import functools
import html
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Sequence
from email.header import decode_header, make_header
from email.message import Message
from typing import Any, Literal, get_args

Format = Literal["auto", "text", "html", "email"]
"""What a text is; `auto` recognises mail by its headers and HTML by its tags, where the model's steps say so."""

Step = Literal[
    "email", "transfer_encoding", "html", "entities", "unicode", "confusables", "spaced_letters", "white_space"
]

_HEADERS = frozenset({
    "from", "to", "cc", "subject", "date", "received", "message-id", "mime-version", "content-type", "return-path",
    "content-transfer-encoding", "reply-to", "delivered-to", "sender", "list-id", "list-unsubscribe", "x-mailer",
})  # fmt: skip
"""Names, one of which alone may begin any text; with two it is mail."""
_HEADER_BLOCK = re.compile(r"(?:From [^\n]*\n)?((?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*)+)\s*?(?:\n|\Z)")
_SUBJECT_ALONE = re.compile(r"Subject:[ \t]*([^\n]*)\n")
_STRONG_TAG = re.compile(r"<(?:!doctype\s+html|html|body|head|style|table|div)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|b|br|center|em|font|h[1-6]|hr|i|img|li|ol|p|span|strong|td|tr|u|ul)(?:\s[^<>]*)?/?>", re.IGNORECASE
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9])", re.IGNORECASE)
_NOT_SHOWN = "script, style, head, template, title, noframes, object"
_BLOCKS = (
    "p, div, br, hr, td, th, tr, li, ul, ol, table, h1, h2, h3, h4, h5, h6, blockquote, center, section, article, pre"
)
_MOST_TAGS = 10_000
"""Of HTML that is parsed: deep nesting takes time by its square. Of more, tags are taken off and that is all."""
_ANY_TAG = re.compile(r"<[^<>]*>")
_LINK_CHARACTERS = 100
"""Of a link's target, at most: what follows is mostly a code."""

_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{24,}={0,2}\s*")
_QUOTED_PRINTABLE = re.compile(r"=[0-9A-F]{2}")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})")

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_OVERLAYS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]")
"""Combining marks that no composed letter took up: struck through, underlined, piled up."""
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_](?:([ .*_·|/-])[^\W_]){2,}(?![^\W_])")
_SPACED_TOO = re.compile(r"(?<![^\W_])[^\W_](?:([ .*_·|/-])[^\W_])+(?![^\W_])")
"""Two letters, or digits, of a text that has longer words of that sort."""
_SPACED_WORDS = 3
"""So many in a text, and it is a habit."""
_FIRST_PHONETIC = 0x250
"""Latin letters before it are written in some language."""
_LATIN_LETTER = re.compile(r"LATIN (?:(?P<case>CAPITAL|SMALL) )?LETTER (?:SMALL CAPITAL )?(?P<letter>[A-Z])")
"""Unicode's name of a plain one, or of one that is written like it."""
_WORD = re.compile(r"\w+")
_WHITE_SPACE = re.compile(r"\s+")


def read(text: str, steps: Sequence[Step], written: Format = "auto") -> str:
    """The text as its model is to read it.

    Args:
        text: as it was sent.
        steps: of the model; see `STEPS`.
        written: what the text is. Other than `auto`, it holds whatever the steps are.
    """
    if written == "email":
        text = _email(text) or text
    elif written == "html":
        text = _visible(text)
    for step in steps:
        if written == "auto" or step not in _RECOGNISING:
            text = STEPS[step](text)
    return text


def _recognised_email(text: str) -> str:
    """Subject and body, decoded, of a text that begins as a mail does."""
    block = _HEADER_BLOCK.match(text)
    if block:
        names = {line.partition(":")[0].lower() for line in block[1].split("\n")}
        if len(names & _HEADERS) >= 2:
            return _email(text) or text
    subject = _SUBJECT_ALONE.match(text)
    return f"{subject[1]}\n{text[subject.end() :]}" if subject else text


def _email(text: str) -> str | None:
    """Subject and body of a message (RFC 5322, MIME), None if it has neither."""
    try:
        message = email.message_from_string(text.lstrip())
        subject = _decoded_header(message.get("Subject", ""))
        plain, marked_up = _bodies(message)
    except Exception:  # whatever the parser meets in a malformed message
        return None
    visible = _visible(marked_up) if marked_up.strip() else ""
    body = plain if len(plain.strip()) * 4 >= len(visible.strip()) else visible
    if _is_html(body):
        body = _visible(body)
    return f"{subject}\n{body}".strip() or None


def _bodies(message: Message) -> tuple[str, str]:
    """Plain text and HTML of all parts that aren't attached files."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in message.walk():
        kind = part.get_content_type()
        if kind in texts and part.get_content_disposition() != "attachment":
            texts[kind].append(_decoded_part(part))
    return "\n".join(texts["text/plain"]), "\n".join(texts["text/html"])


def _decoded_part(part: Message) -> str:
    payload: Any = part.get_payload()
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in {"base64", "quoted-printable"}:
        return str(payload)
    content = part.get_payload(decode=True)
    return _decoded(content, part.get_content_charset()) if isinstance(content, bytes) else str(payload)


def _decoded(content: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            return content.decode(name or "utf-8")
        except (LookupError, UnicodeError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _decoded_header(value: Any) -> str:
    try:
        return str(make_header(decode_header(str(value))))
    except (LookupError, UnicodeError, ValueError):
        return str(value)


def _transfer_encoding(text: str) -> str:
    """Base64, quoted-printable or percent-encoding around the whole text, undone where text comes out."""
    stripped = text.strip()
    decoded: bytes | None = None
    if _BASE64.fullmatch(stripped) and " " not in stripped:
        try:
            decoded = base64.b64decode("".join(stripped.split()), validate=True)
        except (binascii.Error, ValueError):
            return text
    elif len(_QUOTED_PRINTABLE.findall(stripped)) >= 3:
        decoded = binascii.a2b_qp(stripped.encode("utf-8", "surrogatepass"))
    elif len(_PERCENT.findall(stripped)) >= 3 and not re.search(r"\s", stripped) and "://" not in stripped:
        decoded = urllib.parse.unquote_to_bytes(stripped.replace("+", " "))
    if decoded is None:
        return text
    try:
        shown = decoded.decode()
    except UnicodeDecodeError:
        return text
    is_text = sum(character.isprintable() or character.isspace() for character in shown) >= 0.95 * len(shown)
    return shown if is_text else text


def _is_html(text: str) -> bool:
    return "<" in text and (_STRONG_TAG.search(text) is not None or len(_TAG.findall(text)) >= 2)


def _recognised_html(text: str) -> str:
    return _visible(text) if _is_html(text) else text


def _visible(text: str) -> str:
    """What a browser shows of HTML: no scripts, styles and hidden parts; links with their targets, pictures' texts."""
    if text.count("<") > _MOST_TAGS:
        return _ANY_TAG.sub(" ", text)
    from selectolax.lexbor import LexborHTMLParser  # here: not every process is asked

    tree = LexborHTMLParser(text)
    for node in tree.css(_NOT_SHOWN):
        node.decompose()
    for node in tree.css("[style], [hidden]"):
        if "hidden" in node.attributes or _HIDDEN.search(node.attributes.get("style") or ""):
            node.decompose()
    for node in tree.css("a[href]"):
        target = (node.attributes.get("href") or "").strip()
        shown = node.text(deep=True)
        if target.lower().startswith(("http", "mailto:")) and target not in shown:
            node.insert_after(f" {target[:_LINK_CHARACTERS]} ")
    for node in tree.css("img[alt]"):
        node.insert_after(f" {node.attributes.get('alt') or ''} ")
    for node in tree.css(_BLOCKS):
        node.insert_before("\n")
        node.insert_after("\n")
    root = tree.root
    return "" if root is None else root.text(deep=True, separator="").strip()


def _unicode(text: str) -> str:
    """NFKC, without invisible characters and marks over letters."""
    if text.isascii():
        return text
    return _OVERLAYS.sub("", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)))


@functools.cache
def _latin_lookalikes() -> dict[int, str]:
    """Letters and signs beyond ASCII that look like a Latin letter (Unicode's confusables), and that letter."""
    from confusable_homoglyphs.confusables import confusables_data  # here: not every process is asked

    table = {}
    for character, alike in confusables_data.items():
        if len(character) != 1 or character.isascii():
            continue
        if unicodedata.name(character, "").startswith("LATIN") and ord(character) < _FIRST_PHONETIC:
            continue
        latin = [found for one in alike if (found := _LATIN_LETTER.fullmatch(one["n"]))]
        if latin:
            letter = latin[0]["letter"] if latin[0]["case"] == "CAPITAL" else latin[0]["letter"].lower()
            table[ord(character)] = "I" if letter == "l" and character.isupper() else letter
    return table


def _confusables(text: str) -> str:
    """Letters of other scripts that stand for Latin ones, as Latin ones; words of another script stay."""
    if text.isascii():
        return text
    table = _latin_lookalikes()
    num_ascii = sum(character.isascii() and character.isalpha() for character in text)
    mostly_latin = num_ascii * 2 >= sum(map(str.isalpha, text))

    def fold(match: re.Match[str]) -> str:
        word = match[0]
        if word.isascii():
            return word
        folded = word.translate(table)
        is_mixed = any(character.isascii() and character.isalpha() for character in word)
        return folded if is_mixed or (mostly_latin and folded.isascii()) else word

    return _WORD.sub(fold, text)


def _spaced_letters(text: str) -> str:
    """Letters with a sign between each two, joined: `f r e e`, `w.i.n.n.e.r`."""

    def join(match: re.Match[str]) -> str:
        return match[0].replace(match[1], "")

    joined, num_words = _SPACED.subn(join, text)
    return joined if num_words < _SPACED_WORDS else _SPACED_TOO.sub(join, joined)


def _white_space(text: str) -> str:
    return _WHITE_SPACE.sub(" ", text).strip()


STEPS: dict[Step, Callable[[str], str]] = {
    "email": _recognised_email,
    "transfer_encoding": _transfer_encoding,
    "html": _recognised_html,
    "entities": html.unescape,
    "unicode": _unicode,
    "confusables": _confusables,
    "spaced_letters": _spaced_letters,
    "white_space": _white_space,
}
"""By their names in manifests."""
_RECOGNISING = frozenset({"email", "transfer_encoding", "html"})
"""Steps of format `auto` alone."""

assert set(get_args(Step)) == set(STEPS)
