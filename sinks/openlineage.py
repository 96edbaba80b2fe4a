"""OpenLineage run events of a build: START, then COMPLETE or FAIL.

Inputs are the Delta tables at the versions that were read, the output is the drop with its row counts and the
checks it passed. Events carry names, versions and counts, never text. A server that does not answer stops no
build: that is logged, and the registry of drops stays the truth.
Source: OpenLineage specification 2-0-2, through the `openlineage-python` client.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts.errors import SettingsError, TailraceError
from contracts.settings import Settings
from sinks.drops.checks import Check, ChecksFailed
from sinks.drops.checks.results import kind_of

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

log = logging.getLogger("tailrace.lineage")

FILE: Final = "openlineage.jsonl"
PRODUCER: Final = "urn:tailrace"
TIMEOUT_S: Final = 5.0


@dataclass
class BuildRun:
    """A build as lineage sees it; `files` and `checks` are filled in before it ends.

    inputs: table → Delta version. roots: table → root, where it is not `lake_root`. files: name → rows and
    bytes. as_of: the time the inputs are read as of. series: whose datasets the files are new versions of,
    `job` unless said. replaces and replaced_files: the drop that the new one is made from, and its files.
    """

    job: str
    drop_id: str
    as_of: datetime
    inputs: Mapping[str, int]
    lake_root: str
    drops_root: Path
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    roots: Mapping[str, str] = field(default_factory=dict)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    series: str = ""
    replaces: str = ""
    replaced_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def dataset(self, file: str) -> tuple[str, str]:
        """Namespace and name of a file of the series: the same in every drop, which is its version."""
        return _namespace(str(self.drops_root)), f"{self.drops_root.name}/{self.series or self.job}/{file}"


class Emitter:
    """Sends the events of builds where the settings say; one without a client sends nothing."""

    def __init__(self, client: OpenLineageClient | None, *, namespace: str, code_version: str) -> None:
        self._client = client
        self._namespace = namespace
        self._code_version = code_version

    @classmethod
    def from_settings(cls, settings: Settings, *, code_version: str) -> Emitter:
        """The emitter the settings ask for. Raises `SettingsError` when the server has no address."""
        lineage = settings.lineage
        client = None
        if lineage.transport == "file":
            client = _file_client(Path(lineage.file) if lineage.file else settings.drops_root / FILE)
        elif lineage.transport == "http":
            if not lineage.url.startswith(("http://", "https://")):
                raise SettingsError(
                    "lineage.url: not an http(s) URL",
                    hint="Give the server of the events, e.g. http://127.0.0.1:5000, or transport = file.",
                )
            client = _http_client(
                lineage.url, lineage.api_key.get_secret_value() if lineage.api_key else None
            )
        return cls(client, namespace=lineage.namespace, code_version=code_version)

    @contextmanager
    def run(self, build: BuildRun) -> Iterator[BuildRun]:
        """Tell START, and COMPLETE or FAIL when the block ends. Errors of the block go on."""
        self._emit(build, "START")
        try:
            yield build
        except BaseException as error:
            if isinstance(error, ChecksFailed):
                build.files, build.checks = error.files, error.checks
            self._emit(build, "FAIL" if isinstance(error, Exception) else "ABORT", error)
            raise
        self._emit(build, "COMPLETE")

    def _emit(self, build: BuildRun, state: str, error: BaseException | None = None) -> None:
        if self._client is None:
            return
        try:
            self._client.emit(self.event(build, state, now=datetime.now(UTC), error=error))
        except Exception as failed:  # noqa: BLE001 - lineage is told, not obeyed
            log.warning("the OpenLineage event %s was not delivered: %s", state, type(failed).__name__)

    def event(self, build: BuildRun, state: str, *, now: datetime, error: BaseException | None = None) -> Any:
        """The event of a state of a build (`START`, `COMPLETE`, `FAIL`, `ABORT`)."""
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
        from openlineage.client.facet_v2 import (
            error_message_run,
            job_type_job,
            nominal_time_run,
            processing_engine_run,
        )

        facets: dict[str, Any] = {
            "nominalTime": nominal_time_run.NominalTimeRunFacet(_moment(build.as_of)),
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                self._code_version, "tailrace"
            ),
        }
        if error is not None:
            # Messages of our own errors hold no user text; those of others may.
            message = str(error) if isinstance(error, TailraceError) else type(error).__name__
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "PYTHON")
        kind = job_type_job.JobTypeJobFacet("BATCH", "TAILRACE", "DROP")
        return RunEvent(
            eventType=RunState[state],
            eventTime=_moment(now),
            producer=PRODUCER,
            run=Run(build.run_id, facets),
            job=Job(self._namespace, build.job, {"jobType": kind}),
            inputs=_inputs(build),
            outputs=_outputs(build),
        )


def _inputs(build: BuildRun) -> list[Any]:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset

    def at(version: str | int) -> dict[str, Any]:
        return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(str(version))}

    tables = [
        InputDataset(_namespace(build.roots.get(name, build.lake_root)), name, facets=at(version))
        for name, version in sorted(build.inputs.items())
    ]
    files = [
        InputDataset(*build.dataset(name), facets=at(build.replaces))
        for name, entry in sorted(build.replaced_files.items())
        if "rows" in entry
    ]
    return tables + files


def _outputs(build: BuildRun) -> list[Any]:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import (
        data_quality_assertions_dataset,
        dataset_version_dataset,
        output_statistics_output_dataset,
    )

    version: dict[str, Any] = {"version": dataset_version_dataset.DatasetVersionDatasetFacet(build.drop_id)}

    def facets(name: str) -> dict[str, Any]:
        asserted = [
            data_quality_assertions_dataset.Assertion(
                assertion=check.name, success=check.success, expected=check.expected, actual=check.actual
            )
            for check in build.checks
            if check.kind in ("", kind_of(name))
        ]
        if not asserted:
            return version
        quality = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(asserted)
        return {**version, "dataQualityAssertions": quality}

    return [
        OutputDataset(
            *build.dataset(name),
            facets=facets(name),
            outputFacets={
                "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                    rowCount=entry.get("rows"), size=entry.get("bytes"), fileCount=1
                )
            },
        )
        for name, entry in sorted(build.files.items())
        if "rows" in entry  # documents are no data sets
    ]


def _namespace(root: str) -> str:
    """The naming of the specification: the store. A folder is `file`, an object store its own URL."""
    scheme, separator, rest = root.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if separator else "file"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _file_client(path: Path) -> OpenLineageClient:
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport

    path.parent.mkdir(parents=True, exist_ok=True)
    return OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(path), append=True)))


def _http_client(url: str, key: str | None) -> OpenLineageClient:
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.http import (
        ApiKeyTokenProvider,
        HttpConfig,
        HttpTransport,
        TokenProvider,
    )

    auth = ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({})
    # A build must not wait minutes for a server that only listens.
    retry = {"total": 2, "backoff_factor": 0.2, "allowed_methods": ["POST"]}
    config = HttpConfig(url=url, timeout=TIMEOUT_S, auth=auth, retry={**HttpConfig(url=url).retry, **retry})
    return OpenLineageClient(transport=HttpTransport(config))
