"""The catalogue is complete, and reads well."""

import re
from dataclasses import fields

import pytest

from data.errors import DealcastError
from features.catalogue import STREAMS, catalogue
from features.families.custom import CustomField
from features.feature import FAMILIES, Feature, Learnt

FEATURES = catalogue()
BY_NAME = {feature.name: feature for feature in FEATURES}
each_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


@each_feature
def test_every_field_of_a_feature_is_filled(feature: Feature) -> None:
    for field in fields(feature):
        unspoken = field.name == "certain" or (field.name == "unit" and feature.kind in ("flag", "number"))
        assert getattr(feature, field.name) or unspoken
    assert feature.family in FAMILIES
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
    assert feature.description.endswith(".")


@each_feature
def test_a_sentence_tells_the_value_and_a_gap_has_words_of_its_own(feature: Feature) -> None:
    assert feature.sentence.count("{value}") == (feature.kind != "flag")
    assert "{" not in feature.absent
    assert not feature.sentence.endswith(".")
    assert not feature.absent.endswith(".")
    gap = {"flag": False, "count": 0}.get(feature.kind)
    assert feature.tell(gap) == f"{feature.absent}."


@each_feature
def test_a_feature_reads_streams_and_columns_that_exist(feature: Feature) -> None:
    if not isinstance(feature.value, Learnt):
        assert feature.evidence_parts()
        assert {part.stream for part in feature.evidence_parts()} <= set(STREAMS)
    else:
        assert set(feature.value.reads) <= set(BY_NAME)


def test_names_are_unique_and_a_clash_with_a_field_of_ones_own_is_named() -> None:
    assert len(BY_NAME) == len(FEATURES)
    field = CustomField("accounts", "x_tier", "category")
    with pytest.raises(DealcastError, match="accounts_x_tier"):
        catalogue((field, field))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "custom"])
def test_every_family_has_features(family: str) -> None:
    assert any(feature.family == family for feature in FEATURES)


@pytest.mark.parametrize(
    ("name", "value", "typical", "said"),
    [
        ("top_contact_share", 0.424, 0.3,
         "42 % of the contact runs through one person (won deals at this stage: 30 %)."),
        ("blockers_known", 0, None, "No blocker is recorded."),
        ("blockers_known", 2, 0, "2 blockers are known (won deals at this stage: 0 people)."),
        ("amount", 1234567.8, None, "The deal is worth 1,234,568."),
        ("days_since_legal", 3.25, None, "Last contact with role legal was 3.2 days ago."),
        ("champion_present", True, None, "A champion or mobilizer is in place."),
        ("stage", "offer", None, "The deal is at stage offer."),
        ("crm_stage_probability", 0.3, None, "The CRM gives this stage 30 %."),
    ],
)  # fmt: skip
def test_sentences_read_as_people_write(
    name: str, value: float | str | bool, typical: float | None, said: str
) -> None:
    assert BY_NAME[name].tell(value, typical) == said
