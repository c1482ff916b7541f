"""What an engine still has of earlier prompts, and what it no longer has."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind
from perllm.simulation.engine import Engine
from perllm.simulation.job import BLOCK_TOKENS
from perllm.simulation.prefix_cache import PrefixCache
from perllm.simulation.trouble import Outage
from tests.unit.simulation.machines import AT_HAND, endings, exactly, instants, job, reports

CACHING = replace(AT_HAND, caches_prefixes=True)
PLENTY = 100 * BLOCK_TOKENS


def test_a_shared_start_is_known_up_to_the_first_block_that_differs() -> None:
    cache = PrefixCache()
    cache.keep((1, 2, 3), PLENTY)

    assert 2 * BLOCK_TOKENS == cache.known_tokens((1, 2, 9, 3), 5000)
    assert 0 == cache.known_tokens((9, 1, 2), 5000)


def test_the_last_token_of_a_prompt_is_always_read() -> None:
    cache = PrefixCache()
    cache.keep((1, 2), PLENTY)

    assert 1023 == cache.known_tokens((1, 2), 1024)


def test_the_longest_unused_gives_way_first() -> None:
    cache = PrefixCache()
    for block in (1, 2, 3):
        cache.keep((block,), PLENTY)
    cache.use((1,))
    cache.keep((4,), 3 * BLOCK_TOKENS)

    assert [512, 0, 512, 512] == [cache.known_tokens((block,), 5000) for block in (1, 2, 3, 4)]


def test_of_a_prompt_that_does_not_fit_the_start_is_kept() -> None:
    cache = PrefixCache()
    cache.keep((1, 2, 3), 2 * BLOCK_TOKENS)

    assert 2 * BLOCK_TOKENS == cache.known_tokens((1, 2, 3), 5000)


def test_looking_something_up_does_not_make_it_used() -> None:
    cache = PrefixCache()
    for block in (1, 2):
        cache.keep((block,), PLENTY)
    cache.known_tokens((1,), 5000)
    cache.keep((3,), 2 * BLOCK_TOKENS)

    assert [0, 512] == [cache.known_tokens((block,), 5000) for block in (1, 2)]


def test_a_shared_start_shortens_reading_and_is_told() -> None:
    engine = Engine(CACHING)
    engine.arrive("a", job(prompt_tokens=1030, output_tokens=1, blocks=(1, 2)), 0.0)
    engine.arrive("b", job(prompt_tokens=1100, output_tokens=1, blocks=(1, 2)), 2.0)

    known = reports(engine)

    # Of b's prompt 76 tokens are left to read.
    assert {"a": exactly(1.031), "b": exactly(2.077)} == instants(known, Ending)
    assert exactly(40 * 0.077) == endings(known)["b"].infer_j
    usages = {name: ending.usage for name, ending in endings(known).items()}
    assert {"a": (1030, 0), "b": (1100, 1024)} == {
        name: (usage.prompt_tokens, usage.cached_tokens) for name, usage in usages.items() if usage is not None
    }


def test_what_is_left_to_read_attends_to_what_is_known() -> None:
    engine = Engine(replace(CACHING, speed=replace(CACHING.speed, attention_pair_s=1e-6)))
    engine.arrive("a", job(prompt_tokens=1030, output_tokens=1, blocks=(1, 2)), 0.0)
    engine.arrive("b", job(prompt_tokens=1124, output_tokens=1, blocks=(1, 2)), 3.0)

    ended = instants(reports(engine), Ending)

    assert {"a": exactly(1.031 + 1030 * 515e-6), "b": exactly(3.101 + 100 * (1024 + 50) * 1e-6)} == ended


def test_prompts_of_which_little_is_left_to_read_fit_one_step() -> None:
    engine = Engine(replace(CACHING, step_tokens=300))
    engine.arrive("a", job(prompt_tokens=1030, output_tokens=1, blocks=(1, 2)), 0.0)
    for name in "bc":
        engine.arrive(name, job(prompt_tokens=1039, output_tokens=1, blocks=(1, 2)), 0.1)

    # Twice 15 tokens.
    assert {"a": exactly(1.031), "b": exactly(1.062), "c": exactly(1.062)} == instants(reports(engine), Ending)


def test_a_machine_that_was_down_has_forgotten_everything() -> None:
    engine = Engine(CACHING, outages=[Outage(server_id="edge", from_s=1.5, to_s=1.9)])
    engine.arrive("a", job(prompt_tokens=1030, output_tokens=1, blocks=(1, 2)), 0.0)
    engine.arrive("b", job(prompt_tokens=1100, output_tokens=1, blocks=(1, 2)), 2.0)

    assert {"a": exactly(1.031), "b": exactly(3.101)} == instants(reports(engine), Ending)


def test_a_prompt_that_goes_on_from_an_answer_need_not_read_that_again() -> None:
    engine = Engine(CACHING)
    engine.arrive(
        "a", job(prompt_tokens=100, output_tokens=64, blocks=range(6), answer_blocks=range(6, 10), block_tokens=16), 0.0
    )
    engine.arrive("b", job(prompt_tokens=190, output_tokens=1, blocks=range(11), block_tokens=16), 5.0)

    usage = endings(reports(engine))["b"].usage

    assert usage is not None
    assert 160 == usage.cached_tokens


def test_what_was_not_written_to_its_end_is_not_kept() -> None:
    engine = Engine(CACHING)
    engine.arrive(
        "a", job(prompt_tokens=100, output_tokens=64, blocks=range(6), answer_blocks=range(6, 10), block_tokens=16), 0.0
    )
    reports(engine, until_s=0.5)
    engine.abort("a", EndingKind.CANCELLED, 0.6)
    engine.arrive("b", job(prompt_tokens=190, output_tokens=1, blocks=range(11), block_tokens=16), 5.0)

    usage = endings(reports(engine))["b"].usage

    assert usage is not None
    assert 96 == usage.cached_tokens
