"""The explorer in a real headless Chromium: a click on a goal plans, a disturbance shows surprise.

Screenshots of every run lie in `runs/explorer-screenshots`.
"""

from pathlib import Path

import pytest

import leworld
from leworld.explorer import Explorer
from leworld.planners import CEMPlanner
from leworld.tasks import get_task
from tests.explorer.examples import explorer, served
from tests.report.browser import chromium, photograph

SHOTS = Path(__file__).resolve().parents[2] / "runs" / "explorer-screenshots"
_PATIENCE = 180_000.0


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shipped():
    task = get_task("tworoom")
    model = leworld.load("lewm-tworoom-tiny")
    episodes = task.held_out(12, seed=3)
    with served(Explorer(model, episodes, task=task, planner=CEMPlanner(num_iterations=6))) as server:
        yield server


class Tab:
    """A page of the explorer with what it said and asked."""

    def __init__(self, browser, address: str, *, width: int = 1100, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.context.set_default_timeout(_PATIENCE)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.urls: list[str] = []
        self.page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready=yes]")

    def __enter__(self):
        return self

    def __exit__(self, *failure) -> None:
        self.context.close()

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def idle(self) -> None:
        self.until("document.getElementById('status').textContent === ''")

    def until(self, holds: str) -> None:
        """Wait until an expression holds; the driver's way evaluates text, which the page forbids."""
        for _ in range(int(_PATIENCE / 50)):
            if self.page.evaluate(holds):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {holds}; the page says {self.text('#status')!r}")

    def move(self, frame: int) -> None:
        self.page.evaluate(
            "frame => { const range = document.getElementById('frame'); range.value = frame;"
            " range.dispatchEvent(new Event('input')); }",
            frame,
        )

    def picture(self, selector: str) -> str:
        return self.page.evaluate("s => document.querySelector(s).toDataURL()", selector)


def test_a_click_on_a_goal_plans_and_plays(browser, shipped) -> None:
    with Tab(browser, shipped.address) as tab:
        assert "LeWM in leworld/TwoRoom-v0" in tab.text("#about")
        assert not tab.page.is_visible("#plan")
        before = tab.picture("#map")
        box = tab.page.locator("#map").bounding_box()
        tab.page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"])
        tab.page.wait_for_selector("#strips h3.played")
        tab.idle()
        assert "brings the latent distance to the goal" in tab.text("#told")
        assert tab.text("#strips h3.played").startswith("Played in the world")
        assert tab.page.locator("h3.imagined + .strip figure").count() == 5  # the planner's horizon
        assert tab.picture("#map") != before
        goal = tab.page.evaluate("placeOf(state.goal)")
        assert abs(goal[0] - 0.8 * 224) < 30
        assert abs(goal[1] - 0.3 * 224) < 30
        photograph(tab.page, SHOTS / "plan-light.png")
        assert tab.messages == []
        assert {url.rsplit("/", 1)[0] + "/" for url in tab.urls if not url.startswith("data:")} == {
            shipped.address
        }


def test_a_disturbance_shows_surprise_where_it_happens(browser, shipped) -> None:
    lengths = shipped.explorer.facts()["lengths"]
    longest = lengths.index(max(lengths))
    with Tab(browser, shipped.address, scheme="dark") as tab:
        tab.page.select_option("#episode", str(longest))
        tab.until(f"state.episode === {longest} && state.shown.surprise.length === {max(lengths)}")
        tab.move(4)
        assert "no alarm" in tab.text("#alarm")
        before = tab.picture("#now")
        tab.page.get_by_role("button", name="colour").click()
        tab.until("state.shown.event === 4")
        tab.idle()
        assert ": an alarm" in tab.text("#alarm")
        assert "At frame 4: colour" in tab.text("#alarm")
        assert tab.picture("#now") != before
        photograph(tab.page, SHOTS / "disturbed-dark.png")
        tab.move(3)
        assert "Surprise of frame 3" in tab.text("#alarm")
        assert tab.messages == []


def test_it_works_by_keyboard_and_on_a_telephone_without_a_task(browser) -> None:
    with served(explorer(task=False)) as server, Tab(browser, server.address, width=390) as tab:
        assert "Plans are imagined only" in tab.text("#about")
        tab.move(3)
        tab.page.focus("#as-goal")
        tab.page.keyboard.press("Enter")
        tab.move(0)
        tab.page.focus("#again")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("#strips h3.imagined")
        tab.idle()
        assert tab.page.locator("#strips h3.played").count() == 0
        width = tab.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        photograph(tab.page, SHOTS / "telephone.png")
        assert tab.messages == []


def test_a_refused_question_is_told_on_the_page(browser) -> None:
    with served(explorer()) as server, Tab(browser, server.address) as tab:
        tab.page.evaluate("disturb('freez')")
        tab.page.wait_for_selector("#status.error")
        assert "freeze" in tab.text("#status")
        assert [message for message in tab.messages if "422" not in message] == []


def test_another_page_cannot_drive_it(browser, tmp_path: Path) -> None:
    """A page of another origin knows even the address, and still gets and does nothing."""
    asked: list[int] = []
    other = tmp_path / "other.html"
    other.write_text("<!doctype html><title>other</title><p>hello", encoding="utf-8")
    with served(explorer()) as server, pytest.MonkeyPatch.context() as patch:
        real = type(server.explorer).episode
        patch.setattr(
            type(server.explorer), "episode", lambda s, episode: asked.append(episode) or real(s, episode)
        )
        context = browser.new_context()
        context.set_default_timeout(_PATIENCE)
        try:
            page = context.new_page()
            page.goto(other.as_uri())
            for options in (
                "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{\"episode\": 0}'}",
                "{method: 'POST', mode: 'no-cors', body: '{\"episode\": 0}'}",
                "{mode: 'no-cors'}",
            ):
                got = page.evaluate(
                    f"url => fetch(url, {options}).then(r => r.text()).catch(() => 'refused')",
                    server.address + "episode",
                )
                assert got in ("", "refused")
            assert asked == []
            framed = page.evaluate(
                "url => new Promise(done => { const frame = document.createElement('iframe');"
                " frame.src = url; frame.onload = () => done(frame.contentDocument === null);"
                " document.body.append(frame); })",
                server.address,
            )
            assert framed
        finally:
            context.close()
        with Tab(browser, server.address):
            pass
    assert asked == [0]  # its own page asked
