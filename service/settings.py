"""Settings: read once from `SEQSERVE_*` environment variables, frozen, passed in."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
        0.25, gt=0, le=60, description="how often the store is looked at for new versions and aliases"
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
        1024, ge=1, description="requests waiting per model; one more is refused with 429"
    )
    deadline_seconds: float = Field(30.0, gt=0, description="a request not answered by then gets 504")
    drain_seconds: float = Field(30.0, ge=0, description="time that running requests get to finish after SIGTERM")
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
    log_level: str = Field(
        "info", pattern="^(critical|error|warning|info|debug)$", description="least severe message that is logged"
    )
