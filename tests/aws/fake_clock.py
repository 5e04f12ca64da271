"""Time that moves only when somebody sleeps."""


class FakeClock:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return 1_000_000.0 + self.passed

    def monotonic(self) -> float:
        return 100.0 + self.passed

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.passed += max(seconds, 0.0005)
