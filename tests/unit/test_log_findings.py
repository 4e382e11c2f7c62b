"""What the doctor makes of positions: a view beyond the log, or before what is left of it, is bad."""

import pytest

from queues.services.health import Finding, Level, _positions
from queues.services.survey import PartitionRow, Survey, TopicRow


def survey(row: PartitionRow, kind: str = "retry") -> Survey:
    topic = TopicRow(
        name="rq-mail-retry",
        queue="mail",
        kind=kind,
        replication=1,
        in_sync=1,
        cleanup="compact",
        settings={},
        drift=(),
        partitions=(row,),
        in_hot=True,
        in_index=True,
    )
    return Survey(1, (topic,), "", "")


def findings(row: PartitionRow, level: Level) -> list[Finding]:
    return [finding for finding in _positions(survey(row)) if finding.level is level]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (PartitionRow(0, 0, 10, 11, 10), "the hot view has read up to 11, but the log ends at 10"),
        (PartitionRow(0, 0, 10, 10, 12), "the index has read up to 12, but the log ends at 10"),
        (PartitionRow(0, 5, 10, 10, 3), "the index stands at 3, but records before 5 are gone"),
    ],
)
def test_a_position_that_the_log_does_not_have_is_bad_and_says_how_to_mend_it(row: PartitionRow, says: str):
    [bad] = findings(row, Level.BAD)
    assert says in bad.text
    assert "rq-mail-retry[0]" in bad.text
    assert bad.fix


@pytest.mark.parametrize(
    "row",
    [
        PartitionRow(0, 0, 10, 10, 10),
        PartitionRow(0, 5, 10, 5, 7),
        PartitionRow(0, 5, 10, None, None),
        PartitionRow(0, 5, 10, 0, 0),
    ],
)
def test_a_view_within_the_log_or_not_begun_is_well(row: PartitionRow):
    assert findings(row, Level.BAD) == []


def test_a_view_far_behind_is_a_warning():
    late = findings(PartitionRow(0, 0, 50_000, 100, 50_000), Level.WARN)
    assert [finding.text for finding in late] == ["the hot view is 49900 records behind"]
    assert "runkeeper" in late[0].fix


def test_what_expired_before_it_was_read_is_no_lag():
    assert PartitionRow(0, 90, 100, None, 50).lag(None) == 10
    assert PartitionRow(0, 90, 100, None, 50).lag(50) == 10
    assert PartitionRow(0, 90, 100, None, 50).lag(100) == 0
