import re

import pytest

from tinygrad_edu.draw import Diagram, Picture
from tinygrad_edu.draw.html_form import html_page
from tinygrad_edu.draw.theme import THEMES

from ..browser import Browser, find_browser


@pytest.fixture(scope="module")
def browser():
    executable = find_browser()
    if executable is None:
        pytest.skip("no Chromium or Chrome on PATH: the page cannot be tried in a browser")
    with Browser(executable) as found:
        yield found


@pytest.fixture
def page(browser, net, tmp_path):
    path = Diagram(net, engine="own").save(tmp_path / "net.html")
    with browser.page() as tab:
        tab.emulate(900, 700)
        tab.goto(path)
        yield tab
        assert not tab.messages
        assert len(tab.requests) == 1  # the file itself


def test_the_page_is_one_file_with_a_small_script(net):
    text = Diagram(net, engine="own").html
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    assert len(script.encode()) < 5000
    assert not re.search(r'(?:src|href)="(?!data:)|url\(|@import|fetch\(', text)


def test_each_colour_is_that_of_its_theme():
    svgs = [
        f'<svg><a fill="{t.background}" stroke="{t.text}"/><b fill="#123456">{t.text}</b></svg>'
        for t in (THEMES["light"], THEMES["dark"])
    ]
    text = html_page(Picture(()), *svgs)
    assert '<a fill="var(--c0)" stroke="var(--c1)"/><b fill="#123456">' in text
    light, dark = re.findall(r":root \{(.*?)\}", text)
    assert f"--c0: {THEMES['light'].background}; --c1: {THEMES['light'].text};" in light
    assert f"--c0: {THEMES['dark'].background}; --c1: {THEMES['dark'].text};" in dark


def fill(page, selector):
    return page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).fill")


def test_the_colours_follow_the_wish_of_the_reader(page):
    assert fill(page, "#n-1 rect") == "rgb(215, 239, 230)"
    page.emulate(900, 700, dark=True)
    assert fill(page, "#n-1 rect") == "rgb(18, 63, 52)"


def test_a_card_that_is_pointed_at_or_clicked_shows_its_details(page):
    assert page.texts("#panel *") == []
    page.hover("#n-1")
    assert page.texts("#panel h2") == ["W"]
    page.click("#n-2")
    assert page.texts("#panel h2") == ["matmul"]
    assert page.texts("#panel p")[0] == "matmul (op)\nz = x W"
    assert page.texts("#panel button") == ["x", "W", "add"]
    page.hover("#n-1")
    assert page.texts("#panel h2") == ["matmul"]  # what was clicked stays
    assert page.evaluate("location.hash") == "#n-2"
    near = "[...document.querySelectorAll('g.near')].map((group) => group.id).sort().join()"
    assert page.evaluate(near) == "e-2-0,e-2-1,e-4-0,n-0,n-1,n-2,n-4"
    page.click("#panel button")
    assert page.texts("#panel h2") == ["x"]
    page.press("Tab")
    page.evaluate("document.querySelector('#frame').focus()")
    page.press("Escape")
    assert page.texts("#panel *") == []


def box(page):
    text = page.evaluate("document.querySelector('#frame svg').getAttribute('viewBox')")
    return [float(part) for part in text.split()]


def test_keys_and_buttons_move_and_zoom(page):
    x, y, width, _ = box(page)
    page.evaluate("document.querySelector('#frame').focus()")
    page.press("ArrowRight")
    assert box(page)[0] > x
    page.press("ArrowLeft")
    assert box(page)[:2] == pytest.approx([x, y])
    page.click("[data-key='+']")
    assert box(page)[2] == pytest.approx(width / 1.25)
    page.click("[data-key='0']")
    left, _, whole, _ = box(page)
    assert left <= 0
    assert whole >= 1200
    page.click("[data-key='1']")
    assert box(page)[2] < whole


def test_a_link_to_a_card_opens_it_and_keys_reach_it(browser, net, tmp_path):
    path = Diagram(net, engine="own").save(tmp_path / "net.html")
    with browser.page() as tab:
        tab.emulate(400, 700, phone=True)
        tab.goto(path, "#n-8")
        assert tab.texts("#panel h2") == ["L"]
        seen = (
            "(() => { const c = document.querySelector('#n-8').getBoundingClientRect();"
            "return c.left >= 0 && c.right <= innerWidth; })()"
        )
        assert tab.evaluate(seen) is True
        tab.evaluate("document.querySelector('#n-4').focus()")
        tab.press("Enter")
        assert tab.texts("#panel h2") == ["add"]
        label = "document.querySelector('#n-4').getAttribute('aria-label')"
        assert tab.evaluate(label) == "add, op"
        assert not tab.messages
