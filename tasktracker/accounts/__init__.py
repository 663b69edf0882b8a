"""Who there is: users, teams, sessions and tokens."""
