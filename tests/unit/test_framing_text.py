"""Text framings: CSV, JSON and NMEA lines, by hand-made bytes."""

from __future__ import annotations

import math

import pytest

from edge_runtime.framing import framing_of
from edge_runtime.framing.rows import Framing
from edge_runtime.options import ColumnOptions, LinesOptions, NmeaOptions
from support.serial_device import sentence


def lines_of(*columns: ColumnOptions, **options: object) -> Framing:
    """Return a framing that is past its first delimiter."""
    framing = framing_of(LinesOptions(columns=columns, **options))  # type: ignore[arg-type]
    assert framing.feed(b"\n") == []
    return framing


def rows(framing: Framing, data: bytes) -> list[list[float]]:
    return [row for run in framing.feed(data) for row in run.values.tolist()]


T = ColumnOptions("temperature", unit="Cel", scale=0.1, offset=-40.0)
H = ColumnOptions("humidity", unit="%RH", min=0.0, max=100.0)


def test_columns_are_named_scaled_and_bear_units() -> None:
    framing = lines_of(T, H)
    assert framing.rows.names == ("temperature", "humidity")
    assert framing.rows.units == ("Cel", "%RH")
    assert rows(framing, b"650,41.5\r\n") == [[25.0, 41.5]]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_each_end_of_line_will_do(ending: bytes) -> None:
    assert rows(lines_of(ColumnOptions("a")), b"1" + ending + b"2" + ending) == [[1.0], [2.0]]


def test_a_line_may_come_in_pieces() -> None:
    framing = lines_of(ColumnOptions("a"), ColumnOptions("b"))
    assert [rows(framing, piece) for piece in (b"1", b".5,", b"2\n3,", b"4", b"\n")] == [
        [], [], [[1.5, 2.0]], [], [[3.0, 4.0]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2,3", "parse"), (b"1", "parse"), (b"1,2x", "parse"), (b"nan,", "parse"),
        (b"1_0,2", "parse"), (b"0x10,2", "parse"), (b"\xff\xfe,2", "parse"), (b"boot 1.2", "parse"),
        (b"inf,101", "range"), (b"1e300,-0.5", "range"), (b"1" * 65, "length"),
    ],
)  # fmt: skip
def test_a_bad_line_is_counted_by_reason_and_the_next_one_taken(line: bytes, reason: str) -> None:
    framing = lines_of(ColumnOptions("a"), H, max_line_bytes=64)
    runs = framing.feed(b"7,8\n" + line + b"\n9,10\n")
    assert [run.values.tolist() for run in runs] == [[[7.0, 8.0]], [[9.0, 10.0]]]
    assert [run.gap for run in runs] == [False, True]
    assert framing.rows.tally.bad == {reason: 1}
    assert framing.rows.tally.good == 2
    assert framing.rows.tally.skipped == (0 if reason == "range" else len(line))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"nan,2", "not a number (nan)"), (b",2", "empty"), (b"ERR,2", "not a number (ERR)"),
        (b'"",2', "empty"), (b"-127.00,2", "-127 is less than min (-40)"),
        (b"inf,2", "inf is more than max (85)"), (b"1e300,2", "1e+300 is more than max (85)"),
    ],
)  # fmt: skip
def test_a_broken_probe_costs_its_own_value_alone(line: bytes, why: str) -> None:
    framing = lines_of(ColumnOptions("a", min=-40.0, max=85.0), H)
    (run,) = framing.feed(b"7,8\n" + line + b"\n")
    assert run.values.tolist() == [[7.0, 8.0], [pytest.approx(math.nan, nan_ok=True), 2.0]]
    assert run.missing == {"a": why}
    assert framing.rows.tally.bad == {}
    (after,) = framing.feed(b"9,10\n")
    assert (after.gap, after.missing) == (False, {})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a": null, "humidity": 2}', "null"), (b'{"humidity": 2}', "not in the line"),
        (b'{"a": NaN, "humidity": 2}', "null"), (b'{"humidity":2,"a":nan}', "null"),
        (b'{"a": true, "humidity": "2"}', "not a number"), (b'{"a":"", "humidity":2}', "empty"),
        (b'{"a": 1' + b"0" * 400 + b', "humidity": 2}', "inf is more than max (85)"),
    ],
)  # fmt: skip
def test_a_key_without_a_number_costs_its_own_value_alone(line: bytes, why: str) -> None:
    framing = framing_of(LinesOptions(columns=(ColumnOptions("a", max=85.0), H), format="json"))
    (run,) = framing.feed(line + b"\n")
    assert run.values.tolist() == [[pytest.approx(math.nan, nan_ok=True), 2.0]]
    assert run.missing == {"a": why}


def test_numbers_in_quotes_are_numbers() -> None:
    assert rows(lines_of(ColumnOptions("a"), ColumnOptions("b", at=2)), b'"1.5","a, b", "2"\n') == [
        [1.5, 2.0]
    ]
    framing = framing_of(
        LinesOptions(columns=(ColumnOptions("a"), ColumnOptions("b")), format="json")
    )
    assert rows(framing, b'{"a": "1.5", "b": " -2e1 "}\n') == [[1.5, -20.0]]


def test_why_a_row_had_no_value_at_all_is_kept_until_one_has() -> None:
    framing = lines_of(ColumnOptions("a", max=85.0))
    assert rows(framing, b"120\n") == []
    assert framing.rows.reason == "a: 120 is more than max (85)"
    assert rows(framing, b"none\n") == []
    assert framing.rows.reason == "a: not a number (none)"
    assert rows(framing, b"20\n") == [[20.0]]
    assert framing.rows.reason == ""


def test_empty_lines_are_nothing() -> None:
    framing = lines_of(ColumnOptions("a"))
    (run,) = framing.feed(b"\n\n1\n\r\n2\n")
    assert run.values.tolist() == [[1.0], [2.0]]
    assert framing.rows.tally.bad == {}


W = ColumnOptions("weight", unit="kg")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"12.5 kg", 12.5), (b"12.5kg", 12.5), (b'"12.5"', 12.5), (b'" 12.5 kg "', 12.5),
        (b"t=12.5", 12.5), (b"W:+  12.345kg", 12.345), (b"- 5 kg", -5.0), (b"Net wt: .5e1kg", 5.0),
        (b"T:+012.5C", 12.5), (b"12.5 \xc2\xb0C", 12.5), (b"12.5\xb0C", 12.5), (b"w = 7 %", 7.0),
    ],
)  # fmt: skip
def test_a_value_may_bear_a_name_quotes_and_a_unit(line: bytes, value: float) -> None:
    assert rows(lines_of(W), line + b"\n") == [[value]]
    json = framing_of(LinesOptions(columns=(W,), format="json"))
    if b'"' not in line and line.isascii():
        assert rows(json, b'{"weight": "' + line + b'"}\n') == [[value]]


@pytest.mark.parametrize(
    "line", [b"12.5 zz", b"1k2", b"12.5.1 kg", b"kg 12.5", b"5 kg kg", b"1=2=3"]
)
def test_what_is_no_number_with_a_known_unit_is_damaged(line: bytes) -> None:
    framing = lines_of(W)
    assert rows(framing, line + b"\n") == []
    cause = framing.cause()
    assert cause is not None
    assert "is neither a number nor one with a unit" in cause.what


def test_a_unit_of_ones_own_is_known_where_it_is_configured() -> None:
    assert rows(lines_of(ColumnOptions("a", unit="sacks")), b"3 sacks\n") == [[3.0]]


@pytest.mark.parametrize(
    ("column", "sent", "said"),
    [
        (W, b"kg", ""), (W, b"", ""), (ColumnOptions("weight"), b"lb", ""),
        (W, b"lb", "weight: sent in lb, told as kg with scale 1; correct unit, or set scale to"),
        (ColumnOptions("level", unit="m", scale=0.01), b"cm", ""),
        (ColumnOptions("level", unit="m", scale=0.1), b"cm", "set scale to 0.01"),
        (ColumnOptions("t", unit="Cel"), b"C", ""),
        (ColumnOptions("t", unit="Cel"), b"F", "t: sent in F, told as Cel; correct unit, or set "),
        (ColumnOptions("t", unit="Cel", scale=0.5556, offset=-17.78), b"F", ""),
    ],
)  # fmt: skip
def test_a_unit_that_is_not_the_configured_one_is_told(
    column: ColumnOptions, sent: bytes, said: str
) -> None:
    framing = lines_of(column)
    assert len(rows(framing, b"12 " + sent + b"\n")) == 1
    assert bool(framing.notice) == bool(said)
    assert said in framing.notice
    rows(framing, b"12\n")
    assert framing.notice == "", "told no longer than it is so"


@pytest.mark.parametrize(
    ("options", "line", "what", "advice"),
    [
        ({}, b"ST,GS,+  12.345kg", "a line has 3 fields, not 1 ('ST,GS,+  12.345kg')", "(at)"),
        ({}, b'{"weight": 12}', "lines of JSON come", 'set format = "json"'),
        ({"format": "json"}, b"12.5,3", "lines come that are no JSON object", 'set format = "csv"'),
        ({"format": "json"}, b'{"weight": 12', "a line cannot be read", "columns and format"),
    ],
)  # fmt: skip
def test_why_lines_are_refused_is_told_by_the_line(
    options: dict[str, str], line: bytes, what: str, advice: str
) -> None:
    framing = lines_of(W, **options)
    assert rows(framing, line + b"\n") == []
    cause = framing.cause()
    assert cause is not None
    assert what in cause.what
    assert advice in cause.advice
    good = b'{"weight": 1}\n' if options else b"1 kg\n"
    assert rows(framing, good) == [[1.0]]
    assert framing.cause() is None


def test_columns_are_picked_by_place() -> None:
    framing = lines_of(ColumnOptions("b", at=3), ColumnOptions("a", at=1))
    assert rows(framing, b"id7,1.5,ok,2.5,more\n") == [[2.5, 1.5]]
    assert rows(framing, b"id7,1.5,ok\n") == []
    assert framing.rows.tally.bad == {"parse": 1}


def test_decimal_commas_and_other_separators() -> None:
    assert rows(
        lines_of(ColumnOptions("a"), ColumnOptions("b"), separator=";", decimal=","), b"1,5; 2\n"
    ) == [[1.5, 2.0]]
    assert rows(lines_of(ColumnOptions("a"), ColumnOptions("b"), separator="\t"), b"1\t2\n") == [
        [1.0, 2.0]
    ]
    assert rows(
        lines_of(ColumnOptions("a"), ColumnOptions("b"), separator=" "), b"  1    2 \n"
    ) == [[1.0, 2.0]]


def test_json_lines_by_key_and_by_inner_key() -> None:
    framing = framing_of(
        LinesOptions(columns=(ColumnOptions("t", at="air.temp"), ColumnOptions("h")), format="json")
    )
    assert rows(framing, b'{"h": 40, "air": {"temp": 21.5}, "id": "x"}\n') == [[21.5, 40.0]]


@pytest.mark.parametrize(
    "line",
    [
        b'{"b": 1}', b"3.5", b"[1]", b'{"a": "x"}', b'{"a": true}', b'{"a": null}', b'{"a": NaN}',
        b'{"a": 1', b"[" * 1000, b'{"a": {"b": 1}}', b"\xff",
    ],
)  # fmt: skip
def test_json_that_holds_no_reading_is_refused(line: bytes) -> None:
    framing = framing_of(LinesOptions(columns=(ColumnOptions("a"),), format="json"))
    assert rows(framing, line + b'\n{"a": 2}\n') == [[2.0]]
    assert framing.rows.tally.bad == {"parse": 1}


def test_a_number_that_no_float_can_hold_is_refused() -> None:
    framing = framing_of(LinesOptions(columns=(ColumnOptions("a"),), format="json"))
    assert rows(framing, b'{"a": 1' + b"0" * 400 + b'}\n{"a": 2}\n') == [[2.0]]
    assert framing.rows.tally.bad.total() == 1


RMC = "GPRMC,123519,A,4807.038,N,01131.000,W,022.4,084.4,230394,003.1,W"
GGA = "GNGGA,123519,4807.038,N,01131.000,W,1,08,0.9,545.4,M,46.9,M,,"


def test_rmc_and_gga_of_one_moment_become_one_row() -> None:
    framing = framing_of(NmeaOptions())
    assert framing.rows.names == ("latitude", "longitude", "speed", "satellites")
    assert framing.rows.units == ("lat", "lon", "m/s", "count")
    assert sentence(RMC).endswith(b"*78\r\n")  # by hand: W (0x57) for E (0x45) in the known *6A
    (row,) = rows(framing, sentence(RMC) + sentence(GGA))
    assert row == pytest.approx([48.1173, -11.516667, 11.523556, 8.0], abs=1e-5)


def test_the_southern_hemisphere_and_other_values() -> None:
    framing = framing_of(NmeaOptions(values=("latitude", "altitude", "hdop")))
    assert rows(framing, sentence(GGA.replace(",N,", ",S,"))) == [
        pytest.approx([-48.1173, 545.4, 0.9], abs=1e-4)
    ]


def test_sentences_of_different_moments_are_not_joined() -> None:
    framing = framing_of(NmeaOptions())
    later = GGA.replace("123519", "123520")
    assert rows(framing, sentence(RMC) + sentence(later)) == []
    assert len(rows(framing, sentence(RMC.replace("123519", "123520")))) == 1


@pytest.mark.parametrize(
    "body", ["GPRMC,123519,V,,,,,,,230394,,", "GPGGA,123519,,,,,0,00,99.9,,M,,M,,"]
)
def test_a_receiver_without_a_fix_gives_no_row_and_is_not_bad(body: str) -> None:
    framing = framing_of(NmeaOptions())
    assert rows(framing, sentence(body)) == []
    assert framing.rows.tally.empty == 1
    assert framing.rows.tally.bad == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (sentence(RMC).replace(b"4807", b"4808"), "checksum"),
        (sentence(RMC)[:-5] + b"\r\n", "parse"),
        (sentence(RMC.replace("4807", "abcd")), "parse"),
        (sentence(RMC.replace("4807", "4867")), "parse"),
        (sentence(RMC.replace(",N,", ",X,")), "parse"),
        (sentence("GPRMC,1"), "parse"),
        (sentence(RMC.replace("4807", "nan")), "parse"),
        (sentence(RMC.replace("4807", "9907")), "parse"),
        (b"$" + b"x" * 200 + b"\n", "length"),
    ],
)  # fmt: skip
def test_a_bad_sentence_is_counted_and_a_good_one_after_it_taken(data: bytes, reason: str) -> None:
    framing = framing_of(NmeaOptions(values=("latitude", "longitude", "speed")))
    found = rows(framing, data + sentence(RMC.replace("123519", "123520")))
    assert len(found) == 1
    assert all(map(math.isfinite, found[0]))
    assert framing.rows.tally.bad == {reason: 1}


LATITUDE_AND_LONGITUDE = ("latitude", "longitude")
GNS = "GNGNS,123519.00,4807.038,N,01131.000,W,AA,12,0.9,545.4,46.9,,,V"
GLL = "GPGLL,4807.038,N,01131.000,W,123519.00,A,A"
VTG = "GPVTG,84.4,T,,M,022.4,N,041.5,K,A"


@pytest.mark.parametrize("body", [RMC, GGA, GNS, GLL])
def test_each_sentence_with_a_position_gives_it(body: str) -> None:
    framing = framing_of(NmeaOptions(values=LATITUDE_AND_LONGITUDE))
    assert rows(framing, sentence(body)) == [pytest.approx([48.1173, -11.516667], abs=1e-5)]


@pytest.mark.parametrize(
    "body",
    [GNS.replace("AA", "NN"), GLL.replace(",A,A", ",V,N"), VTG.replace("K,A", "K,N")],
)
def test_each_sentence_without_a_fix_gives_none(body: str) -> None:
    framing = framing_of(NmeaOptions(values=("latitude", "longitude", "speed")))
    assert rows(framing, sentence(body)) == []
    assert framing.rows.tally.empty == 1


def test_a_speed_from_vtg_joins_the_position_that_it_follows() -> None:
    framing = framing_of(NmeaOptions())
    for second in ("123519.00", "123520.00"):
        (row,) = rows(framing, sentence(GNS.replace("123519.00", second)) + sentence(VTG))
        assert row == pytest.approx([48.1173, -11.516667, 11.523556, 12.0], abs=1e-5)
    # One that is empty in RMC is waited for where VTG has come before, and no longer than that.
    rmc = RMC.replace("022.4", "").replace("123519", "123521")
    gga = GGA.replace("123519", "123521")
    assert rows(framing, sentence(rmc) + sentence(gga)) == []
    (row,) = rows(framing, sentence(VTG))
    assert row[2] == pytest.approx(11.523556, abs=1e-5)
    framing.feed(sentence(rmc.replace("123521", "123522")) + sentence(gga.replace("21", "22", 1)))
    (row,) = rows(framing, sentence(rmc.replace("123521", "123523")))
    assert math.isnan(row[2])


def test_one_moment_is_one_however_many_digits_its_time_has() -> None:
    framing = framing_of(NmeaOptions())
    rmc, gga = RMC.replace("123519", "123519.00"), GGA.replace("123519", "123519.000")
    assert len(rows(framing, sentence(rmc) + sentence(gga))) == 1


@pytest.mark.parametrize("time", ["", "120000.00"])
def test_a_time_that_is_empty_or_stands_still_still_gives_rows(time: str) -> None:
    framing = framing_of(NmeaOptions(values=("latitude", "longitude", "satellites")))
    places = [str(4807 + i) for i in range(6)]
    made = rows(
        framing,
        b"".join(
            sentence(body.replace("123519", time).replace("4807", place))
            for place in places
            for body in (RMC, GGA)
        ),
    )
    assert [row[0] for row in made] == pytest.approx([48 + (7.038 + i) / 60 for i in range(6)])
    assert ("time in the receiver's sentences stands still" in framing.notice) == bool(time)
    later = RMC.replace("123519", "120001.00"), GGA.replace("123519", "120001.00")
    assert len(rows(framing, b"".join(map(sentence, later)))) == 1
    assert framing.notice == ""


def test_a_receiver_that_stands_still_in_place_and_time_gives_rows() -> None:
    framing = framing_of(NmeaOptions(values=LATITUDE_AND_LONGITUDE))
    assert len(rows(framing, sentence(RMC) * 40)) > 30
    assert "stands still" in framing.notice


def test_a_value_that_no_sentence_gives_is_missing_in_the_end() -> None:
    framing = framing_of(NmeaOptions(values=("latitude", "altitude")))
    made = [
        run
        for second in range(20)
        for run in framing.feed(sentence(RMC.replace("123519", f"1235{second:02}")))
    ]
    assert len(made) == 11
    assert made[-1].missing == {"altitude": "in no sentence that comes"}
    # One that comes more rarely than the position is waited for.
    framing = framing_of(NmeaOptions(values=("latitude", "altitude")))
    sent = b"".join(
        sentence(body.replace("123519", f"1235{second:02}"))
        for second in range(20)
        for body in ((RMC, GGA) if second % 5 == 0 else (RMC,))
    )
    found = rows(framing, sent)
    assert len(found) == 4
    assert all(map(math.isfinite, found[-1]))


@pytest.mark.parametrize(
    ("quality", "said"), [("6", "dead reckoning"), ("7", "typed in"), ("8", "simulated")]
)
def test_a_position_that_no_satellites_gave_is_told(quality: str, said: str) -> None:
    framing = framing_of(NmeaOptions(values=LATITUDE_AND_LONGITUDE))
    assert len(rows(framing, sentence(GGA.replace(",W,1,", f",W,{quality},")))) == 1
    assert said in framing.notice
    assert len(rows(framing, sentence(GGA.replace("123519", "123520")))) == 1
    assert framing.notice == ""


def test_sentences_without_a_checksum_are_taken_where_that_is_asked_for() -> None:
    bare = b"$" + GGA.encode() + b"\r\n"
    framing = framing_of(NmeaOptions(values=LATITUDE_AND_LONGITUDE))
    assert rows(framing, bare) == []
    cause = framing.cause()
    assert cause is not None
    assert 'checksum = "optional"' in cause.advice
    framing = framing_of(NmeaOptions(values=LATITUDE_AND_LONGITUDE, checksum="optional"))
    assert len(rows(framing, bare + sentence(GGA.replace("123519", "123520")))) == 2
    assert rows(framing, sentence(GGA)[:-4] + b"00\r\n") == []


@pytest.mark.parametrize(
    ("data", "what", "advice"),
    [
        (
            sentence("GPGSV,3,1,11,03,03,111,00") + b"!AIVDM,1,1,,A,14eG,0*5A\r\n",
            "sentences come (GPGSV), but none that gives latitude, longitude, altitude",
            "turn RMC or GGA or GNS or GLL on in the receiver",
        ),
        (sentence(RMC), "sentences come (GPRMC), but none that gives altitude", "turn GGA or GNS"),
        (
            sentence(RMC.replace(",A,", ",V,")), "the receiver sends (GPRMC), but has no position",
            "antenna a view of the sky",
        ),
    ],
)  # fmt: skip
def test_why_a_receiver_gives_no_row_is_told_by_its_sentences(
    data: bytes, what: str, advice: str
) -> None:
    framing = framing_of(NmeaOptions(values=("latitude", "longitude", "altitude")))
    assert rows(framing, data) == []
    cause = framing.cause()
    assert cause is not None
    assert cause.what == what
    assert advice in cause.advice


def test_other_sentences_change_nothing() -> None:
    framing = framing_of(NmeaOptions())
    assert rows(framing, sentence("GPGSV,3,1,11,03,03,111,00")) == []
    assert framing.rows.tally.bad == {}
    assert framing.rows.tally.skipped == 0
