"""Pushing to a Hugging Face repository: one commit and one tag a drop, whatever happens in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.errors import DropInvalid, PushRefused, PushUnavailable
from sinks.push import hub_api
from sinks.push.copies import copies_of
from sinks.push.destination import parse
from sinks.push.hub import HubTarget
from sinks.push.run import Pushed, prepare, push
from sinks.push.target import Options
from tests.drop_files import files_of
from tests.sinks.push.conftest import Home
from tests.stores.hub import TOKEN, Hub, Repository

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")
REPO = "hf://datasets/org/drops"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def pushed(home: Home, web: Hub, drop: str, where: str = REPO, **options: Any) -> Pushed:
    how = {name: options[name] for name in ("point", "private") if name in options}
    branch = options.get("branch")
    target = HubTarget(parse(where, branch=branch), Options(**how), endpoint=web.url)
    return home.push(drop, where, target, **options)


def repo(web: Hub) -> Repository:
    return web.repos["org/drops"]


def test_a_drop_is_one_private_commit_with_its_tag_and_a_second_push_does_nothing(
    home: Home, web: Hub
) -> None:
    drop = home.publish()
    assert len(pushed(home, web, drop, dry_run=True).sent) == 7
    assert web.repos == {}
    first = pushed(home, web, drop)
    assert repo(web).private
    assert repo(web).files() == repo(web).files(drop) == files_of(home.folder(drop))
    assert (first.commit, len(first.sent), first.moved) == (repo(web).tags[drop], 7, True)
    assert web.calls["commit"] == 1
    before = dict(web.calls)
    second = pushed(home, web, drop)
    assert (second.sent, len(second.kept), second.commit) == ((), 7, first.commit)
    changed = {name for name, count in web.calls.items() if count != before.get(name)}
    assert changed <= {"info", "refs", "tree", "read"}
    (copy,) = copies_of(home.lake, [drop])
    assert (copy["destination"], copy["commit_id"], copy["whole"]) == (REPO, first.commit, True)


def test_the_next_drop_takes_the_branch_and_files_people_added_stay(home: Home, web: Hub) -> None:
    first, second = home.publish(1, extra=b"only in the first"), home.publish(2)
    pushed(home, web, first)
    main = repo(web).branches["main"]
    repo(web).commits[main]["LICENSE"] = (b"ours", False)
    pushed(home, web, second)
    assert repo(web).files() == {**files_of(home.folder(second)), "LICENSE": b"ours"}
    assert repo(web).files(first).items() >= files_of(home.folder(first)).items()


def test_an_older_drop_is_kept_under_its_tag_only(home: Home, web: Hub) -> None:
    old, new = home.publish(1), home.publish(2)
    pushed(home, web, new)
    done = pushed(home, web, old)
    assert not done.moved
    assert repo(web).files() == files_of(home.folder(new))
    assert repo(web).files(old) == files_of(home.folder(old))
    assert list(repo(web).branches) == ["main"]
    latest = home.publish(3)
    assert not pushed(home, web, latest, point=False).moved
    assert repo(web).files() == files_of(home.folder(new))
    assert pushed(home, web, latest).moved
    assert repo(web).files() == files_of(home.folder(latest))


def test_channels_need_branches_of_their_own(home: Home, web: Hub) -> None:
    default, support = home.publish(1), home.publish(2, channel="support")
    pushed(home, web, default)
    with pytest.raises(PushRefused, match="channel default"):
        pushed(home, web, support)
    pushed(home, web, support, branch="support")
    assert repo(web).files("support") == files_of(home.folder(support))
    assert repo(web).files() == files_of(home.folder(default))
    (copy,) = (c for c in copies_of(home.lake, [support]) if c["whole"])
    assert copy["branch"] == "support"


def test_what_is_there_already_is_refused_by_name(home: Home, web: Hub) -> None:
    drop = home.publish()
    web.repos["org/drops"] = Repository(private=True)
    repo(web).commits[repo(web).branches["main"]]["README.md"] = (b"# written by hand", False)
    with pytest.raises(PushRefused, match=r"README\.md"):
        pushed(home, web, drop)
    assert repo(web).files() == {"README.md": b"# written by hand"}
    web.repos.clear()
    pushed(home, web, drop)
    repo(web).commits[repo(web).tags[drop]]["openai/train.jsonl"] = (b"tampered", False)
    with pytest.raises(PushRefused, match=r"openai/train\.jsonl"):
        pushed(home, web, drop)


def test_public_repositories_need_a_word(home: Home, web: Hub) -> None:
    drop = home.publish()
    web.repos["org/drops"] = Repository(private=False)
    with pytest.raises(PushRefused, match="is public"):
        pushed(home, web, drop)
    assert web.store == {}
    pushed(home, web, drop, private=False)
    assert repo(web).files() == files_of(home.folder(drop))
    web.repos.clear()
    pushed(home, web, drop, private=False)
    assert not repo(web).private


def test_what_was_uploaded_before_a_failure_is_not_uploaded_again(home: Home, web: Hub) -> None:
    drop = home.publish()
    web.faults["commit"] = [503] * hub_api.ATTEMPTS
    with pytest.raises(PushUnavailable, match="503"):
        pushed(home, web, drop)
    uploads = web.calls["upload"]
    assert uploads == len(web.store) > 2
    assert [copy["whole"] for copy in copies_of(home.lake, [drop])] == [False]
    pushed(home, web, drop)
    assert web.calls["upload"] == uploads
    assert repo(web).files(drop) == files_of(home.folder(drop))


def test_faults_that_pass_are_waited_out(home: Home, web: Hub) -> None:
    drop = home.publish()
    web.faults = {"info": [502], "create": [500], "upload": [503], "refs": [429], "tag": [503], "tree": [500]}
    pushed(home, web, drop)
    # The commit was made, but nobody was told.
    second = home.publish(2)
    web.faults = {"commit": ["lost"]}
    done = pushed(home, web, second)
    assert done.commit == repo(web).tags[second] == repo(web).branches["main"]
    assert len(repo(web).commits) == 3


def test_a_commit_of_somebody_else_in_between_is_built_upon(home: Home, web: Hub) -> None:
    drop = home.publish()
    web.repos["org/drops"] = Repository(private=True)

    def theirs() -> None:
        main = repo(web).branches["main"]
        repo(web).branches["main"] = repo(web).add({**repo(web).commits[main], "LICENSE": (b"theirs", False)})

    web.meanwhile = theirs
    pushed(home, web, drop)
    assert repo(web).files() == {**files_of(home.folder(drop)), "LICENSE": b"theirs"}
    second = home.publish(2)
    web.meanwhile = lambda: repo(web).commits[repo(web).branches["main"]].clear() or theirs()
    pushed(home, web, second)
    assert repo(web).files() == {**files_of(home.folder(second)), "LICENSE": b"theirs"}


def test_pushes_of_one_drop_at_once_make_one_tag(home: Home, web: Hub) -> None:
    drop = home.publish()
    start = threading.Barrier(3)

    def go(_: int) -> Pushed:
        start.wait(20)
        return pushed(home, web, drop)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(go, range(3)))
    assert repo(web).files() == repo(web).files(drop) == files_of(home.folder(drop))
    assert {each.commit for each in done} == {repo(web).tags[drop]}


def test_a_file_that_changes_under_the_push_is_not_committed(home: Home, web: Hub) -> None:
    drop = home.publish()
    changing = home.folder(drop) / "openai" / "train.jsonl"
    parcel = prepare(home.lake, home.settings.drops_root, drop)
    changing.write_bytes(b"x" * changing.stat().st_size)
    with pytest.raises(DropInvalid, match=r"openai/train\.jsonl changed"):
        push(home.lake, parcel, parse(REPO), HubTarget(parse(REPO), Options(), endpoint=web.url))
    assert repo(web).files() == {}


def test_refusals_say_what_to_do_and_no_secret(home: Home, web: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = home.publish()
    with pytest.raises(PushRefused, match="status 403"):
        pushed(home, web, drop, "hf://datasets/others/drops")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PushRefused, match="status 401") as caught:
        pushed(home, web, drop)
    assert "HF_TOKEN" in (caught.value.hint or "")
    assert not any(secret in f"{caught.value} {caught.value.hint}" for secret in ("hf_wrong", TOKEN, web.url))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    bad = home.publish(2, **{"README.md": b"---\n[not yaml\n---\n"})
    with pytest.raises(PushRefused, match="does not accept the files"):
        pushed(home, web, bad)
