"""What is told while a volume is validated."""

from pathlib import Path

import pytest

from polyrve.cli import validate
from polyrve.validation.metrics import metrics


class Heard(list):
    def step(self, stage, text):
        self.append((stage, text))

    def share(self, text, done, total):
        self.append((text, done / total))


@pytest.mark.parametrize("report", [None, Path("report.html")])
def test_each_metric_is_told_and_then_the_drawing(report):
    heard = Heard()
    between = validate._counted(heard, report)
    number = len(metrics())
    for _ in range(number):
        between()
    told = [item for item in heard if item[0] == "validating"]
    assert told[0] == ("validating", 0.0)
    shares = [share for _, share in told]
    assert shares == sorted(set(shares))
    assert shares[-1] < 1.0
    if report is None:
        assert len(told) == number
    else:
        assert heard[-1] == ("drawing", "drawing report.html")
        assert len(told) == number - 1
    between()


def test_metrics_that_take_long_are_known():
    assert set(validate._COSTS) <= {metric.key for metric in metrics()}
