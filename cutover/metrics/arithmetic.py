"""Small sums over named numbers: `100 * hits / (hits + misses)`."""

import ast
import difflib
from collections.abc import Mapping
from math import inf

LONGEST = 500


class NotReadable(Exception):
    """The sum is none, or names a number that there is not; the message says where."""


def calculated(sum_: str, numbers: Mapping[str, float]) -> float:
    """The value of a sum of +, -, *, / and parentheses; x / 0 is an infinity and 0 / 0 is NaN, and neither an error."""
    text = " ".join(sum_.split())
    if len(text) > LONGEST:
        raise NotReadable(f"a sum has at most {LONGEST} characters")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = f" (column {error.offset})" if isinstance(error, SyntaxError) and error.offset else ""
        raise NotReadable(f"is no sum of fields and numbers{column}") from None
    return _value(tree, numbers)


def _value(node: ast.expr, numbers: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise NotReadable(f"the number in column {node.col_offset + 1} is too large") from None
        case ast.Name(id=name):
            if name not in numbers:
                near = difflib.get_close_matches(name, numbers, n=1, cutoff=0.55)
                raise NotReadable(f"there is no number called {name}" + (f" (did you mean {near[0]}?)" if near else ""))
            return numbers[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, numbers)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left, numbers), _value(right, numbers)
            match op:
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
                case ast.Mult():
                    return one * other
                case ast.Div():
                    return one / other if other else one * inf  # 0 * inf is NaN
    raise NotReadable(f"knows + - * / and parentheses only (column {node.col_offset + 1})")
