"""`make docs` fails where a page has a dead link, a missing anchor, or loads something from another host."""

import pytest

from docs._extensions import check_site
from docs._extensions.layer_picture import layer_picture


@pytest.fixture
def site(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="folder/b.html#there">b</a><a href="#here">here</a>'
        '<a href="https://example.org/">elsewhere</a><img src="data:image/png;base64,">'
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b.html").write_text('<p id="there"><a href="../a.html">a</a>')
    return tmp_path


def test_a_site_without_faults_has_none(site):
    assert [*check_site.faults(site)] == []


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="c.html">c</a>', "'c.html' leads nowhere"),
        ('<a href="a.html#away">a</a>', "'a.html#away' has no such anchor"),
        ('<a href="#away">a</a>', "'#away' has no such anchor"),
        ('<img src="picture.png">', "'picture.png' leads nowhere"),
        ('<script src="https://cdn.example.org/x.js"></script>', "is loaded from elsewhere"),
        ('<link href="//fonts.example.org/x.css" rel="stylesheet">', "is loaded from elsewhere"),
    ],
)
def test_a_fault_of_a_page_is_found(site, html, fault):
    (site / "bad.html").write_text(html)
    (found,) = check_site.faults(site)
    assert found.startswith("bad.html: ")
    assert fault in found


def test_a_font_from_elsewhere_is_found(site):
    (site / "bad.css").write_text("@font-face { src: url('https://fonts.example.org/x.woff2') }")
    (found,) = check_site.faults(site)
    assert "is loaded from elsewhere" in found


def test_a_site_without_pages_is_a_fault(tmp_path):
    assert [*check_site.faults(tmp_path)] == [f"{tmp_path} has no pages"]


def test_a_picture_of_layers_shows_each_shape():
    picture = layer_picture([(28, 28, 1), (7, 7, 64), (128,)], 'an "encoder"')
    for text in ("28 × 28 × 1", "7 × 7 × 64", "128", "an &quot;encoder&quot;"):
        assert text in picture
    assert picture.count("<path") == 2
