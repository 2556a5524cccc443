"""A command that cannot be done ends with status 2 and a sentence that says what to do."""

from __future__ import annotations

import pytest

from cli_cases import QUICK, refused
from latentknn.cli import main
from new_interpreter import run_python


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "conv"], "unknown model 'conv': choose one of stacked_ae, deep_ae, simple_ae, conv_ae"),
        (["--dataset", "fashion"], "unknown data set 'fashion': choose one of fashion_mnist, mnist, digits"),
        (["--data", "/somewhere"], "digits is embedded in scikit-learn and takes no path"),
        (
            ["--dropout", "0.5", "--model", "simple_ae"],
            "simple_ae has no option 'dropout'; it has latent_dim",
        ),
        (["--option", "seed=3"], "conv_ae has no option 'seed'"),
        (["--option", "num_classes=3", "--model", "metric"], "metric has no option 'num_classes'"),
        (["--option", "filters"], "'filters' is not of the form name=value"),
        (["--option", "dtype=float16"], "conv_ae cannot be made with {'dtype': 'float16'}"),
        (["--dropout", "2"], "conv_ae cannot be made with {'dropout': 2.0}"),
        (["--epochs", "0"], "--epochs: must be at least 1, received 0"),
        (["--epochs", "many"], "--epochs: must be an integer"),
        (["--learning-rate", "-1"], "--learning-rate: must be above 0, received -1"),
        (["--learning-rate", "nan"], "--learning-rate: must be finite, received nan"),
        (["--resume", "--overwrite"], "not allowed with argument"),
    ],
)
def test_a_wrong_run_is_refused_before_anything_is_written(capsys, tmp_path, arguments, message):
    out = tmp_path / "out"
    assert message in refused(capsys, "run", "--dataset", "digits", *arguments, "--out", str(out))
    assert not out.exists()


def test_a_run_without_a_folder_is_refused(capsys):
    assert "--out" in refused(capsys, "run", "--dataset", "digits")


def test_a_folder_that_holds_something_else_is_refused(capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run = ["run", *QUICK, "--out", str(tmp_path)]
    assert "is not empty: give another folder, --resume" in refused(capsys, *run)
    for option in ("--resume", "--overwrite"):
        assert "holds no run" in refused(capsys, *run, option)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "file").write_text("")
    assert "is a file; give a folder" in refused(capsys, "run", *QUICK, "--out", str(tmp_path / "file"))


def test_a_training_that_diverges_says_so(capsys, tmp_path):
    arguments = ["run", *QUICK, "--learning-rate", "1e30", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "diverged: its codes are not finite; train with a lower learning rate" in capsys.readouterr().err


def test_missing_dataset_lists_every_way_to_get_it(tmp_path):
    unreachable = "http://127.0.0.1:1"
    status, _, errors = run_python(
        "-m",
        "latentknn",
        "run",
        "--dataset=mnist",
        f"--out={tmp_path / 'out'}",
        XDG_CACHE_HOME=str(tmp_path),
        KERAS_HOME=str(tmp_path),
        http_proxy=unreachable,
        https_proxy=unreachable,
    )
    assert status == 2
    assert "Traceback" not in errors
    assert "The data set mnist was not found" in errors
    assert str(tmp_path / "latentknn") in errors
    assert "--data PATH" in errors
    assert "latentknn run --dataset digits works without any download" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("library", "extra"), [("tensorflow", "tensorflow"), ("matplotlib", "report")])
def test_missing_library_names_the_extra(tmp_path, library, extra):
    script = (
        f"import sys; sys.modules[{library!r}] = None; from latentknn.cli import main; "
        f"sys.exit(main(['run', '--dataset', 'digits', '--out', {str(tmp_path / 'out')!r}]))"
    )
    status, _, errors = run_python("-c", script)
    assert status == 2
    assert f'pip install "latentknn[{extra}]"' in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def test_an_unknown_command_is_refused(capsys):
    assert "No such command 'bench'" in refused(capsys, "bench")


@pytest.mark.parametrize("group", [[], ["shards"], ["cluster"]])
def test_no_command_is_refused_in_a_sentence(capsys, group):
    path = " ".join(["latentknn", *group])
    usage, said = refused(capsys, *group).splitlines()
    assert usage == f"Usage: {path} [OPTIONS] COMMAND [ARGS]..."
    assert said == f"{path}: error: Missing command."


def test_a_missing_argument_is_named(capsys):
    assert "error: Missing argument" in refused(capsys, "shards", "info")
    assert "error: Missing argument" in refused(capsys, "datasets", "fetch")


@pytest.mark.parametrize(
    ("command", "option", "value", "said"),
    [
        ("shards write a.npy db", "--rows-per-shard", "0", "must be at least 1, received 0"),
        ("cluster start db", "--replicas", "0", "must be at least 1, received 0"),
        ("cluster start db", "--timeout", "nan", "must be finite, received nan"),
        ("cluster search q.npy out.npz", "-k", "ten", "must be an integer, received 'ten'"),
        ("cluster search q.npy out.npz", "--timeout", "0", "must be above 0, received 0"),
        ("cluster classify q.parquet out", "-k", "-1", "must be at least 1, received -1"),
    ],
)
def test_numbers_of_shards_and_clusters_are_refused_in_a_sentence(capsys, command, option, value, said):
    errors = refused(capsys, *command.split(), option, value).splitlines()
    assert errors[-1].endswith(f"error: argument {option}: {said}")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--learning-rate", "abc", "argument --learning-rate: must be a number, received 'abc'"),
        ("--learning-rate", "0", "argument --learning-rate: must be above 0, received 0"),
        ("--learning-rate", "nan", "argument --learning-rate: must be finite, received nan"),
        ("--dropout", "half", "argument --dropout: must be a number, received 'half'"),
        ("--epochs", "1.5", "argument --epochs: must be an integer, received '1.5'"),
        ("--epochs", "0", "argument --epochs: must be at least 1, received 0"),
        ("--latent-dim", "many", "argument --latent-dim: must be an integer, received 'many'"),
        ("--batch-size", "-3", "argument --batch-size: must be at least 1, received -3"),
        ("--threads", "", "argument --threads: must be an integer, received ''"),
        ("--seed", "x", "argument --seed: must be an integer, received 'x'"),
    ],
)
def test_numbers_that_are_none_are_refused_in_a_sentence(option, value, said, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["run", "--out", str(tmp_path / "out"), option, value])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"latentknn run: error: {said}"
    assert not (tmp_path / "out").exists()
