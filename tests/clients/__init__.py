"""Small clients of the API, as strangers would write them."""
