"""How long work that comes again and again rests."""

from ringback.kit.pauses import rest


def test_work_rests_four_times_as_long_as_it_took_within_five_minutes_and_never_less_than_its_interval() -> None:
    assert [rest(5.0, took) for took in (0.0, 1.0, 1.25, 3.0, 3600.0)] == [5.0, 5.0, 5.0, 12.0, 300.0]
    assert rest(3600.0, 900.0) == 3600.0
