"""The operations of the OpenAPI document with their examples, to loop over."""

from dataclasses import dataclass
from typing import Any

from service.app import create_app
from service.settings import Settings

DOCUMENT = create_app(Settings()).openapi()


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    id: str
    method: str
    path: str
    spec: dict[str, Any]

    def responses(self, *, good: bool) -> dict[str, dict[str, Any]]:
        return {status: response for status, response in self.spec["responses"].items() if (status < "300") == good}

    def answers(self) -> dict[str, dict[str, Any]]:
        """Examples of what it answers, by name."""
        return examples(self.spec["responses"]["200"])

    def bodies(self) -> dict[str, Any]:
        """JSON body of each example, by name; empty where it takes none."""
        body = self.spec.get("requestBody", {"content": {"application/json": {"examples": {}}}})
        return {name: example["value"] for name, example in body["content"]["application/json"]["examples"].items()}

    def parameters(self) -> dict[str, dict[str, str]]:
        """Path parameters of each example, by name."""
        parameters = self.spec.get("parameters", [])
        names = parameters[0]["examples"] if parameters else self.bodies() or self.answers()
        return {name: {one["name"]: one["examples"][name]["value"] for one in parameters} for name in names}


def examples(response: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Examples of a response, of whatever media type, by name."""
    found: dict[str, dict[str, Any]] = {}
    for content in response["content"].values():
        found |= content.get("examples", {})
    return found


OPERATIONS = {
    spec["operationId"]: Operation(spec["operationId"], method, path, spec)
    for path, operations in DOCUMENT["paths"].items()
    for method, spec in operations.items()
}
