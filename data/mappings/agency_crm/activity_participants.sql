SELECT activity_id, user_id, true AS attended
FROM crm_activities
WHERE user_id IS NOT NULL
