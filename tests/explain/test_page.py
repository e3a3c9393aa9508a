"""The step page, in a real browser: what is seen at each step, and what the keys and cards do."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn
from tinygrad_edu.core.op import OPS
from tinygrad_edu.data import DataLoader
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import ExplanationError
from tinygrad_edu.explain.page import Frame, Frames, explain_html
from tinygrad_edu.explain.story import story
from tinygrad_edu.mathematics import signed
from tinygrad_edu.models import SimpleConvNet
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Trainer

NETS = {}


def net(build):
    NETS[build.__name__] = build
    return build


def neuron():
    w0 = Tensor(2.0, requires_grad=True, name="w0")
    x0 = Tensor(-1.0, requires_grad=True, name="x0")
    w1 = Tensor(-3.0, requires_grad=True, name="w1")
    x1 = Tensor(-2.0, requires_grad=True, name="x1")
    w2 = Tensor(-3.0, requires_grad=True, name="w2")
    y = (w0 * x0 + w1 * x1 + w2).sigmoid()
    return y, (w0, x0, w1, x1, w2)


@net
def micrograd_readme():
    a = Tensor(-4.0, requires_grad=True, name="a")
    b = Tensor(2.0, requires_grad=True, name="b")
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    return g  # noqa: RET504 - its name is that of the output


@net
def two_layers():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 50, rng=rng), nn.Sigmoid(), nn.Linear(50, 10, rng=rng))
    x = rng.random((20, 784), dtype=np.float32)
    return nn.CrossEntropyLoss()(model(x), rng.integers(0, 10, 20))


@net
def convolution():
    rng = np.random.default_rng(0)
    model = SimpleConvNet(rng=rng)
    x = rng.random((2, 1, 28, 28), dtype=np.float32)
    return nn.CrossEntropyLoss()(model(x), rng.integers(0, 10, 2))


@net
def lstm():
    rng = np.random.default_rng(0)
    model = nn.LSTM(3, 4, rng=rng)
    outputs, _ = model(rng.random((5, 2, 3), dtype=np.float32))
    return (outputs**2).mean()


@net
def two_hundred_nodes():
    x = Tensor(0.5, requires_grad=True, name="x")
    h = x
    for _ in range(66):
        h = (h * x).tanh() + x
    return h


@pytest.fixture
def opened(page, tmp_path):
    """Return a function that writes and opens the page of a graph, and ends with a quiet one."""
    path = tmp_path / "backprop.html"

    def open_page(loss, fragment="", **options):
        explain_html(loss, path, **options)
        page.goto(path, fragment)
        return page

    yield open_page
    if path.exists():
        assert page.messages == []
        assert {url.partition("#")[0] for url in page.requests} == {path.as_uri()}


def step_of(page):
    return page.evaluate("+document.getElementById('step').value")


def last_of(page):
    return page.evaluate("+document.getElementById('step').max")


VISIBLE = """(kind => [...document.querySelectorAll('g.edge > text.' + kind)]
    .filter(t => getComputedStyle(t).visibility === 'visible').map(t => t.textContent))"""


def seen(page, kind):
    return page.evaluate(f"{VISIBLE}('{kind}')")


def test_each_step_shows_the_gradients_that_have_been_computed_and_no_others(opened):
    y, leaves = neuron()
    page = opened(y)
    assert last_of(page) == 11  # the inputs, five rows; the seed, five rows
    values, gradients = [], []
    for _ in range(12):
        values.append(len(seen(page, "val")))
        gradients.append(len(seen(page, "grad")))
        page.click("#next")
    assert values == [5, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10, 10]
    assert gradients == [0, 0, 0, 0, 0, 0, 1, 2, 4, 6, 8, 10]
    y.backward()
    assert sorted(seen(page, "grad")) == sorted(
        ["+1", *[signed(y.item() * (1 - y.item()))] * 4, *(signed(leaf.grad) for leaf in leaves)]
    )


def test_the_slider_the_keys_and_the_buttons_go_through_the_same_steps(opened):
    page = opened(neuron()[0])
    assert page.evaluate("document.getElementById('back').disabled")
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert step_of(page) == 2
    page.press("ArrowLeft")
    assert step_of(page) == 1
    page.press("End")
    assert step_of(page) == 11
    assert page.evaluate("document.getElementById('next').disabled")
    page.press("Home")
    assert step_of(page) == 0
    page.evaluate("document.getElementById('step').focus()")
    page.press("ArrowRight")  # the slider's own
    assert step_of(page) == 1
    assert page.evaluate("location.hash") == "#1"
    page.click("#next")
    page.click("#next")
    page.click("#back")
    assert step_of(page) == 2
    assert page.texts("#count") == ["step 2 of 11, forward"]


@pytest.mark.parametrize(("fragment", "step"), [("#7", 7), ("#99", 11), ("#x", 0), ("#-1", 0)])
def test_a_link_leads_to_a_step(opened, fragment, step):
    page = opened(neuron()[0], fragment)
    assert step_of(page) == step
    page.evaluate("location.hash = '#4'")
    page.wait_until("document.getElementById('step').value === '4'")


def test_play_goes_on_by_itself_and_stops_at_the_end_or_when_it_is_told_to(opened):
    page = opened(neuron()[0], "#10")
    page.click("#play")
    assert page.texts("#play") == ["pause"]
    page.wait_until("document.getElementById('step').value === '11'")
    page.wait_until("document.getElementById('play').textContent === 'play'")
    page.click("#play")  # from the beginning
    assert step_of(page) == 0
    page.click("#play")
    assert page.texts("#play") == ["play"]


def test_nothing_moves_where_motion_is_not_wanted(opened, page):
    page.emulate(still=True)
    opened(neuron()[0])
    moving = "getComputedStyle(document.querySelector('g.node')).transitionDuration"
    assert page.evaluate(moving) == "0s"
    page.emulate(still=False)
    assert page.evaluate(moving) != "0s"


def test_what_is_said_is_read_aloud_and_has_the_engines_numbers(opened):
    y, _ = neuron()
    page = opened(y, "#7")
    assert page.evaluate("document.getElementById('said').ariaLive") == "polite"
    slope = signed(y.item() * (1 - y.item()))
    assert page.texts("#said") == [f"y: +1 arrives; handed on: to add2 {slope}"]
    assert slope in page.texts("#panel")[0]
    assert page.evaluate("document.querySelectorAll('#panel math').length") > 0
    assert (
        page.evaluate("document.getElementById('step').ariaValueText") == "step 7 of 11, backward"
    )


def test_a_card_that_is_clicked_tells_of_itself(opened):
    page = opened(neuron()[0], "#7")
    before = page.texts("#about")
    page.click("g.node[aria-label^='w1 ']")
    (told,) = page.texts("#about")
    assert told.startswith("w1")
    assert "−0.3932" in told
    assert "Check" in told
    assert "\\partial" in page.texts("#source")[0]
    page.press("Escape")
    assert page.texts("#about") == before
    page.click("g.node[aria-label^='w1 ']")
    page.click("#unpin")
    assert page.texts("#about") == before


def test_a_card_under_the_mouse_tells_of_itself_until_the_mouse_leaves(opened):
    page = opened(neuron()[0], "#7")
    before = page.texts("#about")
    page.hover("g.node[aria-label^='w1 ']")
    assert page.texts("#about")[0].startswith("w1")
    page.hover("#said")
    assert page.texts("#about") == before


def test_the_latex_is_copied(opened):
    page = opened(neuron()[0])
    page.click("g.node[aria-label^='w1 ']")
    page.click("#latex summary")
    page.click("#copy")
    page.wait_until("document.getElementById('copy').textContent === 'copied'")
    assert page.evaluate("getSelection().toString().trim()") == page.texts("#source")[0].strip()


def test_everything_can_be_reached_by_the_keyboard(opened):
    page = opened(neuron()[0], "#7")
    reached = []
    for _ in range(7):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached[0] == "theme"
    assert reached[1].startswith("n-")  # the card of this step; one stop, however many cards
    assert reached[2:] == ["back", "step", "next", "play", "fit"]
    page.evaluate(f"document.getElementById('{reached[1]}').focus()")
    page.press("ArrowUp")
    other = page.evaluate("document.activeElement.id")
    assert other.startswith("n-")
    assert other != reached[1]
    page.press("Enter")
    assert page.evaluate("document.querySelector('g.pinned').id") == other
    named = "[...document.querySelectorAll('button, input, g.node, summary')]"
    names = page.evaluate(
        f"{named}.map(e => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent.trim())"
    )
    assert all(names)


WALK = """(() => {
  const found = [], next = document.getElementById('next');
  for (;;) {
    found.push([document.querySelectorAll('.edge.g, .node.g').length,
                document.getElementById('said').textContent]);
    if (next.disabled) return found;
    next.click();
  }
})()"""


@pytest.mark.parametrize("name", NETS)
def test_nets_of_all_kinds_can_be_stepped_through(opened, name):
    page = opened(NETS[name]())
    last = last_of(page)
    told = page.evaluate(WALK)
    counts = [count for count, _ in told]
    assert len(told) == last + 1
    assert all(said for _, said in told)
    assert counts == sorted(counts)
    assert counts[last // 2] == 0
    assert len(set(counts[last // 2 + 1 :])) == last - last // 2  # each step adds something
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_gradients_on_the_edges_are_the_engines(opened):
    g = micrograd_readme()
    page = opened(g, "#9999")
    page.click("g.node[aria-label^='a ']")
    assert "138.8" in page.texts("#about")[0]
    assert "Σ +138.8" in page.texts("g.node text.grad")
    assert "Σ +645.6" in page.texts("g.node text.grad")


HOSTILE = [
    "</script><script>console.log('in')</script>",
    "<img src=x onerror=console.log(1)>",
    '"><svg onload=console.log(2)>',
    "]]>&amp;<!--",
    "{title} {0} %s ${alert(1)} `x`",
    "\u2028\u202e\x00\x07\ud800",
    "#D55E00 fill=\"#FFFFFF\"",
]  # fmt: skip


def test_hostile_names_stay_text(opened):
    total = Tensor(0.0)
    for name in HOSTILE:
        total = total + Tensor(2.0, requires_grad=True, name=name) * 3.0
    page = opened(total, "#4", title=HOSTILE[0])
    assert page.texts("h1") == [HOSTILE[0]]
    assert page.evaluate("document.querySelectorAll('img, svg svg, script').length") == 2
    page.evaluate(WALK)
    click = "dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    page.evaluate(f"document.querySelectorAll('g.node').forEach(g => g.{click})")
    assert any("<img src=x" in text for text in page.texts("g.node text"))
    assert page.evaluate("document.querySelectorAll('img, svg svg, script').length") == 2


ARROWS = """(() => {
  const seen = e => getComputedStyle(e).display !== 'none';
  const found = [];
  for (const g of document.querySelectorAll('g.edge')) {
    const heads = [...g.querySelectorAll('polygon')].filter(seen);
    const lines = [...g.querySelectorAll('path')].filter(seen);
    const [x, y] = heads[0].getAttribute('points').split(' ')[0].split(',').map(Number);
    const near = [...document.querySelectorAll('g.node')].find(n => {
      const r = n.querySelector('rect').getBBox(), right = r.x + r.width, low = r.y + r.height;
      return x >= r.x - 1.5 && x <= right + 1.5 && y >= r.y - 1.5 && y <= low + 1.5;
    });
    found.push([heads.length, lines.length, g.classList.contains('g'), near ? near.id : '']);
  }
  return found;
})()"""  # fmt: skip


@pytest.mark.parametrize("name", ["neuron", "two_layers", "convolution", "lstm"])
def test_arrows_turn_round_when_the_gradient_has_come(opened, name):
    page = opened(neuron()[0] if name == "neuron" else NETS[name]())
    ahead = page.evaluate(ARROWS)
    page.press("End")
    back = page.evaluate(ARROWS)
    for (heads, lines, gradient, target), (_, _, come, end) in zip(ahead, back, strict=True):
        assert (heads, lines, gradient) == (1, 1, False)
        assert target
        assert end
        assert (end != target) == come  # where no gradient flows, the arrow stays
    assert any(come for _, _, come, _ in back)
    page.press("ArrowLeft")
    assert [row[2] for row in page.evaluate(ARROWS)] != [row[2] for row in back]


def test_the_picture_begins_as_wide_as_the_window_if_its_texts_stay_legible(opened, page):
    smallest = """(svg => Math.min(...[...svg.querySelectorAll('[font-size]')].map(t =>
      t.getAttribute('font-size') * svg.getScreenCTM().a)))(document.querySelector('#graph svg'))"""
    cut = "(g => g.scrollWidth > g.clientWidth)(document.getElementById('graph'))"
    opened(two_layers())
    drawn = page.evaluate("document.querySelector('#graph svg').viewBox.baseVal.width")
    just = round(0.92 * drawn)  # texts of size 10 are 9.2 pixels then
    for width in (1400, just, round(0.85 * drawn), 400):
        page.emulate(width, 900)
        opened(two_layers())
        fits = page.evaluate("document.getElementById('fit').ariaPressed") == "true"
        assert fits == (width >= just)
        assert page.evaluate(smallest) >= 8.95
        assert fits == (not page.evaluate(cut))
        page.evaluate("document.getElementById('graph').classList.add('fit')")
        assert fits == (page.evaluate(smallest) >= 8.95)
    assert not fits
    opened(two_layers(), "#5")
    now = page.evaluate("document.querySelector('g.now').getBoundingClientRect().toJSON()")
    assert now["left"] >= 0  # else it is scrolled to the card of the step
    assert now["right"] <= 400


def test_formulas_of_a_step_are_typeset_alike(opened):
    page = opened(two_layers(), "#9999")
    counts = page.evaluate(
        "[...document.querySelectorAll('#about li')].map(li =>"
        " [li.querySelectorAll('mfrac').length, li.textContent.replace(/[^∂]/g, '').length])"
    )
    assert len(counts) == 2
    for fractions, signs in counts:
        assert fractions == signs / 2  # each stands above and below a line
    arrives = "document.querySelectorAll('#about p')[0].querySelectorAll('mfrac').length"
    assert page.evaluate(arrives) == 1


def test_what_is_said_of_arrays_names_the_elements(opened):
    w = Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="w")
    y = (w * np.array([1.0, 2.0])).sum()
    page = opened(y, "#9999")
    assert page.texts("#said") == [
        "multiply1[0, 1]: +1 arrives, the largest of its gradient; handed on: to w[0, 1] +2"
    ]
    assert "to w[0, 1], where the gradient of w is largest: " in page.texts("#about")[0]


def test_the_seed_that_was_given_is_what_the_backward_pass_begins_with(opened):
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 2.0
    page = opened(y, "#2", seed=[3.0, 0.5])
    assert page.texts("#said") == [
        "The backward pass begins: the gradient of y is [3, 0.5], the seed."
    ]


def test_a_graph_without_elements_has_a_page(opened):
    e = Tensor(np.zeros((0, 3)), requires_grad=True, name="e")
    page = opened((e * 2.0).sum())
    told = page.evaluate(WALK)
    assert "multiply1: it has no elements, so nothing arrives." in [said for _, said in told]


def test_the_page_forbids_itself_any_request(opened):
    page = opened(neuron()[0])
    found = page.evaluate(
        "new Promise(done => { const image = new Image(); image.onerror = () => done('refused'); "
        "image.onload = () => done('loaded'); "
        "image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='; })"
    )
    assert found == "refused"
    assert len(page.messages) == 1  # the browser says that the page's own rule forbids it
    page.messages.clear()
    page.requests.pop()


CONTRAST = """(() => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + .05) / (y + .05);
  };
  const look = e => getComputedStyle(e);
  const found = [];
  for (const t of document.querySelectorAll('g.node text, g.edge text')) {
    const card = t.closest('g').querySelector('rect[rx]');
    const behind = card ? look(card).fill : look(document.body).backgroundColor;
    found.push([ratio(look(t).fill, behind), t.textContent]);
  }
  for (const e of document.querySelectorAll('h1, #said, #about, #hint, button, output')) {
    let behind = e;
    while (look(behind).backgroundColor.endsWith(' 0)')) behind = behind.parentElement;
    found.push([ratio(look(e).color, look(behind).backgroundColor), e.id]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out_from_what_is_behind_them(opened, page, dark):
    page.emulate(dark=dark, still=True)
    opened(two_layers(), "#9999")
    ratio, text = page.evaluate(CONTRAST)
    assert ratio >= 4.5, text


def test_the_theme_is_that_of_the_reader_until_the_button_is_pressed(opened, page):
    background = "getComputedStyle(document.body).backgroundColor"
    opened(neuron()[0])
    light = page.evaluate(background)
    page.emulate(dark=True)
    dark = page.evaluate(background)
    assert dark != light
    page.click("#theme")
    assert page.evaluate(background) == light
    page.click("#theme")
    assert page.evaluate(background) == dark


def test_on_a_phone_the_page_does_not_scroll_sideways_and_a_touch_chooses(opened, page):
    page.emulate(390, 844, phone=True)
    opened(two_layers(), "#5")
    assert page.evaluate("innerWidth") == 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.getElementById('graph').scrollWidth") > 390  # in its own frame
    now = page.evaluate("document.querySelector('g.now').getBoundingClientRect().toJSON()")
    assert now["left"] >= 0
    assert now["right"] <= 390 + 1
    page.tap("g.now")
    page.wait_until("document.getElementById('panel').dataset.of === 'card'")
    small = page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent)"
        ".map(b => Math.min(b.offsetWidth, b.offsetHeight))"
    )
    assert min(small) >= 40  # a finger finds it
    page.click("#fit")
    assert page.evaluate("document.getElementById('graph').scrollWidth") <= 390


def test_without_scripts_the_whole_picture_is_seen(page, tmp_path):
    path = explain_html(neuron()[0], tmp_path / "page.html")
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    page.goto(path)
    page.send("Emulation.setScriptExecutionDisabled", value=False)
    assert len(seen(page, "grad")) == 10
    assert page.evaluate("document.querySelector('.row').checkVisibility()") is False


# ------------------------------------------------------------------------------------------- frames


def trained(steps=6, every=1):
    w = Tensor(3.0, requires_grad=True, name="w")
    b = Tensor(0.5, requires_grad=True, name="b")
    frames, losses = Frames(every=every), []
    for step in range(steps):
        L = (w * 2.0 + b - 1.0) ** 2
        frames.add(L, step)
        losses.append(L.item())
        if step < steps - 1:
            L.backward()
            for leaf in (w, b):
                leaf.data[...] -= 0.02 * leaf.grad
                leaf.grad = None
    return L, frames, losses


def look_at(page, frame):
    page.evaluate(
        f"(s => {{ s.value = {frame}; s.dispatchEvent(new Event('input')); }})"
        "(document.getElementById('frame'))"
    )


def test_a_second_slider_goes_through_the_training(opened):
    loss, frames, losses = trained()
    page = opened(loss, "#9999", frames=frames)
    assert page.evaluate("+document.getElementById('frame').max") == 6
    assert page.texts("#when") == ["the last"]
    for at in (0, 3, 5):
        look_at(page, at)
        assert page.texts("#when") == [f"step {at}"]
        (shown,) = page.texts("g.output text.val")
        assert float(shown.replace("−", "-")) == pytest.approx(losses[at], rel=1e-4)
        assert step_of(page) == last_of(page)
        assert "arrives" in page.texts("#said")[0]


def test_bars_of_histograms_follow_the_frames(opened):
    rng = np.random.default_rng(0)
    w = Tensor(rng.normal(size=(4, 5)), requires_grad=True, name="w")
    first = Frame.of((w**2).sum(), "first")
    w.data[...] = rng.uniform(size=(4, 5)) ** 4
    page = opened((w**2).sum(), frames=[first])
    heights = (
        "[...document.querySelectorAll('g.node.parameter rect:not([rx])')]"
        ".map(r => [r.height.baseVal.value, r.y.baseVal.value + r.height.baseVal.value])"
    )
    after = page.evaluate(heights)
    look_at(page, 0)
    before = page.evaluate(heights)
    assert [h for h, _ in before] != [h for h, _ in after]
    assert [y for _, y in before] == pytest.approx([y for _, y in after])  # they stand on one line


def test_a_long_training_gives_at_most_sixty_frames(tmp_path):
    loss, frames, _ = trained(200)
    assert len(frames) <= 60
    assert frames[0].name == "step 0"
    path = explain_html(loss, tmp_path / "page.html", frames=[*frames] * 3)
    assert len(data_of(path)["frames"]) == 61  # and the graph itself


def test_a_trainer_takes_frames(tmp_path):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Tanh(), nn.Linear(3, 2, rng=rng))
    x, t = rng.random((8, 2), dtype=np.float32), rng.integers(0, 2, 8)
    criterion = nn.CrossEntropyLoss()
    frames = Frames(lambda: criterion(model(x), t), every=2)
    loader = DataLoader((x, t), 4, rng=0)
    Trainer(model, criterion, SGD(model, 0.1), loader, callbacks=[frames]).fit(epochs=3)
    assert [frame.name for frame in frames] == ["step 2", "step 4", "step 6"]
    explain_html(criterion(model(x), t), tmp_path / "page.html", frames=frames)


def test_a_frame_of_another_graph_is_refused_and_no_file_is_written(tmp_path):
    x = Tensor(2.0, requires_grad=True, name="x")
    other = Frame.of(x * x, 3)
    with pytest.raises(ExplanationError, match=r"frame 'step 3' is of another graph"):
        explain_html(x * x + 1.0, tmp_path / "page.html", frames=[other])
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------- the file


def data_of(path):
    text = path.read_text("utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_equal_graphs_give_equal_bytes_and_no_gradient_changes(tmp_path):
    def write(name):
        y, leaves = neuron()
        path = explain_html(y, tmp_path / name)
        assert all(leaf.grad is None for leaf in leaves)
        return path.read_bytes()

    assert write("a.html") == write("b.html")


def test_the_page_names_no_other_place(tmp_path):
    text = explain_html(two_layers(), tmp_path / "page.html").read_text("utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'<)\\]*", text))
    assert addresses <= {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|iframe|object|embed)\b|@import|url\(", text)


def test_what_was_there_stays_where_the_page_cannot_be_written(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    y, _ = neuron()
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        explain_html(y, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_script_is_small():
    assert len((files("tinygrad_edu.explain") / "page.js").read_bytes()) < 6 * 1024


def test_the_output_is_called_in_the_picture_as_in_the_texts():
    z = Tensor(np.ones((2, 3)), requires_grad=True, name="z")
    reading = read("test", OPS["softmax_cross_entropy"](z, np.array([0, 1])))
    told = story(reading, reading.sweep())
    (card,) = [card for card in told.picture.cards if card.role == "output"]
    assert card.title == "softmax_cross_entropy1"
    said = [moment.said for moment in told.moments]
    assert said[0].endswith("1 operation will make softmax_cross_entropy1 of it.")
    assert "The backward pass begins with 1, the rate of softmax_cross_entropy1 by itself." in said
    assert "∂softmax_cross_entropy1/∂softmax_cross_entropy1 ·" not in str(told.moments)
