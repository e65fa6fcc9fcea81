"""SIP extensions: phone accounts that a customer can register."""
