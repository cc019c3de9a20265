import dagster as dg

from assets.study.asset import VERSION
from assets.tables.study import STUDY_TABLE
from pipelines.definitions import defs
from pipelines.forget.schemas import SCHEMAS
from pipelines.stages import STAGE_NAMES
from pipelines.study.conduct import AFTER, AT_THE_END, LAST, before
from pipelines.study.members import TRANSLATOR
from pipelines.study.table import LEFT_OUT, TABLE
from resources.partitions import STUDIES, VARIANTS

SPEC = next(iter(defs.resolve_assets_def(TABLE).specs))


def test_the_table_has_a_partition_a_study_and_is_described() -> None:
    assert defs.resolve_assets_def(TABLE).partitions_def == STUDIES
    assert {"phantom_small", "rsna_opacity", "rsna_opacity_all", "shenzhen_tb"} <= set(STUDIES.get_partition_keys())
    assert (SPEC.code_version, SPEC.owners, SPEC.group_name) == (VERSION, ["team:imaging"], "study")
    assert SPEC.description
    columns = SPEC.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns] == [
        (field.name, str(field.type)) for field in STUDY_TABLE
    ]
    assert SCHEMAS[TABLE] == STUDY_TABLE


def test_its_job_makes_the_table_and_trains_nothing() -> None:
    job = defs.resolve_job_def("study")
    assert job.asset_layer.executable_asset_keys == {dg.AssetKey(TABLE)}
    assert job.partitions_def == STUDIES


def test_a_study_runs_every_stage_in_its_order_but_those_that_its_table_does_not_show() -> None:
    first = before("phantom")
    parts = [*first, *AFTER, *LAST]
    assert sorted([TRANSLATOR, *LEFT_OUT, *(stage.name for stage in parts)]) == sorted(STAGE_NAMES)
    assert set(AT_THE_END) == {stage.name for stage in LAST}
    for part in (first, AFTER, LAST):
        assert [stage.name for stage in part] == sorted((stage.name for stage in part), key=STAGE_NAMES.index)
    for stage in AFTER:
        assert not {*AT_THE_END, *LEFT_OUT} & set(stage.reads), "what scores a round waits for nothing of the end"


def test_one_shipped_cohort_holds_images_of_another() -> None:
    assert sorted(VARIANTS) == ["rsna_matched_tests"]
