"""Close timing: how long an open deal still takes, so that P(won) becomes P(won by a date)."""
