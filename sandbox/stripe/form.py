"""Form-encoded parameters with bracket keys (`metadata[order]=7`), read strictly."""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl

from models.money import exponent_of
from sandbox.stripe.words import AMOUNT_MAX, Problem, amount_min, invalid

Tree = dict[str, "str | Tree"]

_KEY: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_INTEGER: Final = re.compile(r"-?\d{1,15}")
_DEPTH_MAX: Final = 6
_FIELDS_MAX: Final = 1000
_METADATA_KEYS_MAX: Final = 50
_METADATA_KEY_MAX: Final = 40
_METADATA_VALUE_MAX: Final = 500
_THREE_DIGITS: Final = 3
_LIMIT_MAX: Final = 100
_LIMIT_USUAL: Final = 10
_FLAGS: Final = {"true": True, "false": False}


def parse_form(text: str) -> Tree:
    """The parameters as a tree; `a[]` counts up. Raises Problem when they contradict themselves."""
    tree: Tree = {}
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=_FIELDS_MAX
        )
    except ValueError:
        raise Problem(400, "Invalid request body", saved=False) from None
    for name, value in pairs:
        _plant(tree, name, value)
    return tree


def _plant(tree: Tree, name: str, value: str) -> None:
    key = _KEY.fullmatch(name)
    parts = [key[1], *_PART.findall(key[2])] if key else []
    if not parts or len(parts) > _DEPTH_MAX:
        raise invalid(name, f"Invalid parameter name: {name}")
    for part in parts[:-1]:
        branch = tree.setdefault(part, {})
        if isinstance(branch, str):
            raise invalid(name, f"Invalid parameter: {name} is both a value and an object")
        tree = branch
    last = parts[-1] or str(len(tree))
    if last in tree:
        raise invalid(name, f"You passed {name} twice", "parameter_invalid_string_blank")
    tree[last] = value


class Fields:
    """Typed reading of parameters. Every method raises Problem for what it cannot take."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def only(self, *known: str) -> None:
        """Refuse parameters that are not known."""
        for name in self._tree:
            if name not in known:
                raise invalid(name, f"Received unknown parameter: {name}", "parameter_unknown")

    def text(self, name: str) -> str | None:
        value = self._tree.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid(name, f"Invalid string: {name}")
        if not value:
            raise invalid(
                name,
                f"You passed an empty string for '{name}'. We assume empty values are an attempt"
                f" to unset a parameter; however '{name}' cannot be unset.",
                "parameter_invalid_empty",
            )
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(name, f"Missing required param: {name}.", "parameter_missing")
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer")
        return int(value)

    def positive(self, name: str) -> int | None:
        value = self.integer(name)
        if value is not None and value < 1:
            message = "This value must be greater than or equal to 1."
            raise invalid(name, message, "parameter_invalid_integer")
        return value

    def flag(self, name: str) -> bool:
        value = self.text(name)
        if value is not None and value not in _FLAGS:
            raise invalid(name, f"Invalid boolean: {value}")
        return _FLAGS.get(value or "false", False)

    def choice(self, name: str, allowed: Collection[str], usual: str) -> str:
        value = self.text(name) or usual
        if value not in allowed:
            listed = ", ".join(sorted(allowed))
            raise invalid(name, f"Invalid {name}: must be one of {listed}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._tree.get(name, {})
        if isinstance(value, str):
            raise invalid(name, "Invalid array")
        return tuple(item for item in value.values() if isinstance(item, str))

    def part(self, name: str) -> "Fields | None":
        value = self._tree.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            raise invalid(name, "Invalid object")
        return Fields(value)

    def metadata(self) -> dict[str, str]:
        value = self._tree.get("metadata", {})
        if value == "":
            return {}
        if isinstance(value, str):
            raise invalid("metadata", "Invalid object")
        if len(value) > _METADATA_KEYS_MAX:
            raise invalid("metadata", f"Metadata can have up to {_METADATA_KEYS_MAX} keys")
        return {key: _metadata_value(key, text) for key, text in value.items() if text != ""}

    def currency(self) -> str:
        """Lower case, as Stripe answers it."""
        value = self.required("currency").lower()
        try:
            exponent_of(value.upper())
        except ValueError:
            raise invalid("currency", f"Invalid currency: {value}.") from None
        return value

    def amount(self, currency: str) -> int:
        """Minor units within Stripe's bounds; three-decimal currencies end in 0."""
        value = self.integer("amount")
        if value is None:
            raise invalid("amount", "Missing required param: amount.", "parameter_missing")
        if value < amount_min(currency):
            message = f"Amount must be at least {amount_min(currency)} {currency}"
            raise invalid("amount", message, "amount_too_small")
        if value > AMOUNT_MAX:
            message = f"Amount must be no more than {AMOUNT_MAX} {currency}"
            raise invalid("amount", message, "amount_too_large")
        if exponent_of(currency.upper()) == _THREE_DIGITS and value % 10:
            raise invalid("amount", f"Invalid amount: the last digit must be 0 for {currency}")
        return value

    def limit(self) -> int:
        value = self.integer("limit")
        if value is None:
            return _LIMIT_USUAL
        if not 1 <= value <= _LIMIT_MAX:
            raise invalid("limit", f"This value must be between 1 and {_LIMIT_MAX}.")
        return value

    def created(self) -> tuple[int, int]:
        """First and last second that `created` allows."""
        if isinstance(self._tree.get("created"), str):
            exactly = self.integer("created") or 0
            return exactly, exactly
        bounds = self.part("created") or Fields({})
        bounds.only("gt", "gte", "lt", "lte")
        above, below = bounds.integer("gt"), bounds.integer("lt")
        first = bounds.integer("gte") if above is None else above + 1
        last = bounds.integer("lte") if below is None else below - 1
        return first or 0, 2**53 if last is None else last


def _metadata_value(key: str, text: "str | Tree") -> str:
    if not isinstance(text, str):
        raise invalid(f"metadata[{key}]", "Metadata values must be strings")
    if len(key) > _METADATA_KEY_MAX:
        message = f"Metadata keys can be up to {_METADATA_KEY_MAX} characters"
        raise invalid(f"metadata[{key}]", message)
    if len(text) > _METADATA_VALUE_MAX:
        message = f"Metadata values can be up to {_METADATA_VALUE_MAX} characters"
        raise invalid(f"metadata[{key}]", message)
    return text
