"""What a PDF holds beside its pages: scripts and switches that a report must not have, and the
files attached to it.
"""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from medpipe.formatting import plural
from medpipe.signing.layout import MAX_ATTACHED_BYTES, is_plain_name
from medpipe.signing.pdf_signature import LIBRARY_ERRORS, Refusal

MAX_XREF_BYTES: Final = 4 * 2**20
MAX_PACK_BYTES: Final = 16 * 2**20
MAX_HEADER_BYTES: Final = 2 * 2**20
MAX_QUESTIONS: Final = 20_000_000
MAX_MEMORY_BYTES: Final = 512 * 2**20
"""Of a report with 65,000 dictionaries, the largest that there is, 0.3 MB of cross-references and 4
MB of packed objects are read in 5.6 million steps, with less than 250 MB of memory.
"""

# Keys and action or annotation types that act, fetch, play or switch what is shown; none is ever
# rendered by medpipe.
_ACTIVE_KEYS: Final = frozenset(
    {
        "/JS",
        "/JavaScript",
        "/OpenAction",
        "/AA",
        "/XFA",
        "/OCProperties",
        "/Encrypt",
        "/RichMediaContent",
        "/RichMediaSettings",
        "/3DD",
        "/Collection",
        "/Requirements",
        "/Alternates",
        "/OPI",
        "/Threads",
    }
)
_ACTIVE_TYPES: Final = frozenset(
    {
        "/JavaScript",
        "/Launch",
        "/SubmitForm",
        "/ImportData",
        "/ResetForm",
        "/GoToR",
        "/GoToE",
        "/Hide",
        "/SetOCGState",
        "/Rendition",
        "/Trans",
        "/GoTo3DView",
        "/RichMedia",
        "/RichMediaExecute",
        "/Movie",
        "/Sound",
        "/Screen",
        "/3D",
        "/FileAttachment",
        "/PS",
    }
)


def open_pdf(data: bytes, *, strict: bool = True) -> Any:
    """A pyHanko reader over ``data`` with limits on what may be unpacked. Raises library errors."""
    from pyhanko.pdf_utils.decode_limits import (
        DEFAULT_PURPOSE_LIMITS,
        DecodeLimits,
        DecodePurpose,
        DocumentDecodeBudget,
        StreamDecodeLimits,
    )
    from pyhanko.pdf_utils.reader import PdfFileReader

    limits = DecodeLimits(
        per_stream=StreamDecodeLimits(max_output_size=MAX_ATTACHED_BYTES),
        per_purpose={
            **DEFAULT_PURPOSE_LIMITS,
            DecodePurpose.XREF_STREAM: StreamDecodeLimits(max_output_size=MAX_XREF_BYTES),
            DecodePurpose.OBJECT_STREAM: StreamDecodeLimits(max_output_size=MAX_PACK_BYTES),
        },
        document_budget=DocumentDecodeBudget(base_allowance=4 * MAX_ATTACHED_BYTES, max_ratio=4),
    )
    return PdfFileReader(_Metered(data), strict=strict, decode_limits=limits)


class _Metered(io.BytesIO):
    """The bytes of a file whose parser may not ask for ever, nor make far more of them than they
    are.

    A parser of PDF asks for a byte or two at a time, and makes half a kilobyte of ``[]``. So the
    number of questions bounds its time, and now and then the memory is looked at.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.questions, self.before = 0, _resident_bytes()

    def read(self, size: int | None = -1, /) -> bytes:
        self.questions += 1
        if self.questions > MAX_QUESTIONS:
            raise ValueError("it takes too long to read")
        if self.questions % 20_000 == 0 and _resident_bytes() - self.before > MAX_MEMORY_BYTES:
            raise ValueError("it takes too much memory to read")
        return super().read(size)


def _resident_bytes() -> int:
    """The memory of this process; 0 where the system does not tell."""
    try:
        return (
            int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            * resource.getpagesize()
        )
    except (OSError, ValueError, IndexError):
        return 0


def library_errors() -> tuple[type[Exception], ...]:
    """Everything that pyHanko and what is below it raise on hostile input."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko_certvalidator.errors import PathError, ValidationError

    return (
        *LIBRARY_ERRORS,
        PdfError,
        PathError,
        ValidationError,
        InvalidSignature,
        UnsupportedAlgorithm,
    )


@dataclass(frozen=True)
class Survey:
    """What one walk over every object of a file found: how many dictionaries, which active words,
    how many file specifications.
    """

    dictionaries: int
    active: frozenset[str]
    file_specs: int


def survey(reader: Any) -> Survey:
    """Looks at every dictionary in the file, reachable or not."""
    count = specs = 0
    active: set[str] = set()
    for item in _dictionaries(reader):
        count += 1
        specs += "/EF" in item
        active |= _ACTIVE_KEYS & item.keys()
        active |= _ACTIVE_TYPES & {str(dict.get(item, "/S")), str(dict.get(item, "/Subtype"))}
    return Survey(count, frozenset(active), specs)


def require_inert(found: Survey) -> str:
    """Step: no scripts, no actions but links, no switchable layers, no encryption, in any object of
    the file.
    """
    if found.active:
        raise Refusal(
            "active-content",
            "expected pages that only show, got active or switchable content"
            f" ({', '.join(sorted(found.active))}); medpipe renders none: do not open this file"
            " elsewhere",
        )
    return f"{plural(found.dictionaries, 'object')} looked at"


def _dictionaries(reader: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary in the file, reachable or not, also those inside others."""
    from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject

    stack: list[Any] = [reader.trailer.flatten(), *_objects(reader)]
    while stack:
        item = stack.pop()
        if isinstance(item, DictionaryObject):
            yield item
            stack += dict.values(item)
        elif isinstance(item, ArrayObject):
            stack += list.__iter__(item)


def _objects(reader: Any) -> Iterator[Any]:
    """Every object of the file. Packed ones are read stream by stream: one by one, a long report
    would take minutes.
    """
    from pyhanko.pdf_utils.generic import Reference
    from pyhanko.pdf_utils.xref import ObjStreamRef

    packs = set()
    for revision in range(reader.xrefs.total_revisions):
        for ref in reader.xrefs.explicit_refs_in_revision(revision):
            place = reader.xrefs.get_historical_ref(ref, revision)
            if isinstance(place, ObjStreamRef):
                packs.add(place.obj_stream_id)
            else:
                yield reader.get_object(ref)
    for number in sorted(packs):
        yield from _unpacked(reader.get_object(Reference(number, 0, reader)))


def _unpacked(pack: Any) -> Iterator[Any]:
    from pyhanko.pdf_utils.generic import read_object

    if pack["/Type"] != "/ObjStm":
        raise ValueError("objects are packed into something that is no object stream")
    data, first = pack.data, int(pack["/First"])
    if not 0 <= first <= MAX_HEADER_BYTES or len(data) > MAX_PACK_BYTES:
        raise ValueError("a pack of objects is too large")
    header = [int(number) for number in data[:first].split()][: 2 * int(pack["/N"])]
    stream = _Metered(data)
    for offset in header[1::2]:
        stream.seek(first + offset)
        yield read_object(stream, pack.container_ref)


def read_attachments(reader: Any, found: Survey) -> dict[str, bytes]:
    """Step: the attached files by name. Plain and different names, each listed once in /AF, nothing
    else attached anywhere.
    """
    specs = _file_specs(reader)
    names = [name for name, _ in specs]
    if bad := [name for name in names if not is_plain_name(name)]:
        raise Refusal(
            "bad-attachments",
            f"expected attachments with plain file names, got {bad[0][:80]!r}; do not unpack this"
            " file",
        )
    if len({name.lower() for name in names}) < len(names):
        raise Refusal(
            "bad-attachments",
            f"expected attachments with different names, got {', '.join(sorted(names))}; "
            "which one the report means cannot be known",
        )
    listed = [value.reference for value in list.__iter__(reader.root.get("/AF", []))]
    held = [spec.reference for _, spec in specs]
    if len(listed) != len(held) or set(listed) != set(held) or found.file_specs != len(held):
        raise Refusal(
            "bad-attachments",
            f"expected every attachment once in /AF and in /EmbeddedFiles, got {len(listed)},"
            f" {len(held)} and {plural(found.file_specs, 'file specification')} in all; the file"
            " was not rendered by medpipe",
        )
    files: dict[str, bytes] = {}
    for name, spec in specs:
        files[name] = _content(name, spec.get_object())
        if sum(map(len, files.values())) > MAX_ATTACHED_BYTES:
            raise Refusal(
                "bad-attachments",
                f"expected attachments of {MAX_ATTACHED_BYTES} bytes in all at most, got more",
            )
    return files


def _file_specs(reader: Any) -> list[tuple[str, Any]]:
    """Name and reference of each file specification in the name tree, which has to be flat."""
    if "/Names" not in reader.root or "/EmbeddedFiles" not in reader.root["/Names"]:
        return []
    tree = reader.root["/Names"]["/EmbeddedFiles"]
    entries = list(list.__iter__(tree["/Names"]))
    if "/Kids" in tree or len(entries) % 2:
        raise Refusal(
            "bad-attachments",
            "expected a flat list of attachments, got a tree; the file was not rendered by medpipe",
        )
    return list(zip(map(str, entries[::2]), entries[1::2], strict=True))


def _content(name: str, spec: Any) -> bytes:
    from pyhanko.pdf_utils.misc import PdfDecodeLimitError

    if {str(spec[key]) for key in ("/F", "/UF") if key in spec} != {name}:
        raise Refusal(
            "bad-attachments", f"expected attachment {name!r} under one name, got several"
        )
    files = spec["/EF"]
    streams = {files.raw_get(key).reference for key in files}
    if len(streams) != 1:
        raise Refusal(
            "bad-attachments", f"expected one content of attachment {name!r}, got {len(streams)}"
        )
    try:
        return bytes(files["/F"].data)
    except PdfDecodeLimitError as error:
        raise Refusal(
            "bad-attachments",
            f"attachment {name!r} unpacks to more than a report may hold; do not unpack this file",
        ) from error


def changed_attachments(before: bytes, after: bytes) -> list[str]:
    """Names of attachments that differ between two versions of a file; empty also where ``after``
    cannot be read.
    """
    try:
        old, new = _lenient_attachments(before), _lenient_attachments(after)
    except library_errors():
        return []
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _lenient_attachments(data: bytes) -> Mapping[str, bytes]:
    return {
        name: bytes(spec.get_object()["/EF"]["/F"].data)
        for name, spec in _file_specs(open_pdf(data, strict=False))
    }
