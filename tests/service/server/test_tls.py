"""TLS by settings: from 1.2 on, renewed without a restart, and HSTS with it."""

import http.client
import json
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme

from service.__main__ import healthcheck, main
from service.settings import Settings
from tests.support.service_process import free_port, serving


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def put(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """A new certificate in the folder, and the settings that name it."""
    made = authority.issue_cert("localhost")
    (folder / "key.pem").write_bytes(made.private_key_pem.bytes())
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    return {"SEQSERVE_TLS_CERT_FILE": str(folder / "cert.pem"), "SEQSERVE_TLS_KEY_FILE": str(folder / "key.pem")}


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serial(authority: trustme.CA, port: int) -> object:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        found = connection.getpeercert()
        assert found is not None
        return found["serialNumber"]


def test_tls_is_spoken_and_a_renewed_certificate_is_used(
    authority: trustme.CA, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = put(authority, tmp_path)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)  # `serving` asks for health as the command does
    port = free_port()
    with serving(tiny_store, port):
        assert healthcheck(Settings(port=port)) == 0
        connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=trusting(authority))
        body = json.dumps({"model": "spam", "inputs": ["hello"] * 200})
        connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        assert len(json.loads(response.read())["results"]) == 200
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        connection.close()

        old = trusting(authority)
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(
                socket.create_connection(("127.0.0.1", port), timeout=5), server_hostname="localhost"
            ).close()

        before = serial(authority, port)
        (tmp_path / "cert.pem").write_text("broken")
        time.sleep(1.1)
        assert serial(authority, port) == before
        put(authority, tmp_path)
        time.sleep(1.1)
        assert serial(authority, port) != before


def test_a_certificate_that_can_not_be_used_is_named(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = put(authority, tmp_path)
    monkeypatch.setenv("SEQSERVE_TLS_KEY_FILE", chosen["SEQSERVE_TLS_KEY_FILE"])
    assert main(["serve"]) == 2
    assert "SEQSERVE_TLS_KEY_FILE needs SEQSERVE_TLS_CERT_FILE" in capsys.readouterr().err
    monkeypatch.setenv("SEQSERVE_TLS_CERT_FILE", str(tmp_path / "none.pem"))
    assert main(["serve"]) == 2
    assert "none.pem can't be used" in capsys.readouterr().err
    monkeypatch.setenv("SEQSERVE_TLS_CERT_FILE", chosen["SEQSERVE_TLS_CERT_FILE"])
    Path(chosen["SEQSERVE_TLS_KEY_FILE"]).write_bytes(authority.issue_cert("other").private_key_pem.bytes())
    assert main(["serve"]) == 2
    assert "can't be used" in capsys.readouterr().err
