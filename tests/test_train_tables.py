"""Tables as people have them, through `fastnn train`, `evaluate` and `predict-on`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fastnn.cli import main
from fastnn.tables import Format
from fastnn.train.model import Model


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


GAPS = "size,town,kind\n" + "".join(
    f"{'' if i % 7 == 3 else 50 + i},{['Bern', 'Oslo', ''][i % 3]},{'ab'[i % 2]}\n" for i in range(90)
)


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_a_model_keeps_what_stands_for_missing_values(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gaps.csv").write_text(GAPS)
    found = invoke("train", "gaps.csv", "--missing", rule, "--epochs", "2")
    assert found.exit_code == 0, found.output
    assert f"missing: 13 of size, 30 of town, numbers filled by the {rule}" in found.stderr
    model = Model.load("gaps.safetensors")
    assert model.filling is not None
    Path("new.csv").write_text("kind,town,size\na,Bern,NA\nb,Rome,70\na,,71\n")
    predicted = invoke("predict-on", "gaps.safetensors", "new.csv", "--probabilities")
    assert predicted.exit_code == 0, predicted.output
    # A number that is missing is the kept one, and a town that nobody knew is none.
    filled = float(model.filling.values[0])
    x = np.array([[filled, 1, 0], [70, 0, 0], [71, 0, 0]], np.float32)
    expected = model.predict_proba(x)[:, 0]
    ours = [float(line.split(",")[1]) for line in predicted.stdout.splitlines()[1:]]
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    scored = invoke("evaluate", "gaps.safetensors", "new.csv")
    assert scored.exit_code == 0, scored.output


def test_rows_that_training_left_out_are_not_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gaps.csv").write_text(GAPS)
    assert invoke("train", "gaps.csv", "--missing", "drop", "--epochs", "1").exit_code == 0
    found = invoke("predict-on", "gaps.safetensors", "gaps.csv")
    assert found.exit_code == 2
    assert "line 4, column 'town': ''" in found.stderr
    assert "(--missing drop)" in found.stderr
    assert invoke("evaluate", "gaps.safetensors", "gaps.csv").exit_code == 0


def test_how_a_table_is_written_can_be_told_by_options_and_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(
        f'"1,{i:03}";{i} kg;{"?" if i % 5 == 4 else i % 3};{"Köln" if i % 2 else "Bonn"}\n' for i in range(60)
    )
    Path("t.csv").write_bytes(("a;b;c;y\n" + rows).encode("cp1252"))
    options = ["--decimal", ",", "--unit", "kg", "--null", "?", "--missing", "median", "--encoding", "cp1252"]
    found = invoke("train", "t.csv", *options, "--epochs", "1", "-o", "one.safetensors")
    assert found.exit_code == 0, found.output
    Path("t.toml").write_text(
        'decimal = ","\nunits = ["kg"]\nnull = ["?"]\nmissing = "median"\nencoding = "cp1252"\nepochs = 1\n'
    )
    again = invoke("train", "t.csv", "--config", "t.toml", "-o", "two.safetensors")
    assert again.exit_code == 0, again.output
    assert Path("one.safetensors").read_bytes() == Path("two.safetensors").read_bytes()
    model = Model.load("one.safetensors")
    assert model.form == Format(decimal=",", units=("kg",), null=("?",))
    assert (model.rule, model.target.classes) == ("median", ("Bonn", "Köln"))
    told = ["--encoding", "cp1252"]  # the rest is kept with the model
    assert invoke("evaluate", "one.safetensors", "t.csv", *told).exit_code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,y\n1,0\n,1\n", "(--missing)"),
        ("a;y\n1,234;0\n2,345;1\n", "(--decimal, --thousands)"),
        ("a,y\n1 kg,0\n2 kg,1\n", "(--unit 'kg')"),
        ("a,y\n1,0\nC85,1\n", "(--categorical)"),
        ("a,y\n" + "".join(f"k{i},{i % 2}\n" for i in range(120)), "Leave out (--drop) a"),
    ],
)
def test_refusals_name_options_as_the_command_line_has_them(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    found = invoke("train", tmp_path / "t.csv", "-o", tmp_path / "m")
    assert found.exit_code == 2
    assert told in " ".join(found.stderr.split())
