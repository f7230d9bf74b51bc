"""Texts as they are sent, and what is read of them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.tasks.classify.reading import STEPS, Format, read

EVERY = tuple(STEPS)
NOTE = "Are you coming to the match tonight? I can pick you up at seven"


QUOTED, BASE64 = (f"Content-Transfer-Encoding: {name}" for name in ("quoted-printable", "base64"))


def mail(body: str, *headers: str) -> str:
    return "\n".join(("From: a@b.example", "To: c@d.example", "Subject: The match", *headers, "", body))


PARTS = f"""--x
Content-Type: text/plain; charset=utf-8

{NOTE}
--x
Content-Type: text/html; charset=utf-8

<p>{NOTE}</p>
--x
Content-Type: application/pdf
Content-Disposition: attachment; filename=a.pdf
Content-Transfer-Encoding: base64

JVBERi0=
--x--
"""


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (NOTE, NOTE),
        ("", ""),
        ("one\r\n\r\n two\t three\u00a0 four", "one two three four"),
        # disguises
        ("fr\u200bee pr\u00adize", "free prize"),
        ("𝐖𝐈𝐍 ｆｒｅｅ s\u0336t\u0336r\u0336u\u0336c\u0336k\u0336", "WIN free struck"),
        ("Frее раypal сlаim", "Free paypal claim"),
        ("f r e e  p r i z e now", "free prize now"),
        ("w.i.n.n.e.r of the d-r-a-w", "winner of the draw"),
        ("U R G E N T  c a l l  0 9 0 6 1  t o  c l a i m", "URGENT call 09061 to claim"),
        ("&#85;&#82;&#71;&#69;&#78;&#84; &amp; &lt;now&gt;", "URGENT & <now>"),
        # what is no disguise
        ("Привет, как дела", "Привет, как дела"),
        ("café naïve Übung ß 😀", "café naïve Übung ß 😀"),
        ("numbers 1 2 3 4 5 and 10.0.0.1", "numbers 1 2 3 4 5 and 10.0.0.1"),
        ("I <3 you, a<b and c>d", "I <3 you, a<b and c>d"),
        ("50 = 20 + 30, 100% sure", "50 = 20 + 30, 100% sure"),
        ("From: the desk of nobody", "From: the desk of nobody"),
        # encodings around the whole text
        (base64.b64encode(NOTE.encode()).decode(), NOTE),
        (NOTE.replace(" ", "%20").replace("?", "%3F"), NOTE),
        ("=41re =79ou c=C3=B6ming", "Are you cöming"),
        # HTML
        (f"<html><head><style>a {{ x: y }}</style></head><body><p>{NOTE}</p></body></html>", NOTE),
        ("<p>Hello <b>w</b>orld</p><p>fr<!-- x -->ee</p>", "Hello world free"),
        ('<div>Hi<span style="display:none">good words</span><script>x()</script></div>', "Hi"),
        ('<p><a href="https://x.example/a">Your bank</a></p>', "Your bank https://x.example/a"),
        ('<p><img alt="Big sale" src="x.png"></p>', "Big sale"),
        ("<div>" * 20_000 + "deep", "deep"),
        # mail
        (mail(NOTE), f"The match {NOTE}"),
        (f"Subject: The match\n{NOTE}", f"The match {NOTE}"),
        (mail(PARTS, "Content-Type: multipart/mixed; boundary=x"), f"The match {NOTE}"),
        (
            mail(base64.b64encode(f"<p>{NOTE}</p>".encode()).decode(), "Content-Type: text/html", BASE64),
            f"The match {NOTE}",
        ),
        (
            mail("Gr=FC=DFe", "Content-Type: text/plain; charset=latin-1", QUOTED),
            "The match Grüße",
        ),
        (mail("x", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=").replace("Subject: The match\n", ""), "Grüße x"),
        (mail("Gr=FC", "Content-Type: text/plain; charset=nonsense", QUOTED), "The match Grü"),
    ],
)  # fmt: skip
def test_what_a_person_would_see_is_read(sent: str, seen: str) -> None:
    assert read(sent, EVERY) == seen


@pytest.mark.parametrize(
    ("written", "sent", "seen"),
    [
        ("text", "<p>Hi</p>", "<p>Hi</p>"),
        ("text", f"Subject: x\n{NOTE}", f"Subject: x {NOTE}"),
        ("html", "a<b>c", "ac"),
        ("email", f"X-Mine: 1\n\n{NOTE}", NOTE),
        ("email", "", ""),
    ],
)
def test_what_a_text_is_may_be_said(written: Format, sent: str, seen: str) -> None:
    assert read(sent, EVERY, written) == seen


def test_without_steps_a_text_stays_as_it_is() -> None:
    sent = "<p>fr\u200bee</p>  "
    assert read(sent, ()) == sent
    assert read(sent, (), "html") == "fr\u200bee"


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="<>/=\"&;#:\n -a%FfSubject\u200bе"),
        st.text().map(lambda body: mail(body, "Content-Type: multipart/mixed; boundary=x", BASE64)),
    ),
    st.sampled_from(["auto", "text", "html", "email"]),
)  # fmt: skip
def test_any_text_is_read_and_what_was_read_has_single_spaces(sent: str, written: Format) -> None:
    seen = read(sent, EVERY, written)
    assert seen == " ".join(seen.split())
