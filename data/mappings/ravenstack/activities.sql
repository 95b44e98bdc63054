-- A support ticket is the customer reaching out. What became of it (closed, satisfaction, escalation) has no time
-- of its own and is not mapped.
SELECT
  ticket_id AS activity_id, NULL AS opportunity_id, account_id,
  'other' AS kind, 'inbound' AS direction, 'remote' AS channel,
  submitted_at AS occurred_at, submitted_at AS known_at,
  'Support ticket, ' || priority AS subject
FROM ravenstack_support_tickets
ORDER BY ticket_id
