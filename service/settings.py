"""Settings: read once from `SEQSERVE_*` environment variables, frozen, passed in."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, IPvAnyNetwork, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Count = Annotated[int, Field(ge=1)]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$")]


class Settings(BaseSettings):
    """All settings; a test compares the README's table with this class."""

    model_config = SettingsConfigDict(env_prefix="SEQSERVE_", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """address to listen on"""
    port: int = Field(8000, ge=0, le=65535)
    """port to listen on"""
    workers: Count = 1
    """server processes that share the port; each loads its own models"""
    store: Path = Path("models_store")
    """folder of the published bundles; may be read-only"""
    required_models: list[str] = []
    """models that must be loaded before /readyz answers 200, as JSON (`["spam"]`); empty: every alias"""
    store_poll_seconds: float = Field(0.5, gt=0, le=60)
    """how often the store is polled for new versions and aliases"""
    store_trusted: bool = True
    """skip the sandboxed self-test for bundles in the store at startup; later ones always have it"""
    trial_memory_bytes: int = Field(256 * 1024 * 1024, ge=1024 * 1024)
    """memory of a sandboxed self-test, at most"""
    trial_seconds: float = Field(10.0, gt=0, le=3600)
    """CPU time of a sandboxed self-test, at most"""
    max_model_memory_bytes: NonNegativeInt = 256 * 1024 * 1024
    """memory of the models in each worker; beyond it the least recently used are evicted; 0: no limit"""
    inference_threads: NonNegativeInt = 0
    """batches computed at once; 0: the number of available CPUs (container quota included)"""
    max_batch_rows: Count = 64
    """rows of one batch, at most"""
    max_batch_elements: Count = 16_384
    """padded elements of one batch's largest input, at most; a single longer row runs alone"""
    max_waiting_requests: Count = 4096
    """queued requests per model; more get 429, as do those that would miss their deadline"""
    deadline_seconds: PositiveFloat = 30.0
    """a request not answered by then gets 504"""
    drain_delay_seconds: NonNegativeFloat = 0.0
    """how long the port stays open after SIGTERM, while /readyz answers 503"""
    drain_seconds: NonNegativeFloat = 30.0
    """time for running requests to finish after that; then they get 503"""
    max_connections: Count = 4096
    """open connections of each worker; more get 503, except for health and metrics"""
    header_timeout_seconds: PositiveFloat = 10.0
    """time for the headers of a request to arrive; then 408"""
    body_timeout_seconds: PositiveFloat = 20.0
    """time without a byte of a body; then 408, as for a body slower than 1,000 bytes a second"""
    send_timeout_seconds: PositiveFloat = 20.0
    """time in which a client reads nothing of its answer; then the connection is closed"""
    keep_alive_seconds: PositiveFloat = 75.0
    """time until an idle connection is closed; set it longer than the proxy's"""
    worker_timeout_seconds: PositiveFloat = 10.0
    """time without a heartbeat until a worker is replaced, with several workers"""
    max_header_bytes: int = Field(64 * 1024, ge=1024)
    """size of a request's headers; larger ones get 431"""
    max_body_bytes: Count = 16 * 1024 * 1024
    """size of a request body; a larger one gets 413"""
    max_texts: Count = 1024
    """texts in one request"""
    max_text_characters: Count = 200_000
    """characters (Unicode code points) of one text"""
    max_explained_words: Count = 1024
    """words occluded in one request with `explain`; each costs a row"""
    max_series: Count = 1000
    """series in one request"""
    max_series_points: Count = 10_000
    """values of one series"""
    max_explained_stretches: Count = 4096
    """segments occluded in one request with `explain`; each costs a row"""
    max_horizon: Count = 1000
    """forecast steps of one request, recursive ones included"""
    api_keys_file: Path | None = None
    """key file, made by `python -m service keys`; unset: no API keys are needed"""
    usage_folder: Path | None = None
    """folder that counts how much of its limits each key has used; unset: beside the key file"""
    cors_origins: list[Origin] = []
    """origins allowed by CORS, as JSON (`["https://shop.example"]`; `"*"`: any); empty: none"""
    tls_cert_file: Path | None = None
    """certificate chain, PEM; with it the port speaks only TLS, 1.2 or later"""
    tls_key_file: Path | None = None
    """its private key, PEM, unencrypted; unset: in the same file"""
    trusted_proxies: list[IPvAnyNetwork] = []
    """addresses or networks of proxies whose X-Forwarded-For and -Proto are trusted, as JSON; empty: none"""
    log_level: str = Field("info", pattern="^(critical|error|warning|info|debug)$")
    """lowest level that is logged"""

    @model_validator(mode="after")
    def _key_needs_a_certificate(self) -> Self:
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("SEQSERVE_TLS_KEY_FILE needs SEQSERVE_TLS_CERT_FILE")
        return self
