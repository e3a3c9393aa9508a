"""Where everything stands: our own layered layout, with the standard library only.

Knows: how sizes are turned into places, box by box, and how the boxes become one drawing. Does not
know: colours, nor SVG. A drawing has a *main* direction, in which data flows, and a *cross*
direction; left-to-right and top-to-bottom differ only in which of them is x.

Boxes are laid out from the inside out. Each box, and at last the whole picture, is a *level*: its
items (cards, and boxes that are finished) are put into layers; edges that cross the border of the
box get a *port* on it. A box then enters its parent as one item with ports. A recurrent edge is
laid out from its earlier end to its later one, on a track of its own; one that ends where it begins
goes over its card. At last labels are put where no line runs through them, nearer to their own line
than to another; where that fails, all is laid out again, further apart. Nothing recurses.

Read next, in this order: ``plan.py`` (what is to be laid out), ``layers.py`` and ``level.py`` (one
level), the second half of this file (one drawing of them all), ``labels.py``, and then ``svg.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tinygrad_edu.draw.labels import POOR, Point, Rectangle, Thread, placed
from tinygrad_edu.draw.layers import Finished
from tinygrad_edu.draw.level import TITLE, Level
from tinygrad_edu.draw.measure import Face, cluster_width
from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.draw.plan import LOOP, Link, Plan, Row
from tinygrad_edu.draw.structure import Structure

__all__ = ["Layout", "Route", "lay_out"]

_MARGIN = 12.0  # around the drawing
_AIR = (1.0, 1.2, 1.4, 1.6)  # how far everything is set apart, until labels stand free
_MOST_TRIED = 200  # edges


@dataclass(frozen=True, slots=True)
class Route:
    """The course of one edge from its tail to its head.

    Parameters
    ----------
    points : tuple of Point
        Corners; between two of them the line is straight along one axis, or a smooth curve that
        leaves and arrives in the main direction (across it, for an edge that hangs).
    hangs : bool
        Whether the edge joins an op and what hangs below it: then it runs in the cross direction.
    label : Rectangle or None
        Where its text stands.
    """

    points: tuple[Point, ...]
    hangs: bool
    label: Rectangle | None


@dataclass(frozen=True, slots=True)
class Layout:
    """All places of one drawing; the tuples follow those of the picture and its structure."""

    width: float
    height: float
    structure: Structure
    faces: tuple[Face, ...]
    cards: tuple[Rectangle, ...]
    boxes: tuple[Rectangle, ...]
    titles: tuple[Point, ...]
    routes: tuple[Route, ...]


def lay_out(picture: Picture) -> Layout:
    """Return the places of all cards, boxes and edges.

    Raises
    ------
    DiagramError
        When edges or clusters run in a circle.
    """
    best, least = None, 0.0
    for air in _AIR:
        plan = Plan(picture, air)
        levels: dict[int | None, Level] = {}
        boxes: dict[int, Finished] = {}
        # A parent stands before its children in the list of boxes: this goes from the inside out.
        for place in reversed(range(len(plan.structure.boxes))):
            levels[place] = level = Level(plan, place, boxes)
            boxes[place] = level.finished()
        levels[None] = Level(plan, None, boxes)
        layout, bad = _labelled(plan, _Drawing(plan, levels).layout())
        if best is None or bad < least:
            best, least = layout, bad
        # A large drawing is read part by part, and would take long to be made several times.
        if bad < POOR or len(picture.edges) > _MOST_TRIED:
            break
    assert best is not None
    return best


def _labelled(plan: Plan, layout: Layout) -> tuple[Layout, float]:
    """Return a layout with its labels where nothing runs through them, and how far that failed."""
    threads = [
        Thread(
            route.points,
            plan.across != route.hangs,
            edge.pen / 2,
            route.points[0 if edge.backward else -1],
            route.label,
        )
        for edge, route in zip(plan.picture.edges, layout.routes, strict=True)
    ]
    titles = []
    for box, corner in zip(layout.structure.boxes, layout.titles, strict=True):
        cluster = plan.picture.clusters[box.cluster]
        wide = cluster_width(cluster, box.part, box.parts)
        if wide:
            titles.append(Rectangle(corner.x, corner.y + 1, wide, TITLE - 5))
    labels, bad = placed(threads, layout.cards, titles, (layout.width, layout.height))
    routes = tuple(
        replace(route, label=label) for route, label in zip(layout.routes, labels, strict=True)
    )
    return replace(layout, routes=routes), bad


# ------------------------------------------------------------------------ one drawing of all levels


class _Drawing:
    """Turns the coordinates of the levels into those of the drawing."""

    def __init__(self, plan: Plan, levels: Mapping[int | None, Level]) -> None:
        self.plan, self.levels, self.root = plan, levels, levels[None]
        self.origin: dict[int | None, tuple[float, float]] = {None: (0.0, 0.0)}  # of each level
        self.middle_of: dict[int, tuple[float, float]] = {}  # main and cross of a card
        self.cards = [Rectangle(0, 0, 0, 0)] * plan.count
        self.boxes: list[Rectangle] = []
        self.titles: list[Point] = []
        self.routes: dict[int, Route] = {}

    def layout(self) -> Layout:
        """Return all places."""
        plan, root = self.plan, self.root
        for place in (None, *range(len(plan.structure.boxes))):
            if place is not None:
                self._place_box(place)
            self._place_items(place)
        for edge, course in enumerate(plan.courses):
            if course:
                self.routes[edge] = self._route(edge, course)
        long, wide = root.length, root.above + root.below
        width, height = (long, wide) if plan.across else (wide, long)
        return Layout(
            width + 2 * _MARGIN,
            height + 2 * _MARGIN,
            plan.structure,
            plan.faces,
            tuple(self.cards),
            tuple(self.boxes),
            tuple(self.titles),
            tuple(self.routes[edge] for edge in range(len(plan.courses))),
        )

    def _point(self, main: float, cross: float) -> Point:
        """Return a place in the drawing."""
        above = self.root.above
        x, y = (main, cross + above) if self.plan.across else (cross + above, main)
        return Point(x + _MARGIN, y + _MARGIN)

    def _rectangle(self, main: float, cross: float, long: float, wide: float) -> Rectangle:
        """Return a rectangle in the drawing, from its first corner and its size."""
        corner = self._point(main, cross)
        return Rectangle(*corner, *((long, wide) if self.plan.across else (wide, long)))

    # ---- cards and boxes

    def _place_box(self, place: int) -> None:
        """Add the box of a level and its title."""
        level = self.levels[place]
        main, cross = self.origin[place]
        wide = level.above + level.below
        box = self._rectangle(main, cross - level.above, level.length, wide)
        self.boxes.append(box)
        inset = level.pad - 3
        left = box.x + inset
        if not self.plan.across:
            left = self._point(main, cross + level.title_at).x
        self.titles.append(Point(left, box.y + inset - 4))

    def _place_items(self, place: int | None) -> None:
        """Add the cards of a level, with what hangs at them, and find where its boxes begin."""
        plan, level = self.plan, self.levels[place]
        main, cross = self.origin[place]
        for node, key in enumerate(level.layers.keys):
            if not isinstance(key, int):
                continue
            layer = level.layers.layer[node]
            middle = main + (level.starts[layer] + level.ends[layer]) / 2
            where = cross + level.cross[node]
            if key >= plan.count:
                self.origin[key - plan.count] = (middle - level.layers.size[node] / 2, where)
                continue
            self.middle_of[key] = middle, where
            long, wide = plan.size(plan.faces[key])
            self.cards[key] = self._rectangle(middle - long / 2, where - wide / 2, long, wide)
            unit = plan.unit(key)
            self._hang(key, unit.below, where + unit.half, 1.0)
            self._hang(key, unit.above, where - unit.half, -1.0)
            self._go_over(key)

    def _hang(self, op: int, row: Row, foot: float, sign: float) -> None:
        """Add what hangs at one side of an op, and the routes of the edges between.

        Parameters
        ----------
        op : int
            The card at which it hangs.
        row : Row
            The cards that hang there.
        foot : float
            Where the op ends, in the cross direction.
        sign : float
            1 below the op, -1 above it.
        """
        plan = self.plan
        middle, _ = self.middle_of[op]
        long, _ = plan.size(plan.faces[op])
        top = foot + sign * row.gap  # the side of the leaves that faces the op
        start = middle - sum(row.cells) / 2
        step = long / (sum(len(plan.hanging_edges[leaf]) for leaf in row.leaves) + 1)
        slot = 0
        for leaf, cell in zip(row.leaves, row.cells, strict=True):
            leaf_long, leaf_wide = plan.size(plan.faces[leaf])
            centre = start + cell / 2
            start += cell
            corner = top if sign > 0 else top - leaf_wide
            self.cards[leaf] = self._rectangle(centre - leaf_long / 2, corner, leaf_long, leaf_wide)
            edges = plan.hanging_edges[leaf]
            for k, edge in enumerate(edges):
                slot += 1
                # Several edges between the same two leave the leaf side by side.
                begin = centre + (k - (len(edges) - 1) / 2) * 12
                end = middle - long / 2 + slot * step
                points = self._point(begin, top), self._point(end, foot)
                self.routes[edge] = Route(points, True, self._hanging_label(edge, begin, top, sign))

    def _hanging_label(self, edge: int, begin: float, top: float, sign: float) -> Rectangle | None:
        """Return where the label of an edge stands: beside its line, near the card that hangs."""
        face = self.plan.labels[edge]
        if face is None:
            return None
        long, wide = self.plan.size(face)
        corner = top - 4 - wide if sign > 0 else top + 4
        return self._rectangle(begin + 6, corner, long, wide)

    # ---- routes

    def _go_over(self, card: int) -> None:
        """Add the routes of the edges that end where they begin: over the card, the next higher."""
        plan = self.plan
        middle, cross = self.middle_of[card]
        edges = plan.loops.get(card, ())
        long, wide = plan.size(plan.faces[card])
        top = cross - wide / 2
        for k, edge in enumerate(edges):
            low, high = middle - long / 2, middle + long / 2
            # All leave and arrive in the upper half of the card; the outer ones further up.
            side = cross - wide / 2 * (k + 1) / (len(edges) + 1)
            far = LOOP + 4 * k
            face = plan.labels[edge]
            label = None
            if face is not None:
                face_long, face_wide = plan.size(face)
                label = self._rectangle(
                    middle - face_long / 2, top - LOOP - 4 - face_wide, face_long, face_wide
                )
            corners = (
                (high, side),
                (high + far, side),
                (high + far, top - LOOP),
                (low - far, top - LOOP),
                (low - far, side),
                (low, side),
            )
            points = tuple(self._point(*corner) for corner in corners)
            self.routes[edge] = Route(points, False, label)
            top -= plan.loop_room(edge)

    def _route(self, edge: int, course: list[tuple[int | None, Link]]) -> Route:
        """Return the way of an edge through all its levels."""
        plan = self.plan
        tail, head = plan.structure.starts[edge], plan.structure.ends[edge]
        (first, link), (last, _) = course[0], course[-1]
        middle, cross = self.middle_of[tail]
        layers = self.levels[first].layers
        cross += layers.offset(layers.number[tail], "out", link.source)
        track = [(middle + plan.size(plan.faces[tail])[0] / 2, cross)]
        label = None
        for place, link in course:
            track += self._through(place, link, edge, track[-1][1])
            if edge in self.levels[place].label_places:
                label = self._label(place, edge)
        middle, cross = self.middle_of[head]
        arrival = self.levels[last].arrivals.get(edge, 0.0)
        track.append((middle - plan.size(plan.faces[head])[0] / 2, cross + arrival))
        corners = _tidy(track)
        if tail != plan.structure.tails[edge]:
            corners.reverse()
        return Route(tuple(self._point(*corner) for corner in corners), False, label)

    def _through(
        self, place: int | None, link: Link, edge: int, enters: float
    ) -> Iterator[tuple[float, float]]:
        """Yield the corners of an edge in one level, that it enters so far across."""
        level = self.levels[place]
        main, cross = self.origin[place]
        layer = level.layers.layer
        yield main + level.ends[layer[link.nodes[0]]], enters
        for node in link.nodes[1:-1]:
            y = cross + level.cross[node]
            yield main + level.starts[layer[node]], y
            yield main + level.ends[layer[node]], y
        last = link.nodes[-1]
        offset, arrival = (
            level.layers.offset(last, "in", link.source),
            level.arrivals.get(edge, 0.0),
        )
        yield main + level.starts[layer[last]], cross + level.cross[last] + offset + arrival

    def _label(self, place: int | None, edge: int) -> Rectangle:
        """Return where the label of an edge stands that has its place in a level."""
        face = self.plan.labels[edge]
        assert face is not None
        main, cross = self.origin[place]
        x, y = self.levels[place].label_places[edge]
        return self._rectangle(main + x, cross + y, *self.plan.size(face))


def _tidy(track: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners without those that lie on a straight line or on one another."""
    kept: list[tuple[float, float]] = []
    for place in track:
        if kept and abs(kept[-1][0] - place[0]) < 0.01 and abs(kept[-1][1] - place[1]) < 0.01:
            continue
        if len(kept) > 1 and abs(kept[-2][1] - kept[-1][1]) < 0.01 > abs(kept[-1][1] - place[1]):
            kept.pop()
        kept.append(place)
    return kept
