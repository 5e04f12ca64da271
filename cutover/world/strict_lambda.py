"""Lambda as strict as AWS, on top of moto: an alias's revisions, weights and versions, and mappings that take a while.

Sources: the API reference of UpdateAlias and AliasRoutingConfiguration ("API"), and the developer guide's page on weighted
aliases ("Guide"). Where AWS publishes the rule but not the code, InvalidParameterValueException is used.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.awslambda import urls
from moto.awslambda.exceptions import InvalidParameterValueException, PreconditionFailedException
from moto.awslambda.responses import LambdaResponse
from moto.core.exceptions import JsonRESTError

from cutover.world.background import CALLED

_LATEST = "$LATEST"
# Provisioned concurrency by function and qualifier: moto does not know it, tests write here through the API's own call.
_PROVISIONED: dict[tuple[str, str], int] = {}
# How many more looks show an event source mapping on its way: minutes on AWS, and never a matter of speed in a test.
_SETTLING: dict[str, int] = {}
LOOKS = 2


def install() -> None:
    """Let moto's Lambda URLs answer through StrictLambda, and add the one for provisioned concurrency."""
    for pattern in urls.url_paths:
        urls.url_paths[pattern] = StrictLambda.dispatch
    path = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/provisioned-concurrency$"
    urls.url_paths[path] = StrictLambda.provisioned


class StrictLambda(LambdaResponse):
    """moto's Lambda responses; a change of an alias is judged as AWS would before moto sees it."""

    @classmethod
    def provisioned(cls, request: Any, full_url: str, headers: Any) -> tuple[int, dict[str, str], str]:
        name = unquote(request.path.rsplit("/", 2)[-2])
        qualifier = parse_qs(request.query_string.decode()).get("Qualifier", [""])[0]
        if request.method == "PUT":
            _PROVISIONED[name, qualifier] = int(json.loads(request.get_data())["ProvisionedConcurrentExecutions"])
        if request.method == "DELETE":
            _PROVISIONED.pop((name, qualifier), None)
            return 204, {}, ""
        if (name, qualifier) not in _PROVISIONED:
            code = "ProvisionedConcurrencyConfigNotFoundException"  # API, GetProvisionedConcurrencyConfig
            body = {"__type": code, "message": "No Provisioned Concurrency Config found for this function"}
            return 404, {"x-amzn-ErrorType": code}, json.dumps(body)
        wanted = _PROVISIONED[name, qualifier]
        return 200, {}, json.dumps({"RequestedProvisionedConcurrentExecutions": wanted, "Status": "READY"})

    def create_function(self) -> Any:
        result = super().create_function()
        self._keep_dead_letters(self.json_body["FunctionName"])
        return result

    def update_function_configuration(self) -> Any:
        result = super().update_function_configuration()
        self._keep_dead_letters(unquote(self.path.rsplit("/", 2)[-2]))
        return result

    def get_function_configuration(self) -> str:
        shown = json.loads(super().get_function_configuration())
        version = self.backend.get_function(unquote(self.path.rsplit("/", 2)[-2]), self._get_param("Qualifier", None))
        return json.dumps({**shown, **({"DeadLetterConfig": found} if (found := _dead_letters(version)) else {})})

    def _keep_dead_letters(self, function: str) -> None:
        # moto forgets the dead-letter queue; a version is a copy of the function, and takes it along.
        if "DeadLetterConfig" in self.json_body:
            latest: Any = self.backend.get_function(function)
            latest.cutover_dead_letters = self.json_body["DeadLetterConfig"]

    def create_event_source_mapping(self) -> Any:
        """As moto makes it; for the local world under the UUID that its tag asks for, as no caller can ask AWS."""
        result = super().create_event_source_mapping()
        wanted = (json.loads(self.body).get("Tags") or {}).get(CALLED)
        if wanted is None:
            return result
        known: Any = self.backend
        mapping = known._event_source_mappings.pop(json.loads(result[-1])["UUID"])
        mapping.uuid = wanted
        known._event_source_mappings[wanted] = mapping
        return (*result[:-1], json.dumps(mapping.get_configuration()))

    def get_event_source_mapping(self) -> Any:
        mapping = self.path.rstrip("/").rsplit("/", 1)[-1]
        result = super().get_event_source_mapping()
        looks = _SETTLING.get(mapping, 0)
        if not looks:
            return result
        _SETTLING[mapping] = looks - 1
        return _with_state(result)

    def update_event_source_mapping(self) -> Any:
        mapping = self.path.rstrip("/").rsplit("/", 1)[-1]
        if _SETTLING.get(mapping, 0):  # API, UpdateEventSourceMapping, Errors
            raise _InUse("Cannot update the event source mapping because it is in use.")
        result = super().update_event_source_mapping()
        _SETTLING[mapping] = LOOKS
        return _with_state(result)

    def create_alias(self) -> Any:
        given = json.loads(self.body)
        self._judge(unquote(self.path.rsplit("/", 2)[-2]), given["FunctionVersion"], _weights(given))
        return super().create_alias()

    def update_alias(self) -> Any:
        function, name = unquote(self.path.rsplit("/")[-3]), unquote(self.path.rsplit("/", 2)[-1])
        given, alias = json.loads(self.body), self.backend.get_alias(name=name, function_name=function)
        if given.get("RevisionId") not in (None, alias.revision_id):
            raise PreconditionFailedException(  # API, UpdateAlias: RevisionId
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
                "retrieve the latest Revision Id"
            )
        version = given.get("FunctionVersion") or alias.function_version
        # API: what is not named stays as it is
        weights = _weights(given if "RoutingConfig" in given else {"RoutingConfig": alias.routing_config})
        self._judge(function, version, weights)
        changed = {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}}
        self.body = json.dumps({**given, **changed})
        alias.revision_id = str(uuid.uuid4())  # API: a new one after each update
        return super().update_alias()

    def _judge(self, function: str, version: str, weights: Mapping[str, float]) -> None:
        if len(weights) > 1:  # Guide: an alias points to at most two versions
            raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
        known: dict[Any, Any] = {str(one.version): one for one in self.backend.list_versions_by_function(function)}
        main = self._version(known, function, version)
        for other, weight in weights.items():
            if _LATEST in (version, other):  # Guide: both versions must be published
                raise InvalidParameterValueException(f"{_LATEST} is not supported for an alias with two versions")
            if not 0 <= float(weight) <= 1:  # API, Weight: 0.0 to 1.0
                raise InvalidParameterValueException(f"Value '{weight}' at 'weight' must be between 0.0 and 1.0")
            if other == version:
                raise InvalidParameterValueException(
                    f"Function version {other} is already in the routing configuration"
                )
            second = self._version(known, function, other)
            if second.role != main.role:  # Guide: the same execution role
                raise InvalidParameterValueException("Both versions must have the same execution role")
            if _dead_letters(second) != _dead_letters(main):  # Guide: the same dead-letter queue
                raise InvalidParameterValueException("Both versions must have the same dead-letter configuration")

    def _version(self, known: Mapping[Any, Any], function: str, version: str) -> Any:
        if version not in known:
            raise _NotFound(f"Function not found: {function}:{version}")
        return known[version]


class _InUse(JsonRESTError):
    code = 400

    def __init__(self, message: str) -> None:
        super().__init__("ResourceInUseException", message)


def _with_state(result: Any) -> Any:
    """API, EventSourceMappingConfiguration: a change is shown as Enabling or Disabling until it has effect."""
    shown = json.loads(result[-1])
    words = {"Enabled": "Enabling", "Disabled": "Disabling"}
    return (*result[:-1], json.dumps({**shown, "State": words.get(shown["State"], shown["State"])}))


class _NotFound(JsonRESTError):
    code = 404

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFoundException", message)


def _dead_letters(function: Any) -> dict[str, str]:
    return dict(getattr(function, "cutover_dead_letters", None) or {})


def _weights(given: Mapping[str, Any]) -> dict[str, float]:
    return dict((given.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
