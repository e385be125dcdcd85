"""The report in a real headless Chromium: no error, no request, everything visible, light and dark.

Screenshots of every run lie in `runs/report-screenshots`.
"""

import dataclasses
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import leworld
from leworld.cli._main import top
from leworld.data import write_hdf5
from leworld.decoders import CrossAttentionDecoder, save_decoder
from leworld.report import Section, _parts, render_page
from leworld.report._html import figure, grid
from leworld.report._plot import Plot
from leworld.tasks import two_room_held_out
from tests.hub.examples import tiny_lewm
from tests.report.browser import ADVICE, check_visit, chromium, find, print_out, visit
from tests.report.examples import sections
from tests.report.test_sections import check_page

SHOTS = Path(__file__).resolve().parents[2] / "runs" / "report-screenshots"
VIEWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a model with random weights, made on the command line as a user would."""
    folder = tmp_path_factory.mktemp("report")
    leworld.save(tiny_lewm(), folder / "run" / "model")
    log = "step,loss,prediction_error,prediction_over_copy,regularizer,embedding_std,effective_rank\n"
    log += "".join(f"{10 * i},{3 / i},{2 / i},{1 / i},{0.5 / i},{1 - 1 / i},{i}\n" for i in range(1, 9))
    (folder / "run" / "metrics.csv").write_text(log)
    out = folder / "report.html"
    arguments = [
        "report",
        str(folder / "run" / "model"),
        "--episodes",
        "16",
        "--pairs",
        "2",
        "--out",
        str(out),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parts, "_DECODER_STEPS", 60)  # faint pictures will do here
        result = CliRunner().invoke(top, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert f"report   {out}" in result.stdout
    return out


def test_the_command_writes_every_part(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    check_page(page)
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Verdict",
        "Model",
        "Episodes",
        "Training",
        "Gaussianity",
        "Probes",
        "What the losses do not show",
        "Surprise",
        "Planning",
        "Imagination",
        "Error by horizon",
        "Latent map",
        "Metric monotonicity",
    ]
    assert "Not in this report" not in page
    assert page.count("<svg") >= 15
    assert "<h1>Report: run</h1>" in page
    assert "Loss of run, by step" in page
    assert "run: reached" in page or "run: missed" in page
    assert "oracle" in page
    assert page.count("<img") >= 10


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_reads_well(browser, report: Path, width: int, scheme: str) -> None:
    shot = SHOTS / f"report-{width}-{scheme}.png"
    seen = visit(browser, report, width=width, scheme=scheme, screenshot=shot)
    check_visit(seen, width=width, scheme=scheme)
    assert shot.stat().st_size > 20_000


@pytest.mark.parametrize("width", [1280, 390])
def test_no_label_lies_on_another(browser, tmp_path: Path, width: int) -> None:
    """Every kind of chart, and axes whose numbers are long, small, large or below zero."""
    charts = []
    for low, high in ((-3e-4, 2e-4), (-512.0, 512.0), (1e5, 1.3e5), (-2.4e6, 1e6), (1000.1, 1001.2)):
        chart = Plot((low, high), (low, high), x_label="an axis across", y_label="an axis upward")
        chart.horizontal(high, "at the top")
        chart.vertical(high, "at the right")
        charts.append(figure(chart.svg("a chart of long numbers"), "Long numbers."))
    for low, high in ((1e-7, 1e6), (2e-4, 5e-4), (1e5, 4e5)):
        chart = Plot((1, 9), (low, high), x_label="step", y_label="on a logarithmic axis", y_log=True)
        charts.append(figure(chart.svg("a chart of powers"), "Powers."))
    page = render_page([*sections(), Section("Long numbers", grid(*charts))], title="All")
    (tmp_path / "all.html").write_text(page, encoding="utf-8")
    shot = SHOTS / f"charts-{width}.png"
    check_visit(
        visit(browser, tmp_path / "all.html", width=width, scheme="light", screenshot=shot),
        width=width,
        scheme="light",
    )


def test_it_is_legible_on_paper(browser, report: Path) -> None:
    """Light whatever the screen, nothing that sticks or scrolls, no figure cut in two, not too wide."""
    paper = print_out(browser, report, to=SHOTS / "report.pdf")
    assert paper.pop("ground") == "rgb(255, 255, 255)"
    assert paper.pop("ink") == "rgb(17, 17, 17)"
    assert paper.pop("wide") <= 703
    assert paper == {"placed": [], "cut": [], "scrolling": 0, "navigation": 0}


FAULTS = {
    "labels that overlap": '<svg class="plot" viewBox="0 0 360 240" role="img" aria-label="a chart">'
    '<text x="9" y="20">one</text><text x="12" y="23">two</text></svg>',
    "a request that leaves": '<link rel="stylesheet" href="https://example.org/a.css">',
    "a script that fails": "<script>throw new Error('no')</script>",
    "a picture that is broken": '<img src="data:image/png;base64,AAAA" alt="nothing" width="99" height="99">',
    "a page too wide": '<div style="width:3000px">wide</div>',
    "a picture of no size": '<img alt="none" style="width:0;height:0" src="data:image/gif;base64,'
    'R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">',
    "text that cannot be read": '<p style="color:#bbb;background:#ccc">faint</p>',
    "text too small": '<p style="font-size:6px">tiny</p>',
    "a light page in the dark": "<style>body{background:#fff!important;color:#000!important}</style>",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_page_is_rejected(browser, tmp_path: Path, fault: str) -> None:
    good = (
        '<svg class="plot" viewBox="0 0 360 240" role="img" aria-label="a chart">'
        '<text x="9" y="20">1</text></svg>'
    )
    picture = (
        '<img alt="a dot" width="80" height="80" src="data:image/gif;base64,'
        'R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">'
    )
    for name, extra in (("good", ""), ("bad", FAULTS[fault])):
        page = render_page([Section("A", good + picture + extra)], title="t")
        if "request" in fault:
            page = page.replace("default-src 'none'", "default-src *")
        if "script" in fault:
            page = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
        seen = visit(
            browser, tmp_path / f"{name}.html", width=390, scheme="dark", screenshot=tmp_path / "shot.png"
        )
        if name == "good":
            check_visit(seen, width=390, scheme="dark")
        else:
            with pytest.raises(AssertionError):
                check_visit(seen, width=390, scheme="dark")


def test_without_a_browser_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("LEWORLD_CHROMIUM", raising=False)
    with pytest.raises(AssertionError, match="apt-get install chromium"):
        find()
    assert "LEWORLD_CHROMIUM" in ADVICE
    monkeypatch.setenv("LEWORLD_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(AssertionError, match="no program"):
        find()


def test_a_recorded_file_of_another_world(tmp_path: Path) -> None:
    """Without an environment, planning and monotonicity say so; a named decoder is used."""
    model = tiny_lewm()
    model.processor = dataclasses.replace(model.processor, environment_id="elsewhere/World-v0")
    leworld.save(model, tmp_path / "m")
    write_hdf5(tmp_path / "held.h5", two_room_held_out(14, image_size=16))
    painter = CrossAttentionDecoder(8, 16, patch_size=4, hidden_dim=8, depth=1, num_heads=1)
    save_decoder(painter, tmp_path / "decoder.safetensors")
    arguments = ["report", str(tmp_path / "m"), "--data", str(tmp_path / "held.h5")]
    arguments += ["--quantity", "x=state:0", "--decoder", str(tmp_path / "decoder.safetensors")]
    arguments += ["--out", str(tmp_path / "r.html")]
    result = CliRunner().invoke(top, arguments)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert CliRunner().invoke(top, [*arguments, "--overwrite"]).exit_code == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == page  # byte for byte
    check_page(page)
    assert "no environment to plan in" in page
    assert "no world to step in" in page
    assert "true x" in page
    assert "Rollout 4" in page
