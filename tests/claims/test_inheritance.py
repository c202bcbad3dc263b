"""Protocols that extend others and profiles whose runs share a change are what they would be if
they were written out.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.documents import parse_yaml
from medpipe.errors import MedpipeError, SpecError
from medpipe.running.plan import make_plan
from medpipe.specs import Specs, inheritance, load_specs
from medpipe.specs.inheritance import protocols_from, without_groups
from medpipe.specs.loading import specs_from
from medpipe.specs.origins import settings
from medpipe.specs.other_weights import with_checkpoint
from medpipe.specs.protocol import flatten

CHILD = "version: 1\nid: child\nextends: toy\n"
WHOLE = "version: 1\nid: a\nexperiment: 'a:b'\ntitle: x\nsource: z\nparameters: {}\n"
SMALL = "version: 1\nid: small\ntitle: x\nseeds: [0, 1]\n"
FROZEN = {
    "demonstration": (69, "83b62b4bfc8061b55abf3dc48b9c9cb93a07fce9be48aa176985e9ae954495f8"),
    "reduced": (141, "f9b1c893e5dd15425a79076f6dc07c90e4ca8f22b85079581c128197e4d75cad"),
    "published": (179, "1eb7338170bc47e25b3761de3ab43d8bca13942d88047ff5e8f18a83999eaf90"),
}


Load = Callable[..., Specs]


@pytest.fixture
def specs_with(folder: Path) -> Load:
    """Loads the small specifications with other documents: ``profiles__small="…"``."""
    base = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.yaml")}

    def load(**documents: str) -> Specs:
        other = {f"{n.replace('__', '/')}.yaml": text.encode() for n, text in documents.items()}
        both = base | other
        return specs_from({name: both[name] for name in sorted(both)}, "specs")

    return load


@pytest.fixture(scope="module")
def project(repository: Path) -> Specs:
    """The project's own specifications."""
    return load_specs(repository / "specs")


def test_a_child_is_what_it_would_be_written_out(specs_with: Load) -> None:
    child = """
        version: 1
        id: child
        extends: toy
        title: The child
        remove: [data]
        change: {training.epochs: 7}
        add: {training.decay: 0.5, model: {width: 8, blocks: [1, 2]}, data.source: other}
        unstated: {training.decay: Ours.}
    """
    written_out = """
        version: 1
        id: child
        experiment: "toy_package:run"
        title: The child
        source: table 1
        parameters:
          training: {epochs: 7, rate: 0.1, decay: 0.5}
          model: {width: 8, blocks: [1, 2]}
          data: {source: other}
        unstated: {training.decay: Ours.}
    """
    inherited, plain = specs_with(protocols__child=child), specs_with(protocols__child=written_out)
    assert inherited.protocol("child") == plain.protocol("child")
    assert inherited.protocol("toy") == specs_with().protocol("toy")  # and the parent stays


def test_members_extend_their_file_or_each_other_and_keep_its_order(specs_with: Load) -> None:
    family = """
        version: 1
        id: small_family
        extends: toy
        unstated: {training.rate: Not said., data: Nor this.}
        grid:
          second: {extends: first, change: {training.rate: 0.3}, unstated: {data: null}}
          first: {change: {training.epochs: 1}, title: First}
    """
    protocols = specs_with(protocols__family=family).protocols
    assert list(protocols) == ["small_family", "second", "first", "toy"]
    assert protocols["second"].title == "First"
    assert protocols["second"].parameters["training"] == {"epochs": 1, "rate": 0.3}
    assert protocols["second"].unstated == {"training.rate": "Not said."}
    assert protocols["first"].unstated == {"training.rate": "Not said.", "data": "Nor this."}
    assert protocols["small_family"].parameters == protocols["toy"].parameters


def test_a_file_without_an_id_is_a_template_only(specs_with: Load) -> None:
    family = """
        version: 1
        experiment: "toy_package:run"
        source: table 2
        parameters: {training: {epochs: 3}}
        grid:
          one: {title: One}
          two: {title: Two, change: {training.epochs: 4}}
    """
    protocols = specs_with(protocols__family=family).protocols
    assert list(protocols) == ["one", "two", "toy"]
    assert [protocols[p].parameters["training"]["epochs"] for p in ("one", "two")] == [3, 4]


NAMES = st.sampled_from("abcd")
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.lists(st.integers(0, 3), max_size=2)
TREES = st.dictionaries(
    NAMES, LEAVES | st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3), min_size=1, max_size=4
)


def written(parameters: Mapping[str, Any], paths: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with other values at some paths, the plain way."""
    result = copy.deepcopy(dict(parameters))
    for path, value in paths.items():
        *steps, last = path.split(".")
        node = result
        for step in steps:
            node = node.setdefault(step, {})
        node[last] = value
    return result


@given(tree=TREES, data=st.data())
def test_overrides_change_what_they_name_and_nothing_else(tree: Any, data: st.DataObject) -> None:
    leaves = dict(flatten(tree))
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(leaves)), LEAVES, max_size=3))
    added = data.draw(st.dictionaries(st.sampled_from(["x", "y.z", "y.w"]), LEAVES, max_size=2))
    gone = data.draw(st.sampled_from([None, *tree]))
    before = copy.deepcopy(tree)
    base = {"id": "base", "experiment": "e", "title": "t", "source": "s", "parameters": tree}
    child = {"id": "child", "extends": "base", "change": changed, "add": added}
    last = {"id": "last", "extends": "child", "remove": [gone] if gone else []}
    files = {"b.yaml": base, "c.yaml": child, "a.yaml": last}
    found = protocols_from(files, "specs")

    expected = written(tree, {**changed, **added})
    assert found["child"].parameters == expected
    expected.pop(gone, None)
    assert found["last"].parameters == expected
    assert found["base"].parameters == tree == before
    for protocol in found.values():
        kept = {f"parameters.{path}" for path, _ in flatten(protocol.parameters)}
        assert {k for k in protocol.origins if k.startswith("parameters.")} == kept
    for path in dict(flatten(expected)):
        key = "change" if path in changed else "add" if path in added else "parameters"
        origin = found["last"].origins[f"parameters.{path}"]
        assert str(origin) == f"{'b' if key == 'parameters' else 'c'}.yaml: {key}.{path}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CHILD + "chnage: {a: 1}", "the unknown key 'chnage'"),
        (CHILD + "change: {training.epoch: 2}", "a.yaml: change 'training.epoch'; did you mean"),
        (CHILD + "change: {training: 2}", "change.training: expected the path of one parameter"),
        (CHILD + "change: {training.epochs: {a: 1}}", "change.training.epochs: expected type"),
        (CHILD + "add: {training.epochs: 2}", "does not have, got one that it has; put it under"),
        (CHILD + "add: {training.epochs.x: 2}", "add.training.epochs.x: expected a path through"),
        (CHILD + "remove: [training.epoch]", "remove 'training.epoch'; did you mean"),
        (CHILD + "unstated: {data: null}", "unknown path to withdraw in specs/protocols/a.yaml"),
        (CHILD + "parameters: {a: 1}", "expected change, add or remove beside extends"),
        (CHILD + "grid: {toy: {}}", "got 'toy', which specs/protocols/a.yaml has, too"),
        (CHILD + "grid: {child: {}}", "grid.child: expected every protocol id once"),
        (
            CHILD + "grid: {b: {titel: x}}",
            "grid.b: expected only add, change, experiment, extends, remove",
        ),
        (CHILD + "grid: {b: {id: x}}", "grid.b: expected only"),
        (CHILD + "grid: {}", "grid: expected minProperties 1"),
        (CHILD + "grid: {b: {extends: c}, c: {extends: b}}", "grid.b.extends: expected parents"),
        (CHILD + "grid: {b: {extends: c}, c: {extends: b}}", "the cycle b → c → b"),
        (CHILD.replace("toy", "child"), "a.yaml: extends: expected parents that end somewhere"),
        (CHILD.replace("toy", "toi"), "a.yaml: extends 'toi'; did you mean toy?"),
        ("version: 1\nextends: toy", "a.yaml: expected the key 'id'"),
        ("version: 1\ngrid: {b: {title: x}}", "grid.b: expected the key 'experiment', in b or"),
        ("version: 1\nid: b\ngrid: {c: {}}", "expected the key 'experiment'"),
        (WHOLE + "change: {b: 1}", "expected extends beside change"),
        (WHOLE + "remove: [b]", "expected extends beside remove"),
        (WHOLE + "unstated: {b: null}", "unstated.b: expected type"),
        (WHOLE.replace("parameters: {}\n", ""), "expected the key 'parameters'"),
    ],
)
def test_refuses_what_does_not_fit_the_parent(specs_with: Load, text: str, says: str) -> None:
    with pytest.raises(MedpipeError) as caught:
        specs_with(protocols__a=text)
    assert says in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_short_files_cannot_fill_the_memory(
    specs_with: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {f"m{i}": {} for i in range(10)}
    base = yaml_of({"a": [0, 1], "b": 1, "c": 2}, members)
    assert len(specs_with(protocols__base=base).protocols) == 12
    monkeypatch.setattr(inheritance, "MAX_INHERITED", 50)
    with pytest.raises(SpecError, match="at most 50 inherited values"):
        specs_with(protocols__base=base)


def yaml_of(parameters: Any, grid: Any) -> str:
    """A protocol with a grid; JSON is YAML."""
    document = {"version": 1, "id": "base", "experiment": "a:b", "title": "t", "source": "s"}
    return json.dumps({**document, "parameters": parameters, "grid": grid})


def test_a_long_line_of_ancestors_is_followed(specs_with: Load) -> None:
    members = {f"m{i}": {"extends": f"m{i + 1}"} for i in range(999)}
    base = yaml_of({"a": 1}, {**members, "m999": {"change": {"a": 2}}})
    assert specs_with(protocols__base=base).protocol("m0").parameters == {"a": 2}


def test_groups_are_what_they_would_be_written_out(specs_with: Load) -> None:
    more = "version: 1\nid: more\nextends: toy\ngrid: {third: {}, fourth: {}}\n"
    groups = """
        groups:
          - seeds: [5]
            change: {training.epochs: 2}
            because: Short.
            runs:
              toy: {}
              more: {seeds: [6], minutes: 3, change: {training.rate: 0.2}, because: Also short.}
          - leave_out: No time.
            runs: [third]
        runs:
          fourth: {minutes: 1}
    """
    written_out = """
        runs:
          toy: {seeds: [5], change: {training.epochs: 2}, because: Short.}
          more:
            seeds: [6]
            change: {training.epochs: 2, training.rate: 0.2}
            because: Also short.
            minutes: 3
          third: {leave_out: No time.}
          fourth: {minutes: 1}
    """
    grouped, plain = (
        specs_with(protocols__more=more, profiles__small=indented(SMALL, text))
        for text in (groups, written_out)
    )
    assert grouped.profile("small") == plain.profile("small")
    document = parse_yaml(grouped.files["profiles/small.yaml"], "small")
    assert without_groups(document) == parse_yaml(plain.files["profiles/small.yaml"], "small")
    origins = grouped.profile("small").run_for("more").origins
    assert {key: origin.key for key, origin in origins.items()} == {
        "seeds": "groups[0].runs.more.seeds",
        "change.training.epochs": "groups[0].change.training.epochs",
        "change.training.rate": "groups[0].runs.more.change.training.rate",
        "because": "groups[0].runs.more.because",
        "minutes": "groups[0].runs.more.minutes",
    }
    assert grouped.profile("small").run_for("fourth").origins["seeds"].key == "seeds"


def indented(head: str, text: str) -> str:
    return head + text.replace("\n        ", "\n").strip() + "\n"


def test_the_examples_of_the_page_load(repository: Path) -> None:
    page = (repository / "specs/README.md").read_text(encoding="utf-8")
    files, shown = {}, []
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        named = re.match(r"# file: specs/(\S+)\n", block)
        files |= {named[1]: block} if named else {}
        shown += [] if named else [block]
    protocol, groups = shown
    files["protocols/forest_deep.yaml"] = protocol
    files["profiles/published.yaml"] += groups
    specs = specs_from({name: text.encode() for name, text in files.items()}, "specs")
    assert specs.protocol("forest_deep_small").parameters["model"] == {"trees": 50, "depth": 20}
    assert specs.protocol("forest_deep_seen").parameters["data"] == {"source": "breast-cancer"}
    assert specs.profile("published").run_for("forest_deep").seeds == (0,)
    assert specs.profile("published").run_for("forest_deep_seen").leave_out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("groups: [{runs: [toi], seeds: [1]}]", "did you mean toy?"),
        ("groups: [{runs: [toy, toy], seeds: [1]}]", "groups[0].runs: expected uniqueItems"),
        ("groups: [{runs: [], seeds: [1]}]", "groups[0].runs: expected minItems 1"),
        ("groups: [{runs: [toy]}]", "groups[0]: expected minProperties 2"),
        ("groups: [{seeds: [1]}]", "groups[0]: expected the key 'runs'"),
        ("groups: [{runs: [toy], chnage: {}}]", "the unknown key 'chnage'"),
        ("groups: [{runs: [toy], leave_out: x, seeds: [1]}]", "expected only leave_out, runs"),
        ("groups: [{runs: {toy: {leave_out: x}}, seeds: [1]}]", "the unknown key 'leave_out'"),
        ("groups: [{runs: [toy], change: {data.sorce: x}}]", "groups[0].change 'data.sorce'"),
        (
            "groups: [{runs: {toy: {change: {data.sorce: x}}}, seeds: [1]}]",
            "groups[0].runs.toy.change 'data.sorce'; did you mean data.source?",
        ),
        (
            "groups: [{runs: [toy], seeds: [1]}]\nruns: {toy: {seeds: [2]}}",
            "runs.toy: expected every run once, got 'toy', which groups[0].runs.toy sets, too",
        ),
    ],
)
def test_refuses_groups_that_are_wrong(specs_with: Load, text: str, says: str) -> None:
    with pytest.raises(MedpipeError) as caught:
        specs_with(profiles__small=SMALL + text)
    assert says in str(caught.value)


def test_the_runs_of_the_project_are_frozen(project: Specs) -> None:
    """Run keys name evidence that took hours to make: whoever changes them should mean to, and then
    changes the numbers here.
    """
    found = {}
    for name, profile in project.profiles.items():
        keys = sorted(make_plan(project, profile).keys)
        found[name] = len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest()
    assert found == FROZEN


def test_a_copy_of_the_files_is_enough(project: Specs) -> None:
    """As a bundle keeps them."""
    assert specs_from(project.files, "a bundle") == project


def test_a_checkpoint_reaches_runs_in_groups(project: Specs) -> None:
    given_up = project.profile("demonstration").run_for("text.biobert")
    assert given_up.origins["leave_out"].key.startswith("groups[")
    changed = with_checkpoint(project, "demonstration", "some/folder").profile("demonstration")
    assert changed.run_for("text.biobert").leave_out is None
    assert changed.run_for("text.biobert").change == {"model.checkpoint": "some/folder"}
    untouched = [p for p in project.protocols if "biobert" not in p]
    before = project.profile("demonstration")
    assert all(changed.run_for(p) == before.run_for(p) for p in untouched)


def at(node: Any, key: str) -> Any:
    """The value at a key of a document, whose own keys may contain dots."""
    if not key:
        return node
    if key.startswith("["):
        index, _, rest = key[1:].partition("]")
        return at(node[int(index)], rest.lstrip("."))
    for own in sorted(node, key=len, reverse=True):
        if key == own or key.startswith((f"{own}.", f"{own}[")):
            return at(node[own], key[len(own) :].lstrip("."))
    raise KeyError(key)


def test_every_origin_leads_to_the_value(project: Specs) -> None:
    documents = {path: parse_yaml(raw, path) for path, raw in project.files.items()}
    for profile in project.profiles.values():
        for protocol in project.protocols.values():
            found = settings(protocol, profile)
            for s in found:
                assert at(documents[s.origin.file], s.origin.key) == s.value, s
            names = {s.name for s in found if s.kind == "parameters"}
            assert names == {path for path, _ in flatten(protocol.parameters)}
