-- Stages from their history; amounts from the line items, summed up to the day each was added
-- (is_negotiated and the net amounts are states at export).
SELECT
  opportunity_id, 'stage' AS field, from_stage AS old_value, to_stage AS new_value, stage_entered_date AS changed_at
FROM crm_opportunity_stage_history
UNION ALL
SELECT
  opportunity_id, 'amount', NULL,
  CAST(sum(sum(gross_amount)) OVER (PARTITION BY opportunity_id ORDER BY created_date) AS VARCHAR),
  created_date
FROM crm_opportunity_line_items
GROUP BY opportunity_id, created_date
ORDER BY opportunity_id, changed_at, field
