import pytest

from tinygrad_edu.draw import Card, Cluster, Edge, Picture
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.errors import DiagramError


def picture(roles, edges, clusters=None, parents=None):
    """Return a picture from {name: role}, "a>b" edges, {name: cluster} and {cluster: parent}."""
    clusters, parents = clusters or {}, parents or {}
    names = dict.fromkeys([*clusters.values(), *parents, *filter(None, parents.values())])
    return Picture(
        tuple(Card(name, role, name, cluster=clusters.get(name)) for name, role in roles.items()),
        tuple(Edge(*edge.split(">")) for edge in edges),
        tuple(Cluster(name, name, parent=parents.get(name)) for name in names),
    )


def named(picture, numbers):
    return [picture.cards[number].id for number in numbers]


def test_parameters_hang_below_their_op_and_data_is_the_backbone(net):
    structure = structure_of(net)
    assert named(net, structure.backbone) == ["x", "matmul", "add", "sigmoid", "xent", "L"]
    hanging = {net.cards[op].id: named(net, leaves) for op, leaves in structure.hanging.items()}
    assert hanging == {"matmul": ["W"], "add": ["b"], "xent": ["t"]}


def test_an_op_of_parameters_only_keeps_the_first_one_as_its_data():
    p = picture({"a": "parameter", "b": "parameter", "m": "op"}, ["a>m", "b>m"])
    structure = structure_of(p)
    assert named(p, structure.backbone) == ["a", "m"]
    assert structure.hanging == {2: (1,)}


def test_a_parameter_of_two_ops_does_not_hang():
    p = picture(
        {"x": "input", "W": "parameter", "m": "op", "n": "op"}, ["x>m", "W>m", "m>n", "W>n"]
    )
    assert structure_of(p).hanging == {}


def test_only_so_many_hang():
    roles = {"x": "input", "s": "op"} | {f"w{i}": "parameter" for i in range(9)}
    p = picture(roles, ["x>s", *(f"w{i}>s" for i in range(9))])
    assert len(structure_of(p).hanging[1]) == 4
    assert len(structure_of(p, most_hanging=2).hanging[1]) == 2


def test_producers_stand_before_consumers_and_clusters_stay_together():
    roles = dict.fromkeys(["x", "a1", "b1", "a2", "b2", "y"], "op")
    p = picture(
        roles,
        ["x>a1", "x>b1", "a1>a2", "b1>b2", "a2>y", "b2>y"],
        {"a1": "A", "a2": "A", "b1": "B", "b2": "B"},
    )
    structure = structure_of(p)
    assert named(p, structure.order) == ["x", "a1", "a2", "b1", "b2", "y"]
    assert [(box.part, box.parts) for box in structure.boxes] == [(1, 1), (1, 1)]


def test_a_module_that_is_called_twice_gets_two_boxes():
    p = picture(
        dict.fromkeys(["a1", "b", "a2"], "op"), ["a1>b", "b>a2"], {"a1": "A", "a2": "A", "b": "B"}
    )
    boxes = structure_of(p).boxes
    assert [(p.clusters[b.cluster].id, b.part, b.parts) for b in boxes] == [
        ("A", 1, 2),
        ("B", 1, 1),
        ("A", 2, 2),
    ]


def test_boxes_nest_as_clusters_do():
    p = picture(
        dict.fromkeys(["a", "b"], "op"),
        ["a>b"],
        {"a": "inner", "b": "outer"},
        {"inner": "outer", "outer": None},
    )
    structure = structure_of(p)
    assert [p.clusters[box.cluster].id for box in structure.boxes] == ["outer", "inner"]
    assert [box.parent for box in structure.boxes] == [None, 0]
    assert structure.box_of == (1, 0)


def test_a_shared_parameter_joins_the_box_of_its_module():
    roles = {"x": "input", "W": "parameter", "p": "op", "m": "op", "n": "op", "o": "op"}
    p = picture(
        roles,
        ["x>p", "p>m", "W>m", "m>n", "n>o", "W>o"],
        {"W": "A", "m": "A", "n": "A", "o": "B"},
    )
    structure = structure_of(p)
    assert len(structure.boxes) == 2
    assert structure.box_of[1] == structure.box_of[3]
    assert named(p, structure.order) == ["x", "p", "W", "m", "n", "o"]


def test_circles_are_refused():
    with pytest.raises(DiagramError, match="circle"):
        structure_of(picture(dict.fromkeys("abc", "op"), ["a>b", "b>c", "c>b"]))
    with pytest.raises(DiagramError, match="own ancestor"):
        structure_of(picture({"a": "op"}, [], {"a": "c"}, {"c": "d", "d": "c"}))


def test_nothing_and_one_card_have_a_structure():
    assert structure_of(Picture(())).order == ()
    assert structure_of(picture({"a": "parameter"}, [])).backbone == (0,)


# ------------------------------------------------------------------------------ what goes back


def test_a_recurrent_edge_is_no_circle_and_has_no_say_in_the_order():
    cards = tuple(Card(name, "op", name) for name in "abc")
    edges = (Edge("a", "b"), Edge("b", "c"))
    back = Edge("c", "a", recurrent=True)
    loop = Edge("b", "b", recurrent=True)
    plain = structure_of(Picture(cards, edges))
    found = structure_of(Picture(cards, (*edges, back, loop)))
    assert (found.order, found.backbone) == (plain.order, plain.backbone)
    assert found.tails == (0, 1, 2, 1)
    assert found.heads == (1, 2, 0, 1)
    assert found.starts == (0, 1, 0, 1)
    assert found.ends == (1, 2, 2, 1)
    with pytest.raises(DiagramError, match="marked recurrent"):
        structure_of(Picture(cards, (*edges, Edge("c", "a"))))


def test_a_recurrent_edge_that_goes_forwards_is_laid_out_as_it_goes():
    cards = (Card("a", "op", "a"), Card("b", "op", "b"))
    found = structure_of(Picture(cards, (Edge("a", "b", recurrent=True),)))
    assert (found.starts, found.ends) == (found.tails, found.heads)


def test_what_a_recurrent_edge_touches_does_not_hang():
    cards = (Card("x", "input", "x"), Card("h", "constant", "h"), Card("f", "op", "f"))
    edges = (Edge("x", "f"), Edge("h", "f"))
    assert structure_of(Picture(cards, edges)).hanging == {2: (1,)}
    assert structure_of(Picture(cards, (*edges, Edge("f", "h", recurrent=True)))).hanging == {}
