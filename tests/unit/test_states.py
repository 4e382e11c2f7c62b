"""The state machine has the edges it names, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.errors import IllegalTransition
from queues.domain.states import (
    EDGES,
    LIVE,
    TERMINAL,
    WAITING,
    Cause,
    Edge,
    State,
    may,
    require_edge,
    targets,
)

sources = st.sampled_from([None, *State])
causes = st.sampled_from(Cause)
states = st.sampled_from(State)


@given(sources, causes, states)
def test_an_edge_is_passed_and_a_missing_one_is_refused(source, cause, target):
    if Edge(source, cause, target) in EDGES:
        require_edge(source, cause, target)
        assert target in targets(source, cause)
    else:
        assert target not in targets(source, cause)
        with pytest.raises(IllegalTransition, match=target.value):
            require_edge(source, cause, target)


@given(st.sampled_from(State), causes)
def test_what_may_happen_is_what_leads_somewhere(source, cause):
    assert may(source, cause) == bool(targets(source, cause))


def test_nothing_leaves_a_terminal_state_but_a_redrive_and_nothing_leaves_completed():
    leaving = {(e.source, e.cause) for e in EDGES if e.source in TERMINAL}
    assert leaving == {(State.DISCARDED, Cause.REDRIVE), (State.CANCELLED, Cause.REDRIVE)}


def test_each_live_state_can_be_reached_and_left():
    for state in LIVE:
        assert any(e.target is state for e in EDGES)
        assert any(e.source is state and e.target in TERMINAL for e in EDGES)


def test_only_what_is_available_is_claimed_and_only_what_is_active_is_settled():
    assert {e.source for e in EDGES if e.cause is Cause.CLAIM} == {State.AVAILABLE}
    for cause in (Cause.COMPLETE, Cause.RETRY, Cause.EXHAUST, Cause.RELEASE, Cause.REAP, Cause.SLEEP):
        assert {e.source for e in EDGES if e.cause is cause} == {State.ACTIVE}


def test_whatever_waits_can_be_cancelled_and_keeps_its_state_under_another_priority():
    for state in WAITING:
        assert targets(state, Cause.CANCEL) == {State.CANCELLED}
        assert targets(state, Cause.PRIORITISE) == {state}
    assert set(State) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
