"""What people write: what is taken, what code it becomes, and what is said where it is wrong."""

from collections.abc import Callable
import os
from pathlib import Path
import re
import shutil
import subprocess

import pytest
import yaml as pyyaml

from .builds import COMPONENTS, ROOT, plain, run

EXAMPLES = ROOT / "esphome" / "examples"
HOST = """\
esphome: {name: test}
host:
logger:
"""
ESP32 = """\
esphome: {name: test}
esp32:
  board: BOARD
  framework: {type: FRAMEWORK}
logger:
wifi: {ssid: network, password: password}
"""

type Judge = Callable[[str], str]
type Generate = Callable[[str], Path]


def source() -> str:
    """Return the YAML that brings the component in."""
    return f"external_components:\n  - source: {COMPONENTS}\n    components: [textmq]\n"


@pytest.fixture
def judge(esphome: Path, tmp_path: Path) -> Judge:
    """Let `esphome config` look at a YAML; return what it says, nothing where it is content."""

    def judge(yaml: str) -> str:
        path = tmp_path / "test.yaml"
        path.write_text(source() + yaml)
        done = subprocess.run(
            [esphome, "config", path], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return ""
        return re.sub(r"\s+", " ", plain(done.stdout))

    return judge


@pytest.fixture
def generate(esphome: Path, tmp_path: Path) -> Generate:
    """Let ESPHome generate the sources of a node called `test`; return their folder."""

    def generate(yaml: str) -> Path:
        path = tmp_path / "test.yaml"
        path.write_text(source() + yaml)
        run(esphome, "compile", "--only-generate", path)
        return tmp_path / ".esphome" / "build" / "test"

    return generate


def block(**settings: object) -> str:
    """Return a node with these settings under textmq."""
    return HOST + pyyaml.safe_dump({"textmq": {"host": "ha.local", **settings}})


SENSORS = """\
sensor:
  - {platform: template, id: one, name: Level}
number:
  - {platform: template, id: two, name: Level, optimistic: true, min_value: 0, max_value: 1, step: 1}
"""

WRONG = {
    "no host": (HOST + "textmq:\n", "'host' is a required option for [textmq]"),
    "misspelled key word": (
        block(encription={"key": "x"}),
        "[encription] is an invalid option for [textmq]. Did you mean [encryption]?",
    ),
    "address of a web page": (
        block(host="http://ha.local:8123/lovelace"),
        "'http://ha.local:8123/lovelace' is more than a host. Write host: ha.local and port: 8123",
    ),
    "host with port": (
        block(host="192.168.1.10:7883"),
        "'192.168.1.10:7883' is more than a host. Write host: 192.168.1.10 and port: 7883",
    ),
    "IPv6": (
        block(host="fe80::1"),
        "'fe80::1' is not a host: IPv6 addresses are not supported, use an IPv4 address or a hostname."
        " Write a name like homeassistant.local or an IPv4 address like 192.168.1.10",
    ),
    "host with a space": (block(host="my host"), "'my host' is not a host"),
    "device ID": (
        block(device_id="Küche/1"),
        "'Küche/1' can't be the ID of a device: it contains '/' and 'ü'. Write for example 'Kuche-1'",
    ),
    "reserved device ID": (
        block(device_id="HomeAssistant"),
        "'HomeAssistant' can't be the ID of a device: it is reserved. Write for example 'garden-node'",
    ),
    "long device ID": (
        block(device_id="x" * 65),
        "it has 65 characters, 64 are allowed",
    ),
    "key that is no base64": (
        block(encryption={"key": "secret!"}),
        "Invalid key format, please check it's using base64",
    ),
    "short key": (
        block(encryption={"key": "c2hvcnQ="}),
        "Encryption key must be base64 and 32 bytes long",
    ),
    "key on a platform without TLS": (
        block(
            encryption={"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
        ).replace(
            "host:\nlogger:",
            "esp8266: {board: d1_mini}\nwifi: {ssid: network, password: password}\nlogger:",
        ),
        "Encryption is there for the ESP32 alone, not for esp8266: leave encryption out",
    ),
    "short keep-alive": (
        block(keepalive="2s"),
        "with Wi-Fi power saving, less than 10s drops healthy connections",
    ),
    "reconnect the wrong way round": (
        block(reconnect={"min": "60s", "max": "1s"}),
        "min is longer than max: exchange them",
    ),
    "small buffer": (block(tx_buffer_size=100), "value must be at least 1024"),
    "filter": (
        block(on_variable={"variable": "a/#/b", "then": []}),
        "'a/#/b' can't be a variable or a filter: '#' stands for all levels below and can only come last."
        " Write for example 'a/#'",
    ),
    "half a level": (
        block(on_variable={"variable": "room+/x", "then": []}),
        "'room+/x' can't be a variable or a filter: '+' and '#' stand for whole levels."
        " Write for example 'room_/x'",
    ),
    "variable to publish": (
        block(
            on_connect=[
                {"textmq.publish": {"variable": "/Küche//Temp|1/", "value": "1"}}
            ]
        ),
        "it contains '|' and 'ü'. Write for example 'Kuche/Temp_1'",
    ),
    "empty level": (
        block(on_connect=[{"textmq.delete": "kitchen//temperature"}]),
        "a level of it is empty (it begins or ends with '/', or has '//')."
        " Write for example 'kitchen/temperature'",
    ),
    "variable of the broker": (
        block(on_connect=[{"textmq.publish": {"variable": "$SYS/mine", "value": "1"}}]),
        "names that begin with '$' are the broker's own and can only be read. Write for example 'SYS/mine'",
    ),
    "recipient": (
        block(on_connect=[{"textmq.send": {"device": "a|b", "value": "1"}}]),
        "'a|b' can't be the ID of a device: it contains '|'. Write for example 'a_b'",
    ),
    "variable that is followed": (
        block() + "sensor: [{platform: textmq, name: X, variable: ' kitchen'}]\n",
        "it begins or ends with a space. Write for example 'kitchen'",
    ),
    "long name": (
        block() + f"sensor: [{{platform: textmq, name: X, variable: {'x' * 256}}}]\n",
        "it has 256 characters, 255 are allowed",
    ),
    "no room for commands": (
        block(publish_entities={"prefix": "x" * 252}),
        "it has 252 characters, 251 are allowed",
    ),
    "range of a number": (
        block()
        + "number: [{platform: textmq, name: X, variable: x, min_value: 5, max_value: 5, step: 1}]\n",
        "max_value must be greater than min_value",
    ),
    "platform alone": (
        HOST + "sensor: [{platform: textmq, name: X, variable: x}]\n",
        "requires component textmq",
    ),
    "two entities, one variable": (
        block() + SENSORS,
        "sensor 'Level' and number 'Level' would both be the variable 'test/level'."
        " Give one of them an id, and another variable: publish_entities: variables: - id: the_id"
        " variable: test/level_number",
    ),
    "the same variable given twice": (
        block(
            publish_entities={
                "variables": [
                    {"id": "one", "variable": "a"},
                    {"id": "two", "variable": "a"},
                ]
            }
        )
        + SENSORS,
        "would both be the variable 'a'",
    ),
    "an entity listed twice": (
        block(
            publish_entities={
                "exclude": ["one"],
                "variables": [{"id": "one", "variable": "a"}],
            }
        )
        + SENSORS,
        "'one' is listed twice: an entity has one variable, or is excluded",
    ),
    "included and excluded": (
        block(publish_entities={"include": ["one"], "exclude": ["two"]}) + SENSORS,
        "include already says which entities are published: leave exclude out",
    ),
    "long line": (
        block(
            tx_buffer_size=1024,
            on_connect=[{"textmq.publish": {"variable": "a", "value": "°" * 100}}],
        ),
        "What textmq.publish sends to 'a' is too long for a line: it takes 601 bytes, 578 are there."
        " Raise tx_buffer_size by 23, or send less",
    ),
    "device ID of the broker's": (
        block(device_id="$me"),
        "'$me/...' would be variables of the broker, since '$' begins their names."
        " Give publish_entities a prefix of its own",
    ),
    "unknown entity": (
        block(publish_entities={"exclude": ["nobody"]}) + SENSORS,
        "Couldn't find ID 'nobody'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_says_what_would_be_right(judge: Judge, case: str) -> None:
    """A mistake is told where it is made, with what to write instead."""
    yaml, text = WRONG[case]
    assert text in judge(yaml)


@pytest.mark.parametrize(
    "publish",
    [
        {"exclude": ["one"]},
        {"include": ["two"]},
        {"variables": [{"id": "two", "variable": "other/level"}]},
        False,
    ],
)
def test_ways_out_of_a_double_variable(judge: Judge, publish: object) -> None:
    """What the message proposes helps."""
    assert judge(block(publish_entities=publish) + SENSORS) == ""


def test_sleep_without_a_time_is_worth_a_warning(esphome: Path, tmp_path: Path) -> None:
    """Nothing is wrong with a node that a button wakes, but someone should say how long it may be away."""
    yaml = source() + ESP32.replace("BOARD", "esp32dev").replace("FRAMEWORK", "esp-idf")
    path = tmp_path / "test.yaml"
    path.write_text(
        yaml + "textmq: {host: ha.local}\ndeep_sleep: {wakeup_pin: GPIO33}\n"
    )
    assert "nothing says how long" in run(esphome, "config", path)
    path.write_text(
        yaml
        + "textmq: {host: ha.local, sleep_duration: 24h}\ndeep_sleep: {wakeup_pin: GPIO33}\n"
    )
    assert "nothing says how long" not in run(esphome, "config", path)


EVERYTHING = """\
textmq:
  id: mq
  host: ha.local
  device_id: garden
  encryption: {key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}
  keepalive: 45s
  reconnect: {min: 1s, max: 2min}
  reboot_timeout: 1h
  rx_buffer_size: 512
  tx_buffer_size: 4096
  logs: {variable: garden/log, level: ERROR}
  publish_entities: {prefix: yard, exclude: [uptime_sensor]}
  on_connect:
    - textmq.publish: {variable: hello, value: !lambda return App.get_name();}
  on_message:
    - textmq.send: {device: !lambda return device;, value: !lambda return x;, ttl: 1min}
  on_variable:
    - variable: a/+
      then:
        - textmq.publish: {variable: !lambda return variable;, value: !lambda return x;, retain: false}
    - variable: a/#
      replay: false
      then:
        - delay: 1s
        - textmq.delete: !lambda return variable;
time: [{platform: textmq}]
sensor:
  - {platform: uptime, id: uptime_sensor, name: Uptime}
  - {platform: textmq, name: Followed, variable: b, timeout: 1min}
switch: [{platform: textmq, name: Remote, variable: c/d, command_variable: c/d/set}]
interval:
  - interval: 1h
    then:
      - if:
          condition: {and: [textmq.connected, textmq.flushed]}
          then: [textmq.disable, textmq.enable]
"""


@pytest.mark.parametrize(
    ("board", "framework"),
    [
        ("esp32dev", "esp-idf"),
        ("esp32dev", "arduino"),
        ("esp32-c3-devkitm-1", "esp-idf"),
        ("esp32-c3-devkitm-1", "arduino"),
    ],
)
def test_generated_code(generate: Generate, board: str, framework: str) -> None:
    """What the YAML says is in the generated sources, and mbedTLS is told what it needs."""
    folder = generate(
        ESP32.replace("BOARD", board).replace("FRAMEWORK", framework) + EVERYTHING
    )
    main = (folder / "src" / "main.cpp").read_text()
    for statement in (
        'mq->set_host("ha.local");',
        "mq->set_port(7883);",
        'mq->set_device_id("garden");',
        'mq->set_manufacturer("Espressif");',
        f'mq->set_model("{board}");',
        "mq->set_keepalive(45000);",
        "mq->set_reconnect(1000, 120000);",
        "mq->set_reboot_timeout(3600000);",
        'mq->set_logs("garden/log", 1);',
        'set_prefix("yard");',
        "add_rule(uptime_sensor, nullptr);",
        "->set_value_timeout(60000);",
        "->set_replay(false);",
        'set_command_variable("c/d/set");',
        # A view where the action runs at once, a copy where it may run later.
        "textmq::VariableTrigger<StringRef>",
        "textmq::VariableTrigger<std::string>",
        "return std::tuple{textmq_entitypublisher_id};",
    ):
        assert statement in main, statement
    assert '->publish(::esphome::textmq::to_view("hello", 5)' in main
    defines = (folder / "src" / "esphome" / "core" / "defines.h").read_text()
    for define in (
        "ESPHOME_TEXTMQ_RX_BUFFER_SIZE 512",
        "ESPHOME_TEXTMQ_TX_BUFFER_SIZE 4096",
        "ESPHOME_TEXTMQ_SUBSCRIPTION_COUNT 4",
        "ESPHOME_TEXTMQ_ENTITY_RULE_COUNT 3",
        "USE_TEXTMQ_TLS",
        "USE_TEXTMQ_TIME",
        "USE_TEXTMQ_LOGS",
        "USE_SOCKET_IPV4_RESOLVE",
    ):
        assert f"#define {define}" in defines
    options = (folder / "sdkconfig.test.esphomeinternal").read_text().splitlines()
    for option in (
        "CONFIG_MBEDTLS_PSK_MODES=y",
        "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_PSK=y",
        "CONFIG_MBEDTLS_CHACHA20_C=y",
        "CONFIG_MBEDTLS_POLY1305_C=y",
        "CONFIG_MBEDTLS_CHACHAPOLY_C=y",
        "CONFIG_MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH=y",
    ):
        assert option in options
    assert not any("TLS_DISABLED=y" in option for option in options)
    copied = {
        path.name for path in (folder / "src/esphome/components/textmq").iterdir()
    }
    assert {"entities.cpp", "tls_psk.cpp"} <= copied


def test_what_is_not_used_is_not_built(generate: Generate) -> None:
    """Without a key there is no TLS, without publish_entities no entity is looked at."""
    folder = generate(
        ESP32.replace("BOARD", "esp32dev").replace("FRAMEWORK", "esp-idf")
        + "textmq: {host: ha.local, publish_entities: false}\nsensor: [{platform: uptime, name: Uptime}]\n"
    )
    copied = {
        path.name for path in (folder / "src/esphome/components/textmq").iterdir()
    }
    assert not {"entities.cpp", "tls_psk.cpp"} & copied
    options = (folder / "sdkconfig.test.esphomeinternal").read_text()
    assert "PSK" not in options
    assert "CHACHA" not in options
    assert "esphome_controllers" not in (folder / "src" / "main.cpp").read_text()


def test_keys_are_masked(esphome: Path, tmp_path: Path) -> None:
    """`esphome config` shows no key to whoever looks over one's shoulder."""
    path = tmp_path / "test.yaml"
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    path.write_text(source() + block(encryption={"key": key}))
    done = subprocess.run(
        [esphome, "config", path], capture_output=True, text=True, check=True
    )
    shown = re.sub(r"\\033\[8m.*?\\033\[28m", "", done.stdout)
    assert key not in shown


@pytest.mark.parametrize(
    "example",
    sorted(path.name for path in EXAMPLES.glob("*.yaml") if "secrets" not in path.name),
)
def test_examples(esphome: Path, tmp_path: Path, example: str) -> None:
    """Every example is valid as it stands, but for where the component comes from."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    (tmp_path / "examples" / "secrets.yaml").write_text(
        (EXAMPLES / "secrets.example.yaml").read_text()
    )
    path = tmp_path / "examples" / example
    text = path.read_text()
    assert len(re.findall(r": github://textmq/textmq$", text, re.MULTILINE)) == 1
    path.write_text(text.replace("github://textmq/textmq", os.fspath(COMPONENTS)))
    run(esphome, "compile", "--only-generate", path)


def test_the_example_of_the_readme() -> None:
    """The node that the README shows is the one that scripts/run starts."""
    shown = (EXAMPLES / "demo.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{shown}```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_documentation(judge: Judge) -> None:
    """Every YAML of the documentation is valid, with what goes around it."""
    page = (ROOT / "docs" / "esphome.md").read_text(encoding="utf-8")
    blocks = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
        if "deep_sleep" not in block  # a piece of examples/battery.yaml
    ]
    assert len(blocks) > 5
    for yaml in blocks:
        whole = yaml.replace(
            "!secret textmq_key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        )
        whole = re.sub(
            r"^external_components:\n(?:[ -].*\n)+", "", whole, flags=re.MULTILINE
        )
        if "esphome:" not in whole:
            whole = HOST + whole
        if not re.search("^textmq:", whole, re.MULTILINE):
            whole += "textmq: {host: ha.local}\n"
        assert judge(whole) == "", yaml
