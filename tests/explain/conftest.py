"""One browser for all tests of pages, and a new tab for each."""

import pytest

from ..browser import Browser, find_browser


@pytest.fixture(scope="session")
def browser():
    executable = find_browser()
    if executable is None:
        pytest.skip("no Chromium or Chrome on PATH: the page cannot be tried in a browser")
    with Browser(executable) as running:
        yield running


@pytest.fixture
def page(browser):
    with browser.page() as tab:
        yield tab
