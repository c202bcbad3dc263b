"""The pytest plugin: `pytest specs --bundle DIR` makes every claim a test item.

Supported passes, refuted and inconclusive fail with two different exceptions, not-tested skips; a
claim that was not measured because a run failed is an error. ``known`` in the specification makes a
strict xfail: the item fails when the outcome is no longer the known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from medpipe.errors import ClaimInconclusive, ClaimNotMeasured, ClaimRefuted, MedpipeError

if TYPE_CHECKING:
    from medpipe.judging import Verdict
    from medpipe.specs import Claim, Specs

VERDICTS = pytest.StashKey[Mapping[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bundle``."""
    parser.getgroup("medpipe").addoption(
        "--bundle", type=Path, default=None, help="folder of the bundle that claims are judged from"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Refuse to collect inside a bundle, before pytest would run a ``conftest.py`` that lies
    there.
    """
    known = early_config.known_args_namespace
    for word in (*known.file_or_dir, *([known.confcutdir] if known.confcutdir else ())):
        path = (early_config.invocation_params.dir / str(word).partition("::")[0]).resolve()
        if any((place / "bundle.json").exists() for place in (path, *path.parents)):
            raise pytest.UsageError(
                f"{word}: expected your own specifications, got a folder inside a bundle, whose"
                " code pytest would run; give the bundle with --bundle only"
            )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect ``claims/*.yaml`` next to a ``subject.yaml`` once a bundle is given."""
    is_claims = (
        file_path.suffix == ".yaml"
        and file_path.parent.name == "claims"
        and (file_path.parents[1] / "subject.yaml").is_file()
    )
    if not is_claims or parent.config.getoption("--bundle") is None:
        return None
    return ClaimFile.from_parent(parent, path=file_path)


class ClaimFile(pytest.File):
    """One file of claims."""

    def collect(self) -> Iterator[pytest.Item]:
        from medpipe.documents import read_document
        from medpipe.specs.loading import load_specs

        try:
            mine = {c["id"] for c in read_document(self.path)["claims"]}
            specs = load_specs(self.path.parents[1])
            verdicts = _verdicts(self.config, self.path.parents[1], specs)
        except MedpipeError as error:
            raise pytest.UsageError(str(error)) from error
        for claim in specs.claims:
            if claim.id in mine:
                yield ClaimItem.from_parent(
                    self, name=claim.id, claim=claim, judged=verdicts.get(claim.id)
                )


def _verdicts(config: pytest.Config, folder: Path, own: Specs) -> Mapping[str, Any]:
    """Claim id → (claim as the bundle has it, verdict), judged once for all files; only code that
    one's own claims name may run.
    """
    if VERDICTS not in config.stash:
        from medpipe.evidence import Bundle
        from medpipe.judging import judge_bundle
        from medpipe.judging.estimate import own_metrics
        from medpipe.specs.loading import code_beside

        bundle = Bundle.open(config.getoption("--bundle"))
        with code_beside(folder, own):
            bundle.require_code(own_metrics(own))
            specs, verdicts = judge_bundle(bundle)
        config.stash[VERDICTS] = {c.id: (c, v) for c, v in zip(specs.claims, verdicts, strict=True)}
    return config.stash[VERDICTS]


class ClaimItem(pytest.Item):
    """One claim."""

    def __init__(
        self, *, claim: Claim, judged: tuple[Claim, Verdict] | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.claim, self.judged = claim, judged
        if claim.known is not None:
            expected = {"refuted": ClaimRefuted, "inconclusive": ClaimInconclusive}[
                claim.known["outcome"]
            ]
            self.add_marker(
                pytest.mark.xfail(raises=expected, strict=True, reason=claim.known["reason"])
            )

    def setup(self) -> None:
        if self.judged is not None and self.judged[0] == self.claim and self.judged[1].incomplete:
            raise ClaimNotMeasured(self.judged[1].reason)

    def runtest(self) -> None:
        if self.judged is None or self.judged[0] != self.claim:
            pytest.fail(
                "this claim is not the one that the bundle was made for; run: medpipe verify",
                pytrace=False,
            )
        verdict = self.judged[1]
        outcome, sentence = (
            verdict.outcome.value,
            f"{self.claim.statement} {verdict.reason} [validity: {verdict.validity}]",
        )
        if outcome == "not-tested":
            pytest.skip(verdict.reason)
        if outcome == "refuted":
            raise ClaimRefuted(sentence)
        if outcome == "inconclusive":
            raise ClaimInconclusive(sentence)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        return f"{type(excinfo.value).__name__}: {excinfo.value}"

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"claim {self.claim.id}"
