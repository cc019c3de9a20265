"""What an audit of the store found: named checks, what fails each, and what to do."""

from dataclasses import dataclass

SHOWN = 20


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: the check's name.
        looked_at: how many things it looked at.
        offenders: what fails it, by path, id or place, never by anything of a patient.
        advice: what to do about them.
        warning: the store is sound all the same.
    """

    name: str
    looked_at: int
    offenders: tuple[str, ...]
    advice: str
    warning: bool = False

    @property
    def failed(self) -> bool:
        """Whether the store is unsound by this check."""
        return bool(self.offenders) and not self.warning


@dataclass(frozen=True)
class Verification:
    """All checks of a store.

    Attributes:
        checks: in the order in which they are to be read.
        manifests: current manifests that were found.
        mib: MiB of artefacts that were read and hashed.
        seconds: wall time of reading and hashing them.
    """

    checks: tuple[Check, ...]
    manifests: int
    mib: float
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no check failed; a warning is no failure."""
        return not any(check.failed for check in self.checks)

    def as_json(self) -> dict[str, object]:
        """The report for programs."""
        return {
            "passed": self.passed,
            "manifests": self.manifests,
            "mib": round(self.mib, 1),
            "mib_per_second": round(self.mib / max(self.seconds, 1e-9), 1),
            "checks": [
                {
                    "name": check.name,
                    "result": "failed" if check.failed else "warning" if check.offenders else "passed",
                    "looked_at": check.looked_at,
                    "offenders": len(check.offenders),
                    "shown": list(check.offenders[:SHOWN]),
                    "advice": check.advice,
                }
                for check in self.checks
            ],
        }
