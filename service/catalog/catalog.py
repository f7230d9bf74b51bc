"""Which version answers: what the store holds, what of it has proved itself, what is in memory.

Every version in the store is loaded once, one after the other, and proves itself by its golden samples (`loader`); what
is asked for goes first, and its callers wait for it. What isn't trusted, as is all that arrives while the service runs,
has proved itself before in a process of its own (`trial`). One that fails is refused with its reason and never answers;
what answered before goes on. What can answer is one immutable `Snapshot`, swapped in one step, so a request sees either
the old world or the new one. Which of the proven versions are in memory is another matter (`loaded`): one that isn't is
loaded again, and proves itself again, when it is asked for.
"""

import asyncio
import functools
import logging
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
from service.catalog.sandbox import Trial
from service.catalog.start_time import start_time_ns
from service.engine.memory import release_freed, release_unloaded
from service.errors import DeadlineExceeded, NotReady, QueueFull, UnknownModel
from service.settings import Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

TRIALS_AT_ONCE = 2
"""One that takes all the time it may doesn't keep a sound version waiting."""
LONGEST_PAUSE_SECONDS = 600.0
"""What couldn't be read, or took too long, is tried again at once, then after 1 second, 2, 4 and so on up to this."""


@dataclass(frozen=True)
class Snapshot:
    """What can answer at one moment."""

    versions: Mapping[Key, TestedVersion] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    refused: Mapping[Key, Rejected] = field(default_factory=dict)
    pending: frozenset[Key] = frozenset()
    """Found in the store; whether they prove themselves isn't known yet."""
    fault: str | None = "the store has not been read yet"
    """Why the store as a whole, or its aliases, can't be read; the state before it goes on."""

    def names(self) -> list[str]:
        """Bundle names with at least one proven version."""
        return sorted(self._newest)

    def proven(self, name: str) -> list[int]:
        """TestedVersion versions of a bundle, ascending."""
        return sorted(version for found, version in self.versions if found == name)

    def key_of(self, model: str, version: int | None = None) -> Key | None:
        """Name and version of what answers for a bundle name or alias; None when nothing proven does."""
        name, wanted = self.target(model, version)
        if wanted is None:
            wanted = self._newest.get(name)
        return None if wanted is None or (name, wanted) not in self.versions else (name, wanted)

    def find(self, model: str, version: int | None = None) -> Key:
        """The same; where nothing proven answers, what is yet to prove itself.

        Raises `UnknownModel` or, before the first reading, `NotReady`.
        """
        key = self.key_of(model, version)
        if key is not None:
            return key
        name, wanted = self.target(model, version)
        if awaited := [key for key in self.pending if key[0] == name and wanted in (None, key[1])]:
            return max(awaited)
        if self.fault and not self.versions:
            raise NotReady("No model is loaded yet.", retry_after_seconds=1)
        if name in self._newest:
            raise UnknownModel("That version of the model is not served; GET /models lists what is.")
        raise UnknownModel("There is no such model; GET /models lists what is served.")

    def meant(self) -> set[Key]:
        """What bundle names and aliases mean without a version."""
        return {*self._newest.items(), *filter(None, map(self.key_of, self.aliases))}

    def target(self, model: str, version: int | None = None) -> tuple[str, int | None]:
        """Bundle name that a name or alias means, and which version of it; None: the newest."""
        alias = self.aliases.get(model)
        if alias is None:
            return model, version
        return alias.name, alias.version if version is None else version

    @functools.cached_property
    def _newest(self) -> dict[str, int]:
        return dict(sorted(self.versions))  # of each name the last, which is the newest


class Reading(NamedTuple):
    """What one look at the store found."""

    present: frozenset[Key] | None
    """None: can't be read."""
    aliases: Mapping[str, Alias] | None
    """None: can't be read."""
    modified: Mapping[Key, int]
    """When each of those versions last changed of which that was asked."""
    fault: str | None


@dataclass
class Loading:
    """One version on its way into memory, and how many callers wait for it."""

    task: "asyncio.Task[LoadedModel | None]"
    num_callers: int = 0
    reading_since: float | None = None
    is_stalled: bool = False
    """Whether it has been said that its files don't come."""


@dataclass(frozen=True)
class Retry:
    """When to look again at what was refused."""

    modified: int
    """When it was changed last, in nanoseconds; it is looked at again when that changes."""
    at: float | None = None
    """And at this time, by the monotonic clock, where it may be otherwise the next time with the same files."""
    pause_seconds: float = 0.0


class Catalog:
    """Keeps a `Snapshot` in step with the store, and the versions that are asked for in memory.

    Args:
        settings: where the store is, how much memory the versions may take, and the limits of the batchers.
        metrics: counts loads and swaps, and what the models answer.
        inference: where batches are computed.
        loading: where versions are loaded; one thread, since making sessions isn't documented to be safe in several.
        trial: where versions prove themselves first that aren't trusted.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, inference: Executor, loading: Executor, trial: Trial
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._loader = Loader(settings, inference, metrics)
        self._loading = loading
        self._loaded = ModelCache(settings.max_model_memory_bytes)
        self._loads: dict[Key, Loading] = {}
        self._trial = trial
        self._trials = asyncio.Semaphore(TRIALS_AT_ONCE)
        self._trusted: set[Key] | None = None if settings.store_trusted else set()  # None: the store is yet to be read
        self._reading: asyncio.Future[Reading] | None = None
        self._knows_aliases = False
        self._retries: dict[Key, Retry] = {}
        self._again: set[Key] = set()  # refused, and to be looked at again
        self._freed = False
        self._let_some_go = False
        self.snapshot = Snapshot()

    def find(self, model: str, version: int | None = None) -> LoadedModel | None:
        """What answers now; None where it isn't in memory: then await `load`. Raises as `Snapshot.find`."""
        return self._loaded.ask(self.snapshot.find(model, version), by_number=version is not None)

    async def load(self, model: str, version: int | None = None, deadline: float | None = None) -> LoadedModel:
        """What answers, loaded first where it isn't in memory; all its callers wait for one loading.

        Raises as `find`, `QueueFull` when too many wait already, `DeadlineExceeded` when it isn't loaded by the
        deadline: a time of the event loop, by default as far away as the settings say.
        """
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self._settings.deadline_seconds
        try:
            async with asyncio.timeout_at(deadline):
                while True:  # what is refused leaves an older version to answer
                    served = self.find(model, version) or await self._wait_for(self.snapshot.find(model, version))
                    if served is not None:
                        return served
        except TimeoutError:
            limit = f"{self._settings.deadline_seconds:g} seconds"
            raise DeadlineExceeded(f"The model was not loaded within {limit}; try again later.") from None

    async def proven(self, model: str, version: int | None = None) -> TestedVersion:
        """What answers, whether it is in memory or not; loaded only where it hasn't proved itself yet.

        Raises as `Snapshot.find`, and `NotReady` when loading takes too long.
        """
        key = self.snapshot.key_of(model, version)
        if key is not None:
            return self.snapshot.versions[key]
        try:
            return await self.load(model, version)
        except (QueueFull, DeadlineExceeded) as refusal:
            raise NotReady(refusal.detail, retry_after_seconds=1) from None

    def in_memory(self) -> list[LoadedModel]:
        """The versions that answer without being loaded first."""
        return [served for _, served in self._loaded.items()]

    def unready(self) -> list[str]:
        """Reasons why the service isn't ready; empty when every required model has proved itself."""
        snapshot, required = self.snapshot, self._required()
        reasons = [f"{model}: no version has proved itself" for model in required if snapshot.key_of(model) is None]
        if reasons or not snapshot.versions or not self._knows_aliases:
            reasons += self.store_faults()
        if not reasons and not snapshot.versions:
            reasons.append("the store: it holds no bundle that has proved itself")
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
        """Follow the store until cancelled: prove what is new, and let go what must."""
        proving = asyncio.create_task(self.prove())
        try:
            while True:
                await asyncio.sleep(self._settings.store_poll_seconds)
                try:
                    await self.look()
                    self._note_stalls()
                    await self.tidy()
                except Exception:  # the watch must outlive any one reading
                    logger.exception("reading the store failed")
                if proving.done():
                    if error := proving.exception():
                        logger.error("proving what is new failed", exc_info=error)
                    proving = asyncio.create_task(self.prove())
        finally:
            tasks = [proving, *(loading.task for loading in self._loads.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Read once what the store holds, and swap the snapshot; what is new is left to `prove`.

        Where the store doesn't answer, the next look waits for the same answer.
        """
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
            started = start_time_ns()
            self._trusted = {key for key in present if 0 < reading.modified.get(key, 0) <= started}
        versions = {key: proven for key, proven in before.versions.items() if key in present}
        refused = {key: reason for key, reason in before.refused.items() if key in present}
        self._retries = {key: retry for key, retry in self._retries.items() if key in refused}
        now = time.monotonic()
        self._again = {
            key
            for key, retry in self._retries.items()
            if reading.modified.get(key, retry.modified) != retry.modified or (retry.at is not None and now >= retry.at)
        }
        pending = present - versions.keys() - refused.keys()
        aliases = before.aliases if reading.aliases is None else reading.aliases
        self._knows_aliases |= reading.aliases is not None
        self._swap(Snapshot(versions, aliases, refused, pending, reading.fault))
        for key, _ in self._loaded.items():
            if key not in versions:
                self._let_go(key)
        # A request that ends after its version has left is counted all the same, until the next look.
        for key in (before.versions.keys() | before.refused.keys() | self._metrics.answered_by()) - present:
            self._metrics.forget(*key)

    async def prove(self) -> None:
        """Load what has not proved itself yet, and what was refused and has changed."""
        trials = [self._prove_in_turn(tried=True) for _ in range(TRIALS_AT_ONCE)]
        await asyncio.gather(self._prove_in_turn(tried=False), *trials)
        if self._loads:  # those that callers asked for
            await asyncio.wait([loading.task for loading in self._loads.values()], timeout=disk.STALL_SECONDS)

    async def _prove_in_turn(self, *, tried: bool) -> None:
        """One after the other, those that are tried first or those that aren't; one that stalls is left behind."""
        while waiting := {
            key
            for key in self.snapshot.pending | self._again
            if key not in self._loads and (key in (self._trusted or ())) != tried
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
        """Let go what was in use when it should have gone, and return to the system what has been freed since."""
        self._make_room()
        if self._freed:
            self._freed = False
            how, self._let_some_go = release_unloaded if self._let_some_go else release_freed, False
            await asyncio.to_thread(how)

    def _required(self) -> list[str]:
        return self._settings.required_models or list(self.snapshot.aliases)

    async def _wait_for(self, key: Key) -> LoadedModel | None:
        loading = self._load(key)
        if loading.num_callers >= self._settings.max_waiting_requests:
            raise QueueFull(
                "Too many requests wait for this model to be loaded; try again later.", retry_after_seconds=1
            )
        loading.num_callers += 1
        try:
            return await asyncio.shield(loading.task)
        finally:
            loading.num_callers -= 1

    def _load(self, key: Key) -> Loading:
        if key not in self._loads:
            self._loads[key] = Loading(asyncio.create_task(self._load_now(key)))
        return self._loads[key]

    async def _load_now(self, key: Key) -> LoadedModel | None:
        """Load a version, and say in the snapshot what became of it; None if it is refused."""
        before = self.snapshot.versions.get(key)
        started = time.perf_counter()
        try:
            loaded, modified = await self._proved(key, before)
        finally:
            asked = self._loads.pop(key).num_callers > 0
            self._freed = True  # loading takes more for a moment than what it leaves
        self._metrics.load_seconds.observe(time.perf_counter() - started)
        if isinstance(loaded, Rejected):
            self._refuse(key, loaded, modified)
            return None
        self._metrics.loads.labels(*key, "proved").inc()
        self._metrics.model_memory_bytes.labels(*key).set(loaded.num_bytes)
        self._loaded.put(key, loaded)
        if before is None:
            logger.info("%s version %d proved itself and is served", *key)
        else:
            logger.info("%s version %d is in memory again", *key)
        snapshot = self.snapshot
        kept = TestedVersion(loaded.manifest, loaded.digest, loaded.metrics, loaded.reference, loaded.report)
        self._retries.pop(key, None)
        self._swap(
            replace(
                snapshot,
                versions={**snapshot.versions, key: kept},
                refused={other: reason for other, reason in snapshot.refused.items() if other != key},
                pending=snapshot.pending - {key},
            )
        )
        if asked or key in map(self.snapshot.key_of, self._required()):
            self._loaded.ask(key)
        self._make_room(key if asked else None)
        return loaded

    async def _proved(self, key: Key, before: TestedVersion | None) -> tuple[LoadedModel | Rejected, int]:
        """One version, and when it had changed last before it was read.

        What isn't trusted, or is no longer what it was, has a trial; and what is loaded is what had it.
        """
        folder = version_folder(self._settings.store, *key)
        loading = self._loads[key]
        loading.reading_since = time.monotonic()
        modified = await disk.ask(last_modified, folder)
        loading.reading_since = None
        known = None if before is None else before.digest
        if known is None and key not in (self._trusted or ()):
            async with self._trials:  # which have a bound of their own
                tried = await self._trial(folder)
            if isinstance(tried, Rejected):
                return tried, modified
            known = tried.digest
        loading.reading_since = time.monotonic()
        bundle = await disk.ask(self._loader.read, folder)
        loading.reading_since, loading.is_stalled = None, False
        if isinstance(bundle, Rejected):
            return bundle, modified
        if known is not None and bundle.digest != known:
            return Rejected("its files have changed since it proved itself", "unreadable"), modified
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._loading, self._loader.load, bundle, before), modified

    def _refuse(self, key: Key, refused: Rejected, modified: int) -> None:
        snapshot = self.snapshot
        if snapshot.refused.get(key) != refused:
            self._metrics.loads.labels(*key, "refused").inc()
            logger.error("%s version %d is refused: %s", *key, refused.reason)
        if self._trusted is not None:
            self._trusted.discard(key)  # whatever it is the next time, it has arrived since the start
        retry = Retry(modified)
        if refused.why in RETRYABLE:
            earlier = self._retries.get(key)
            pause = 0.0 if earlier is None or earlier.at is None else earlier.pause_seconds
            further = min(max(2 * pause, 1.0), LONGEST_PAUSE_SECONDS)
            retry = Retry(modified, time.monotonic() + pause, further)
        self._retries[key] = retry
        self._swap(
            replace(
                snapshot,
                versions={other: proven for other, proven in snapshot.versions.items() if other != key},
                refused={**snapshot.refused, key: refused},
                pending=snapshot.pending - {key},
            )
        )

    def _note_stalls(self) -> None:
        """Say once of each version that is being read for too long."""
        now = time.monotonic()
        for (name, version), loading in self._loads.items():
            since = loading.reading_since
            if since is not None and now - since > disk.STALL_SECONDS and not loading.is_stalled:
                loading.is_stalled = True
                logger.error("%s version %d: its files have not come for %g seconds", name, version, now - since)

    def _read(self, refused: Iterable[Key]) -> Reading:
        """Look at the store, and when those that were refused, the first time all, changed last; blocks."""
        store = self._settings.store
        try:
            present = frozenset((name, version) for name, found in list_versions(store).items() for version in found)
        except OSError as error:
            return Reading(None, None, {}, f"can't be read: {error.strerror}")
        dated = present if self._trusted is None else refused
        modified = {key: last_modified(version_folder(store, *key)) for key in dated}
        try:
            return Reading(present, read_aliases(store), modified, None)
        except BundleError as error:
            return Reading(present, None, modified, str(error))

    def _swap(self, after: Snapshot) -> None:
        if after.fault and after.fault != self.snapshot.fault:
            logger.error("the store %s: %s", self._settings.store, after.fault)
        elif self.snapshot.fault and not after.fault and self.snapshot.versions:
            logger.info("the store %s can be read again", self._settings.store)
        for alias in after.aliases:
            self._metrics.swaps.labels(alias)  # 0 from the start, so that the first swap is an increase
        for alias in after.aliases.keys() & self.snapshot.aliases.keys():
            was, now = self.snapshot.key_of(alias), after.key_of(alias)
            if was is not None and was != now:
                self._metrics.swaps.labels(alias).inc()
                logger.info("%s is answered by %s now", alias, "none" if now is None else f"{now[0]} version {now[1]}")
        self.snapshot = after

    def _make_room(self, just_asked: Key | None = None) -> None:
        for key in self._loaded.surplus(self.snapshot.meant(), just_asked):
            self._let_go(key)
            self._metrics.evictions.labels(*key).inc()
            logger.info("%s version %d is let go from memory", *key)

    def _let_go(self, key: Key) -> None:
        served = self._loaded.pop(key)
        served.metrics.measure_waiting(0)
        self._metrics.model_memory_bytes.labels(*key).set(0)
        served.batcher.cancel_alarm()
        self._freed = self._let_some_go = True
        weakref.finalize(served.batcher, self._note_freed).atexit = False

    def _note_freed(self) -> None:
        self._freed = True
