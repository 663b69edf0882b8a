"""What happens with accounts and teams; a module for each subject."""
