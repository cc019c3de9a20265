import dagster as dg
import pytest
from dagster._config import Shape

from pipelines.definitions import defs
from pipelines.forget.schemas import SCHEMAS
from pipelines.jobs import DESCRIPTIONS, REBUILDS, RebuildConfig
from pipelines.settings import STAGE_SETTINGS
from pipelines.stages import JOBS, STAGE_NAMES, STAGES, Stage
from pipelines.versions import VERSIONS
from resources.partitions import COHORTS, SHARDS, SHARDS_BY_COHORT, cohort_of

NAMES = [
    "radiographs",
    "lung_segmenter",
    "lung_masks",
    "reference_lung",
    "prealigned_radiographs",
    "registration_model",
    "registered_radiographs",
    "registration_peers",
    "peer_registered",
    "pseudo_pairs",
    "translator",
    "normal_maps",
    "anomaly_maps",
    "localisation",
    "shortcut_audit",
    "evaluation",
    "localisation_summary",
    "image_scores",
    "leak_control",
    "registration_report",
]
# Of all the cohorts together, so no stage of one.
STATUS = "store_status"
# Of several cohorts, so no stage of one; tests/study_runs has its own.
STUDY = "study_table"
CHECKS = {
    ("radiographs", "sources_usable"),
    ("lung_masks", "masks_plausible"),
    ("prealigned_radiographs", "no_folds"),
    ("registered_radiographs", "no_folds"),
    ("registered_radiographs", "lungs_registered"),
    ("peer_registered", "peers_registered"),
    ("registration_report", "measured"),
    ("registration_report", "it_dpr_no_folds"),
    ("registration_report", "lesions_preserved"),
    ("registration_report", "sharper_mean"),
    ("pseudo_pairs", "patients_in_one_split"),
    ("pseudo_pairs", "pairs_within_split"),
    ("pseudo_pairs", "labels_agree"),
    ("shortcut_audit", "shortcuts_weak"),
    ("evaluation", "headline_above_shortcuts"),
    ("localisation_summary", "above_guesses"),
    (STATUS, "nothing_stale"),
}
EACH_STAGE = pytest.mark.parametrize("stage", STAGES, ids=STAGE_NAMES)


def definition(name: str) -> dg.AssetsDefinition:
    return defs.resolve_assets_def(name)


def spec(name: str) -> dg.AssetSpec:
    return next(iter(definition(name).specs))


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_assets_are_the_stages_in_their_order() -> None:
    assert list(STAGE_NAMES) == NAMES
    keys = [key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()]
    assert sorted(keys) == sorted([*NAMES, STUDY, STATUS])
    order = defs.resolve_asset_graph().toposorted_asset_keys
    assert [key.to_user_string() for key in order if key.to_user_string() in NAMES[:3]] == NAMES[:3]
    assert list(STAGE_SETTINGS) == list(VERSIONS) == NAMES


@EACH_STAGE
def test_dagsters_graph_has_the_edges_that_the_stages_declare(stage: Stage) -> None:
    parents = defs.resolve_asset_graph().get(dg.AssetKey(stage.name)).parent_keys
    assert {key.to_user_string() for key in parents} == set(stage.reads)
    assert set(stage.reads) <= set(NAMES[: NAMES.index(stage.name)])


@EACH_STAGE
def test_every_asset_is_described(stage: Stage) -> None:
    found = spec(stage.name)
    assert found.group_name != "default"
    assert found.kinds
    assert list(found.owners) == ["team:imaging"]
    assert found.description
    assert found.code_version == VERSIONS[stage.name]
    columns = found.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns] == [
        (field.name, str(field.type)) for field in SCHEMAS[stage.name]
    ]


@EACH_STAGE
def test_every_assets_launchpad_has_exactly_its_settings(stage: Stage) -> None:
    config = definition(stage.name).op.config_schema.config_type
    assert isinstance(config, Shape)
    assert set(config.fields) == set(stage.settings.model_fields)


@EACH_STAGE
def test_partitions_are_those_of_the_stages_level(stage: Stage) -> None:
    partitions = definition(stage.name).partitions_def
    assert partitions == (SHARDS if stage.level == "shard" else COHORTS)
    assert partitions is not None
    assert set(stage.partitions("phantom")) <= set(partitions.get_partition_keys())


def test_checks_exist() -> None:
    keys = defs.resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in keys} == CHECKS


def test_a_patient_in_two_splits_blocks_what_comes_after() -> None:
    checks = {(key.asset_key.to_user_string(), key.name): key for key in defs.resolve_asset_graph().asset_check_keys}
    graph = defs.resolve_asset_graph()
    blocking = {name for name, key in checks.items() if graph.get_check_spec(key).blocking}
    assert blocking == {
        ("pseudo_pairs", name) for name in ("patients_in_one_split", "pairs_within_split", "labels_agree")
    }


def test_jobs_hold_every_stage_once_in_order_and_resolve() -> None:
    assert [name for members in JOBS.values() for name in members] == NAMES
    assert set(DESCRIPTIONS) == set(JOBS)
    for name, members in JOBS.items():
        job = defs.resolve_job_def(name)
        assert job.asset_layer.executable_asset_keys == {dg.AssetKey(member) for member in members}
        levels = {stage.level for stage in STAGES if stage.job == name}
        assert len(levels) == 1, "one run has one partition"


def test_the_rebuild_jobs_hold_every_stage_once_in_order_and_everything_holds_all() -> None:
    parts = [name for job, members in REBUILDS.items() if job != "everything" for name in members]
    assert sorted(parts) == sorted(NAMES)
    assert list(REBUILDS["everything"]) == NAMES
    for members in REBUILDS.values():
        assert sorted(members, key=NAMES.index) == list(members)


@pytest.mark.parametrize("job", REBUILDS)
def test_a_rebuild_jobs_launchpad_is_typed_documented_and_refuses_unknown_keys(job: str) -> None:
    definition = defs.resolve_job_def(job)
    assert definition.partitions_def == COHORTS
    assert definition.description
    op = f"rebuild_{job}"
    schema = definition.nodes_in_topological_order[0].definition.config_schema
    assert schema is not None
    config = schema.config_type
    assert isinstance(config, Shape)
    assert set(config.fields) == set(RebuildConfig.model_fields)
    for field in config.fields.values():
        assert field.description
        assert not field.is_required

    def accepted(given: dict[str, object]) -> bool:
        return dg.validate_run_config(definition, {"ops": {op: {"config": given}}}) is not None

    assert accepted({"retry_failed": True, "recheck": False})
    refused: list[dict[str, object]] = [
        {"retry": True},
        {"retry_failed": "yes"},
        {"recheck": 1},
        {"radiographs": {"size": 64}},
    ]
    for wrong in refused:
        with pytest.raises(dg.DagsterInvalidConfigError):
            accepted(wrong)


def test_a_cohorts_model_depends_on_all_its_shards_and_a_shard_on_its_cohorts_model_only() -> None:
    graph = defs.resolve_asset_graph()

    def parents(child: str, parent: str, partition: str) -> set[str]:
        mapping = graph.get_partition_mapping(dg.AssetKey(child), dg.AssetKey(parent))
        upstream, downstream = definition(parent).partitions_def, definition(child).partitions_def
        assert upstream is not None
        assert downstream is not None
        subset = downstream.empty_subset().with_partition_keys([partition])
        result = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, downstream, upstream)
        return set(result.partitions_subset.get_partition_keys())

    shards = {"three_shards/0", "three_shards/1", "three_shards/2"}
    assert set(SHARDS_BY_COHORT["three_shards"]) == shards
    assert parents("reference_lung", "lung_masks", "three_shards") == shards
    assert parents("prealigned_radiographs", "reference_lung", "three_shards/1") == {"three_shards"}
    assert parents("lung_masks", "radiographs", "phantom/0") == {"phantom/0"}
    assert parents("lung_segmenter", "radiographs", "three_shards") == shards
    assert parents("lung_masks", "lung_segmenter", "three_shards/2") == {"three_shards"}


@pytest.mark.parametrize(
    ("key", "cohort"), [("nih/07", "nih"), ("nih", "nih"), ("rsna_view_matched/0", "rsna_view_matched")]
)
def test_a_partitions_cohort(key: str, cohort: str) -> None:
    assert cohort_of(key) == cohort
