"""The tables of docs/containers.md: every row is run, and every sentence is what is said."""

import container_cases
import pytest

pytestmark = pytest.mark.skipif(
    not container_cases.PAGE.exists(), reason="the documents are in the source tree only"
)


@pytest.mark.parametrize("name", container_cases.TABLES)
def test_the_page_has_every_case(name):
    cases, _, head = container_cases.TABLES[name]
    table = container_cases.read_table(name)
    assert [*table] == [*cases]
    assert {len(row) for row in table.values()} == {head.count(",")}


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name, (cases, *_) in container_cases.TABLES.items() for text in cases],
)
def test_what_the_page_says(name, text):
    cases, tell, _ = container_cases.TABLES[name]
    try:
        told = tell(cases[text])
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    assert told == container_cases.read_table(name)[text]
