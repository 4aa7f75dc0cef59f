"""Offline sanity checks of explanation methods: do the maps depend on this model, and on the class?"""
