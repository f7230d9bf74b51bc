"""Keeps a `Snapshot` in step with the store, and the versions that are asked for in memory.

Every version is loaded once and self-tested (`loader`), what is asked for first. What isn't trusted, as is all that
arrives while the service runs, is tested in a sandbox before. One that fails is rejected and never answers. The
snapshot is immutable and swapped in one step. A version that isn't in memory (`cache`) is loaded again when it is
asked for.
"""

import asyncio
import logging
import math
import time
import weakref
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bundle.store import Alias, BundleError, list_versions, read_aliases, version_folder
from service.catalog import disk
from service.catalog.cache import Key, ModelCache
from service.catalog.loader import LoadedModel, Loader, TestedVersion, last_modified
from service.catalog.rejected import RETRYABLE, Rejected
from service.catalog.sandbox import Sandbox
from service.catalog.snapshot import Snapshot
from service.engine.memory import release_freed, release_unloaded
from service.errors import DeadlineExceeded, NotReady, QueueFull
from service.settings import Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

SANDBOXES_AT_ONCE = 2
"""A version that takes all the time it may doesn't delay a sound one."""
LONGEST_PAUSE_SECONDS = 600.0
"""What couldn't be read, or took too long, is tried again at once, then after 1 second, 2, 4 and so on up to this."""


class Reading(NamedTuple):
    """What one poll of the store found; None is what can't be read."""

    present: frozenset[Key] | None
    aliases: Mapping[str, Alias] | None
    modified: Mapping[Key, int]
    """When each version that was asked for last changed."""
    fault: str | None


@dataclass
class Loading:
    """One version that is being loaded, and how many requests wait for it."""

    task: "asyncio.Task[LoadedModel | None]"
    num_requests: int = 0
    reading_since: float | None = None
    is_stalled: bool = False
    """Whether the log says that its files don't come."""


@dataclass(frozen=True)
class Retry:
    """When to test again what was rejected."""

    modified: int
    """When its files last changed, in nanoseconds: once that changes."""
    at: float = math.inf
    """By the monotonic clock, where the same files may pass the next time."""
    pause_seconds: float = 0.0
    """From then to the next one."""


@dataclass(eq=False)
class Catalog:
    """See the module."""

    settings: Settings
    loader: Loader
    metrics: Metrics
    loading: Executor
    """One thread: making sessions isn't documented to be safe in several."""
    sandbox: Sandbox
    started_ns: int
    """Since the epoch; what was in the store by then may be trusted."""
    _loads: dict[Key, Loading] = field(default_factory=dict)
    _reading: asyncio.Future[Reading] | None = None
    _knows_aliases: bool = False
    _retries: dict[Key, Retry] = field(default_factory=dict)
    _freed: bool = False
    _has_evicted: bool = False

    def __post_init__(self) -> None:
        self._cache = ModelCache(self.settings.max_model_memory_bytes)
        self._sandboxes = asyncio.Semaphore(SANDBOXES_AT_ONCE)
        # None: the store is yet to be read.
        self._trusted: set[Key] | None = None if self.settings.store_trusted else set()
        self._again: set[Key] = set()  # rejected, and to be tested again
        self.snapshot = Snapshot()

    def find(self, model: str, version: int | None = None) -> LoadedModel | None:
        """What answers now; None where it isn't in memory: then await `load`. Raises as `Snapshot.find`."""
        key = self.snapshot.current.get(model) if version is None else None
        if key is None:
            key = self.snapshot.find(model, version)
        cache = self._cache
        loaded = cache.models.get(key)
        if loaded is not None:
            cache.used_at[key] = now = time.monotonic()
            if version is not None:
                cache.number_used_at[key] = now
        return loaded

    async def load(self, model: str, version: int | None = None, deadline: float | None = None) -> LoadedModel:
        """What answers, loaded first where it isn't in memory. `deadline` is by the loop's clock; None: as set.

        Raises as `find`, `QueueFull` when too many wait already, and `DeadlineExceeded`.
        """
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self.settings.deadline_seconds
        try:
            async with asyncio.timeout_at(deadline):
                while True:  # where it is rejected an older version answers
                    loaded_model = self.find(model, version) or await self._wait_for(self.snapshot.find(model, version))
                    if loaded_model is not None:
                        return loaded_model
        except TimeoutError:
            limit = f"{self.settings.deadline_seconds:g} seconds"
            raise DeadlineExceeded(f"The model was not loaded within {limit}; try again later.") from None

    async def tested(self, model: str, version: int | None = None) -> TestedVersion:
        """What answers, in memory or not. Raises as `Snapshot.find`, and `NotReady` when loading takes too long."""
        key = self.snapshot.key_of(model, version)
        if key is not None:
            return self.snapshot.versions[key]
        try:
            return await self.load(model, version)
        except (QueueFull, DeadlineExceeded) as refusal:
            raise NotReady(refusal.detail, retry_after_seconds=1) from None

    def in_memory(self) -> list[LoadedModel]:
        """The versions that answer without being loaded first."""
        return list(self._cache.models.values())

    def unready(self) -> list[str]:
        """Reasons why the service isn't ready; empty when every required model has passed its self-test."""
        snapshot, required = self.snapshot, self._required()
        reasons = [
            f"{model}: no version has passed its self-test" for model in required if snapshot.key_of(model) is None
        ]
        if reasons or not snapshot.versions or not self._knows_aliases:
            reasons += self.store_faults()
        if not reasons and not snapshot.versions:
            reasons.append("the store: it holds no bundle that has passed its self-test")
        return reasons

    def store_faults(self) -> list[str]:
        """What is wrong with the store now; what is in memory answers all the same."""
        faults = [f"the store: {self.snapshot.fault}"] if self.snapshot.fault else []
        return faults + [
            f"{name} version {version}: its files have not come for {disk.STALL_SECONDS:g} seconds"
            for (name, version), loading in self._loads.items()
            if loading.is_stalled
        ]

    async def watch(self) -> None:
        """Poll the store until cancelled: test what is new, evict what is superseded."""
        testing = asyncio.create_task(self.test_pending())
        try:
            while True:
                await asyncio.sleep(self.settings.store_poll_seconds)
                try:
                    await self.poll()
                    self._note_stalls()
                    await self.tidy()
                except Exception:  # the watch must outlive any one reading
                    logger.exception("reading the store failed")
                if testing.done():
                    if error := testing.exception():
                        logger.error("testing what is new failed", exc_info=error)
                    testing = asyncio.create_task(self.test_pending())
        finally:
            tasks = [testing, *(loading.task for loading in self._loads.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def poll(self) -> None:
        """Read once what the store holds, and swap the snapshot; what is new is left to `test_pending`."""
        if self._reading is None:
            self._reading = disk.ask(self._read, list(self._retries))
        answered, _ = await asyncio.wait({self._reading}, timeout=disk.STALL_SECONDS)
        if not answered:
            self._swap(replace(self.snapshot, fault=f"it has not answered for {disk.STALL_SECONDS:g} seconds"))
            return
        done, self._reading = self._reading, None
        reading = done.result()
        before, present = self.snapshot, reading.present
        if present is None:
            self._swap(replace(before, fault=reading.fault))
            return
        if self._trusted is None:
            started_ns = self.started_ns
            self._trusted = {key for key in present if 0 < reading.modified.get(key, 0) <= started_ns}
        versions = {key: tested for key, tested in before.versions.items() if key in present}
        rejected = {key: reason for key, reason in before.rejected.items() if key in present}
        self._retries = {key: retry for key, retry in self._retries.items() if key in rejected}
        now = time.monotonic()
        self._again = {
            key
            for key, retry in self._retries.items()
            if reading.modified.get(key, retry.modified) != retry.modified or now >= retry.at
        }
        pending = present - versions.keys() - rejected.keys()
        aliases = before.aliases if reading.aliases is None else reading.aliases
        self._knows_aliases |= reading.aliases is not None
        self._swap(Snapshot(versions, aliases, rejected, pending, reading.fault))
        for key in list(self._cache.models):
            if key not in versions:
                self._evict(key)
        # A request that ends after its version was removed is counted all the same, until the next poll.
        for key in (before.versions.keys() | before.rejected.keys() | self.metrics.counted_versions()) - present:
            self.metrics.forget(*key)

    async def test_pending(self) -> None:
        """Load what was not tested yet, and what was rejected and has changed."""
        sandboxed = [self._test_in_turn(sandboxed=True) for _ in range(SANDBOXES_AT_ONCE)]
        await asyncio.gather(self._test_in_turn(sandboxed=False), *sandboxed)
        if self._loads:  # those that requests wait for
            await asyncio.wait([loading.task for loading in self._loads.values()], timeout=disk.STALL_SECONDS)

    async def _test_in_turn(self, *, sandboxed: bool) -> None:
        """One after the other, those for the sandbox or the others; one that stalls is left behind."""
        while waiting := {
            key
            for key in self.snapshot.pending | self._again
            if key not in self._loads and (key in (self._trusted or ())) != sandboxed
        }:
            newest = dict(
                sorted(self.snapshot.pending | self._again | self._loads.keys() | self.snapshot.versions.keys())
            )
            first = {
                (name, version or newest.get(name)) for name, version in map(self.snapshot.target, self._required())
            }
            # First what the service isn't ready without, then the newest version of each bundle, then older ones.
            key = min(waiting, key=lambda key: (key not in first, newest[key[0]] != key[1], key))
            self._again.discard(key)
            loading = self._load(key)
            while not loading.task.done() and not loading.is_stalled:
                await asyncio.wait({loading.task}, timeout=disk.STALL_SECONDS)
                self._note_stalls()
            if loading.task.done():
                loading.task.result()  # raises what isn't foreseen

    async def tidy(self) -> None:
        """Evict what was in use when it should have been evicted, and return freed memory to the system."""
        self._evict_surplus()
        if self._freed:
            self._freed = False
            how, self._has_evicted = release_unloaded if self._has_evicted else release_freed, False
            await asyncio.to_thread(how)

    def _required(self) -> list[str]:
        return self.settings.required_models or list(self.snapshot.aliases)

    async def _wait_for(self, key: Key) -> LoadedModel | None:
        loading = self._load(key)
        if loading.num_requests >= self.settings.max_waiting_requests:
            raise QueueFull(
                "Too many requests wait for this model to be loaded; try again later.", retry_after_seconds=1
            )
        loading.num_requests += 1
        try:
            return await asyncio.shield(loading.task)
        finally:
            loading.num_requests -= 1

    def _load(self, key: Key) -> Loading:
        if key not in self._loads:
            self._loads[key] = Loading(asyncio.create_task(self._load_now(key)))
        return self._loads[key]

    async def _load_now(self, key: Key) -> LoadedModel | None:
        """Load a version and put the outcome into the snapshot; None if it is rejected."""
        before = self.snapshot.versions.get(key)
        started = time.perf_counter()
        try:
            loaded, modified = await self._tested(key, before)
        finally:
            asked = self._loads.pop(key).num_requests > 0
            self._freed = True  # loading takes more for a moment than what it leaves
        self.metrics.load_seconds.observe(time.perf_counter() - started)
        if isinstance(loaded, Rejected):
            self._reject(key, loaded, modified)
            return None
        self.metrics.loads.labels(*key, "proved").inc()
        self.metrics.model_memory_bytes.labels(*key).set(loaded.num_bytes)
        self._cache.models[key] = loaded
        outcome = "passed its self-test and is served" if before is None else "is in memory again"
        logger.info("%s version %d %s", *key, outcome)
        self._retries.pop(key, None)
        self._settle(
            key, TestedVersion(loaded.manifest, loaded.digest, loaded.metrics, loaded.task_metrics, loaded.report)
        )
        if asked or key in map(self.snapshot.key_of, self._required()):
            self._cache.used_at[key] = time.monotonic()
        self._evict_surplus(key if asked else None)
        return loaded

    async def _tested(self, key: Key, before: TestedVersion | None) -> tuple[LoadedModel | Rejected, int]:
        """One version, after the sandbox where it isn't trusted or has changed, and when it last changed."""
        folder = version_folder(self.settings.store, *key)
        loading = self._loads[key]
        loading.reading_since = time.monotonic()
        modified = await disk.ask(last_modified, folder)
        loading.reading_since = None
        known = None if before is None else before.digest
        if known is None and key not in (self._trusted or ()):
            async with self._sandboxes:  # which have a bound of their own
                outcome = await self.sandbox(folder)
            if isinstance(outcome, Rejected):
                return outcome, modified
            known = outcome.digest
        loading.reading_since = time.monotonic()
        bundle = await disk.ask(self.loader.read, folder)
        loading.reading_since, loading.is_stalled = None, False
        if isinstance(bundle, Rejected):
            return bundle, modified
        if known is not None and bundle.digest != known:
            return Rejected("its files have changed since its self-test", "unreadable"), modified
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.loading, self.loader.load, bundle, before), modified

    def _reject(self, key: Key, rejected: Rejected, modified: int) -> None:
        if self.snapshot.rejected.get(key) != rejected:
            self.metrics.loads.labels(*key, "refused").inc()
            logger.error("%s version %d is rejected: %s", *key, rejected.reason)
        if self._trusted is not None:
            self._trusted.discard(key)  # whatever it is the next time, it has arrived since the start
        pause = self._retries.get(key, Retry(modified)).pause_seconds
        self._retries[key] = Retry(modified)
        if rejected.why in RETRYABLE:
            following = min(max(2 * pause, 1.0), LONGEST_PAUSE_SECONDS)
            self._retries[key] = Retry(modified, time.monotonic() + pause, following)
        self._settle(key, rejected)

    def _settle(self, key: Key, outcome: TestedVersion | Rejected) -> None:
        """Put what became of a version into the snapshot."""
        versions, rejected = dict(self.snapshot.versions), dict(self.snapshot.rejected)
        versions.pop(key, None)
        rejected.pop(key, None)
        if isinstance(outcome, Rejected):
            rejected[key] = outcome
        else:
            versions[key] = outcome
        pending = self.snapshot.pending - {key}
        self._swap(replace(self.snapshot, versions=versions, rejected=rejected, pending=pending))

    def _note_stalls(self) -> None:
        """Log once of each version that is being read for too long."""
        now = time.monotonic()
        for (name, version), loading in self._loads.items():
            since = loading.reading_since
            if since is not None and now - since > disk.STALL_SECONDS and not loading.is_stalled:
                loading.is_stalled = True
                logger.error("%s version %d: its files have not come for %g seconds", name, version, now - since)

    def _read(self, rejected: Iterable[Key]) -> Reading:
        """Read the store, and when the rejected versions, the first time all, last changed; blocks."""
        store = self.settings.store
        try:
            present = frozenset((name, version) for name, found in list_versions(store).items() for version in found)
        except OSError as error:
            return Reading(None, None, {}, f"can't be read: {error.strerror}")
        dated = present if self._trusted is None else rejected
        modified = {key: last_modified(version_folder(store, *key)) for key in dated}
        try:
            return Reading(present, read_aliases(store), modified, None)
        except BundleError as error:
            return Reading(present, None, modified, str(error))

    def _swap(self, after: Snapshot) -> None:
        if after.fault and after.fault != self.snapshot.fault:
            logger.error("the store %s: %s", self.settings.store, after.fault)
        elif self.snapshot.fault and not after.fault and self.snapshot.versions:
            logger.info("the store %s can be read again", self.settings.store)
        for alias in after.aliases:
            self.metrics.swaps.labels(alias)  # 0 from the start, so that the first swap is an increase
        for alias in after.aliases.keys() & self.snapshot.aliases.keys():
            was, now = self.snapshot.key_of(alias), after.key_of(alias)
            if was is not None and was != now:
                self.metrics.swaps.labels(alias).inc()
                logger.info("%s is answered by %s now", alias, "none" if now is None else f"{now[0]} version {now[1]}")
        self.snapshot = after

    def _evict_surplus(self, just_asked: Key | None = None) -> None:
        for key in self._cache.surplus(self.snapshot.resolved(), just_asked):
            self._evict(key)
            self.metrics.evictions.labels(*key).inc()
            logger.info("%s version %d is evicted from memory", *key)

    def _evict(self, key: Key) -> None:
        loaded_model = self._cache.pop(key)
        loaded_model.metrics.waiting_requests.set(0)
        self.metrics.model_memory_bytes.labels(*key).set(0)
        loaded_model.engine.batcher.cancel_alarm()
        self._freed = self._has_evicted = True
        weakref.finalize(loaded_model.engine.batcher, self._note_freed).atexit = False

    def _note_freed(self) -> None:
        self._freed = True
