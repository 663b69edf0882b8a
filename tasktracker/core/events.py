"""What a feature tells those above it, without knowing them. Listeners run in the transaction of the sender."""

from blinker import Signal

user_created = Signal("An account was made: user_id.")
user_locking = Signal("An account is about to be locked for its end, and before it whatever is locked before users: user_id.")
user_deleting = Signal("An account is about to be deleted: user_id.")
team_left = Signal("Someone belongs to a team no more, and may have lost sight of its projects: team_id.")
sight_lost = Signal("Someone may not see projects any more: project_ids.")
tag_deleting = Signal("A tag is about to be deleted: tag_id.")
