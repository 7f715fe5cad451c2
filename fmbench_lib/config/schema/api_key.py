"""The header with the key that `api_key_env` names. Standard library only: decoding processes import it."""

from __future__ import annotations

from urllib.parse import urlsplit

_SCHEMES = ("basic", "bearer")
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_AZURE_PATH = "/openai/deployments/"


def key_header(key: str, url: str) -> tuple[str, str]:
    """The name and value of the header with a key: Authorization with `Bearer KEY`, and `api-key` on Azure, whose keys
    are no bearer tokens.

    A key that begins with its scheme, `Basic …` (a user name and password in Base64) or `Bearer …`, is the value of
    Authorization as it is.
    """
    scheme, space, _ = key.partition(" ")
    if space and scheme.casefold() in _SCHEMES:
        return "authorization", key
    return ("api-key", key) if is_azure(url) else ("authorization", f"Bearer {key}")


def is_azure(url: str) -> bool:
    """Whether an address is one of Azure's, or of a gateway with Azure's paths."""
    parts = urlsplit(url)
    return (parts.hostname or "").endswith(_AZURE_HOSTS) or _AZURE_PATH in parts.path
