"""What is counted of runs beside the calls of their steps, read when somebody asks for it (router 4.2)."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from ringback.router.pipelines.running import Pipelines


class Counted(Collector):
    """The runs of this process."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily("router_dry_runs", "Dry runs", self._pipelines.dry_runs)
        yield CounterMetricFamily(
            "router_caller_dry_run_ignored",
            "Requests that asked for a dry run by a word of their own, and were run",
            self._pipelines.ignored,
        )


def watch_pipelines(registry: CollectorRegistry, pipelines: Pipelines) -> None:
    registry.register(Counted(pipelines))
