"""What is unresolved, by account, class and age: the ageing report."""

from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.reconciliation import DiscrepancyClass
from models.reports import AgedDiscrepancies

_AGED = text("""
SELECT account_id, class, currency,
       count(*) FILTER (WHERE age <= 1) AS days_0_1,
       count(*) FILTER (WHERE age BETWEEN 2 AND 3) AS days_2_3,
       count(*) FILTER (WHERE age BETWEEN 4 AND 7) AS days_4_7,
       count(*) FILTER (WHERE age > 7) AS older,
       sum(CASE kind WHEN 'payment' THEN 1 ELSE -1 END
           * (coalesce(line_minor, 0) - coalesce(ours_minor, 0))) AS difference_minor
FROM (SELECT *, CAST(:today AS date) - business_day AS age FROM discrepancy
      WHERE status <> 'resolved') AS unresolved
WHERE CAST(:app_id AS text) IS NULL OR app_id = :app_id
GROUP BY account_id, class, currency
ORDER BY account_id, class, currency
""")


async def aged_discrepancies(
    connection: AsyncConnection, *, app_id: str | None, today: date
) -> tuple[AgedDiscrepancies, ...]:
    """Everything unresolved, by age in days; `app_id` None looks in every app."""
    rows = await connection.execute(_AGED, {"app_id": app_id, "today": today})
    return tuple(
        AgedDiscrepancies(
            account_id=row["account_id"],
            class_=DiscrepancyClass(row["class"]),
            currency=row["currency"],
            days_0_1=row["days_0_1"],
            days_2_3=row["days_2_3"],
            days_4_7=row["days_4_7"],
            older=row["older"],
            difference_minor=int(row["difference_minor"]),
        )
        for row in rows.mappings()
    )
