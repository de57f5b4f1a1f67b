"""The start page's charts as SVG: drawn by the server, nothing to load, nothing to run.

Text follows the reader's light or dark scheme by a media query of the picture's own; the colours of
the figures have a contrast of at least 3:1 with white and with our dark background.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pygal
from babel.numbers import format_compact_decimal, format_decimal
from pygal.style import Style

from models.money import exponent_of

# pygal puts a finder for its maps into the import machinery, in a form that Python has given up:
# every import of anything that is not installed would warn. We draw no maps.
sys.meta_path[:] = [
    finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)
]

BLUE, TEAL, AMBER, ROSE, VIOLET = "#3b82f6", "#0d9488", "#d97706", "#e11d48", "#8b5cf6"
GREY = "#7c8798"  # for what is too little to be judged
_CHANNEL_COLOURS = (BLUE, TEAL, AMBER, VIOLET, ROSE)
# Below so many, one payment more or less moves the rate by more than a point or two.
FEW = 30
# A bar of a hundred ends where there is still room for its words.
_ROOM_FOR_WORDS = 1.7
_TICKS = (1, 10, 60, 600, 3600, 86_400)
_LONGEST = 604_800  # a week: what takes longer is drawn like it

_WIDTH = 520  # drawn small, so that its text can be read on a phone
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif"
# pygal's own sheets are for a page that one points at with a mouse.
_SHEET = """inline:
{{ id }} { font-family: FONT; }
{{ id }} text { fill: #334155 !important; }
{{ id }} .background { fill: none !important; }
{{ id }} .axis .line { stroke: #94a3b8 !important; stroke-opacity: .35; }
{{ id }} .axis .guide.line { stroke: #94a3b8 !important; stroke-opacity: .35; }
{{ id }} .tooltip { display: none; }
{{ id }} .series path.line { stroke-width: 2; }
{{ id }} .text-overlay .value { text-anchor: start; }
@media (prefers-color-scheme: dark) {
  {{ id }} text { fill: #dbe3ee !important; }
  {{ id }} .axis .line { stroke-opacity: .3; }
  {{ id }} .axis .guide.line { stroke-opacity: .3; }
}
""".replace("FONT", _FONT)


@dataclass(frozen=True)
class Bucketing:
    """The window of a chart, cut into buckets."""

    since: datetime
    until: datetime
    is_daily: bool

    @property
    def instants(self) -> tuple[datetime, ...]:
        length = timedelta(days=1) if self.is_daily else timedelta(hours=1)
        count = max(1, -(-(self.until - self.since) // length))
        return tuple(self.since + number * length for number in range(count))

    def label(self, instant: datetime) -> str:
        return f"{instant:%-d %b}" if self.is_daily else f"{instant:%H:%M}"

    @property
    def labels(self) -> list[str]:
        return [self.label(instant) for instant in self.instants]

    @property
    def labels_shown(self) -> list[str]:
        """About six of them, which is what a phone has room for."""
        every = max(1, len(self.labels) // 6)
        return self.labels[::every]


def in_units(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent_of(currency))


def volume(bucketing: Bucketing, currency: str, amounts: Sequence[int]) -> bytes:
    """Money by bucket, one bar each, in whole units of `currency`."""
    chart = _chart(pygal.Bar, colours=(BLUE,), height=260)
    chart.x_labels, chart.x_labels_major = bucketing.labels, bucketing.labels_shown
    chart.show_minor_x_labels = False
    if amounts:
        chart.value_formatter = _compact_in(currency)
    chart.add(currency, list(amounts))
    return _drawn(chart)


def success(channels: Sequence[tuple[str, int, int]]) -> bytes:
    """Per channel the share of ended attempts that succeeded, with its counts."""
    chart = _chart(pygal.HorizontalBar, colours=(BLUE,), height=90 + 56 * len(channels))
    chart.range, chart.print_values = (0, _ROOM_FOR_WORDS * 100), True
    chart.y_labels = (0, 50, 100)
    channels = channels[::-1]  # drawn from the bottom up
    chart.value_formatter = _percent
    chart.x_labels = [name for name, _, _ in channels]
    chart.add(
        "success",
        [
            {
                "value": 100 * succeeded / ended if ended else 0,
                "formatter": _as(rate_words(succeeded, ended)),
                "color": BLUE if ended >= FEW else GREY,
            }
            for _, succeeded, ended in channels
        ],
    )
    return _drawn(chart)


def success_over_time(
    bucketing: Bucketing, rates: Sequence[tuple[str, Sequence[float | None]]]
) -> bytes:
    """Per channel a line of its success rate; a gap where nothing ended."""
    chart = _chart(pygal.Line, colours=_CHANNEL_COLOURS, height=290)
    chart.range, chart.y_labels = (0, 100), (0, 25, 50, 75, 100)
    chart.value_formatter = _percent
    chart.x_labels, chart.x_labels_major = bucketing.labels, bucketing.labels_shown
    chart.show_minor_x_labels = False
    chart.show_legend, chart.legend_at_bottom = True, True
    chart.dots_size, chart.stroke_style = 2.5, {"width": 2.5}
    chart.allow_interruptions = True
    chart.legend_at_bottom_columns = min(len(rates), 3)
    for name, values in rates:
        chart.add(name, list(values))
    return _drawn(chart)


def durations(channels: Sequence[tuple[str, Sequence[float | None]]]) -> bytes:
    """Per channel how long half, nine in ten and 99 in 100 of the successes took."""
    chart = _chart(
        pygal.HorizontalBar, colours=("#7fb2fb", BLUE, "#1d6fd1"), height=110 + 90 * len(channels)
    )
    chart.print_values, chart.show_legend, chart.legend_at_bottom = True, True, True
    chart.logarithmic = True
    chart.value_formatter = duration_words
    longest = max((bound or _LONGEST for _, bounds in channels for bound in bounds), default=1)
    chart.range = (1, longest * 12)
    chart.y_labels = [seconds for seconds in _TICKS if seconds < longest * 8]
    channels = channels[::-1]  # drawn from the bottom up
    chart.x_labels = [name for name, _ in channels]
    for number, words in enumerate(("half", "9 in 10", "99 in 100")):
        chart.add(words, [_duration_bar(bounds[number]) for _, bounds in channels])
    return _drawn(chart)


def ageing(counts: Sequence[tuple[str, int]]) -> bytes:
    """How many discrepancies are open, by age."""
    chart = _chart(pygal.Bar, colours=(BLUE,), height=230)
    chart.print_values, chart.show_y_labels, chart.show_y_guides = True, False, False
    chart.value_formatter = _whole
    chart.x_labels = [name for name, _ in counts]
    colours = (BLUE, BLUE, AMBER, ROSE)
    chart.add(
        "open",
        [
            {"value": count, "color": colour}
            for (_, count), colour in zip(counts, colours, strict=True)
        ],
    )
    return _drawn(chart)


def rate_words(succeeded: int, ended: int) -> str:
    """A rate is never without what it is made of, and never rounded up to all of it."""
    if not ended:
        return "nothing ended"
    tenths = succeeded * 1000 // ended
    return f"{tenths // 10}.{tenths % 10} % ({succeeded:,} of {ended:,})"


_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"))


def duration_words(seconds: float | None) -> str:
    if seconds is None:
        return "longer"
    for below, unit, name in _STEPS:
        if seconds < below:
            return f"{seconds / unit:g} {name}"
    return f"{seconds / 86_400:g} d"


def _duration_bar(bound: float | None) -> dict[str, Any]:
    # On a logarithmic axis from one: what is quicker is drawn as a sliver.
    return {"value": max(bound or _LONGEST, 1.1), "formatter": _as(duration_words(bound))}


def _chart(kind: type[Any], *, colours: Sequence[str], height: int) -> Any:
    style = Style(
        background="transparent",
        plot_background="transparent",
        colors=tuple(colours),
        value_colors=("#334155",) * 5,
        font_family=_FONT,
        label_font_size=16,
        major_label_font_size=16,
        value_font_size=16,
        legend_font_size=16,
        no_data_font_size=18,
        opacity="1",
        opacity_hover="1",
        stroke_opacity="1",
        transition="none",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
    )
    return kind(
        js=[],
        style=style,
        css=["file://style.css", "file://graph.css", _SHEET],
        width=_WIDTH,
        height=height,
        explicit_size=False,
        show_legend=False,
        print_values_position="top",
        truncate_label=-1,
        truncate_legend=-1,
        legend_at_bottom_columns=3,
        legend_box_size=14,
        margin=8,
        spacing=8,
        rounded_bars=2,
        no_data_text="nothing yet",
        x_label_rotation=0,
        disable_xml_declaration=True,
        include_x_axis=True,
        pretty_print=False,
        min_scale=3,
        max_scale=6,
    )


def _drawn(chart: Any) -> bytes:
    chart.add_xml_filter(_without_what_runs)
    drawn: str = chart.render(is_unicode=True)
    return drawn.encode()


def _without_what_runs(picture: Any) -> Any:
    """Out goes a script that pygal leaves in, what is shown to a mouse, and its own remarks."""
    for parent in list(picture.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or _is_for_mouse_or_machine(child):
                parent.remove(child)
    return picture


def _is_for_mouse_or_machine(element: Any) -> bool:
    name = element.tag.rpartition("}")[2]
    if name in ("script", "desc"):
        return True
    # What a mouse would trigger are the figures themselves: they stay.
    return not {"tooltip", "tooltip-overlay"}.isdisjoint(element.get("class", "").split())


def _as(words: str) -> Callable[[Any], str]:
    return lambda _: words


def _compact_in(currency: str) -> Callable[[Any], str]:
    """The axis is of minor units, which are whole; its words are of whole units."""

    def words(minor: Any) -> str:
        units = Decimal(str(minor or 0)).scaleb(-exponent_of(currency))
        return str(format_compact_decimal(units, locale="en", fraction_digits=1))

    return words


def _percent(value: Any) -> str:
    return "" if value is None else f"{value:g} %"


def _whole(value: Any) -> str:
    return str(format_decimal(int(value or 0), locale="en"))
