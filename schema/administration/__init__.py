"""What admins see and do. Every entry to it asks `authorize_admin`."""
