-- The status is a state at export without a date: it counts from the end of the term, whatever was settled before.
-- An active contract is undecided.
SELECT
  contract_id, account_id, opportunity_id,
  contract_start_date AS start_at, contract_end_date AS end_at,
  CASE payment_terms WHEN 'Upon signing' THEN 'prepaid' ELSE 'commit' END AS billing,
  contract_value AS committed_amount,
  CASE contract_status WHEN 'Renewed' THEN 'renewed' WHEN 'Active' THEN NULL ELSE 'churned' END AS outcome,
  CASE WHEN contract_status <> 'Active' THEN contract_end_date END AS decided_at,
  signed_date AS known_at
FROM crm_contracts
