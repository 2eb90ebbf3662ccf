"""Every page of the built site in a browser: links, requests, formulas, images, contrast, width and the keyboard."""

import functools
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "docs/_build/html"
PAGES = sorted(
    path.relative_to(BUILT).as_posix()
    for path in BUILT.rglob("*.html")
    if path.relative_to(BUILT).parts[0] not in {"_static", "_downloads", "_sources"}
)
CATALOGUE, GALLERY = "_generated/operators/index.html", "_generated/examples/index.html"
# One page of each kind.
KINDS = [
    "index.html",
    "quickstart.html",
    "api/linalg.html",
    CATALOGUE,
    "_generated/operators/Circulant.html",
    GALLERY,
    "_generated/examples/basics/plot_circulant.html",
    "tutorials/pytorch.html",
    "performance.html",
    "search.html",
]
THEMES = "light", "dark"
AT_ONCE = "* { transition: none !important; }"  # colours in between are not those of a theme


class Quiet(SimpleHTTPRequestHandler):
    """The files of a folder, without a log."""

    protocol_version = "HTTP/1.1"  # one connection for many files ...
    disable_nagle_algorithm = True  # ... without a pause in each

    def log_message(self, *message: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the site, on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(BUILT))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without its sandbox, Chromium starts in containers, too. It sees pages of this repository only.
        # The proxy, which does not exist, is asked for everything that is not on this machine: no request leaves it.
        browser = playwright.chromium.launch(
            executable_path=os.environ["STRUCTMAT_TEST_SITE"],
            args=["--no-sandbox", "--proxy-server=http://127.0.0.1:9"],
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """What a page says and shows."""

    faults: list[str] = field(default_factory=list)  # of the console and of requests
    links: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    images: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)  # texts of the figures of an example
    formulas: dict[str, Any] = field(default_factory=dict)
    contrast: dict[str, dict[str, Any]] = field(default_factory=dict)


def watch(page: Page, site: str) -> list[str]:
    """The list to which the page adds what goes wrong."""
    faults: list[str] = []
    page.on("request", lambda request: request.url.startswith((site, "data:")) or faults.append(f"asks {request.url}"))
    page.on("requestfailed", lambda request: faults.append(f"{request.url}: {request.failure}"))
    page.on("response", lambda found: found.status < 400 or faults.append(f"{found.url}: {found.status}"))
    page.on("pageerror", lambda error: faults.append(f"{error}"))
    page.on("console", lambda line: line.type in {"error", "warning"} and faults.append(f"{line.type}: {line.text}"))
    return faults


@contextmanager
def opened(browser: Browser, site: str, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page with our measures, and its faults."""
    context: BrowserContext = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
    context.add_init_script(path=HERE / "measure.js")
    page = context.new_page()
    yield page, watch(page, site)
    context.close()


def contrast(page: Page, theme: str) -> dict[str, Any]:
    """How many texts a page shows in a theme, and which are hard to read."""
    page.emulate_media(color_scheme=theme)
    page.locator(f"html[data-theme={theme}]").wait_for()
    return page.evaluate("measure.contrast()")


@pytest.fixture(scope="module")
def visits(browser: Browser, site: str) -> dict[str, Visit]:
    """Every page, visited once."""
    found = {}
    with opened(browser, site) as (page, faults):
        for i, name in enumerate(PAGES):
            faults.clear()
            page.goto(site + name)
            page.add_style_tag(content=AT_ONCE)
            visit = found[name] = Visit()
            visit.links, visit.names = set(page.evaluate("measure.links()")), set(page.evaluate("measure.names()"))
            visit.figures = page.evaluate("measure.figures()")
            visit.images, visit.formulas = page.evaluate("measure.images()"), page.evaluate("measure.formulas()")
            visit.contrast = {theme: contrast(page, theme) for theme in THEMES[:: (-1) ** i]}  # few switches
            visit.faults = list(faults)
    return found


def wrong(visits: dict[str, Visit], check: Callable[[Visit], Any]) -> dict[str, Any]:
    return {name: faults for name, visit in visits.items() if (faults := check(visit))}


def test_the_pages_of_every_kind_are_built() -> None:
    assert set(KINDS) <= set(PAGES)


def test_pages_load_without_errors_and_ask_no_other_host(visits: dict[str, Visit]) -> None:
    assert not wrong(visits, lambda visit: visit.faults)


def test_links_lead_somewhere(visits: dict[str, Visit], site: str) -> None:
    def broken(link: str) -> bool:
        address, fragment = urldefrag(link)
        path = unquote(address.removeprefix(site).partition("?")[0])
        name = f"{path}index.html" if path.endswith("/") or not path else path
        return not (BUILT / name).is_file() or (bool(fragment) and unquote(fragment) not in visits[name].names)

    inside = {name: {link for link in visit.links if link.startswith(site)} for name, visit in visits.items()}
    assert sum(map(len, inside.values())) > len(visits)
    found = {name: [link for link in sorted(links) if broken(link)] for name, links in inside.items()}
    assert not {name: links for name, links in found.items() if links}


def test_names_of_other_projects_are_links(visits: dict[str, Visit]) -> None:
    page = "https://docs.scipy.org/doc/scipy/reference/generated/scipy.linalg.circulant.html#scipy.linalg.circulant"
    assert page in visits["_generated/operators/Circulant.html"].links


def test_images_are_loaded_and_have_alternative_texts(visits: dict[str, Visit]) -> None:
    assert not wrong(visits, lambda visit: visit.images)


def test_figures_of_the_gallery_have_the_texts_of_their_examples(visits: dict[str, Visit]) -> None:
    """A sentence, where Sphinx-Gallery would join the titles of the axes."""
    scripts = sorted((HERE.parents[1] / "docs/examples").glob("*/plot_*.py"))
    assert len(scripts) >= 25
    for path in scripts:
        stated = re.findall(r'^# sphinx_gallery_alt = "(.+)"$', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found = visits[f"_generated/examples/{path.parent.name}/{path.stem}.html"].figures
        assert found == stated
        assert all(len(text.split()) >= 4 and text.endswith(".") for text in found)


def test_formulas_are_drawn(visits: dict[str, Visit]) -> None:
    assert visits["_generated/operators/Circulant.html"].formulas["count"] > 0
    assert not wrong(visits, lambda visit: visit.formulas["faults"])


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_the_contrast_of_wcag_aa(visits: dict[str, Visit], theme: str) -> None:
    assert all(visit.contrast[theme]["count"] > 0 for visit in visits.values())
    assert not wrong(visits, lambda visit: visit.contrast[theme]["faults"])


def test_nothing_is_off_screen_on_a_telephone(browser: Browser, site: str) -> None:
    found = {}
    with opened(browser, site, viewport={"width": 400, "height": 800}) as (page, _):
        for name in PAGES:
            page.goto(site + name)
            found[name] = page.evaluate("measure.outside()")
    assert not {name: faults for name, faults in found.items() if faults}


@pytest.mark.parametrize(
    ("name", "selector"), [(CATALOGUE, "table.catalogue img"), (GALLERY, ".sphx-glr-thumbcontainer img")]
)
def test_pictures_have_enough_pixels(browser: Browser, site: str, name: str, selector: str) -> None:
    with opened(browser, site) as (page, _):
        page.goto(site + name)
        widths = page.locator(selector).evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) > 20
    assert min(widths) >= 200


def test_search_finds_an_operator(browser: Browser, site: str) -> None:
    with opened(browser, site) as (page, faults):
        page.goto(site)
        page.locator(".search-button:visible, .search-button__button:visible").first.click()
        page.locator("input[type=search]:visible").first.fill("Circulant")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"search\.html\?q=Circulant"))
        results = page.locator("#search-results ul.search > li > a")
        results.first.wait_for()
        assert any("Circulant" in link for link in results.all_inner_texts())
        page.get_by_text("Search finished").wait_for()
        page.add_style_tag(content=AT_ONCE)
        assert not [fault for theme in THEMES for fault in contrast(page, theme)["faults"]]
        results.first.click()
        page.wait_for_load_state()
        assert "search.html" not in page.url
        assert not faults


def test_the_switch_of_the_theme(browser: Browser, site: str) -> None:
    with opened(browser, site, color_scheme="dark") as (page, faults):
        page.goto(site)
        root = page.locator("html")
        assert root.get_attribute("data-theme") == "dark"
        for mode in ("light", "dark"):
            page.locator(".theme-switch-button:visible").click()
            page.locator(f".theme-change-button[data-mode={mode}]:visible").click()
            assert root.get_attribute("data-theme") == mode
            page.reload()
            assert root.get_attribute("data-theme") == mode  # it is remembered
        assert not faults


@pytest.mark.parametrize("width", [400, 1200])
def test_the_list_of_versions_on_a_local_disk(browser: Browser, width: int) -> None:
    folder = f"{BUILT.as_uri()}/"
    with opened(browser, folder, viewport={"width": width, "height": 800}) as (page, faults):
        page.goto(f"{folder}api/linalg.html")
        if width < 960:
            page.locator(".primary-toggle").click()
        page.locator(".version-switcher__button:visible").click()
        menu = page.locator(".version-switcher__menu:visible")
        assert menu.locator("[aria-current]").get_attribute("href") == "../index.html"
        page.add_style_tag(content=AT_ONCE)
        assert not [fault for theme in THEMES for fault in contrast(page, theme)["faults"]]
        menu.get_by_text("What has changed").click()
        page.wait_for_url(f"{folder}changelog.html")
        assert not faults


@pytest.mark.parametrize("name", KINDS)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser, site: str, name: str) -> None:
    with opened(browser, site) as (page, _):
        page.goto(site + name)
        page.evaluate("measure.remember()")
        places, unseen = [], []
        while not {"search", "navigation", "content"} <= set(places):
            assert len(places) < 200, f"the focus reaches {set(places)} only"
            page.keyboard.press("Tab")
            focus = page.evaluate("measure.focus()")
            places += focus["places"]
            unseen += [focus["name"]] * (not focus["visible"])
        assert places[0] == "skip link"
        assert not unseen
