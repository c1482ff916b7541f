"""A level's mean is taken over time, not over changes."""

from perllm.accounting.level import Level


def test_the_mean_weighs_by_time() -> None:
    level = Level()
    level.add(4, 1.0)
    level.add(-4, 2.0)

    assert 1.0 == level.restart(4.0)
    assert 0.0 == level.restart(5.0)


def test_what_was_there_before_a_restart_is_still_there() -> None:
    level = Level(at_s=10.0, since_s=10.0)
    level.add(3, 10.0)
    level.restart(20.0)

    assert 3.0 == level.restart(30.0)


def test_over_no_time_the_mean_is_what_there_is() -> None:
    level = Level()
    level.add(2, 0.0)

    assert 2.0 == level.restart(0.0)
