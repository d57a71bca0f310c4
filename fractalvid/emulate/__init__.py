"""Clips that look filmed: parameters are drawn (`draw`), become homographies (`geometry`), are applied (`layers`)."""
