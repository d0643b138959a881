"""Stand-ins for Kite, Telegram, Twilio and SMTP that speak the real protocols and share no code with the product."""
