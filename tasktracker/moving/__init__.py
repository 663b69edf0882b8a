"""Moving in and out: tasks taken over from elsewhere, and exports that another instance takes in whole."""
