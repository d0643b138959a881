import pytest

from sandbox.faults import ChannelFaults, FaultError, Faults, Trouble


def test_a_change_gives_the_former_values_back() -> None:
    faults = Faults()
    former = faults.change({"stream": {"mute": True}, "telegram": {"too_many": 0.5, "blocked": ["7"]}})
    assert former == {"stream": {"mute": False}, "telegram": {"too_many": 0.0, "blocked": []}}
    assert faults.stream.mute
    faults.change(former)
    assert faults == Faults()


def test_reset_reaches_those_who_hold_a_part() -> None:
    faults = Faults()
    held = faults.stream
    faults.change({"stream": {"gap": True}})
    faults.reset()
    assert not held.gap


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        {"nowhere": {}},
        {"change": {}},
        {"stream": True},
        {"stream": {"loud": True}},
        {"stream": {"mute": 1}},
        {"stream": {"duplicates": 1.5}},
        {"stream": {"duplicates": True}},
        {"stream": {"trickle_s": -1}},
        {"smtp": {"blocked": "a@b"}},
        {"twilio": {"errors": {"+1": "63016"}}},
        {"smtp": {"answers": {"a@b.example": 550}}},
        {"smtp": {"answers": {"a@b.example": "no status"}}},
    ],
)
def test_what_is_wrong_is_refused_whole(wanted: object) -> None:
    faults = Faults()
    with pytest.raises(FaultError):
        faults.change({"stream": {"gap": True}} | wanted if isinstance(wanted, dict) else wanted)
    assert faults == Faults()


@pytest.mark.parametrize("trouble", list(Trouble))
def test_trouble_comes_at_its_rate(trouble: Trouble) -> None:
    assert ChannelFaults().next_trouble() is None
    assert ChannelFaults(**{trouble.value: 1.0}).next_trouble() is trouble
