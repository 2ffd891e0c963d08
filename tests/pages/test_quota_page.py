"""What the page about quotas shows is a document that is read."""

import re
from datetime import UTC, datetime
from pathlib import Path

from sublet_quota.document.reading import read_quota_document

PAGE = (Path(__file__).parents[2] / "quota" / "docs" / "quotas.md").read_text()


def test_its_document_is_valid_and_has_what_the_page_tells_of() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    document = read_quota_document(text)
    assert document.default_pool == "interactive"
    assert document.default_size == "small"
    assert document.path_of("nlp") == ("science", "nlp")
    assert document.groups_of(("hub-nlp", "course-ml-101")) == ("ml-101", "nlp")
    assert document.changes_after(datetime(2026, 12, 1, tzinfo=UTC)) is not None


def test_each_section_that_it_names_is_one_of_the_documents() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    said = read_quota_document(text).model_fields_set
    assert said == type(read_quota_document("")).model_fields.keys()
