"""A finding may stand if somebody says why; the file of waivers is read strictly."""

from datetime import date
from pathlib import Path

import pytest

from data.errors import UsageError
from models.audit.findings import finding
from models.audit.waivers import Waiver, Waivers, read_waivers

FOUND = finding("x_paid", "single_feature_auc", 0.98, 0.95, 0.9, "AUC 0.98")
OTHER = finding("x_paid", "presence_auc", 0.97, 0.94, 0.9, "AUC 0.97")


def written(folder: Path, text: str) -> Path:
    file = folder / "audit-waivers.toml"
    file.write_text(text)
    return file


def test_a_waiver_is_read_with_who_and_until(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[[waiver]]\nfeature = "x_paid"\ncheck = "presence_auc"\nreason = " typed in early "\nby = "Ada"\n'
        "until = 2026-12-31\n",
    )
    assert read_waivers(file).entries == (
        Waiver("x_paid", "typed in early", "presence_auc", "Ada", date(2026, 12, 31)),
    )


def test_a_waiver_covers_its_feature_and_check_alone() -> None:
    waivers = Waivers((Waiver("x_paid", "known at signing of the draft", "presence_auc"),))
    assert waivers.judge(OTHER, ()).waived
    assert waivers.judge(OTHER, ()).reason == "known at signing of the draft"
    assert waivers.judge(FOUND, ()) == FOUND


def test_a_waiver_without_a_check_covers_all_checks() -> None:
    waivers = Waivers((Waiver("x_paid", "known early"),))
    assert [waivers.judge(each, ()).waived for each in (FOUND, OTHER)] == [True, True]


def test_a_waiver_holds_through_its_last_day_and_not_beyond() -> None:
    entry = Waiver("x_paid", "until the next export", until=date(2026, 6, 30))
    assert Waivers((entry,), date(2026, 6, 30)).judge(FOUND, ()).waived
    over = Waivers((entry,), date(2026, 7, 1))
    assert over.judge(FOUND, ()) == FOUND
    assert over.account([FOUND], ("x_paid",), ()) == (
        "x_paid: its waiver ended on 2026-06-30 and no longer holds: look again, or take it out",
    )


def test_what_is_allowed_by_setting_counts_as_a_waiver_without_a_reason() -> None:
    judged = Waivers(()).judge(FOUND, ("x_paid",))
    assert judged.waived
    assert "gives no reason" in judged.reason


def test_a_waiver_for_nothing_is_reported() -> None:
    waivers = Waivers((Waiver("x_pald", "why"), Waiver("x_paid", "why", "banned_name")))
    said = waivers.account([FOUND], ("x_paid", "amount"), ("amount", "amont"))
    assert said == (
        "x_pald: no such feature. Did you mean 'x_paid'?",
        "x_paid: waived, but nothing was found by banned_name: take the waiver out",
        "amount: allowed by name, but nothing was found: take it out of audit_allow",
        "amont: no such feature. Did you mean 'amount'?",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[waiver]]\nfeature = "x_a"\n', "waiver 1 (x_a), reason: expected a text, found None"),
        ('[[waiver]]\nfeature = "x_a"\nreason = "  "\n', "reason: expected a text, found '  '"),
        ('[[waiver]]\nreason = "why"\n', "waiver 1, feature: expected a text, found None"),
        ('[[waiver]]\nfeature = "x_a"\nreson = "why"\n', "Did you mean 'reason'?"),
        (
            '[[waiver]]\nfeature = "x_a"\nreason = "why"\ncheck = "auc"\n',
            "check: expected one of banned_name",
        ),
        ('[[waiver]]\nfeature = "x_a"\nreason = "why"\nuntil = "soon"\n', "expected a date like 2026-12-31"),
        ('[[waiver]]\nfeature = "x_a"\nreason = "why"\nuntil = 2026-01-01T00:00:00\n', "expected a date"),
        ('[[waivers]]\nfeature = "x_a"\n', "expected nothing but [[waiver]] entries, found waivers"),
        ('waiver = "x_a"\n', "expected nothing but [[waiver]] entries"),
        ("waiver = [\n", "expected TOML"),
    ],
)
def test_a_wrong_entry_is_named_with_its_remedy(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        read_waivers(file)
    assert str(file) in str(error.value)
    assert said in str(error.value)


def test_a_named_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file of waivers"):
        read_waivers(tmp_path / "none.toml")
