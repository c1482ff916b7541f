"""Keys said on the command line go before the file's, and are held to the same schema."""

from pathlib import Path

import pytest

from perllm.config.loader import load_scenario
from perllm.errors import ConfigError

SMALL = Path(__file__).parents[3] / "scenarios" / "small.yaml"


def test_a_key_said_twice_is_as_it_was_said_last() -> None:
    file = load_scenario(SMALL, ["servers.cloud.slots=2", "servers.cloud.slots=3"])

    assert 3 == file.servers["cloud"].slots


def test_a_star_means_every_name_that_fits() -> None:
    file = load_scenario(SMALL, ["servers.edge-*.slots=3"])

    assert [3, 3, 32] == [file.servers[name].slots for name in ("edge-1", "edge-2", "cloud")]


def test_a_section_that_an_anchor_shares_changes_in_one_place_only() -> None:
    file = load_scenario(SMALL, ["servers.edge-1.link.rtt_ms=77"])

    assert (77, 4) == (file.servers["edge-1"].link.rtt_ms, file.servers["edge-2"].link.rtt_ms)


def test_presets_are_filled_in_below_what_was_said() -> None:
    file = load_scenario(SMALL, ["servers.edge-1.preset=xeon-4214r-llama2-7b-q4"])

    hardware = file.servers["edge-1"].hardware
    assert hardware is not None
    assert "llama2-7b" == hardware.model


def test_null_takes_a_key_out_and_sections_are_made_where_there_are_none() -> None:
    file = load_scenario(SMALL, ["servers.edge-2=null", "world.bandwidth.fluctuates.spread=0.3"])

    assert ["edge-1", "cloud"] == list(file.servers)
    assert file.world.bandwidth is not None
    assert file.world.bandwidth.fluctuates is not None
    assert 0.3 == file.world.bandwidth.fluctuates.spread


def test_an_entry_of_a_list_is_named_by_its_place() -> None:
    outage = "world.outages=[{server: cloud, from_s: 1, to_s: 2}]"

    file = load_scenario(SMALL, [outage, "world.outages[0].to_s=9"])

    assert 9 == file.world.outages[0].to_s


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("servers.clod.slots=2", "--set servers.clod: there is no server called 'clod'. Did you mean cloud?"),
        ("servers.cloud.slots=two", "small.yaml:17 with --set: servers.cloud.slots: 'two' does not fit here."),
        ("servers.cloud.slts=2", "servers.cloud.slts: this key is unknown. Did you mean slots?"),
        ("servers.x*.slots=2", "--set servers.x*: no key fits. Known: cloud, edge-1, edge-2."),
        ("servers.cloud.slots", "--set: 'servers.cloud.slots' is no path=value."),
        ("servers.cloud.slots=", "--set servers.cloud.slots: there is no value."),
        ("servers.cloud.kv_tokens=null", "--set servers.cloud.kv_tokens: there is no such key to take out."),
        ("name.first=a", "--set name.first: name is no section."),
        ("servers[0]=a", "--set servers[0]: servers is no list."),
        ("servers.cloud.models[3]=a", "--set servers.cloud.models[3]: the list has 1 entries."),
        ("workload.rate_per_s=[1", "--set workload.rate_per_s:1: this is not YAML"),
    ],
)
def test_what_cannot_be_said_is_refused_naming_the_key(said: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario(SMALL, [said])

    assert told in str(caught.value)


def test_a_mistake_of_the_file_itself_is_not_blamed_on_the_command_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SMALL.read_text(encoding="utf-8").replace("requests: 500", "requests: no"), encoding="utf-8")

    with pytest.raises(ConfigError, match=r"wrong\.yaml:\d+: workload\.requests"):
        load_scenario(wrong, ["servers.cloud.slots=2"])
