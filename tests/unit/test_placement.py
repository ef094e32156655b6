"""What a delegate takes of a model: operators and multiply-adds, counted, held against a share."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.errors import BackendError
from edge_runtime.infer.base import Backend
from edge_runtime.infer.engines import engine_for, open_backend
from edge_runtime.infer.placement import (
    DelegatePlacement,
    Operator,
    check_share,
    is_compiled,
    macs_of,
    percent,
    placement_of,
)
from edge_runtime.options import DelegateOptions
from support.delegates import build_library
from support.road import PACK

WEIGHTS = PACK / "village-road.tflite"
POST_PROCESSING = b"TFLite_Detection_PostProcess"  # SSD's custom operator, the last of 64


def opened(library: Path, weights: Path = WEIGHTS, *, min_share: float = 0.95) -> Backend:
    delegate = DelegateOptions(str(library), min_share=min_share)
    return open_backend(weights, engine="auto", delegate=delegate)


def refusal(library: Path, weights: Path = WEIGHTS, *, min_share: float = 0.95) -> str:
    with pytest.raises(BackendError) as error:
        opened(library, weights, min_share=min_share)
    return str(error.value)


# On a real interpreter


def test_a_delegate_that_takes_nothing_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    library = build_library(tmp_path / "libnone.so", takes=0)
    for min_share, least in ((0.95, "95"), (0.0, "0")):
        why = refusal(library, min_share=min_share)
        assert why.startswith(
            "libnone.so took 0 of 46 operators, 0 % of the multiply-adds; "
            f"min_share is {least} %: is the library the one of this accelerator"
        )


def test_a_delegate_that_takes_half_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    library = build_library(tmp_path / "libhalf.so", takes=50)
    assert "took 23 of 46 operators, 54.7 % of the multiply-adds" in refusal(library)
    placement = opened(library, min_share=0.5).placement
    assert placement is not None
    assert (placement.nodes, placement.nodes_taken, placement.partitions) == (46, 23, 1)
    assert placement.macs_share == pytest.approx(0.547, abs=0.001)
    assert placement.cpu_macs > 1_000_000


def test_what_xnnpack_takes_is_never_taken_for_the_accelerator_s(tmp_path: Path) -> None:
    library = build_library(tmp_path / "libhalf.so", takes=50)
    delegate = DelegateOptions(str(library), min_share=0.0)
    alone = engine_for(WEIGHTS).measure_delegate(WEIGHTS, delegate)
    assert alone == opened(library, min_share=0.0).placement


def test_a_delegate_that_takes_all(tmp_path: Path) -> None:
    placement = opened(build_library(tmp_path / "liball.so")).placement
    assert placement == DelegatePlacement("liball.so", 46, 46, 1, macs_share=1.0)
    assert open_backend(WEIGHTS, engine="auto", delegate=None).placement is None


def test_multiply_adds_are_those_of_the_paper(data: Path, tmp_path: Path) -> None:
    weights = data / "models" / "mobilenet_v2_1.0_224_quant.tflite"
    placement = opened(
        build_library(tmp_path / "lib.so", takes=3), weights, min_share=0.0
    ).placement
    assert placement is not None
    assert placement.macs_share is not None
    total = placement.cpu_macs / (1.0 - placement.macs_share)
    assert total == pytest.approx(300e6, rel=0.01)  # arXiv:1801.04381, table 4


def test_an_operator_that_was_compiled_must_be_taken(data: Path, tmp_path: Path) -> None:
    # A file that no CPU can run is what edgetpu_compiler makes: an operator of this name.
    ssd = (data / "models" / "coco_ssd_mobilenet_v1_1.0_quant.tflite").read_bytes()
    name = b"edgetpu-custom-op"
    at = ssd.rindex(POST_PROCESSING)
    length = len(name).to_bytes(4, "little")
    filled = name.ljust(len(POST_PROCESSING), b"\0")
    weights = tmp_path / "ssd_edgetpu.tflite"
    weights.write_bytes(ssd[: at - 4] + length + filled + ssd[at + len(POST_PROCESSING) :])
    assert (is_compiled(weights), is_compiled(WEIGHTS)) == (True, False)

    none = build_library(tmp_path / "libnone.so", takes=0)
    assert "took 0 of 64 operators, 0 of the 1 compiled for an" in refusal(none, weights)
    but_one = build_library(tmp_path / "libbut-one.so", takes=99)
    assert "took 63 of 64 operators, 0 of the 1 compiled for an" in refusal(but_one, weights)
    assert "take `delegate` out" not in refusal(Path("libnowhere.so"), weights)
    assert "take `delegate` out" in refusal(Path("libnowhere.so"))
    placement = opened(build_library(tmp_path / "liball.so"), weights).placement
    assert placement is not None
    assert (placement.compiled, placement.compiled_taken, placement.macs_share) == (1, 1, None)


# Counting


@pytest.mark.parametrize(
    ("name", "inputs", "output", "macs"),
    [
        ("CONV_2D", [(1, 8, 8, 3), (16, 3, 3, 3), (16,)], (1, 4, 4, 16), 16 * 16 * 27),
        ("CONV_2D", [(1, 8, 8, 4), (6, 3, 3, 2)], (1, 8, 8, 6), 64 * 6 * 18),  # two groups
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 3), (1, 3, 3, 6)], (1, 8, 8, 6), 64 * 6 * 9),
        ("FULLY_CONNECTED", [(2, 10), (5, 10)], (2, 5), 100),
        ("TRANSPOSE_CONV", [(4,), (7, 3, 3, 2), (1, 4, 4, 2)], (1, 8, 8, 7), 16 * 2 * 63),
        ("CONV_3D", [(1, 4, 4, 4, 2), (3, 3, 3, 2, 5)], (1, 4, 4, 4, 5), 64 * 5 * 54),
        ("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), 2 * 3 * 4 * 5),
        ("BATCH_MATMUL", [(2, 4, 3), (2, 4, 5)], (2, 3, 5), 2 * 3 * 4 * 5),  # first transposed
        ("ADD", [(1, 8), (1, 8)], (1, 8), 0),
        ("CONV_2D", [(), (16, 3, 3, 3)], (), 0),  # shapes that are known only as it runs
        ("FULLY_CONNECTED", [(0, 10), (0, 10)], (0, 0), 0),
        ("CONV_2D", [], (1,), 0),
    ],
)
def test_multiply_adds_of_an_operator(
    name: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], macs: int
) -> None:
    shapes = dict(enumerate([*inputs, output]))
    operator = Operator(name, list(range(len(inputs))), [len(inputs)])
    assert macs_of(operator, shapes) == macs


def test_two_partitions_and_a_model_without_multiply_adds() -> None:
    graph = [
        Operator("ADD", [0, 10], [1]),
        Operator("RELU", [1], [2]),
        Operator("TANH", [2], [3]),  # stays on the CPU, and parts the others
        Operator("MUL", [3, 11, -1], [4]),
        Operator("DELEGATE", [0, 10], [2]),
        Operator("DELEGATE", [3, 11], [4]),
    ]
    placement = placement_of("lib.so", graph, {})
    assert placement == DelegatePlacement("lib.so", 4, 3, 2)
    assert placement.share == 0.75
    check_share(placement, DelegateOptions("lib.so", min_share=0.75))
    with pytest.raises(BackendError, match="3 of 4 operators; the model has no multiply-adds"):
        check_share(placement, DelegateOptions("lib.so", min_share=0.76))


def test_a_share_is_never_rounded_up_to_what_is_asked_for() -> None:
    shares = (1.0, 0.95, 0.9499, 0.547, 0.0001, 0.0)
    assert [percent(share) for share in shares] == ["100", "95", "94.9", "54.7", "0", "0"]
