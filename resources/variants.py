"""Cohorts with the same images: one is a variant of another, which may be a variant itself."""

from collections.abc import Mapping

from resources.catalogue import entries


def base_of(cohort: str) -> str:
    """The cohort at the end of `variant_of`, whose images all its variants have; one that is no variant is its own."""
    return _base(cohort, _variants())


def same_images(cohort: str) -> frozenset[str]:
    """A cohort and all that have its base: in each of them, an id is the same patient."""
    variants = _variants()
    base = _base(cohort, variants)
    return frozenset({cohort, base, *(name for name in variants if _base(name, variants) == base)})


def _variants() -> dict[str, str]:
    found = {entry.name: entry.mapping.get("variant_of") for entry in entries() if not entry.problem}
    return {name: str(above) for name, above in found.items() if above}


def _base(cohort: str, variants: Mapping[str, str]) -> str:
    way = [cohort]
    while (above := variants.get(way[-1])) and above not in way:
        way.append(above)
    # Cohorts that name each other in a circle have one base, too.
    return min(way[way.index(above) :]) if above else way[-1]
