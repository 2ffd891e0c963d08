"""The configuration of The Littlest JupyterHub 2: its own, the plugins', and each file's."""

import os
from glob import glob

from tljh import configurer
from tljh.utils import get_plugin_manager

c = get_config()  # noqa: F821
c.JupyterHub.hub_port = 15001
configurer.apply_config(configurer.load_config(), c)
get_plugin_manager().hook.tljh_custom_jupyterhub_config(c=c)
for extra in sorted(glob(os.path.join(os.environ["TLJH_CONFIG_FOLDER"], "*.py"))):  # noqa: PTH118, PTH207
    load_subconfig(extra)  # noqa: F821
