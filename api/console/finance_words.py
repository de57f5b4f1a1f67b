"""What finance's codes mean, in plain words: one place, so that every page says the same."""

from typing import NamedTuple


class Words(NamedTuple):
    """What to call something, and what to say about it.

    `tone` chooses the colour: good, done, plain, warn or bad. The symbol stands beside it, so that
    nobody has to tell states apart by colour.
    """

    title: str
    symbol: str = ""
    tone: str = "plain"
    more: str = ""

    @property
    def badge(self) -> str:
        """The tone in the words of the console's badges."""
        return {"plain": "flat", "done": "good"}.get(self.tone, self.tone)


DAY_STATES = {
    "no_account": Words("no account yet", "", "plain", "the account was not there on this day"),
    "not_over": Words("not over", "·", "plain", "the day is not over, or has not begun"),
    "not_run": Words("not run", "○", "warn", "the day is over and was not compared"),
    "running": Words("running", "…", "plain", "being compared at this moment"),
    "balanced": Words("balanced", "✓", "good", "statement and books agree"),
    "discrepancies": Words("discrepancies", "!", "bad", "something does not agree yet"),
    "failed": Words("failed", "✕", "bad", "the last run has no result"),
    "signed_off": Words("signed off", "✔", "done", "finance has signed the day off"),
}

CLASSES = {
    "channel_only": Words(
        "only at the channel",
        more="The channel's statement has this line and our books have nothing that fits it: a "
        "payment made past us, one of another system on the same account, or money whose order we "
        "never heard of.",
    ),
    "ours_only": Words(
        "only in our books",
        more="We booked this as done, and the channel's statement does not have it, nor does that "
        "of the next day once it was looked at.",
    ),
    "amount_diff": Words(
        "another amount",
        more="Both sides have it, with different amounts. The difference is what a repair books.",
    ),
    "currency_diff": Words(
        "another currency",
        more="Both sides have it, in different currencies. There is no difference that could be "
        "booked; find out which side is right.",
    ),
    "status_diff": Words(
        "another state",
        more="The statement says that money moved, and with us it is still open, unknown or ended "
        "without money. Its own run is asked to take the statement as evidence.",
    ),
    "fee_diff": Words(
        "another fee",
        more="The channel took a fee that is not the agreed one. What it took is booked; whether "
        "it is right is between you and the channel.",
    ),
    "duplicate": Words(
        "more than once",
        more="The statement has the same payment or refund more than once, under different numbers "
        "of the channel.",
    ),
    "cutoff": Words(
        "around midnight",
        more="It happened close to the end of the day, so the other side may count it to the "
        "neighbouring one. The next day's statement is to have it.",
    ),
}

DISCREPANCY_STATES = {
    "open": Words("open", "!", "bad"),
    "carried": Words("carried", "→", "warn", "looked for on the next day's statement first"),
    "awaiting_approval": Words("awaiting approval", "?", "warn", "a second person has to decide"),
    "approved": Words("approved", "…", "plain", "being carried out"),
    "resolved": Words("resolved", "✓", "good"),
}

RESOLUTIONS = {
    "matched_next_day": "the next day's statement had it",
    "on_the_neighbouring_day": "it is on the neighbouring day",
    "on_another_day": "it is in our books on another day",
    "found_in_order": "a later run found it in order",
    "fee_booked": "the fee was booked as the channel took it",
    "booked": "its own run booked it from the statement",
    "suspense": "the difference was booked to suspense",
    "written_off": "the difference was written off",
    "dismissed": "dismissed without entries",
}

ACTIONS = {
    "book": Words(
        "Hand it to its own run",
        more="The payment's or refund's own run is given the statement as evidence and books what "
        "follows from it. No second person is asked, since nothing else moves.",
    ),
    "suspense": Words(
        "Book the difference to suspense",
        more="The books then agree with the statement; the difference waits in suspense until "
        "somebody knows whose it is.",
    ),
    "write_off": Words(
        "Write the difference off", more="The difference becomes a profit or a loss of ours."
    ),
    "dismiss": Words(
        "Dismiss it",
        more="Nothing is booked: it is explained otherwise, or none of our business.",
    ),
}

FAILURES = {
    "statement-missing": Words(
        "There is no statement",
        more="The channel did not give us one, however often it was asked. Look in the channel's "
        "own back office; when it is there, run the day again or upload the file.",
    ),
    "statement-truncated": Words(
        "The file ends too early",
        more="Part of it is missing. Fetch it again, or upload the whole file.",
    ),
    "statement-malformed": Words(
        "The file cannot be read",
        more="It is not a statement as this channel makes them. Check that it is the file as it "
        "was downloaded, not opened and saved by another program.",
    ),
    "statement-wrong-merchant": Words(
        "It is the statement of another account",
        more="Check which channel account the file belongs to, and upload it there.",
    ),
    "statement-wrong-encoding": Words(
        "The file has the wrong encoding",
        more="Its characters are not written as this channel writes them, as happens when another "
        "program opens and saves it. Upload the file as it was downloaded.",
    ),
    "statement-wrong-day": Words(
        "It is the statement of another day",
        more="Upload the file on the page of its own day.",
    ),
    "statement-wrong-totals": Words(
        "The file's lines do not add up to its own totals",
        more="Lines are missing or were changed. Fetch it again; if it stays like that, ask the "
        "channel.",
    ),
}
FAILURE_OTHERWISE = Words(
    "The run could not be finished",
    more="Nothing of it was booked. Run the day again; if it fails in the same way, show the "
    "code to whoever runs Paycenter.",
)

LEDGER_KINDS = {
    "1101": Words("Channel clearing", more="what channels owe us"),
    "1102": Words("Bank", more="money at our banks"),
    "1201": Words(
        "Suspense, missing", more="we have it booked, the channel has it not", tone="warn"
    ),
    "2101": Words("Merchants", more="what we owe merchants"),
    "2301": Words("Refunds in transit", more="on its way back to payers"),
    "2401": Words("Suspense, owed", more="money that came in and is nobody's yet", tone="warn"),
    "4101": Words("Fee income", more="what we keep of payments"),
    "4102": Words("Rounding and gains"),
    "5101": Words("Channel fees", more="what channels take"),
    "5102": Words("Losses", more="what was written off"),
}

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def age_words(seconds: float) -> str:
    """An age as one says it: in the largest unit of which there are two, or one."""
    if seconds < 2 * _MINUTE:
        return "just now" if seconds < _MINUTE else "1 minute"
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // _MINUTE)} minutes"


def failure_words(code: str) -> Words:
    return FAILURES.get(code, FAILURE_OTHERWISE)
