"""A policy, its options and its way of queueing in one text."""

from __future__ import annotations

import pickle
from typing import ClassVar

import pytest

from perllm.errors import ConfigError
from perllm.scheduling.contender import Contender, make_contender, options_of, read_contender
from perllm.scheduling.policies import REGISTRY, contender_of, make_policy
from perllm.scheduling.policy import Policy
from perllm.scheduling.settings import SchedulerSettings


class Plain(Policy):
    """Nothing may be set."""

    name: ClassVar[str] = "plain"


class Tunable(Policy):
    """One option of each kind, one of them by a name that Python reserves."""

    name: ClassVar[str] = "tunable"

    def __init__(self, *, lambda_: float = 1.0, window: int = 10, loud: bool = False, prior: str = "none") -> None:
        if lambda_ < 0:
            raise ValueError("lambda must be 0 or above")
        self.set_to = (lambda_, window, loud, prior)


KNOWN: dict[str, type[Policy]] = {"plain": Plain, "tunable": Tunable}


def made(text: str) -> Policy:
    return make_contender(read_contender(text, KNOWN), KNOWN)


@pytest.mark.parametrize(("text", "hold"), [("plain", None), ("plain+hold", True), ("plain+push", False)])
def test_the_way_of_queueing_goes_to_the_settings_and_without_one_they_stay(text: str, hold: bool | None) -> None:
    contender = read_contender(text, KNOWN)

    assert Contender(name="plain", hold=hold) == contender
    assert hold is contender.settings(SchedulerSettings()).hold
    assert contender.settings(SchedulerSettings(hold=True)).hold is (True if hold is None else hold)


def test_options_reach_the_constructor_as_what_they_are_annotated() -> None:
    policy = made("tunable+hold:lambda=0.25:window=3:loud=true:prior=flat")

    assert isinstance(policy, Tunable)
    assert (0.25, 3, True, "flat") == policy.set_to


def test_what_is_not_given_keeps_its_default() -> None:
    policy = made("tunable:window=3")

    assert isinstance(policy, Tunable)
    assert (1.0, 3, False, "none") == policy.set_to


@pytest.mark.parametrize("text", ["plain", "plain+push", "tunable+hold:lambda=0.25:window=3:loud=false:prior=flat"])
def test_its_text_is_what_it_was_read_from(text: str) -> None:
    assert text == str(read_contender(text, KNOWN))


def test_two_texts_for_the_same_have_one_canonical_text_and_one_hash() -> None:
    one, other = (read_contender(f"tunable:{pairs}", KNOWN) for pairs in ("loud=true:lambda=2", "lambda=2.0:loud=true"))

    assert "tunable:lambda=2.0:loud=true" == str(one) == str(other)
    assert {one: 1} == {other: 1}
    assert one == pickle.loads(pickle.dumps(one))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("plane", "there is no policy called 'plane'. Did you mean plain?"),
        ("xyz", "there is no policy called 'xyz'. Known: plain, tunable."),
        ("plain+wait", "a policy cannot be used as '+wait'. Write plain+hold or plain+push."),
        ("plain+", "a policy cannot be used as '+'. Write plain+hold or plain+push."),
        ("plain:loud=true", "plain has no option called 'loud'. It has no options."),
        (
            "tunable:volume=3",
            "tunable has no option called 'volume'. Its options: lambda=1.0, window=10, loud=false, prior=none.",
        ),
        ("tunable:window=1.5", "tunable: '1.5' does not fit window. Give a whole number, such as window=10."),
        ("tunable:lambda=inf", "tunable: 'inf' does not fit lambda. Give a number, such as lambda=1.0."),
        ("tunable:loud=1", "tunable: '1' does not fit loud. Give true or false, such as loud=false."),
        ("tunable:loud", "tunable: '' does not fit loud. Give true or false, such as loud=false."),
        ("tunable:prior=", "tunable: '' does not fit prior. Give text, such as prior=none."),
        ("tunable:loud=true:loud=false", "tunable is given 'loud' twice. Remove one of the two."),
        ("tunable:", "tunable has no option called ''. Its options: lambda=1.0, window=10, loud=false, prior=none."),
        (
            "tunable:lambda=-1",
            "tunable:lambda=-1.0: lambda must be 0 or above. "
            "By default: lambda=1.0, window=10, loud=false, prior=none.",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        made(text)

    assert complaint == str(refusal.value)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_policy_can_be_made_with_its_defaults_written_out(name: str) -> None:
    written = ":".join([f"{name}+hold", *map(str, options_of(REGISTRY[name]).values())])

    assert written == str(contender_of(written))
    assert isinstance(make_policy(written), REGISTRY[name])
    assert isinstance(make_policy(contender_of(name)), REGISTRY[name])
