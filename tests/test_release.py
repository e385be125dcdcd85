"""Files that only the forge runs: they fit its schemas, and ask for no more than they need."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
FORGE = ROOT / ".github"
FORMS = sorted(path for path in (FORGE / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))


def fits(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        f"vendor.{schema}",
        *map(str, paths),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_workflows_and_forms_fit_their_schemas(tmp_path: Path) -> None:
    for schema, paths in (("github-workflows", WORKFLOWS), ("github-issue-forms", FORMS)):
        assert len(paths) > 1
        told = fits(schema, *paths)
        assert told.returncode == 0, told.stdout
        wrong = tmp_path / f"{schema}.yml"
        wrong.write_text(paths[0].read_text(encoding="utf-8") + "\nneedless: true\n", encoding="utf-8")
        assert fits(schema, wrong).returncode != 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_few_rights_and_an_end(path: Path) -> None:
    flow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert flow["permissions"] == {"contents": "read"}
    for name, job in flow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert set(job.get("permissions", {})) <= {"id-token"}, name
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@(v\d[\d.]*|release/v1)", step["uses"]), step


def test_the_release_builds_what_every_machine_can_install() -> None:
    flow = yaml.safe_load((FORGE / "workflows" / "release.yml").read_text(encoding="utf-8"))
    jobs = flow["jobs"]
    assert set(jobs["wheels"]["strategy"]["matrix"]["machine"]) == {
        "ubuntu-24.04",
        "ubuntu-24.04-arm",
        "macos-14",
    }
    assert set(jobs["publish"]["needs"]) == {"source", "wheels", "try"}
    assert "github.ref_type == 'tag'" in jobs["publish"]["if"]
    for path in re.findall(
        r"\.github/\w+\.py", (FORGE / "workflows" / "release.yml").read_text(encoding="utf-8")
    ):
        assert (ROOT / path).is_file()


def test_the_suite_of_the_forge_is_ours() -> None:
    flow = yaml.safe_load((FORGE / "workflows" / "test.yml").read_text(encoding="utf-8"))
    (suite,) = flow["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in suite["steps"]]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {line.rsplit(" ", 1)[1] for line in project["classifiers"] if "Python :: 3." in line}
    assert set(suite["strategy"]["matrix"]["python"]) <= known


def test_an_installed_package_is_tried_by_a_program_that_can_fail(tmp_path: Path) -> None:
    program = FORGE / "try_wheel.py"
    good = subprocess.run([sys.executable, program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    (tmp_path / "leworld.py").write_text(
        "def load(name):\n    import socket\n    socket.getaddrinfo(name, 80)\n"
    )
    worse = subprocess.run(
        [sys.executable, program],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert worse.returncode != 0


def test_the_version_stands_in_every_place() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == version
    assert re.search(
        rf"^## \[{re.escape(version)}\] - ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M
    )
