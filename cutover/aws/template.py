"""What a template declares of a parameter; CloudFormation's own summary leaves the bounds of numbers out."""

from collections.abc import Mapping
from typing import Any

import yaml


def declared(body: Mapping[str, Any] | str, parameter: str) -> dict[str, str]:
    """The plain words under a parameter (Type, MinValue, …), from JSON as botocore reads it or from YAML text.

    Raises ValueError when the template cannot be read. Only the tree of a YAML text is looked at: nothing is made of its
    tags, so that !Ref and !Sub need no meaning here.
    """
    if isinstance(body, Mapping):
        found = body.get("Parameters", {}).get(parameter, {})
        return {key: str(value) for key, value in found.items() if not isinstance(value, Mapping | list)}
    try:
        root = yaml.compose(body, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"the template cannot be read: {type(error).__name__}") from error
    node = _under(_under(root, "Parameters"), parameter)
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}


def _under(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
