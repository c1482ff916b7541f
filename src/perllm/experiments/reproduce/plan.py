"""The plan of a reproduction: a dated file that says everything that is run, written before it is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from perllm.config.document import Document, parse, text_of
from perllm.config.kinds import Count, Name, Positive, Section, TargetShare, Text
from perllm.config.mistakes import find_mistake
from perllm.errors import ConfigError
from perllm.experiments.contest.cell import Cell, World, grid, seeds_of
from perllm.experiments.contest.contenders import contender_named

_DIGITS: Final = 16
_QUICK_SEEDS: Final = 2
_QUICK_REQUESTS: Final = 500

Contenders = Annotated[tuple[Text, ...], Meta(min_length=1, description="a list of contenders")]


class ClaimSection(Section, frozen=True, kw_only=True):
    """What the paper says of its policy beside a rival: so many times its throughput."""

    throughput: Positive


class ClaimsSection(Section, frozen=True, kw_only=True):
    """What the paper claims: beside each rival, of its energy at most, and of requests in time at least."""

    rivals: Annotated[dict[Text, ClaimSection], Meta(min_length=1, description="rivals, each with a throughput")]
    energy_fraction: Positive
    attainment: TargetShare


class StudySection(Section, frozen=True, kw_only=True):
    """A question, and the grid that answers it: scenarios × variants × rates × contenders × seeds."""

    question: Text
    scenarios: Annotated[tuple[Text, ...], Meta(min_length=1, description="a list of scenario files")]
    rates: Annotated[tuple[Positive, ...], Meta(min_length=1, description="a list of requests/s")]
    variants: Annotated[
        dict[Text, tuple[Text, ...]], Meta(min_length=1, description="variants: name, list of settings")
    ]
    always: tuple[Text, ...] = ()
    policies: Contenders | None = None


class PlanFile(Section, frozen=True, kw_only=True):
    """The whole plan. `ours` are the contenders for whom the claims are examined; files are sought from its folder."""

    written: Text
    seeds: Text
    requests: Count
    ours: Contenders
    policies: Contenders
    claims: ClaimsSection
    decided: tuple[Text, ...]
    studies: Annotated[dict[Name, StudySection], Meta(min_length=1, description="at least one study")]


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """A study whose contenders are those that this version has."""

    name: str
    question: str
    worlds: tuple[World, ...]
    policies: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is run. `missing` names the plan's contenders that this version does not have."""

    name: str
    digest: str
    written: str
    seeds: tuple[int, ...]
    requests: int
    quick: bool
    ours: tuple[str, ...]
    claims: ClaimsSection
    decided: tuple[str, ...]
    studies: tuple[Study, ...]
    missing: tuple[str, ...]

    def cells(self, study: Study) -> list[Cell]:
        """Return the runs of a study."""
        return list(grid(study.worlds, study.policies, self.seeds, curve=False))


def read_plan(path: Path, *, quick: bool = False) -> Plan:
    """Read a plan. `quick`: a few seeds and requests, to see that everything works. ConfigError for a mistake."""
    text = text_of(path)
    file = _file(parse(text, str(path)))
    of_studies = (name for study in file.studies.values() for name in study.policies or ())
    names = list(dict.fromkeys([*file.ours, *file.policies, *of_studies]))
    known = _known(names)
    seeds = seeds_of(file.seeds)
    requests = min(file.requests, _QUICK_REQUESTS) if quick else file.requests
    return Plan(
        name=path.name,
        digest=sha256(text.encode()).hexdigest()[:_DIGITS],
        written=file.written,
        seeds=seeds[:_QUICK_SEEDS] if quick else seeds,
        requests=requests,
        quick=quick,
        ours=tuple(known[name] for name in file.ours if name in known),
        claims=file.claims,
        decided=file.decided,
        studies=tuple(_study(name, of, file, path.parent, known, requests) for name, of in file.studies.items()),
        missing=tuple(name for name in names if name not in known),
    )


def _study(name: str, study: StudySection, file: PlanFile, folder: Path, known: dict[str, str], requests: int) -> Study:
    worlds = tuple(
        World(
            file=str(folder / scenario),
            sets=(*study.always, *sets),
            variant=variant,
            rate_per_s=rate,
            requests=requests,
        )
        for scenario in study.scenarios
        for variant, sets in study.variants.items()
        for rate in study.rates
    )
    policies = (known[policy] for policy in [*file.ours, *(study.policies or file.policies)] if policy in known)
    return Study(name=name, question=study.question, worlds=worlds, policies=tuple(dict.fromkeys(policies)))


def _file(document: Document) -> PlanFile:
    try:
        return msgspec.convert(document.tree, PlanFile)
    except msgspec.ValidationError as error:
        mistake = find_mistake(document.tree, PlanFile)
        if mistake is None:
            raise ConfigError(str(error), file=document.source) from None
        raise document.mistake(mistake.path, mistake.problem, mistake.remedy) from None


def _known(names: Iterable[str]) -> dict[str, str]:
    """Return the contenders that this version has, as they are written everywhere."""
    found = {}
    for name in names:
        # A contender that is still to come may be in a plan; which were left out is told beside the results.
        with suppress(ConfigError):
            found[name] = contender_named(name)
    return found
