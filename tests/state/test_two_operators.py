"""A first operator that is stopped anywhere wakes up to nothing: no stale change of a database or of Route 53."""

import random
from collections import Counter

import pytest
from two_operators import END, START, Fencing, Story

SCHEDULES = 1000


def told(fencing: Fencing, count: int) -> tuple[Counter[str], list[Story]]:
    """How often each kind of resource was changed by somebody whose time was over, in that many schedules."""
    points = Story(0, fencing).points_alone()
    stale: Counter[str] = Counter()
    stories = []
    for seed in range(count):
        story = Story(seed, fencing)
        story.tell(random.Random(-seed).randrange(1, points + 1))
        stale.update(set(story.world.stale))
        stories.append(story)
    return stale, stories


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sleeper_has_no_effect_and_the_run_ends_where_its_new_holder_took_it() -> None:
    stale, stories = told("fenced", SCHEDULES)
    assert not stale
    assert len(stories) == SCHEDULES
    for story in stories:
        assert story.world.values == (START if story.ended == "back" else END)
    ended = Counter(story.ended for story in stories)
    assert min(ended["back"], ended["forward"]) > SCHEDULES / 4
    assert sum("LeaseLost" in story.told for story in stories) > SCHEDULES / 2
    for story in stories[:50]:
        assert story.second.state.entries("r1"), "the chain holds"


@pytest.mark.slow
def test_without_fencing_a_sleeper_has_effects() -> None:
    stale, _ = told("unfenced", SCHEDULES // 2)
    assert stale["sql"] and stale["dns"] and stale["alb"], stale


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_no_condition_covers_is_a_stop_between_asking_for_the_lease_and_sending() -> None:
    """The window that is stated: the load balancer has it. The databases do not, and neither has Route 53 with its mark."""
    stale, _ = told("stopped in the gap", SCHEDULES)
    assert stale["sql"] == 0
    assert stale["dns"] == 0
    assert stale["alb"] > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_records_without_a_mark_are_changed_where_they_are_again_as_they_were_listed() -> None:
    stale, _ = told("records without a mark", SCHEDULES)
    assert stale["sql"] == 0
    assert stale["dns"] > 0
