"""A made-up cohort with translators that nothing trained, up to the maps of its shards."""

from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa
import torch

from assets.normal_maps.asset import normal_maps
from assets.scoring.asset import anomaly_maps
from assets.tables.translation import TRANSLATOR
from assets.translation.arms import parse_arm
from assets.translation.generators import ResnetGenerator, initialized
from assets.translation.pca import fit_pca
from assets.translation.settings import TranslationSettings
from assets.translation.stored import BACK, Arrays, named_weights
from assets.translation.template import fit_template
from resources.accelerator import Accelerator
from resources.arrays import encode
from resources.manifests import Place, digest_of, publish, read_manifest, read_pointer
from resources.stage_run import Store
from tests.pairing.made_up import MadeUp, hashed

SIZE = 32
ARMS = ("none/template", "it_dpr/pca")


@dataclass
class Scored:
    """A cohort whose maps are made in this process.

    Attributes:
        cohort: radiographs up to their registration.
        arms: those that are trained.
        ways: in which a GAN translates, 1 or 2.
    """

    cohort: MadeUp
    arms: tuple[str, ...] = ARMS
    ways: int = 2

    def publish(self) -> None:
        """Bring everything before the maps up to date."""
        self.cohort.publish()
        rows = [self._translator(arm) for arm in self.arms]
        columns = {name: [row.get(name) for row in rows] for name in TRANSLATOR.names}
        place = Place("translator", self.cohort.cohort)
        publish(self.cohort.store, place, pa.table(columns, TRANSLATOR), {"parents": {}, "settings": {}})

    def normals(self, **config: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (settings)
        """Make the normal maps; their rows."""
        return self._made(normal_maps, self.cohort.cohort, config)

    def maps(self, **config: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (settings)
        """Make the maps of every shard; their rows."""
        return [row for shard in self.cohort.shards for row in self._made(anomaly_maps, shard, config)]

    def computed(self, stage: str = "anomaly_maps") -> int:
        """Rows that the last run of a stage computed."""
        partitions = self.cohort.shards if stage == "anomaly_maps" else [self.cohort.cohort]
        pointers = [read_pointer(self.cohort.store, Place(stage, each)) for each in partitions]
        return sum(pointer["computed"] for pointer in pointers if pointer)

    def _made(self, asset: dg.AssetsDefinition, partition: str, config: dict[str, Any]) -> list[dict[str, Any]]:
        stage = asset.key.to_user_string()
        result = dg.materialize(
            [asset],
            partition_key=partition,
            resources={
                "store": Store(root=str(self.cohort.root)),
                "accelerator": Accelerator(device="cpu", threads=1),
            },
            run_config={"ops": {stage: {"config": config}}},
        )
        assert result.success
        table = read_manifest(self.cohort.store, Place(stage, partition))
        assert table is not None
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def _translator(self, name: str) -> dict[str, Any]:
        arm, key = parse_arm(name), hashed("translator", name)
        settings = TranslationSettings(size=SIZE, generator_width=4, generator_blocks=2)
        data = encode(_gan(self.ways) if arm.method == "cyclegan" else _fitted(arm.method), {})
        path = Place("translator", self.cohort.cohort).artifact(key)
        self.cohort.store.write(path, data)
        return {
            **{"arm": name, "alignment": arm.alignment, "method": arm.method, "seed": 0},
            **{"key": key, "status": "ok", "reason": "", "artifact": path, "artifact_digest": digest_of(data)},
            "settings": settings.model_dump_json(),
        }


def _fitted(method: str) -> Arrays:
    images = torch.rand((9, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(1)) - 1
    fit = fit_template if method == "template" else lambda normal, masks: fit_pca(normal, masks, 3)
    return named_weights(fit(images, torch.ones_like(images)))


def _gan(ways: int) -> Arrays:
    """Generators to normal and, with two ways, to abnormal, as they are before they are trained."""
    random = torch.Generator().manual_seed(2)
    there, back = (dict(initialized(lambda: ResnetGenerator(4, 2), random).state_dict()) for _ in range(2))
    return named_weights(there) | (named_weights(back, BACK) if ways == 2 else {})
