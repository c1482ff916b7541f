"""The page needs nothing but itself, and shows text as text."""

import re
from pathlib import Path

from perllm.experiments.contest.page import page
from perllm.experiments.contest.tables import Table, markdown

TABLE = Table(title="a < b", columns=("contender", "J"), rows=(("<script>", "1|2"),))


def test_the_page_names_no_other_place(tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG")

    text = page("Heading", "Note & more", [TABLE], [("Figure", picture)])

    assert "data:image/png;base64,iVBORw==" in text
    assert [] == re.findall(r"(?:https?:)?//\w", text)


def test_what_tables_say_is_no_markup() -> None:
    text = page("Heading", "Note & more", [TABLE], [])

    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "Note &amp; more" in text


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert "| contender | J |\n| --- | ---: |\n| <script> | 1\\|2 |\n" == markdown(TABLE)
