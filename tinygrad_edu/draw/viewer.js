// Zoom, pan and details of one drawing. Without this script the drawing stays.
const find = (selector) => document.querySelector(selector);
const frame = find("#frame"), svg = find("#frame svg"), panel = find("#panel");
const { names, edges } = JSON.parse(find("#facts").textContent);
const [left, top, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
const between = (low, value, high) => Math.min(Math.max(value, low), high);
const node = (card) => find(`#n-${card}`);
let chosen = null;

// What is seen: its upper left corner, in units of the drawing, and pixels per unit.
let x = 0, y = 0, scale = 1;
const size = () => [frame.clientWidth || 1, frame.clientHeight || 1];
const fitting = () => Math.min(size()[0] / width, size()[1] / height);
function show() {
  const [w, h] = size().map((length) => length / scale);
  x = between(left - w / 2, x, left + width - w / 2);
  y = between(top - h / 2, y, top + height - h / 2);
  svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
}
function zoom(factor, px = size()[0] / 2, py = size()[1] / 2) {
  const old = scale;
  scale = between(Math.min(fitting(), 1) / 2, scale * factor, 8);
  move(px * (scale / old - 1), py * (scale / old - 1));
}
function move(dx, dy) {
  x += dx / scale;
  y += dy / scale;
  show();
}
function fit(least) {
  scale = between(least, fitting(), Math.max(least, 1.5));
  [x, y] = [left, top];
  move(Math.min(0, (width * scale - size()[0]) / 2), Math.min(0, (height * scale - size()[1]) / 2));
}

function add(kind, text, parent) {
  parent.append(Object.assign(document.createElement(kind), { textContent: text }));
  return parent.lastChild;
}
function tell(card) {
  panel.replaceChildren();
  add("h2", names[card], panel);
  add("p", find(`#n-${card} title`).textContent, panel);
  for (const [word, here, there] of [["From", 2, 1], ["To", 1, 2]]) {
    const some = edges.filter((edge) => edge[here] === card);
    if (some.length) add("h3", word, panel);
    for (const edge of some) {
      const row = add("p", "", panel);
      add("button", names[edge[there]], row).onclick = () => choose(edge[there]);
      add("span", " " + edge[3], row);
    }
  }
}
function choose(card) {
  for (const old of svg.querySelectorAll(".near")) old.classList.remove("near", "chosen");
  chosen = card;
  svg.classList.toggle("choosing", card !== null);
  history.replaceState(null, "", card === null ? "#" : `#n-${card}`);
  if (card === null) return panel.replaceChildren();
  node(card).classList.add("near", "chosen");
  for (const [id, ...ends] of edges.filter((edge) => edge.indexOf(card, 1) > 0)) {
    find(`#${id}`).classList.add("near");
    ends.slice(0, 2).forEach((end) => node(end).classList.add("near"));
  }
  tell(card);
  reveal(card);
}
function reveal(card) {
  const [box, seen] = [node(card), frame].map((part) => part.getBoundingClientRect());
  const off = (a, b, c, d) => (a < c || b > d ? (a + b - c - d) / 2 : 0);
  move(off(box.left, box.right, seen.left, seen.right),
    off(box.top, box.bottom, seen.top, seen.bottom));
}
function at(event) {
  const group = event.target.closest("g.node");
  return group && +group.id.slice(2);
}

const pointers = new Map();
let travelled = 0;
frame.onpointerdown = (event) => {
  if (!pointers.size) travelled = 0;
  pointers.set(event.pointerId, [event.x, event.y]);
};
onpointermove = ({ pointerId, x, y }) => {
  const old = pointers.get(pointerId);
  if (!old) return;
  pointers.set(pointerId, [x, y]);
  travelled += Math.hypot(x - old[0], y - old[1]);
  const other = [...pointers].find(([id]) => id !== pointerId)?.[1];
  if (!other) return move(old[0] - x, old[1] - y);
  const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
  zoom(apart([x, y]) / apart(old), other[0], other[1] - frame.offsetTop);
};
onpointerup = onpointercancel = (event) => pointers.delete(event.pointerId);
frame.onclick = (event) => travelled < 6 && choose(at(event));
frame.onmouseover = (event) => chosen === null && at(event) !== null && tell(at(event));
frame.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.x, event.y - frame.offsetTop);
}, { passive: false });
const keys = {
  ArrowLeft: () => move(-60, 0), ArrowRight: () => move(60, 0),
  ArrowUp: () => move(0, -60), ArrowDown: () => move(0, 60),
  "+": () => zoom(1.25), "-": () => zoom(0.8),
  0: () => fit(0), 1: () => fit(1), Escape: () => choose(null),
  Enter: (event) => choose(at(event)), " ": (event) => choose(at(event)),
};
frame.onkeydown = (event) => {
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key](event);
};
for (const button of document.querySelectorAll("nav button")) {
  button.onclick = keys[button.dataset.key];
}

svg.role = "group";
names.forEach((name, card) => Object.assign(node(card), {
  role: "button", tabIndex: 0, ariaLabel: `${name}, ${node(card).classList[1]}`,
  onfocus: () => node(card).matches(":focus-visible") && reveal(card),
}));
(onhashchange = () => {
  const card = location.hash.match(/^#n-(\d+)$/)?.[1];
  if (card in names) choose(+card);
});
document.body.classList.add("live");
fit(0.75);
onhashchange();
onresize = show;
