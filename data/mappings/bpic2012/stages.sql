-- The order in which applications and offers advance; a cancelled offer falls back behind a finalised application.
SELECT stage, position
FROM (VALUES
  ('A_SUBMITTED', 1), ('A_PARTLYSUBMITTED', 2), ('A_PREACCEPTED', 3), ('A_ACCEPTED', 4), ('O_CANCELLED', 5),
  ('A_FINALIZED', 6), ('O_SELECTED', 7), ('O_CREATED', 8), ('O_SENT', 9), ('O_SENT_BACK', 10)
) AS stages (stage, position)
