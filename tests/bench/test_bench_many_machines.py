"""The simulation of rounds of many workers."""

from dataclasses import replace

import numpy as np
import pytest
from bench_runs import bench_path, needs_programs  # noqa: F401, the fixture

pytestmark = needs_programs

WAYS = ["dask", "dask, tree", "mpi", "dask, 10 local steps"]


@pytest.fixture(name="program")
def fixture_program(bench_path):  # noqa: F811
    """The program, as a module."""
    import many_machines

    return many_machines


def seconds(program, way, n_workers, n_bytes=0):
    return program.round_time(way, n_workers, 1.0, n_bytes, np.random.default_rng(0))


def test_a_round_takes_what_its_messages_take(program, monkeypatch):
    """Without a spread: to the last worker, its share, and back; in a tree up and down."""
    monkeypatch.setattr(program, "SPREAD", 0.0)
    of_dask, of_mpi = program.WAYS["dask"], program.WAYS["mpi"]
    n_bytes = program.BYTES_PER_SECOND * 1e-3
    serial = of_dask.handling + 1e-3
    expected = 1.0 + 2 * of_dask.latency + 11 * serial  # ten go out, the last comes in
    assert seconds(program, of_dask, 10, n_bytes) == pytest.approx(expected)
    expected = 1.0 + 6 * (1e-3 + of_mpi.latency)
    assert seconds(program, of_mpi, 8, n_bytes) == pytest.approx(expected)
    assert seconds(program, replace(of_mpi, handling=1.0), 8) == pytest.approx(16.0)
    steps = replace(of_dask, local_steps=10)
    more = seconds(program, steps, 10) - seconds(program, of_dask, 10)
    assert more == pytest.approx(9.0)


@pytest.mark.parametrize("name", WAYS)
def test_larger_shares_and_fewer_workers_lose_less(program, name):
    way = program.WAYS[name]
    few, many = (np.array(program.efficiencies(way, n, 50_000)) for n in (10, 1000))
    assert (np.diff(few) > -0.01).all()  # the draws differ
    assert (few > many).all()
    assert 0 < many[0] < few[-1] < 1
    assert len(few) == len(program.COMPUTE)


def test_the_slowest_is_waited_for(program):
    assert 1.05 < seconds(program, program.WAYS["mpi"], 1000) < 1.25


def test_it_tells_and_draws_all_ways(program, monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="draws the figure")
    figure = tmp_path / "figure.png"
    monkeypatch.setattr("sys.argv", ["many_machines.py", "--figure", str(figure)])
    program.main()
    told = capsys.readouterr().out
    assert all(told.count(f"  {name:<22}") == 6 for name in WAYS)
    assert figure.read_bytes().startswith(b"\x89PNG")
