"""Sessions: what a person who has signed in holds until they sign out."""
