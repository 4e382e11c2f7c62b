"""What a worker process has done: attempts ended and seconds run, by queue, type and ending."""

type Row = tuple[str, str, str, int, float]


class Tally:
    """Counts that are read off as differences."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], list[float]] = {}
        self.ended = 0

    def add(self, queue: str, type_name: str, ending: str, seconds: float) -> None:
        """Count one ended attempt."""
        self.ended += 1
        entry = self._counts.get((queue, type_name, ending))
        if entry is None:
            self._counts[queue, type_name, ending] = [1, seconds]
        else:
            entry[0] += 1
            entry[1] += seconds

    def take(self) -> list[Row]:
        """Return what has been counted since the last time."""
        rows = [(*key, int(count), seconds) for key, (count, seconds) in self._counts.items()]
        self._counts.clear()
        return rows

    def merge(self, rows: list[Row]) -> None:
        """Add what another one took."""
        for queue, type_name, ending, count, seconds in rows:
            entry = self._counts.setdefault((queue, type_name, ending), [0, 0.0])
            entry[0] += count
            entry[1] += seconds
            self.ended += count

    def rows(self) -> list[Row]:
        """Return everything, and keep it."""
        return [(*key, int(count), seconds) for key, (count, seconds) in sorted(self._counts.items())]
