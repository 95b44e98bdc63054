SELECT
  user_id, first_name || ' ' || last_name AS name, email, manager_id, is_active AS active
FROM crm_users
