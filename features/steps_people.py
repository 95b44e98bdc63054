"""Steps about people: whom to meet, whom to bring in, and when to meet next."""

from collections.abc import Iterator

from features.steps_deal import LATELY_DAYS, Reached, Standing, Step, anybody, id_part, words
from features.steps_rows import Rows, joined_group, merged_rows, met, moment
from features.steps_state import Person
from features.streams.vetoes import VETO_ROLES

__all__ = ["backing", "missing_roles", "next_meeting", "second_person", "talk_again", "untouched", "visit"]

_EXPECTED = 0.3
"""A missing role is worth a step if so many won deals alike had engaged it."""

_MOST_ROLES, _MOST_PEOPLE = 4, 3
_SILENT_DAYS = 14
_SILENT_BLOCKER_DAYS = 30
_HEARD_DAYS = 7
_SPONSOR = "executive_sponsor"


def missing_roles(deal: Standing) -> Iterator[Step]:
    """Meet a role that won deals alike had engaged by now: who is recorded for it, else somebody new."""
    missing = [
        row for row in deal.roles
        if not row["engaged"] and row["role"] != "blocker" and (row["expected_share"] or 0) >= _EXPECTED
    ]  # fmt: skip
    missing.sort(key=lambda row: (-row["expected_share"], row["role"]))
    for row in missing[:_MOST_ROLES]:
        role = row["role"]
        person = next((one for one in deal.people if role in one.roles), None)
        new = () if person else (joined_group("new", role, deal.at, seniority=deal.levels.get(role)),)
        contact = person.contact_id if person else "new"
        who = f"{person.called} is recorded for it: meet" if person else "Find out who it is, and meet"
        yield Step(
            f"meet:{role}",
            f"Meet {person.called}, {words(role)}" if person else f"Meet {anybody(role)}",
            f"{100 * row['expected_share']:.0f} % of {row['alike']} had engaged this role by now, and here "
            f"nobody has. {who} them{deal.together}.",
            (Reached(f"{role}_touches", level=1),),
            frozenset({f"role:{role}", f"contact:{contact}" if person else f"new:{role}"}),
            merged_rows(*new, met(deal.with_contact(contact), deal.at, "meeting")),
        )


def untouched(deal: Standing) -> Iterator[Step]:
    """Speak with people of the group nobody has spoken to, and with blockers who have gone silent."""
    left = [one for one in deal.people if one.in_group and (not one.touches or _is_silent_blocker(one))]
    left.sort(key=lambda one: (*_weight(one), one.contact_id))
    for one in left[:_MOST_PEOPLE]:
        held = " and ".join(map(words, one.roles)) or "of unknown role"
        said = "nobody has spoken to them yet"
        if one.touches:
            said = f"nobody has spoken to them for {one.days_since:.0f} days"
        yield Step(
            f"speak:{id_part(one.contact_id)}",
            f"Speak with {one.called}, {held}",
            f"{one.called} is recorded in the buying group ({held}), and {said}.",
            _about_person(one),
            frozenset({f"contact:{one.contact_id}", *(f"role:{role}" for role in one.roles)}),
            met([one.contact_id], deal.at, "call"),
        )


def second_person(deal: Standing) -> Iterator[Step]:
    """Bring in somebody beside the only person engaged: one met before, else somebody new."""
    if not deal.values.get("is_single_threaded") or deal.contact is None:
        return
    earlier = next((one for one in deal.people[1:] if one.touches), None)
    contact = earlier.contact_id if earlier else "new"
    new: Rows = {} if earlier else {"contacts": ({"contact_id": "new", "known_at": deal.at},)}
    yield Step(
        "second",
        f"Meet {earlier.called} again" if earlier else "Bring in a second person",
        f"Everything of the last {LATELY_DAYS} days ran through {deal.contact.called}. Meet{deal.together}.",
        (Reached("stakeholders_engaged_90d", level=2), Reached("is_single_threaded", up=False, level=0)),
        frozenset({f"contact:{contact}"}),
        merged_rows(new, met(deal.with_contact(contact), deal.at, "meeting")),
    )


def backing(deal: Standing) -> Iterator[Step]:
    """Get a sponsor's backing: an executive sponsor at a meeting, who says so."""
    since = deal.days_since("sponsor_backing")
    if since is not None and since <= LATELY_DAYS:
        return
    person = next((one for one in deal.people if _SPONSOR in one.roles), None)
    new = () if person else (joined_group("sponsor", _SPONSOR, deal.at, seniority=deal.levels.get(_SPONSOR)),)
    contact = person.contact_id if person else "sponsor"
    said = "Nobody senior has been seen to back the deal"
    if since is not None:
        said = f"Senior backing last showed {since:.0f} days ago"
    yield Step(
        "backing",
        f"Get the backing of {person.called}" if person else "Get an executive sponsor's backing",
        f"{said}. Bring {person.called if person else 'an executive sponsor'} to a meeting, and ask for "
        "backing that everybody hears.",
        (Reached("sponsor_backing_evidence"),),
        frozenset({f"role:{_SPONSOR}", f"contact:{contact}" if person else f"new:{_SPONSOR}"}),
        merged_rows(
            *new,
            met(deal.with_contact(contact), deal.at, "meeting"),
            moment("sponsor_backing", deal.at, contact=contact),
        ),
    )


def next_meeting(deal: Standing) -> Iterator[Step]:
    """Book the next meeting with who is in touch."""
    if deal.values.get("next_meeting_booked") or deal.contact is None:
        return
    yield Step(
        "next_meeting",
        f"Book the next meeting with {deal.contact.called}",
        f"No meeting lies ahead. Agree on one within a week with {deal.contact.called}.",
        (Reached("meetings_booked", level=1),),
        frozenset({"next_meeting"}),
        met([deal.contact.contact_id], deal.at, "meeting", ahead=True),
    )


def talk_again(deal: Standing) -> Iterator[Step]:
    """Speak again where the buyer has not been heard for two weeks."""
    silent = deal.values.get("days_since_two_way")
    if deal.contact is None or silent is None or silent < _SILENT_DAYS:
        return
    yield Step(
        "speak_again",
        f"Speak with {deal.contact.called} again",
        f"The buyer has not been heard for {silent:.0f} days. {deal.contact.called} was last in touch.",
        (Reached("days_since_two_way", up=False, level=_HEARD_DAYS),),
        frozenset({f"contact:{deal.contact.contact_id}"}),
        met([deal.contact.contact_id], deal.at, "call"),
    )


def visit(deal: Standing) -> Iterator[Step]:
    """Meet in person where all contact whose channel is known was remote."""
    if deal.values.get("offline_share") != 0 or deal.contact is None:
        return
    yield Step(
        "visit",
        f"Meet {deal.contact.called} in person",
        f"All contact so far was remote. Meet {deal.contact.called} in person.",
        (Reached("offline_share"),),
        frozenset({"visit"}),
        met([deal.contact.contact_id], deal.at, "meeting", channel="in_person"),
    )


def _is_silent_blocker(one: Person) -> bool:
    return "blocker" in one.roles and (one.days_since or 0) > _SILENT_BLOCKER_DAYS


def _weight(one: Person) -> tuple[bool, bool, bool, bool]:
    """Blockers first, then opponents, those who can veto, and who holds a known role."""
    return (
        "blocker" not in one.roles, "opponent" not in one.stances, not set(one.roles) & set(VETO_ROLES),
        not one.roles,
    )  # fmt: skip


def _about_person(one: Person) -> tuple[Reached, ...]:
    if "blocker" in one.roles and one.touches:
        known = Reached("blockers_known", level=1)
        return (Reached("days_blockers_untouched", up=False, level=_HEARD_DAYS), known)
    if "blocker" in one.roles:
        return (Reached("blockers_untouched", up=False), Reached("blockers_known", level=1))
    if set(one.roles) & set(VETO_ROLES) and "opponent" not in one.stances:
        return (Reached("veto_exposure_share", up=False),)
    return (Reached("stakeholders_engaged"),)
