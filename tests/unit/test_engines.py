"""The table of inference engines: every entry is whole, and a pack finds the one that runs it."""

from __future__ import annotations

import hashlib
import re
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import BackendError, ConfigError, PackError
from edge_runtime.infer.base import AcceleratorMissingError, Engine, ModelRefusedError
from edge_runtime.infer.canned import CannedModel, save_runs
from edge_runtime.infer.engines import (
    KINDS,
    engine_for,
    engine_named,
    open_backend,
    preload_modules,
)
from edge_runtime.manifest import Pack
from edge_runtime.model.engine_choice import check_engine, check_forced, engine_of
from edge_runtime.model.fingerprint import fingerprint
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model, ModelRunner
from edge_runtime.model.trial import try_pack
from edge_runtime.options import DelegateOptions
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.records import Detections
from edge_runtime.sources.images import load_picture
from support import third_engine
from support.daemon import command
from support.road import PACK, copy_pack

GOLDEN = PACK / "golden" / "frame.png"
TENSORFLOW_LITE = ("litert", "tflite-runtime")


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put one more engine into the table, by the one line that the product takes for one."""
    monkeypatch.setitem(KINDS, third_engine.NAME, third_engine.ENTRY)
    return engine_named(third_engine.NAME)


def recorded_pack(folder: Path, file: str, engine: str = "auto") -> Pack:
    """Return the bundled pack with what its model gives for the golden picture for weights."""
    runner = ModelRunner(Model(open_pack(PACK), None, None, open_pack_backend("auto")))
    runner.run(load_picture(GOLDEN), 0.4)
    backend, given = runner._backend, runner._buffer
    recording = folder / "recording.npz"
    save_runs(recording, CannedModel(backend.input, backend.outputs), [backend.infer(given)])
    weights = recording.read_bytes()
    pack = copy_pack(folder, weights)
    (pack / "village-road.tflite").rename(pack / file)
    manifest = pack / "pack.toml"
    named = f'file = "{file}"\nengine = "{engine}"'
    manifest.write_text(manifest.read_text().replace('file = "village-road.tflite"', named))
    assert hashlib.sha256(weights).hexdigest() in manifest.read_text()
    return open_pack(pack)


def with_engine(folder: Path, engine: str) -> Pack:
    """Return the bundled pack with an engine named."""
    pack = copy_pack(folder)
    manifest = pack / "pack.toml"
    manifest.write_text(
        manifest.read_text().replace("[model]\n", f'[model]\nengine = "{engine}"\n')
    )
    return open_pack(pack)


# Every entry


@pytest.mark.parametrize("name", KINDS)
class TestEveryEngine:
    def test_its_name_is_that_of_the_table(self, name: str) -> None:
        assert isinstance(engine_named(name), Engine)
        assert engine_named(name).name == name != "auto"

    def test_it_says_which_files_it_takes(self, name: str, tmp_path: Path) -> None:
        engine = engine_named(name)
        assert engine.suffixes
        assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in engine.suffixes)
        assert all(engine.takes(Path("model" + suffix)) for suffix in engine.suffixes)
        assert engine.takes(Path("MODEL" + engine.suffixes[0].upper()))
        assert not engine.takes(tmp_path / "model.jpg")

    def test_it_says_whether_it_is_here_and_how_it_is_installed(self, name: str) -> None:
        engine = engine_named(name)
        assert engine.is_installed() in (True, False)
        assert engine.package in engine.install
        assert engine.install.startswith("pip install ")

    def test_it_says_which_version_is_here(self, name: str) -> None:
        engine = engine_named(name)
        if not engine.is_installed():
            pytest.skip(f"{engine.package} is not installed")
        assert engine.version()[0].isdigit()
        assert engine.title.endswith(engine.version())

    def test_a_trial_is_taken_again_with_another_version(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = engine_named(name)
        monkeypatch.setattr(type(engine), "version", lambda _self: "1.0")
        before = engine.fingerprint(None)
        monkeypatch.setattr(type(engine), "version", lambda _self: "1.1")
        assert engine.fingerprint(None) != before
        assert all(isinstance(text, str) and text for text in before)

    def test_a_file_that_is_none_of_its_own_is_refused_as_the_file_s_fault(
        self, name: str, tmp_path: Path
    ) -> None:
        engine = engine_named(name)
        if not engine.is_installed():
            pytest.skip(f"{engine.package} is not installed")
        file = tmp_path / f"model{engine.suffixes[0]}"
        file.write_bytes(b"no model")
        with pytest.raises(ModelRefusedError, match=rf"{file.name}: "):
            open_backend(file, engine=name)

    def test_an_accelerator_that_is_not_there_is_an_error(self, name: str, tmp_path: Path) -> None:
        engine = engine_named(name)
        if not engine.is_installed():
            pytest.skip(f"{engine.package} is not installed")
        file = tmp_path / f"model{engine.suffixes[0]}"
        file.write_bytes(b"no model")
        delegate = DelegateOptions("libnowhere.so")
        for run in (
            lambda: engine.load(file, delegate=delegate),
            lambda: engine.measure_delegate(file, delegate),
        ):
            with pytest.raises(BackendError, match="accelerator") as error:
                run()
            assert isinstance(error.value, AcceleratorMissingError) == (name in TENSORFLOW_LITE)

    def test_it_says_what_to_do_about_a_model_that_crashes(self, name: str) -> None:
        engine, weights = engine_named(name), PACK / "village-road.tflite"
        assert len(engine.crash_advice(weights, None)) > len("update it")
        assert engine.needs_accelerator(weights) is False
        if name in TENSORFLOW_LITE:
            assert "library" in engine.crash_advice(weights, DelegateOptions("lib.so"))

    def test_what_the_template_process_imports_for_it_is_there(self, name: str) -> None:
        engine = engine_named(name)
        module = KINDS[name].partition(":")[0]
        wanted = (*engine.modules, module) if engine.is_installed() else ()
        assert preload_modules(name) == wanted
        assert all(util.find_spec(one) is not None for one in wanted)


# Which of them


def test_auto_is_the_first_installed_engine_that_takes_the_file(tmp_path: Path) -> None:
    first = next(one for one in TENSORFLOW_LITE if engine_named(one).is_installed())
    renamed = tmp_path / "weights.bin"
    renamed.write_bytes((PACK / "village-road.tflite").read_bytes())
    for file in (PACK / "village-road.tflite", renamed):  # by its name, or by how it begins
        assert engine_for(file).name == first
    assert engine_for(Path("outputs.npz")).name == "canned"


def test_an_engine_that_is_none_is_refused_with_those_that_are(tmp_path: Path) -> None:
    pack = with_engine(tmp_path, "tensorrt")
    known = (
        "'tensorrt' is no inference engine; known are auto, litert, tflite-runtime, canned, of "
        "which are installed here "
    )
    with pytest.raises(PackError) as error:
        try_pack(pack)
    assert str(error.value).startswith(f"{pack.folder}/pack.toml: model.engine: {known}")
    assert str(error.value).endswith("canned")
    with pytest.raises(ConfigError, match=f"inference.engine: {known}"):
        check_forced("tensorrt")


def test_a_configuration_that_forces_no_engine_of_the_table_is_refused(tmp_path: Path) -> None:
    text = (
        '[device]\nsite = "s"\nname = "d"\n[broker]\nurl = "mqtt://localhost"\n'
        '[inference]\nengine = "tensorrt"\n[[streams]]\nname = "road"\n'
        'source = { kind = "synthetic" }\npublish = { mode = "every_inference" }\n'
        f'model = {{ pack = "{PACK}" }}\n'
    )
    config = tmp_path / "edge.toml"
    config.write_text(text)
    said = command("check", "--config", config, "--state-dir", tmp_path / "state")
    assert said.returncode == 2
    assert "inference.engine: 'tensorrt' is no inference engine; known are auto" in said.stderr


def test_a_file_that_the_engine_does_not_take_is_refused(tmp_path: Path) -> None:
    pack = with_engine(tmp_path, "canned")
    with pytest.raises(PackError, match=r"model.engine: the engine canned takes \.npz, not villa"):
        check_engine(pack, "auto")
    other = open_pack(PACK)
    with pytest.raises(ConfigError, match=r"inference.engine: the engine canned takes .*to auto"):
        check_engine(other, "canned")
    for name in ("model.onnx", "model.bin"):
        with pytest.raises(ModelRefusedError, match=name):
            engine_for(tmp_path / name)


def test_a_device_s_engine_overrules_the_pack_s(tmp_path: Path) -> None:
    pack = with_engine(tmp_path, "canned")
    first = engine_of(open_pack(PACK), "auto").name
    assert engine_of(pack, first).name == first
    assert fingerprint(pack, first, None) != fingerprint(open_pack(PACK), first, None)


# From a pack to its result


def test_a_third_engine_runs_a_pack_through_the_runner(tmp_path: Path, third: Engine) -> None:
    pack = recorded_pack(tmp_path, "village-road.third", engine=third_engine.NAME)
    runner = ModelRunner(Model(pack, None, None, open_pack_backend("auto")))
    seen = runner.run(load_picture(GOLDEN), 0.4)
    assert isinstance(seen, Detections)
    assert seen.objects
    assert runner.engine == "recorded outputs"
    assert engine_of(pack, "auto") is third
    assert preload_modules(third_engine.NAME) == (third_engine.__name__,)
    runner.close()
    with pytest.raises(BackendError, match="closed"):
        runner.run(np.zeros((8, 8, 3), np.uint8), 0.5)


def test_recorded_outputs_pass_the_golden_case_of_their_pack_in_a_child(tmp_path: Path) -> None:
    pack = recorded_pack(tmp_path, "village-road.npz")
    assert try_pack(pack).placement is None
    said = command("models", "verify", pack.folder, "--state-dir", tmp_path / "state")
    assert said.returncode == 0, said.stderr
    assert "gives its golden result, on recorded outputs" in said.stdout
