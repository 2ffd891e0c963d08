"""Small notebooks for jobs."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def write_notebook(path: Path, *cells: str, parameters: str = "", kernel: str = "python3") -> Path:
    """Write a notebook; ``parameters`` is its cell of that name."""
    made = [new_code_cell(source=cell) for cell in cells]
    if parameters:
        made.insert(0, new_code_cell(source=parameters, metadata={"tags": ["parameters"]}))
    notebook = new_notebook(
        cells=made, metadata={"kernelspec": {"name": kernel, "display_name": kernel}}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, str(path))
    return path
