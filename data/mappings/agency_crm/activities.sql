-- outcome is not mapped: when it was written down is not known.
SELECT
  activity_id, opportunity_id,
  CASE activity_type
    WHEN 'Demo' THEN 'demo' WHEN 'Email' THEN 'email' WHEN 'Phone Call' THEN 'call'
    WHEN 'In-Person Meeting' THEN 'meeting' WHEN 'Video Meeting' THEN 'meeting' ELSE 'other'
  END AS kind,
  CASE is_outbound WHEN 1 THEN 'outbound' WHEN 0 THEN 'inbound' END AS direction,
  CASE activity_type
    WHEN 'In-Person Meeting' THEN 'in_person' WHEN 'Video Meeting' THEN 'remote' WHEN 'Phone Call' THEN 'remote'
    WHEN 'Email' THEN 'remote'
  END AS channel,
  activity_date AS occurred_at, activity_date AS known_at,
  duration_minutes, subject
FROM crm_activities
