"""Lanes are few, and never taken twice at once."""

from perllm.accounting.lanes import Lanes


def test_the_lowest_free_lane_is_handed_out() -> None:
    lanes = Lanes()

    assert [(1, True), (2, True), (3, True)] == [lanes.take(who) for who in "abc"]
    assert [2, 1] == [lanes.release(who) for who in "ba"]
    assert [(1, False), (2, False), (4, True)] == [lanes.take(who) for who in "def"]
    assert 4 == lanes.taken
