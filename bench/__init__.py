"""Measurements that anybody can repeat, on a machine of their own for a while."""
