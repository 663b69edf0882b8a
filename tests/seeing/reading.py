"""Metrics, as Prometheus would read them."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

TOKEN = "metrics-" + "9a8b7c6d5e" * 4
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Metrics:
    """The samples of one reading, each by its name and its labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def get(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= has)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def parsed(text: str) -> Metrics:
    """What stands in an answer of `/metrics`."""
    families = text_string_to_metric_families(text)
    return Metrics({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})
