"""What operators do by hand, and admins over the network: these pass `authorize_admin`."""
