// Shows step k of a list that the page holds, and what is told of a card; computes and fetches nothing.
"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const { steps, shown, cards, frames } = JSON.parse($("data").textContent);
  const root = document.documentElement, graph = $("graph"), svg = graph.querySelector("svg");
  const parts = Object.entries(shown).map(([id, at]) => [$(id), at]).filter(([g]) => g);
  const nodes = Object.keys(cards).map($).filter(g => g);
  const last = steps.length - 1;
  let k = 0, frame = frames.length - 1, pinned = null, timer = 0;

  // The texts and bars of a card or an edge, and where a bar stands.
  const texts = g => [...g.querySelectorAll("text")];
  const bars = g => [...g.querySelectorAll("rect:not([rx])")];
  const floor = new Map();
  for (const [g] of parts) for (const r of bars(g)) floor.set(r, +r.getAttribute("y") + +r.getAttribute("height"));

  function fill(id) {  // id: a card, or null for the step itself
    const earlier = frame < frames.length - 1;
    $("about").innerHTML = id ? cards[id].html : steps[k].html;
    $("when-note").textContent = earlier ? "Numbers of the last frame; the picture shows an earlier one." : "";
    $("latex").hidden = !(id && cards[id].latex);
    $("source").textContent = id ? cards[id].latex : "";
    $("panel").dataset.of = id ? "card" : "step";
  }

  function draw() {
    const step = steps[k];
    for (const [g, [value, gradient]] of parts) {
      g.classList.toggle("v", k >= value);
      g.classList.toggle("g", k >= gradient);
      g.classList.toggle("now", g.id === step.card);
      g.classList.toggle("pinned", g.id === pinned);
    }
    const turn = step.card && $(step.card) || nodes[0];
    for (const g of nodes) g.setAttribute("tabindex", g === (pinned && $(pinned) || turn) ? 0 : -1);
    const where = `step ${k} of ${last}, ${step.phase}`;
    $("step").value = k;
    $("step").setAttribute("aria-valuetext", where);
    $("count").textContent = where;
    $("said").textContent = frames.length ? frames[frame].said[k] : step.said;
    $("back").disabled = k === 0;
    $("next").disabled = k === last;
    fill(pinned);
    if (step.card) show($(step.card));
  }

  function show(g) {  // brings a card into the frame of the graph, without moving the page
    const a = g.getBoundingClientRect(), b = graph.getBoundingClientRect();
    if (a.left < b.left || a.right > b.right) graph.scrollLeft += a.left - b.left - (b.width - a.width) / 2;
    if (a.top < b.top || a.bottom > b.bottom) graph.scrollTop += a.top - b.top - (b.height - a.height) / 2;
  }

  function go(to) {
    const next = Math.max(0, Math.min(last, to));
    if (next !== k) pinned = null;
    k = next;
    try { history.replaceState(null, "", "#" + k); } catch { /* a sandboxed frame may forbid it */ }
    draw();
  }

  function pin(id) { pinned = pinned === id ? null : id; draw(); }

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => k < last ? go(k + 1) : play(false), 1200) : 0;
    if (on && k === last) go(0);
    $("play").textContent = on ? "pause" : "play";
    $("play").setAttribute("aria-pressed", on);
  }

  function look(at) {  // a frame: the texts and the bars of another step of the training
    frame = at;
    const { texts: words, bars: heights, name } = frames[at];
    for (const [id, own] of Object.entries(words)) texts($(id)).forEach((t, i) => t.textContent = own[i] ?? "");
    for (const [id, own] of Object.entries(heights)) bars($(id)).forEach((r, i) => {
      r.setAttribute("height", own[i]);
      r.setAttribute("y", floor.get(r) - own[i]);
    });
    $("frame").value = at;
    $("frame").setAttribute("aria-valuetext", name);
    $("when").textContent = name;
    draw();
  }

  const from = () => /^#\d+$/.test(location.hash) ? +location.hash.slice(1) : k;
  const cardOf = event => event.target.closest?.("g.node");
  $("back").onclick = () => { play(false); go(k - 1); };
  $("next").onclick = () => { play(false); go(k + 1); };
  $("step").oninput = event => { play(false); go(+event.target.value); };
  $("play").onclick = () => play(!timer);
  $("fit").onclick = () => $("fit").setAttribute("aria-pressed", graph.classList.toggle("fit"));
  $("unpin").onclick = () => { pinned = null; draw(); };
  $("copy").onclick = async () => {
    getSelection().selectAllChildren($("source"));
    try { await navigator.clipboard.writeText($("source").textContent); } catch { document.execCommand("copy"); }
    $("copy").textContent = "copied";
    setTimeout(() => $("copy").textContent = "copy", 1500);
  };
  $("theme").onclick = () => {
    root.dataset.theme = getComputedStyle(root).colorScheme === "dark" ? "light" : "dark";
  };
  if (frames.length > 1) $("frame").oninput = event => look(+event.target.value);
  svg.onclick = event => cardOf(event) && cardOf(event).id in cards && pin(cardOf(event).id);
  svg.onpointerover = event => {
    const g = cardOf(event);
    if (event.pointerType === "mouse" && !pinned) fill(g && g.id in cards ? g.id : null);
  };
  svg.onpointerleave = () => fill(pinned);
  onhashchange = () => go(from());
  document.onkeydown = event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = nodes.indexOf(document.activeElement), moves = {
      ArrowLeft: () => go(k - 1), ArrowRight: () => go(k + 1), Home: () => go(0), End: () => go(last),
      Escape: () => { pinned = null; draw(); },
    };
    if (at >= 0) Object.assign(moves, {
      ArrowUp: () => nodes[Math.max(0, at - 1)].focus(),
      ArrowDown: () => nodes[Math.min(nodes.length - 1, at + 1)].focus(),
      Enter: () => pin(nodes[at].id), " ": () => pin(nodes[at].id),
    });
    if (!(event.key in moves) || event.target.type === "range") return;
    event.preventDefault();
    play(false);
    moves[event.key]();
  };

  root.classList.add("js");
  // As wide as the window, as long as the smallest text stays legible.
  if (svg.dataset.text * graph.offsetWidth >= 9 * svg.viewBox.baseVal.width) $("fit").click();
  k = Math.min(last, from());
  if (frames.length > 1) look(frame); else draw();
})();
