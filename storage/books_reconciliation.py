"""Invariants of reconciliation: every difference accounted for, every repair decided by two."""

from storage.books_check import Check

# How a discrepancy ends by a repair that two people agreed on, and which action that is.
_BY_REPAIR = """(VALUES ('suspense', 'suspense', 'repair.suspense'),
                        ('write_off', 'written_off', 'repair.write_off'),
                        ('dismiss', 'dismissed', NULL))
                AS repair (action, resolution, event_type)"""

RECONCILIATION_CHECKS = (
    Check(
        "I12",
        "a repair that is not in the books exactly once, or books without the repair",
        of="ledger_transaction WHERE event_type LIKE 'repair.%'",
        broken=f"""
            WITH expected AS (
                SELECT repair.event_type, discrepancy.id AS event_id,
                       abs(coalesce(line_minor, 0) - coalesce(ours_minor, 0)) AS minor
                FROM discrepancy JOIN {_BY_REPAIR} USING (resolution)
                WHERE discrepancy.status = 'resolved' AND repair.event_type IS NOT NULL
            ), posted AS (
                SELECT ltx.event_type, ltx.event_id, count(DISTINCT ltx.id) AS times,
                       coalesce(sum(entry.amount_minor)
                                FILTER (WHERE entry.amount_minor > 0), 0) AS minor
                FROM ledger_transaction AS ltx
                LEFT JOIN ledger_entry AS entry ON entry.ledger_transaction_id = ltx.id
                WHERE ltx.event_type LIKE 'repair.%'
                GROUP BY ltx.event_type, ltx.event_id
            )
            SELECT event_id AS discrepancy_id, event_type, expected.minor AS expected_minor,
                   posted.minor AS posted_minor, coalesce(posted.times, 0) AS times
            FROM expected FULL JOIN posted USING (event_type, event_id)
            WHERE expected.minor IS DISTINCT FROM posted.minor
               OR posted.times <> 1""",  # noqa: S608  # our own words
    ),
    Check(
        "I26",
        "a reconciled day on which ours and the differences do not add up to the statement",
        of="reconciliation WHERE result IS NOT NULL",
        broken="""
            SELECT reconciliation.id AS reconciliation_id, reconciliation.business_day::text,
                   side ->> 'kind' AS kind, side ->> 'currency' AS currency,
                   side ->> 'statement_minor' AS statement_minor,
                   side ->> 'ours_minor' AS ours_minor,
                   side ->> 'difference_minor' AS difference_minor
            FROM reconciliation
            CROSS JOIN LATERAL jsonb_array_elements(result -> 'totals') AS side
            WHERE result IS NOT NULL
              AND (side ->> 'statement_minor')::bigint
                  <> (side ->> 'ours_minor')::bigint + (side ->> 'difference_minor')::bigint""",
    ),
    Check(
        "I26",
        "a day that is called balanced, or was signed off, with something unresolved",
        of="reconciliation",
        broken="""
            SELECT reconciliation.id AS reconciliation_id, reconciliation.status,
                   count(*) AS unresolved
            FROM reconciliation
            JOIN discrepancy ON discrepancy.reconciliation_id = reconciliation.id
            WHERE reconciliation.status IN ('balanced', 'signed_off')
              AND discrepancy.status <> 'resolved'
            GROUP BY reconciliation.id""",
    ),
    Check(
        "I28",
        "a reconciliation or a discrepancy of one app that is about another's account",
        of="discrepancy",
        broken="""
            SELECT found.id, found.app_id, account.app_id AS belongs_to
            FROM (
                SELECT id, app_id, account_id FROM reconciliation
                UNION ALL
                SELECT id, app_id, account_id FROM discrepancy
            ) AS found
            LEFT JOIN channel_account AS account ON account.id = found.account_id
            WHERE account.app_id IS DISTINCT FROM found.app_id""",
    ),
    Check(
        "I33",
        "a repair that one person alone decided on, or without a reason",
        of="discrepancy WHERE action IN ('suspense', 'write_off', 'dismiss')",
        broken=f"""
            SELECT discrepancy.id AS discrepancy_id, discrepancy.action, discrepancy.status,
                   proposed_by, decided_by, reason
            FROM discrepancy LEFT JOIN {_BY_REPAIR} USING (resolution)
            WHERE (repair.action IS NOT NULL
                   OR (discrepancy.status = 'approved' AND discrepancy.action <> 'book'))
              AND (decided_by IS NULL OR proposed_by IS NULL OR decided_by = proposed_by
                   OR coalesce(reason, '') = '')""",  # noqa: S608  # our own words
    ),
)
