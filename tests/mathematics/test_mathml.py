"""LaTeX as MathML: every formula of the table, and what each command becomes."""

import re
import xml.etree.ElementTree as ET

import pytest

import tinygrad_edu  # noqa: F401 - fills the table
from tinygrad_edu.core.op import OPS
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.mathematics import mathml

SPACE = "{http://www.w3.org/1998/Math/MathML}"
COUNTS = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "mroot": 2,
          "msubsup": 3, "munderover": 3}  # fmt: skip


def drawn(latex: str) -> ET.Element:
    """Return the parsed element, in which every element has as many parts as it must."""
    root = ET.fromstring(mathml(latex))
    for element in root.iter():
        name = element.tag.removeprefix(SPACE)
        assert len(element) == COUNTS.get(name, len(element)), (latex, name)
    return root


def inside(latex: str) -> str:
    text = ET.tostring(drawn(latex), encoding="unicode").replace("ns0:", "")
    found = re.fullmatch(r"<math[^>]*><mrow>(.*)</mrow></math>", text)
    assert found is not None
    return found[1]


def test_every_row_of_the_table_converts() -> None:
    for row in OPS.values():
        drawn(row.latex)


@pytest.mark.parametrize(
    ("latex", "wanted"),
    [
        ("x^2", "<msup><mi>x</mi><mn>2</mn></msup>"),
        ("x_12", "<msub><mi>x</mi><mn>1</mn></msub><mn>2</mn>"),
        ("0.0447", "<mn>0.0447</mn>"),
        (r"\frac{1}{x}", "<mfrac><mrow><mn>1</mn></mrow><mrow><mi>x</mi></mrow></mfrac>"),
        (r"\frac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"\sqrt2", "<msqrt><mn>2</mn></msqrt>"),
        (r"\sqrt[3]{x}", "<mroot><mrow><mi>x</mi></mrow><mrow><mn>3</mn></mrow></mroot>"),
        ("x'", "<msup><mi>x</mi><mo>′</mo></msup>"),
        (r"\text{a < b}", "<mtext>a &lt; b</mtext>"),
        (r"\mathit{my\_name}", '<mi style="font-style:italic">my_name</mi>'),
        (r"a \le b", "<mi>a</mi><mo>≤</mo><mi>b</mi>"),
        ("a - b", "<mi>a</mi><mo>−</mo><mi>b</mi>"),
        ("a < b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
    ],
)
def test_commands(latex: str, wanted: str) -> None:
    assert inside(latex) == wanted


def test_a_large_sign_has_its_limits_below_and_above() -> None:
    assert inside(r"\sum_{i}^{n} x").startswith("<munderover>")
    assert inside(r"\int_0^1 x").startswith("<msubsup>")
    assert inside(r"\max_i x").startswith("<munder>")


def test_a_sign_before_a_number_stands_close_to_it_and_one_between_two_does_not() -> None:
    assert inside("-1") == '<mo form="prefix">−</mo><mn>1</mn>'
    assert inside("x = +1").count("prefix") == 1
    assert inside("(+1)").count("prefix") == 1
    assert inside("x + 1").count("prefix") == 0
    assert inside("(x) - 1").count("prefix") == 0
    assert inside(r"\left(x\right) - 1").count("prefix") == 0


def test_cases_are_a_table_with_a_row_for_each() -> None:
    root = drawn(r"\begin{cases} x & x > 0 \\ 0 & \text{else} \end{cases}")
    assert len(root.findall(f".//{SPACE}mtr")) == 2
    assert len(root.findall(f".//{SPACE}mtd")) == 4


def test_brackets_stretch_only_where_they_are_told_to() -> None:
    assert inside(r"\left(x\right)").count('stretchy="true"') == 2
    assert inside("(x)").count('stretchy="false"') == 2
    assert inside(r"\left.x\right|").count("<mo") == 1


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        (r"\unheard{x}", r"\unheard"),
        (r"\begin{matrix} 1 \end{matrix}", "matrix"),
        (r"\mathbb{X}", "X"),
        ("{x", "}"),
        ("x}", "}"),
        (r"\frac{1}", "too early"),
        (r"\left(x", r"\right"),
        (r"\left x \right)", "no bracket but x"),
        (r"\begin{cases} 1", r"\end{cases}"),
        ("x_1_2", "two _"),
        ("_1", "nothing before"),
        (r"\text{x", "}"),
    ],
)
def test_what_is_not_known_is_an_error_that_names_it(latex: str, said: str) -> None:
    with pytest.raises(DiagramError, match=re.escape(said)) as caught:
        mathml(latex)
    assert latex in str(caught.value)


def test_what_xml_forbids_does_not_come_through() -> None:
    drawn("\\mathit{a\x00b\x1b}")
    drawn(r"\mathit{<script>\&</script>}")
