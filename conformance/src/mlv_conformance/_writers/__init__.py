"""Tests of writers: a driver writes, perhaps is killed, and the written directory is checked."""
