"""Settings: read once from `SEQSERVE_*` environment variables, frozen, passed in."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, IPvAnyNetwork, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Origin = Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$")]


class Settings(BaseSettings):
    """Every setting of the service; the README's table is compared with this class by a test."""

    model_config = SettingsConfigDict(env_prefix="SEQSERVE_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, description="server processes that share the port; each loads its own models")
    store: Path = Field(Path("models_store"), description="folder of the published bundles; may be read-only")
    required_models: list[str] = Field(
        [],
        description='models that must serve before /readyz says yes, as JSON (`["spam"]`); empty: every alias',
    )
    store_poll_seconds: float = Field(
        0.5, gt=0, le=60, description="how often the store is looked at for new versions and aliases"
    )
    store_trusted: bool = Field(
        True,
        description="whether what is in the store at start is loaded without a trial, a process of its own where a "
        "version proves itself first; what arrives later always has one",
    )
    trial_memory_bytes: int = Field(
        256 * 1024 * 1024, ge=1024 * 1024, description="memory that a version may take in its trial; more refuses it"
    )
    trial_seconds: float = Field(
        10.0, gt=0, le=3600, description="CPU time that a version may take in its trial; more refuses it"
    )
    max_model_memory_bytes: int = Field(
        256 * 1024 * 1024,
        ge=0,
        description="memory of the models in each worker; beyond it the least recently asked for are let go, "
        "and loaded again when asked for; 0: no ceiling",
    )
    inference_threads: int = Field(
        0, ge=0, description="batches computed at once; 0: the CPUs this process may use (container quota included)"
    )
    max_batch_rows: int = Field(64, ge=1, description="rows of one batch, at most")
    max_batch_elements: int = Field(
        16_384,
        ge=1,
        description="padded elements of one batch's largest input, at most; a single longer row runs alone",
    )
    max_waiting_requests: int = Field(
        4096,
        ge=1,
        description="requests waiting per model; one more is refused with 429, as is what couldn't meet its deadline",
    )
    deadline_seconds: float = Field(30.0, gt=0, description="a request not answered by then gets 504")
    drain_delay_seconds: float = Field(
        0.0, ge=0, description="how long the port stays open after SIGTERM, while /readyz already says no"
    )
    drain_seconds: float = Field(
        30.0, ge=0, description="time that running requests get to finish after that; what is left then gets 503"
    )
    max_connections: int = Field(
        4096, ge=1, description="open connections of each worker; one more is told 503, unless it asks for its health"
    )
    header_timeout_seconds: float = Field(
        10.0, gt=0, description="a request whose headers haven't arrived by then gets 408"
    )
    body_timeout_seconds: float = Field(
        20.0, gt=0, description="a body of which nothing arrives for so long, or that is slower on the whole, gets 408"
    )
    send_timeout_seconds: float = Field(
        20.0, gt=0, description="a caller that reads nothing of its answer for so long is dropped"
    )
    keep_alive_seconds: float = Field(
        75.0, gt=0, description="an idle connection is closed after so long; longer than a proxy keeps its own"
    )
    worker_timeout_seconds: float = Field(
        10.0, gt=0, description="with several workers, one that shows no sign of life for so long is replaced"
    )
    max_header_bytes: int = Field(64 * 1024, ge=1024, description="size of a request's headers; larger ones get 431")
    max_body_bytes: int = Field(16 * 1024 * 1024, ge=1, description="size of a request body; a larger one gets 413")
    max_texts: int = Field(1024, ge=1, description="texts in one request")
    max_text_characters: int = Field(200_000, ge=1, description="characters (Unicode code points) of one text")
    max_explained_words: int = Field(
        1024, ge=1, description="words weighed in one request with `explain`; each costs a row"
    )
    max_series: int = Field(1000, ge=1, description="series in one request")
    max_series_points: int = Field(10_000, ge=1, description="values of one series")
    max_explained_stretches: int = Field(
        4096, ge=1, description="stretches weighed in one request with `explain`; each costs a row"
    )
    max_horizon: int = Field(
        1000, ge=1, description="steps ahead of one request, those iterated beyond the model's own included"
    )
    api_keys_file: Path | None = Field(
        None,
        description="file of the keys that callers must send; made by `python -m service keys`; unset: nobody is asked",
    )
    usage_folder: Path | None = Field(
        None,
        description="folder where what each key has used of its limits is kept; unset: beside the file of keys",
    )
    cors_origins: list[Origin] = Field(
        [], description='origins whose pages may ask, as JSON (`["https://shop.example"]`; `"*"`: any); empty: none'
    )
    tls_cert_file: Path | None = Field(
        None,
        description="certificate, PEM, with those that lead to its root; with it the port speaks TLS only, from 1.2 on",
    )
    tls_key_file: Path | None = Field(None, description="its private key, PEM; unset: it is in the same file")
    trusted_proxies: list[IPvAnyNetwork] = Field(
        [],
        description="addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, as JSON; "
        "empty: none",
    )
    log_level: str = Field(
        "info", pattern="^(critical|error|warning|info|debug)$", description="least severe message that is logged"
    )

    @model_validator(mode="after")
    def _key_belongs_to_a_certificate(self) -> Self:
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("SEQSERVE_TLS_KEY_FILE says nothing without SEQSERVE_TLS_CERT_FILE")
        return self

    def usage_of_keys(self) -> Path | None:
        """Where what keys have used is kept; None where there are no keys."""
        if self.usage_folder is not None or self.api_keys_file is None:
            return self.usage_folder
        return self.api_keys_file.with_name(f"{self.api_keys_file.name}.usage")
