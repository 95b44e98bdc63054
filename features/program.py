"""Ibis expressions compiled once to DuckDB's SQL, and run again and again over rows put in.

Planning an expression costs more than running it on the rows of one deal. So every statement is compiled and
prepared once, against tables that stay; a run puts rows in, executes and rolls back, and nothing is left
behind. No statement changes the catalogue, since every plan would then be made anew.
"""
# ruff: noqa: S608 -- identifiers cannot be bound; all are quoted, or this module's own

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from queue import LifoQueue
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.names import quoted
from features.snapshots import DAY, Calendar

__all__ = ["Instant", "Program"]

_NOW = "request"
_MARK = "dealcast_now_s"
_MARKED = re.compile(rf"{_MARK}\([^()]*(\([^()]*\))?[^()]*\)", re.IGNORECASE)
# Both judge by what the tables hold when a plan is made, and then they hold nothing.
_BLIND = "statistics_propagation,compressed_materialization"


_LOOKED_UP = f"(SELECT as_of_s FROM {_NOW})"
_Worker = tuple[duckdb.DuckDBPyConnection, set[int]]
"""A connection and the statements that it has prepared for other instants than home."""


@ibis.udf.scalar.builtin(name=_MARK)
def _now_s(_: int) -> int:  # type: ignore[empty-body]
    """The epoch second of a run's instant; what stands for it is put into the SQL."""


class Instant(Calendar):
    """A calendar of one slot, 0, at the instant of a run.

    Whole seconds: whoever runs it takes a fraction of `as_of` off every clock beforehand.
    """

    def __init__(self) -> None:
        as_of = self.anchor_s.as_timestamp("s").cast("timestamp('UTC')")
        super().__init__(as_of, DAY)

    @property
    def is_instant(self) -> bool:
        """One slot."""
        return True

    @property
    def shift_us(self) -> int:
        """No fraction of a second."""
        return 0

    @property
    def anchor_s(self) -> Any:
        """The epoch second of the instant, as an expression."""
        return _now_s(0)

    @property
    def base_s(self) -> Any:
        """The epoch second of slot 0: the instant itself."""
        return self.anchor_s

    @property
    def last_slot(self) -> int:
        """The only slot."""
        return 0

    def first_slot_after(self, seconds: ir.IntegerValue) -> ir.IntegerValue:
        """0 for what lies before the instant, 1 for what does not."""
        return ibis.ifelse(seconds < self.anchor_s, 0, 1).cast("int64")

    def seconds_of_slot(self, slot: ir.IntegerValue) -> ir.IntegerValue:
        """The epoch second of the instant."""
        return self.anchor_s


class Program:
    """Statements over input tables, kept tables and results; safe for threads.

    inputs: the schema of each table that a run may put rows in. held: tables that are there in every run.
    Add statements (`keep`, `result`), then `seal`, then `run`. Once sealed, nothing outside the process's
    memory can be reached through it, and none of its settings can be changed.
    """

    def __init__(
        self, inputs: Mapping[str, ibis.Schema], held: Mapping[str, pa.Table], *, memory_limit: str = "512MB"
    ) -> None:
        config: dict[str, Any] = {
            "threads": 1, "memory_limit": memory_limit, "temp_directory": "",
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        }  # fmt: skip
        self._con = duckdb.connect(config=config)
        self._con.execute(f"SET GLOBAL TimeZone = 'UTC'; SET disabled_optimizers = '{_BLIND}'")
        self._ibis = ibis.duckdb.from_connection(self._con)
        self._inputs = dict(inputs)
        for name, schema in inputs.items():
            self._create(name, schema)
        self._create(_NOW, ibis.schema({"as_of_s": "int64"}))
        for name, table in held.items():
            self._con.from_arrow(table).create(name)
        self._statements: list[tuple[str, str, bool]] = []
        self._ready: LifoQueue[_Worker] = LifoQueue()
        self._home_s = 0

    @property
    def instant(self) -> Instant:
        """The calendar of a run."""
        return Instant()

    def table(self, name: str) -> ir.Table:
        """An input, held or kept table."""
        return self._ibis.table(name)

    def keep(self, name: str, table: ir.Table) -> ir.Table:
        """Work an expression out once a run, and read its rows from then on."""
        schema = table.schema()
        self._create(name, ibis.schema({column: kind.copy(nullable=True) for column, kind in schema.items()}))
        columns = ", ".join(quoted(column) for column in schema.names)
        self._statements.append((name, f"INSERT INTO {quoted(name)} ({columns}) {self._sql(table)}", False))
        return self.table(name)

    def result(self, name: str, table: ir.Table) -> None:
        """An expression whose rows a run gives back under the name."""
        self._statements.append((name, self._sql(table), True))

    def seal(self, home: datetime, workers: int = 1) -> None:
        """Prepare every statement for so many runs at a time, and shut the door.

        home: the instant of most runs, in whole seconds. It stands in the plans; at another one it is looked
        up, which costs a run about half as much again.
        """
        self._con.execute("SET enable_external_access = false; SET lock_configuration = true")
        self._home_s = int(home.timestamp())
        for _ in range(workers):
            con = self._con.cursor()
            for place, (_, sql, _) in enumerate(self._statements):
                con.execute(f"PREPARE home_{place} AS {_at(sql, str(self._home_s))}")
            self._ready.put((con, set()))

    def run(
        self, rows: Mapping[str, pa.Table], as_of: datetime, skip: Collection[str] = ()
    ) -> dict[str, pa.Table]:
        """The results over the rows of input tables at an instant in whole seconds, by name.

        rows: with the columns of the inputs, in order. skip: names of statements that are not to run.
        """
        found: dict[str, pa.Table] = {}
        is_home = int(as_of.timestamp()) == self._home_s
        with self._transaction() as (con, prepared):
            self._put(con, rows, as_of)
            for place, (name, sql, is_result) in enumerate(self._statements):
                if name in skip:
                    continue
                if not is_home and place not in prepared:
                    con.execute(f"PREPARE later_{place} AS {_at(sql, _LOOKED_UP)}")
                    prepared.add(place)
                done = con.execute(f"EXECUTE {'home' if is_home else 'later'}_{place}")
                if is_result:
                    found[name] = done.to_arrow_table()
        return found

    def compile(self, table: ir.Table) -> str:
        """The SQL of an expression, for `ask`."""
        return self._sql(table)

    def ask(self, sql: str, rows: Mapping[str, pa.Table], as_of: datetime) -> pa.Table:
        """What one compiled expression gives over the rows put in, as `run` puts them in; nothing else runs.

        For expressions that are asked for too seldom to be prepared in every worker.
        """
        with self._transaction() as (con, _):
            self._put(con, rows, as_of)
            return con.execute(_at(sql, str(int(as_of.timestamp())))).to_arrow_table()

    @staticmethod
    def _put(con: duckdb.DuckDBPyConnection, rows: Mapping[str, pa.Table], as_of: datetime) -> None:
        con.execute(f"INSERT INTO {_NOW} VALUES (?)", [int(as_of.timestamp())])
        for name, table in rows.items():
            if table.num_rows:
                con.from_arrow(table).insert_into(name)

    @contextmanager
    def _transaction(self) -> Iterator[_Worker]:
        """A connection to itself, rolled back at the end: rows put in are seen by nobody else."""
        worker = self._ready.get()
        try:
            worker[0].execute("BEGIN")
            yield worker
        finally:
            worker[0].execute("ROLLBACK")
            self._ready.put(worker)

    def _sql(self, table: ir.Table) -> str:
        return str(self._ibis.compile(table))

    def _create(self, name: str, schema: ibis.Schema) -> None:
        self._ibis.create_table(name, schema=schema)


def _at(sql: str, instant: str) -> str:
    """The SQL with the epoch second of an instant, or what looks it up, where it is marked."""
    return _MARKED.sub(f"CAST({instant} AS BIGINT)", sql)
