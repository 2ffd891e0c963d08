"""What was promised is kept over deaths of the agent, whichever GPU speaks first."""

import json

from sublet_agent.state_files.open_gates import OpenGates, OpenGatesFile

A, B = OpenGates(open=frozenset({"a"})), OpenGates(past=frozenset({"b"}))


def test_what_was_kept_is_loaded_by_gpu(tmp_path):
    before = OpenGatesFile(tmp_path / "gates.json")
    before.keep("g1", A)
    before.keep("g2", B)
    assert OpenGatesFile(tmp_path / "gates.json").load(["g1", "g2"]) == {"g1": A, "g2": B}
    assert OpenGatesFile(tmp_path / "gates.json").load(["g2", "g3"]) == {"g2": B}


def test_the_first_gpu_that_speaks_leaves_the_others_promises(tmp_path):
    before = OpenGatesFile(tmp_path / "gates.json")
    before.keep("g1", A)
    before.keep("g2", B)
    after = OpenGatesFile(tmp_path / "gates.json")
    after.load(["g1", "g2"])
    after.keep("g1", OpenGates())
    assert OpenGatesFile(tmp_path / "gates.json").load(["g1", "g2"]) == {"g2": B}


def test_what_could_not_be_written_is_written_the_next_time(tmp_path):
    path = tmp_path / "folder" / "gates.json"
    open_gates = OpenGatesFile(path)
    open_gates.keep("g1", A)
    path.parent.mkdir()
    open_gates.keep("g1", A)
    assert OpenGatesFile(path).load(["g1"]) == {"g1": A}


def test_a_file_of_an_earlier_version_is_taken_as_promised_and_rubbish_as_nothing(tmp_path):
    path = tmp_path / "gates.json"
    path.write_text(json.dumps(["a"]) + "   ")
    assert OpenGatesFile(path).load(["g1"]) == {"g1": OpenGates(past=frozenset({"a"}))}
    for rubbish in ("[", "1", '{"g1": 1}', '{"g1": {"open": []}}'):
        path.write_text(rubbish)
        assert OpenGatesFile(path).load(["g1"]) == {}
