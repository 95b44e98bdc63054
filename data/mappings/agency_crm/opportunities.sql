-- Not mapped: stage and probability_manual are end states;
-- expected_close_date, discount_pct and amount are values at export (the amount's history is in the line items,
-- see opportunity_changes). lost_reason is known only at the close and no feature reads it, so it stays out too.
SELECT
  opportunity_id, account_id,
  owner_user_id AS owner_id,
  CASE deal_type WHEN 'New Business' THEN 'new' WHEN 'Renewal' THEN 'renewal' ELSE 'expansion' END AS type,
  opportunity_name AS name,
  lead_source,
  created_date AS created_at,
  close_date_actual AS closed_at,
  CASE is_won WHEN 1 THEN 'won' WHEN 0 THEN 'lost' END AS outcome,
  division AS x_division
FROM crm_opportunities
