"""What a feature tells those above it, without knowing them. Listeners run in the transaction of the sender."""

from blinker import Signal

user_created = Signal("An account was made: user_id.")
sight_lost = Signal("Someone may not see projects any more: project_ids.")
tag_deleting = Signal("A tag is about to be deleted: tag_id.")
