"""The documentation names every setting and every number of the decision core, and no file it links to is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from catalyst_assets.settings import Settings, env_name
from catalyst_assets.trading.config import TradingConfig

ROOT = Path(__file__).parents[1]
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
VARIABLES = [env_name(name, info) for name, info in Settings.model_fields.items()]


def rows(page: Path) -> dict[str, str]:
    """The tables of a page: first cell (a name in back quotes) to second."""
    found = re.findall(r"^\| `([^`]+)` \| (.*?) \| ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_setting_is_documented(variable: str) -> None:
    assert variable in rows(SETTINGS_PAGE)


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_setting_is_in_the_example_file(variable: str) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(rf"^#?{re.escape(variable)}=", example, flags=re.MULTILINE)


@pytest.mark.parametrize("key", list(TradingConfig().flatten()))
def test_every_number_of_the_decision_core_is_documented_with_its_default(key: str) -> None:
    shown = rows(SETTINGS_PAGE).get(key)
    assert shown is not None
    assert json.loads(shown.strip("`")) == TradingConfig().flatten()[key]


def test_no_documented_number_is_unknown() -> None:
    known = {*TradingConfig().flatten(), *VARIABLES}
    assert set(rows(SETTINGS_PAGE)) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_the_documentation_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []
