"""From YAML to the entries of a document: lines, lists with names, and keys of before."""
