"""What a shard has to do, of files or of phantoms: one task a row."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial

import pyarrow as pa

from assets.pairing.frames import Row
from assets.radiographs.declaration import CohortDeclaration
from assets.radiographs.identity import pseudonym
from assets.radiographs.ingest import SourceBytes, ingest, ingest_phantom
from assets.radiographs.intake import Access, Barred, take_in
from assets.radiographs.phantom.cohort import phantom_label
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.plan import Planned
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.source_files import INDEX
from assets.radiographs.sources import source_digest_of
from assets.radiographs.split import assign_split, shard_of
from assets.radiographs.storage_errors import may_pass, no_answer
from resources.home import patient_key
from resources.incremental import Outcome, Task, row_key
from resources.manifests import Place, digest_of
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from resources.side_tables import read_side_tables, write_side_table
from resources.stage_run import StageRun
from resources.tombstones import Withdrawn

PHANTOM_KEY = b"phantoms are nobody"
# Folder beside the manifest: what is known of source files, so that an unchanged one is not read again.
FILE_INDEX = "sources"
PIXEL_SETTINGS = {"size", "undo_squash", "low_percentile", "high_percentile", "min_contrast", "max_pixels", "max_bytes"}


@dataclass(frozen=True)
class Todo:
    """What a run of a shard has to do.

    Attributes:
        tasks: one a row, without those of withdrawn patients.
        left_out: rows of withdrawn patients.
        stands: whether a row that another shard (number) has published is that shard's by the present sources, too.
        remember: index the files of the rows with these numbers.
    """

    tasks: list[Task]
    left_out: int
    stands: Callable[[int, Row], bool] = lambda shard, published: True
    remember: Callable[[Collection[int]], None] = lambda numbers: None


def _shard_number(partition: str) -> int:
    return int(partition.rpartition("/")[2])


def _access(run: StageRun, declaration: CohortDeclaration, source: ObjectStore) -> Access:
    """The cohort's files and the indexes of its shards."""
    places = {_shard_number(key): Place(run.stage, key) for key in SHARDS_BY_COHORT[run.cohort]}
    # Where a listing tells names and stats in one go, once is enough.
    stats = cache(partial(source.stats, ""))
    found: dict[int, list[str]] = {}

    def known(shard: int) -> pa.Table:
        entries, found[shard] = read_side_tables(run.store, places[shard], FILE_INDEX, INDEX)
        return entries

    def add(shard: int, entries: pa.Table) -> None:
        # What this run hands to its own shard is settled at its end, too.
        found[shard] += write_side_table(run.store, places[shard], FILE_INDEX, entries)

    def settle(shard: int, entries: pa.Table) -> None:
        write_side_table(run.store, places[shard], FILE_INDEX, entries, found[shard])

    return Access(source.read, source.open, lambda: sorted(stats()), stats, known, add, settle)


def files_todo(run: StageRun, declaration: CohortDeclaration, settings: RadiographSettings, gone: Withdrawn) -> Todo:
    """What a shard of a cohort of files has to do; sets the run's `source`.

    Raises:
        DeclarationError: the root or a table cannot be read or does not fit the declaration.
        OSError: the storage does not answer.
    """
    source = ObjectStore(declaration.root, dict(declaration.storage_options))
    shard, barred = _shard_number(run.partition), Barred(gone.patients, gone.files)
    intake = take_in(declaration, shard, _access(run, declaration, source), barred, patient_key())
    run.source = intake.source
    run.progress(f"{run.place}: {intake.read_count} source files were read, the others are as when they were")
    tasks = [radiograph_task(run, planned, source, settings) for planned in intake.planned]
    return Todo(tasks, intake.barred, intake.stands, intake.remember)


def radiograph_task(run: StageRun, planned: Planned, source: ObjectStore, settings: RadiographSettings) -> Task:
    """What a row of a cohort of files is to become; it is decoded when the task is done."""
    return Task(
        row_key(run.stage, run.version, settings.model_dump(include=PIXEL_SETTINGS), planned.inputs),
        planned.carried(settings),
        partial(_work, planned, source, settings),
        planned.refusal,
    )


def _work(planned: Planned, source: ObjectStore, settings: RadiographSettings) -> Outcome:
    try:
        data = [None if path is None else source.read(path) for _, path in planned.row.files]
    except Exception as error:
        if may_pass(error):
            raise no_answer(error) from None
        return _undecoded(error)
    if tuple("" if each is None else digest_of(each) for each in data) != planned.digests:
        reason = "its file changed while it was being read; let the copying end, then --retry-failed"
        return Outcome(status="failed", reason=reason)
    try:
        return Outcome(*ingest(planned.row, SourceBytes(data[0] or b"", *data[1:]), settings))
    except ValueError as error:
        return Outcome(status="rejected", reason=str(error))
    except Exception as error:
        return _undecoded(error)


def _undecoded(error: Exception) -> Outcome:
    if isinstance(error, MemoryError):
        raise error
    # The text of a library's error may name the file or quote its header.
    reason = f"could not be read or decoded ({type(error).__name__}); see that its file is whole, then --retry-failed"
    return Outcome(status="failed", reason=reason)


def phantoms_todo(run: StageRun, declaration: CohortDeclaration, settings: RadiographSettings, gone: Withdrawn) -> Todo:
    """What a shard of a cohort of phantoms has to do; sets the run's `source`."""
    run.source = source_digest_of(declaration, (), {}, ObjectStore(declaration.root).open)
    tasks = list(_phantom_tasks(run, declaration, settings))
    kept = [
        task
        for task in tasks
        if task.carried["patient"] not in gone.patients and task.carried["file_digest"] not in gone.files
    ]
    return Todo(kept, len(tasks) - len(kept))


def _phantom_tasks(run: StageRun, declaration: CohortDeclaration, settings: RadiographSettings) -> Iterator[Task]:
    phantom = PhantomSettings(**{**(declaration.phantom or {}), "size": settings.size})
    shard = _shard_number(run.partition)
    for index in range(phantom.subjects):
        patient = pseudonym(f"{phantom.seed}-{index}", PHANTOM_KEY)
        if shard_of(patient, declaration.shards) != shard:
            continue
        label = phantom_label(index)
        # The number of subjects does not shape any one of them.
        key = row_key(run.stage, run.version, phantom.model_dump(exclude={"subjects"}), [str(index)])
        carried = {
            "row": index + 1,
            "patient": patient,
            "domain": label,
            "label": label,
            "split": assign_split(
                patient,
                settings.test_share,
                settings.validation_share,
                settings.split_seed,
                folds=settings.folds,
                fold=settings.fold,
            ),
            "file_digest": key,
        }
        yield Task(key, carried, partial(_phantom_outcome, index, phantom))


def _phantom_outcome(index: int, phantom: PhantomSettings) -> Outcome:
    return Outcome(*ingest_phantom(index, phantom))
