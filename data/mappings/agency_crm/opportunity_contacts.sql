-- The primary contact, known once both the deal and the contact are in the CRM; the export does not date the link.
SELECT
  o.opportunity_id, c.contact_id,
  CASE c.is_decision_maker WHEN 1 THEN 'decision_maker' ELSE 'unknown' END AS buying_role,
  greatest(o.created_date, c.created_date) AS known_at
FROM crm_opportunities AS o JOIN crm_contacts AS c ON c.contact_id = o.primary_contact_id
ORDER BY o.opportunity_id
