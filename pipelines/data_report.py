"""What a run says of its data: rows, rejects and coverage by table, for whoever looks at its models."""

import orjson

from data.ledger import read_ledger
from data.schema import TABLES
from data.warehouse import Warehouse
from pipelines.job import Job

__all__ = ["DATA_FILE", "write_data_report"]

DATA_FILE = "data.json"
_REASONS = 5


def write_data_report(job: Job, warehouse: Warehouse) -> None:
    """Write data.json into the run's folder: the last load as it is in the warehouse.

    tables: name, present, rows kept and rejected, filled (share by column), the commonest reasons of rejects
    with their rows. notes: what is worth knowing of the source, in words. The load may hold rows later than
    as_of; the models saw none of them.
    """
    con = warehouse.con.con
    load, coverage = read_ledger(con)[-1], warehouse.coverage()
    reasons: dict[str, list[dict[str, object]]] = {}
    for table, column, reason, rows in con.execute(
        'SELECT "table", "column", reason, count(*) FROM rejected_rows GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3'
    ).fetchall():
        reasons.setdefault(table, []).append({"column": column, "reason": reason, "rows": rows})
    document = {
        "schema_version": 1,
        "load_id": load.load_id,
        "loaded_at": load.loaded_at,
        "mapping": load.mapping.rpartition("/")[2],
        "tables": [
            {
                "table": name,
                "present": name in coverage.filled,
                "mapped": load.counts[name].mapped if name in load.counts else 0,
                "rejected": load.counts[name].rejected if name in load.counts else 0,
                "filled": coverage.filled.get(name, {}),
                "reasons": reasons.get(name, [])[:_REASONS],
            }
            for name in TABLES
        ],
        "notes": [
            {"table": one.table, "column": one.column, "rows": one.rows, "note": one.note}
            for one in coverage.notes
        ],
    }
    (job.run_dir / DATA_FILE).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
