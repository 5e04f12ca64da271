"""Reads a condition: a hand-written descent over its tokens, each method one rule of the grammar.

condition  = clause {"and" clause} ["for" duration] ["at least" number figure ["in" duration]]
clause     = figure sign bound | figure ("within" | "outside") number "%" "of" reference
           | figure "grows" sign quantity "/" time ["over" duration]
bound      = ["-"] quantity | [number "x"] reference [("+" | "-") quantity]
reference  = "legacy" | "blue" | "baseline"
"""

from collections.abc import Iterable, Mapping

from cutover.metrics.bounds import BASELINE, LEGACY, OPERATORS, Bound
from cutover.metrics.clauses import Around, AtLeast, Clause, Growth, Limit
from cutover.metrics.conditions import Condition
from cutover.metrics.figures import BOTH, Figure, Known
from cutover.metrics.tokens import ConditionError, Token, nearest, tokens
from cutover.metrics.units import LONGEST, PERCENT, RATES, SIZES, TIMES, Quantity, factor

REFERENCES = {"legacy": LEGACY, "blue": LEGACY, "baseline": BASELINE}
WORDS = ("and", "for", "at", "least", "in", "over", "of", "x", "grows", "within", "outside", *REFERENCES)
GROWTH_OVER = {"s": 600.0, "m": 600.0, "h": 3600.0, "d": 6 * 3600.0}  # where `over` is not written
MOST_CLAUSES = 8


def parse(text: str, known: Mapping[str, Known]) -> Condition:
    """The condition that `text` says about the `known` figures; raises ConditionError, which points at the column."""
    return _Parser(text, known).condition()


class _Parser:
    def __init__(self, text: str, known: Mapping[str, Known]) -> None:
        self._text, self._known, self._tokens, self._at = text, known, tokens(text), 0

    def condition(self) -> Condition:
        clauses = [self._clause()]
        while self._takes("and"):
            clauses.append(self._clause())
            if len(clauses) > MOST_CLAUSES:
                raise self._wrong(f"a condition has at most {MOST_CLAUSES} parts; make it two triggers")
            self._joinable(clauses)
        lasts, enough = self._ending(clauses)
        return Condition(tuple(clauses), lasts, enough)

    def _ending(self, clauses: list[Clause]) -> tuple[float, AtLeast | None]:
        lasts, enough, place = 0.0, None, self._here
        while self._here.kind == "word" and self._here.text in ("for", "at"):
            place = self._here
            if not lasts and self._takes("for"):
                lasts = self._duration()
                if any(isinstance(one, Growth) for one in clauses):
                    raise self._wrong("a growth is measured `over` a time, and takes no `for`", place)
            elif enough is None and self._takes("at"):
                self._expect("least")
                enough = self._enough()
            else:
                raise self._wrong(f"`{place.text}` is there already", place)
        if self._here.kind != "end":
            if self._here.text == "and":
                raise self._wrong("`for` and `at least` stand at the end, once, and are about all parts")
            raise self._wrong(
                f"{self._here} does not belong here; `and`, `for`, `at least` or the end may follow", near=WORDS
            )
        if enough is not None and not (lasts or enough.within):
            raise self._wrong("`at least` needs a time to count in: add `for 5m`, or `in 5m` after it", place)
        return lasts, enough

    def _joinable(self, clauses: list[Clause]) -> None:
        if any(isinstance(one, Around) and one.wanted for one in clauses):
            raise self._wrong(
                "`within` says what is wanted and is joined with nothing; write `outside`, or two triggers"
            )

    def _clause(self) -> Clause:
        figure, place = self._figure(), self._here
        if self._takes("grows"):
            return self._growth(figure)
        for word in ("within", "outside"):
            if self._takes(word):
                return self._around(figure, wanted=word == "within")
        sign = self._sign("after a figure comes a sign such as >, or one of within, outside, grows")
        return Limit(figure, self._bound(figure, place), sign)

    def _figure(self) -> Figure:
        token = self._here
        if token.kind != "word" or token.text in WORDS:
            raise self._wrong(f"a figure's name is wanted here, not {token}", near=self._known)
        # Names of an environment have dashes, and people write what they read in the application: error_rate.
        spellings = (token.text, token.text.replace("_", "-"), token.text.replace("-", "_"))
        name = next((one for one in spellings if one in self._known), None)
        if name is None:
            raise self._wrong(f"no figure is called {token}", near=self._known)
        self._at += 1
        return Figure(name, self._known[name])

    def _sign(self, otherwise: str) -> str:
        token = self._here
        if token.kind != "sign" or token.text not in OPERATORS:
            raise self._wrong(otherwise, near=("within", "outside", "grows"))
        self._at += 1
        return token.text

    def _bound(self, figure: Figure, place: Token) -> Bound:
        token = self._here
        if token.kind == "word":
            return self._referred(figure, 1.0)
        negative = self._takes("-")
        quantity = self._quantity()
        if not negative and not quantity.unit and self._takes("x"):
            if quantity.value == 0:
                raise self._wrong("a multiple by 0 bounds nothing", token)
            return self._referred(figure, quantity.value)
        self._fits(figure, quantity, token)
        return Bound(Quantity(-quantity.value if negative else quantity.value, quantity.unit))

    def _referred(self, figure: Figure, factor: float) -> Bound:
        reference = self._reference(figure)
        sign = 1 if self._takes("+") else -1 if self._takes("-") else 0
        if not sign:
            return Bound(reference=reference, factor=factor)
        place, quantity = self._here, self._quantity()
        self._fits(figure, quantity, place)
        if not quantity.value:
            return Bound(reference=reference, factor=factor)
        return Bound(Quantity(sign * quantity.value, quantity.unit), reference, factor)

    def _reference(self, figure: Figure) -> str:
        token = self._here
        if token.text not in REFERENCES:
            raise self._wrong("a value, legacy or baseline is wanted here", near=REFERENCES)
        if REFERENCES[token.text] == LEGACY and figure.known.side != BOTH:
            reason = f"{figure.name} is measured on {figure.known.side} alone: a comparison needs `side: both`"
            raise self._wrong(reason)
        self._at += 1
        return REFERENCES[token.text]

    def _fits(self, figure: Figure, quantity: Quantity, place: Token) -> None:
        try:
            quantity.in_unit(figure.known.unit)
        except ValueError as error:
            raise self._wrong(f"{figure.name} {error}", place) from None

    def _around(self, figure: Figure, *, wanted: bool) -> Around:
        place, quantity = self._here, self._quantity()
        if quantity.unit != PERCENT or not quantity.value:
            raise self._wrong("a percentage above 0 is wanted here, such as 5%", place)
        self._expect("of")
        return Around(figure, Bound(reference=self._reference(figure)), quantity.value, wanted)

    def _growth(self, figure: Figure) -> Growth:
        sign = self._sign("after `grows` comes a sign such as >")
        place, quantity = self._here, self._quantity(rates=False)
        if quantity.unit != PERCENT or figure.known.unit == PERCENT:
            self._fits(figure, quantity, place)
        self._expect("/")
        per = self._here
        if per.text not in GROWTH_OVER:
            raise self._wrong("a growth is by a time: /m, /h or /d")
        self._at += 1
        over = GROWTH_OVER[per.text]
        if self._takes("over"):
            place, over = self._here, self._duration()
            if over < 10 * figure.known.step:
                raise self._wrong(f"is too short: {figure.name} has a sample every {figure.known.step:g} s", place)
        return Growth(figure, sign, quantity, per.text, over)

    def _enough(self) -> AtLeast:
        count = self._here
        if count.kind != "number" or count.value < 1:
            raise self._wrong("a number of at least 1 is wanted here")
        self._at += 1
        place, figure = self._here, self._figure()
        if figure.known.unit and figure.known.unit not in RATES:
            raise self._wrong(f"{figure.name} is in {figure.known.unit}, and can't be counted", place)
        return AtLeast(count.value, figure, self._duration() if self._takes("in") else None)

    def _quantity(self, *, rates: bool = True) -> Quantity:
        """A number with the unit that follows, with or without a space."""
        token = self._here
        if token.kind != "number":
            raise self._wrong(f"a number is wanted here, not {token}", near=REFERENCES)
        self._at += 1
        if self._takes(PERCENT):
            return Quantity(token.value, PERCENT)
        unit = self._here
        if rates and unit.text == "/" and f"/{self._next.text}" in RATES:
            self._at += 2
            return Quantity(token.value, f"/{self._tokens[self._at - 1].text}")
        if unit.kind == "word" and (factor(unit.text) or self._is_a_figures(unit.text)):
            self._at += 1
            return Quantity(token.value, unit.text)
        if unit.kind == "word" and unit.text not in WORDS:
            raise self._wrong(f"{unit} is no unit", near=(*TIMES, *SIZES, *WORDS))
        return Quantity(token.value)

    def _is_a_figures(self, unit: str) -> bool:
        return unit not in WORDS and any(one.unit == unit for one in self._known.values())

    def _duration(self) -> float:
        place, quantity = self._here, self._quantity()
        seconds = quantity.value * TIMES.get(quantity.unit, 0.0)
        if not 0 < seconds <= LONGEST:
            raise self._wrong("a duration above 0 is wanted here, such as 30s, 5m or 2h, at most 366d", place)
        return seconds

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    @property
    def _next(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _takes(self, text: str) -> bool:
        """Goes on past the token when it is this one."""
        if self._here.text != text or self._here.kind == "end":
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._wrong(f"`{text}` is wanted here, not {self._here}", near=(text,))

    def _wrong(self, reason: str, token: Token | None = None, near: Iterable[str] = ()) -> ConditionError:
        token = token or self._here
        near_by = nearest(token.text, near) if token.kind == "word" else ""
        return ConditionError(self._text, token.column, reason + near_by)
