"""What SIP servers read: the only room that says `ps_`."""
