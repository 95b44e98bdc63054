"""Tables of the sheets in the server's store; submitted answers stand in `data.answers`."""

import sqlalchemy as sa

from data.answers import Instant
from serving.store import metadata

__all__ = ["drafts", "links", "sheets", "submissions"]

sheets = sa.Table(
    "sheets",
    metadata,
    sa.Column("sheet_id", sa.String, primary_key=True),
    sa.Column("opportunity_id", sa.String, nullable=False, unique=True),
    sa.Column("vendor_name", sa.String, nullable=False),
    sa.Column("deal_name", sa.String, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.String, nullable=False),
)
"""One per deal. vendor_name and deal_name: what the customer reads, as the seller typed it. round: the one
that is open or was completed last."""

drafts = sa.Table(
    "sheet_drafts",
    metadata,
    sa.Column("sheet_id", sa.ForeignKey(sheets.c.sheet_id), primary_key=True),
    sa.Column("side", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("answers", sa.JSON, nullable=False),
    sa.Column("saved_at", Instant, nullable=False),
)
"""What a side has typed and not submitted. answers: [level or null, evidence] by question. version: counts
savings."""

submissions = sa.Table(
    "sheet_submissions",
    metadata,
    sa.Column("sheet_id", sa.ForeignKey(sheets.c.sheet_id), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("side", sa.String, primary_key=True),
    sa.Column("submitted_at", Instant, nullable=False),
    sa.Column("submitted_by", sa.String, nullable=False),
)
"""submitted_by: the user's id for our side, the link's id for the customer's."""

links = sa.Table(
    "sheet_links",
    metadata,
    sa.Column("link_id", sa.String, primary_key=True),
    sa.Column("sheet_id", sa.ForeignKey(sheets.c.sheet_id), nullable=False, index=True),
    sa.Column("token_sha256", sa.String, nullable=False),
    sa.Column("recipient", sa.String, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("revoked_at", Instant),
)
"""Links for the customer's side; of each token only its hash."""
