"""Settings: read once from `SEQSERVE_*` environment variables, frozen, passed in."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, IPvAnyNetwork, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Origin = Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$")]


class Settings(BaseSettings):
    """All settings; a test compares the README's table with this class."""

    model_config = SettingsConfigDict(env_prefix="SEQSERVE_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, description="server processes that share the port; each loads its own models")
    store: Path = Field(Path("models_store"), description="folder of the published bundles; may be read-only")
    required_models: list[str] = Field(
        [], description='models that /readyz waits for, as JSON (`["spam"]`); empty: every alias'
    )
    store_poll_seconds: float = Field(0.5, gt=0, le=60, description="how often the store is polled for changes")
    store_trusted: bool = Field(True, description="only bundles that arrive after startup are tested in a sandbox")
    trial_memory_bytes: int = Field(
        256 * 1024 * 1024, ge=1024 * 1024, description="memory of a sandboxed self-test, at most"
    )
    trial_seconds: float = Field(10.0, gt=0, le=3600, description="CPU time of a sandboxed self-test, at most")
    max_model_memory_bytes: int = Field(
        256 * 1024 * 1024,
        ge=0,
        description="memory of each worker's models; beyond it the least recently used are evicted; 0: no limit",
    )
    inference_threads: int = Field(0, ge=0, description="batches computed at once; 0: the number of available CPUs")
    max_batch_rows: int = Field(64, ge=1, description="rows of one batch, at most")
    max_batch_elements: int = Field(
        16_384, ge=1, description="padded elements of a batch's largest input; a longer row runs alone"
    )
    max_waiting_requests: int = Field(
        4096, ge=1, description="requests per model; more get 429, as do those that would miss their deadline"
    )
    deadline_seconds: float = Field(30.0, gt=0, description="a request not answered by then gets 504")
    drain_delay_seconds: float = Field(0.0, ge=0, description="how long the port stays open after SIGTERM")
    drain_seconds: float = Field(30.0, ge=0, description="time for requests to finish after that; then they get 503")
    max_connections: int = Field(4096, ge=1, description="connections of each worker; more get 503, except for health")
    header_timeout_seconds: float = Field(10.0, gt=0, description="time for a request's headers to arrive; then 408")
    body_timeout_seconds: float = Field(
        20.0, gt=0, description="time without a byte of a body; then 408, as below 1,000 bytes a second"
    )
    send_timeout_seconds: float = Field(20.0, gt=0, description="time in which a client may read nothing of its answer")
    keep_alive_seconds: float = Field(
        75.0, gt=0, description="idle time of a connection; set it longer than the proxy's"
    )
    worker_timeout_seconds: float = Field(10.0, gt=0, description="time without a heartbeat until a worker is replaced")
    max_header_bytes: int = Field(64 * 1024, ge=1024, description="size of a request's headers; larger ones get 431")
    max_body_bytes: int = Field(16 * 1024 * 1024, ge=1, description="size of a request body; a larger one gets 413")
    max_texts: int = Field(1024, ge=1, description="texts in one request")
    max_text_characters: int = Field(200_000, ge=1, description="characters (Unicode code points) of one text")
    max_explained_words: int = Field(1024, ge=1, description="words hidden in one request with `explain`")
    max_series: int = Field(1000, ge=1, description="series in one request")
    max_series_points: int = Field(10_000, ge=1, description="values of one series")
    max_explained_stretches: int = Field(4096, ge=1, description="segments hidden in one request with `explain`")
    max_horizon: int = Field(1000, ge=1, description="forecast steps of one request")
    api_keys_file: Path | None = Field(None, description="made by `python -m service keys`; unset: no keys are needed")
    usage_folder: Path | None = Field(None, description="folder of each key's usage; unset: beside the key file")
    cors_origins: list[Origin] = Field([], description='origins that CORS allows, as JSON (`["*"]`: any)')
    tls_cert_file: Path | None = Field(None, description="certificate chain, PEM; with it the port speaks only TLS")
    tls_key_file: Path | None = Field(None, description="its private key, unencrypted; unset: in the same file")
    trusted_proxies: list[IPvAnyNetwork] = Field(
        [], description="networks of proxies whose X-Forwarded-For and -Proto are trusted, as JSON"
    )
    log_level: str = Field("info", pattern="^(critical|error|warning|info|debug)$", description="lowest level logged")

    @model_validator(mode="after")
    def _key_needs_a_certificate(self) -> Self:
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("SEQSERVE_TLS_KEY_FILE needs SEQSERVE_TLS_CERT_FILE")
        return self

    def usage_of_keys(self) -> Path | None:
        """The folder of usage files; None without API keys."""
        if self.usage_folder is not None or self.api_keys_file is None:
            return self.usage_folder
        return self.api_keys_file.with_name(f"{self.api_keys_file.name}.usage")
