"""What the configuration reads of the chart's values and of its Secret, as in the hub's pod."""

from pathlib import Path

import yaml

from tests.support.fake_z2jh import fake_z2jh

_SECRET = Path("/usr/local/etc/jupyterhub/secret")
_made = fake_z2jh(
    yaml.safe_load((_SECRET / "values.yaml").read_text()),
    {each.name: each.read_text() for each in _SECRET.iterdir()},
)
get_config = _made.get_config
get_secret_value = _made.get_secret_value
