"""Every error that medpipe raises on purpose.

The tree::

    MedpipeError ├─ SpecError            a specification is wrong: path in the document, expected,
    got ├─ UnknownNameError     a name nobody registered: near matches, what there is ├─
    CodeNotAllowed       code that may not run without permission: the option that gives it ├─
    MissingDependency    an optional package is absent: the extra to install ├─ DataError
    data is missing or broken: where it was looked for, the command that gets it │  └─
    UnavailableError  data or weights that cannot be had here: makes claims not-tested ├─
    ExperimentError      an experiment failed: run key, cause chained ├─ BundleError          a
    bundle cannot be read │  ├─ BusyError         another process is making it │  ├─
    FormatVersionError │  └─ TamperedError     extra, missing and changed files └─ SignatureError
    a signature or the file around it is not acceptable

    ClaimRefuted, ClaimInconclusive    AssertionErrors: outcomes, not faults
    ClaimNotMeasured                   a run failed, so there is no outcome

A message is one sentence that says what was expected, what was got, where, and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class MedpipeError(Exception):
    """Base of every error that medpipe raises on purpose."""


class SpecError(MedpipeError):
    """A specification document is wrong.

    ``where`` is the path in the document, such as ``specs/claims/text.yaml:
    claims[2].criterion.value``.
    """

    def __init__(self, where: str, expected: str, got: str) -> None:
        super().__init__(f"{where}: expected {expected}, got {got}")
        self.where, self.expected, self.got = where, expected, got


class UnknownNameError(MedpipeError):
    """A name that nobody registered, with its near matches and all the names there are."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
        )
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind, self.name, self.near = kind, name, near


class CodeNotAllowed(MedpipeError):
    """Something names code that may not run without the reader's permission: nothing is known, and
    nothing is wrong.
    """

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"not checked: the {kind} {name!r} is code that medpipe does not run without"
            " permission; look at it, then allow it with --allow-code, or give your own"
            " specifications with --specs where it is yours"
        )
        self.kind, self.name = kind, name


class MissingDependency(MedpipeError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed; run: pip install"
            f" 'medpipe[{extra}]'"
        )
        self.package, self.extra = package, extra


class DataError(MedpipeError):
    """Data is missing or broken; the message says where it was looked for and what to do."""


class UnavailableError(DataError):
    """Data or weights that cannot be had on this machine: claims that need them are not-tested,
    nothing failed.
    """


class ExperimentError(MedpipeError):
    """An experiment failed; the cause is chained."""

    def __init__(self, run_key: str, cause: BaseException) -> None:
        super().__init__(f"run {run_key} failed: {type(cause).__name__}: {cause}")
        self.run_key = run_key


class BundleError(MedpipeError):
    """A bundle of evidence cannot be read."""


class BusyError(BundleError):
    """Another process is making this bundle."""


class FormatVersionError(BundleError):
    """A stored file has a format version that this medpipe does not know."""

    def __init__(self, what: str, expected: Sequence[int], got: object) -> None:
        known = " or ".join(str(v) for v in expected)
        super().__init__(
            f"{what}: expected format version {known}, got {got!r}; use the medpipe that wrote it"
        )


class TamperedError(BundleError):
    """The files of a bundle are not the files its manifest names."""

    def __init__(
        self, where: str, *, extra: Sequence[str], missing: Sequence[str], changed: Sequence[str]
    ) -> None:
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (("extra", extra), ("missing", missing), ("changed", changed))
            if names
        ]
        super().__init__(f"{where}: expected the files of the manifest, got {'; '.join(parts)}")
        self.extra, self.missing, self.changed = tuple(extra), tuple(missing), tuple(changed)


class SignatureError(MedpipeError):
    """A signature, or the file around it, is not acceptable; the message names the reason."""


class ClaimRefuted(AssertionError):
    """The evidence contradicts the claim: an outcome, not a fault."""


class ClaimInconclusive(AssertionError):
    """The evidence neither supports nor contradicts the claim: an outcome, not a fault."""


class ClaimNotMeasured(Exception):
    """There is no evidence on the claim because a run failed: neither an outcome nor something that
    cannot be had.
    """
