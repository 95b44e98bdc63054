from pathlib import Path

from data.contract_doc import contract_markdown


def test_the_data_contract_page_is_the_one_the_schema_writes() -> None:
    page = Path(__file__).parents[2] / "docs" / "data-contract.md"
    assert page.read_text(encoding="utf-8") == contract_markdown()
